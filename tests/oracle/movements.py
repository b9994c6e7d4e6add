"""What changed from one day to the next: movements of recurring revenue, their parts, and what the rates did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from .money import ratio, total
from .periods import DAY
from .question import Question
from .subscriptions import Book, Line, Lines

GAINS = ("cross_sell", "upsell", "price_rise")
LOSSES = ("downsell", "price_cut")


@dataclass(frozen=True)
class Movement:
    """One change of one account. An amount without a rate is None; currency effects may be negative."""

    account_id: str
    day: date
    kind: str
    amount: Fraction | None
    parts: dict[str, Fraction | None] = field(default_factory=dict)
    cancel_reason: str = "unknown"


def movements(book: Book, opening: date, closing: date, netting: str = "day") -> list[Movement]:
    """Every movement after the opening day, up to and including the closing day."""
    key = (opening, closing, netting)
    if key not in book.remembered:
        book.remembered[key] = [
            move
            for account_id in book.accounts
            for before, after in _pairs_of_days(book, opening, closing, netting)
            for move in _between(book, account_id, before, after)
        ]
    found: list[Movement] = book.remembered[key]
    return found


def _pairs_of_days(book: Book, opening: date, closing: date, netting: str) -> Iterator[tuple[date, date]]:
    if netting == "period":
        yield opening, closing
        return
    first = book.first_day()
    if first is None:
        return
    before = max(opening, first - DAY)
    while before < closing:
        yield before, before + DAY
        before += DAY


def _between(book: Book, account_id: str, before: date, after: date) -> Iterator[Movement]:
    """The account's rows of one day against those of a later one, at the rates of the later one."""
    old, new = book.live(account_id, before), book.live(account_id, after)
    if old:
        yield Movement(account_id, after, "currency", _difference(book.worth(old, after), book.worth(old, before)))
    paid, pays = book.pays(old, after), book.pays(new, after)
    if pays and not paid:
        ever = any(day <= before for day in book.paying_days(account_id))
        yield Movement(account_id, after, "reactivation" if ever else "new", book.worth(new, after))
    elif paid and not pays:
        yield Movement(account_id, after, "churn", book.worth(old, after), {}, _reason(book, old, after))
    elif paid and pays and old != new:
        yield from _change(book, account_id, after, old, new)


def _difference(new: Fraction | None, old: Fraction | None) -> Fraction | None:
    return None if new is None or old is None else new - old


def _reason(book: Book, lost: Lines, day: date) -> str:
    """The cancel reason of the largest row lost; between equals, of the later subscription id."""

    def size(line: Line) -> tuple[Fraction, str]:
        amount = book.worth([line], day)
        return (line.mrr if amount is None else amount, line.subscription_id)

    return max(lost, key=size).cancel_reason


def _change(book: Book, account_id: str, day: date, old: Lines, new: Lines) -> Iterator[Movement]:
    """The net change of an account that pays before and after, with its parts.

    Without a rate the amounts are unknown, but while a single currency is involved its own units still say what kind of
    change it is; with several currencies nothing can be said, and both kinds are unknown.
    """
    gains, losses = _parts(old, new, book, day, own_units=False)
    known = gains is not None and losses is not None
    if not known and len({line.currency for line in (*old, *new)}) == 1:
        gains, losses = _parts(old, new, book, day, own_units=True)
    if gains is None or losses is None:
        yield Movement(account_id, day, "expansion", None, dict.fromkeys(GAINS))
        yield Movement(account_id, day, "contraction", None, dict.fromkeys(LOSSES))
        return
    gained, lost = sum(gains.values(), Fraction(0)), sum(losses.values(), Fraction(0))
    if gained == lost:
        return
    kind, parts, larger = ("expansion", gains, gained) if gained > lost else ("contraction", losses, lost)
    net = abs(gained - lost)
    kept = {name: part * net / larger for name, part in parts.items() if part}
    if known:
        yield Movement(account_id, day, kind, net, dict(kept))
    else:
        yield Movement(account_id, day, kind, None, dict.fromkeys(kept))


def _parts(
    old: Lines, new: Lines, book: Book, day: date, *, own_units: bool
) -> tuple[dict[str, Fraction] | None, dict[str, Fraction] | None]:
    """Gains and losses by name, before netting. None where a row that changed has no rate."""
    rates = book.question.rates
    gains = dict.fromkeys(GAINS, Fraction(0))
    losses = dict.fromkeys(LOSSES, Fraction(0))
    held = {line.product for line in old}
    was = {line.subscription_id: line for line in old}
    now = {line.subscription_id: line for line in new}
    for subscription_id in sorted(was.keys() | now.keys()):
        before, after = was.get(subscription_id), now.get(subscription_id)
        if before == after:
            continue
        units = [Fraction(1) if own_units else rates.on(line.currency, day) for line in (before, after) if line]
        if None in units:
            return None, None
        m0 = before.mrr * (units[0] or 0) if before else Fraction(0)
        m1 = after.mrr * (units[-1] or 0) if after else Fraction(0)
        price, volume = _price_and_volume(before, after, m0, m1)
        if price > 0:
            gains["price_rise"] += price
        losses["price_cut"] += max(-price, Fraction(0))
        crossed = before is None and after is not None and after.product not in held
        gains["cross_sell" if crossed else "upsell"] += max(volume, Fraction(0))
        losses["downsell"] += max(-volume, Fraction(0))
    return gains, losses


def _price_and_volume(before: Line | None, after: Line | None, m0: Fraction, m1: Fraction) -> tuple[Fraction, Fraction]:
    """How much of one subscription's difference is price, and how much is more or less of it."""
    if m0 < 0 or m1 < 0:
        return m1 - m0, Fraction(0)
    if before is None or after is None or not before.quantity or not after.quantity:
        return Fraction(0), m1 - m0
    q0, q1 = before.quantity, after.quantity
    return (m1 / q1 - m0 / q0) * q1, (q1 - q0) * m0 / q0


# --- the metrics -----------------------------------------------------------------------------------------------------


def _asked(question: Question) -> tuple[Book, list[Movement]]:
    book = Book.of(question)
    netting = question.params.get("netting", "day")
    found = movements(book, question.opening_day, question.closing_day, netting)
    wanted = question.by.get("cancel_reason")
    if wanted is not None:
        found = [move for move in found if move.kind == "churn" and move.cancel_reason == wanted]
    return book, found


def amount_of(found: list[Movement], kind: str) -> Fraction | None:
    """The sum of one kind of movement."""
    return total(move.amount for move in found if move.kind == kind)


def part_of(found: list[Movement], part: str) -> Fraction | None:
    """The sum of one part of the net changes; a change without a rate makes every part unknown."""
    if total(move.amount for move in found if move.kind in {"expansion", "contraction"}) is None:
        return None
    return total(move.parts[part] for move in found if part in move.parts)


def moved(question: Question, kind: str) -> Fraction | None:
    """`new_mrr`, `expansion_mrr`, …: the sum of one kind in the period."""
    return amount_of(_asked(question)[1], kind)


def accounts_moved(question: Question, kind: str) -> Fraction:
    """`new_customers`, `churned_customers`, `reactivated_customers`: distinct accounts with such a movement."""
    return Fraction(len({move.account_id for move in _asked(question)[1] if move.kind == kind}))


def net_new_mrr(question: Question) -> Fraction | None:
    """New, reactivation and expansion less contraction and churn; on request with the currency effect."""
    found = _asked(question)[1]
    gained = ["new", "reactivation", "expansion"]
    if question.params.get("include_fx", False):
        gained.append("currency")
    return _difference(
        total(amount_of(found, kind) for kind in gained),
        total(amount_of(found, kind) for kind in ("contraction", "churn")),
    )


def part_mrr(question: Question, part: str) -> Fraction | None:
    """`upsell_mrr` and `cross_sell_mrr` as seen in recurring revenue."""
    return part_of(_asked(question)[1], part)


def price_change_mrr(question: Question) -> Fraction | None:
    """Price rises less price cuts."""
    found = _asked(question)[1]
    return _difference(part_of(found, "price_rise"), part_of(found, "price_cut"))


def part_rate(question: Question, part: str) -> Fraction | None:
    """`upsell_rate` and `cross_sell_rate`: of opening revenue, or of opening customers."""
    book, found = _asked(question)
    opening = question.opening_day
    if question.params.get("measure", "revenue") == "revenue":
        return ratio(part_of(found, part), book.total_mrr(opening))
    customers = set(book.customers(opening))
    grown = {move.account_id for move in found if part in move.parts} & customers
    return ratio(len(grown), len(customers))


def quick_ratio(question: Question) -> Fraction | None:
    """What was won of recurring revenue over what was lost."""
    found = _asked(question)[1]
    won = ["new", "expansion"]
    if question.params.get("include_reactivation", True):
        won.append("reactivation")
    return ratio(
        total(amount_of(found, kind) for kind in won),
        total(amount_of(found, kind) for kind in ("contraction", "churn")),
    )
