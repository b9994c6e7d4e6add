"""Bills and what is paid on them: in time, late, in parts, never; credit notes, refunds and disputed card payments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from revgauge.demo.clock import NOW, add_months, past, weekday_from
from revgauge.demo.world import Row, World


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount that is billed in advance, every so many months, from `start` to `end` or until `stopped_on`."""

    account_id: str
    contract_id: str | None
    currency: str
    monthly: int
    """Cents a month."""
    start: date
    end: date
    every: int
    """Months on one bill."""
    stopped_on: date | None = None
    """First day that the customer does not want any more."""
    by_card: bool = False
    signed_on: date | None = None
    days_to_pay: int = 30
    is_good_payer: bool = True


class Billing:
    """Issues the bills of charges and books what comes in."""

    def __init__(self, world: World) -> None:
        """Nothing billed yet."""
        self._world = world
        self._chance = world.chance("billing")

    def bill(self, charge: Charge) -> None:
        """Fill `invoices` and `payments` for the charge, up to NOW."""
        position, total = charge.start, _whole_months(charge.start, charge.end)
        for done in range(0, total, charge.every):
            position = add_months(charge.start, done)
            span = min(charge.every, total - done)
            if position > NOW or (charge.stopped_on and position >= charge.stopped_on):
                return
            issued_on = position if charge.by_card else self._issue_day(charge, position, first=done == 0)
            if issued_on > NOW:
                return
            invoice = self._invoice(charge, issued_on, charge.monthly * span)
            covered_to = add_months(position, span)
            if charge.stopped_on and charge.stopped_on < covered_to and charge.stopped_on <= NOW:
                unused = _whole_months(charge.stopped_on, covered_to)
                self._give_back(charge, invoice, charge.stopped_on, charge.monthly * unused)
            else:
                self._settle(charge, invoice)

    def _issue_day(self, charge: Charge, position: date, *, first: bool) -> date:
        """The day of the bill: some days after signing for the first, on the day for the others."""
        if first and charge.signed_on:
            day = max(position, charge.signed_on) + timedelta(days=self._chance.whole(0, 9))
            return weekday_from(day)
        return weekday_from(position)

    def _invoice(self, charge: Charge, issued_on: date, amount: int) -> Row:
        return self._world.add(
            "invoices",
            invoice_id=self._world.key("INV", 6),
            account_id=charge.account_id,
            contract_id=charge.contract_id,
            issued_on=issued_on,
            due_on=issued_on if charge.by_card else issued_on + timedelta(days=charge.days_to_pay),
            amount=amount,
            currency=charge.currency,
            kind="invoice",
            applies_to=None,
        )

    def _settle(self, charge: Charge, invoice: Row) -> None:
        chance = self._chance
        if charge.by_card:
            if chance.happens(0.985):
                paid = self._pay(invoice, invoice["issued_on"], invoice["amount"])
                if paid and chance.happens(0.006):
                    self._pay(invoice, paid + timedelta(days=chance.whole(10, 50)), invoice["amount"], "clawback")
            return
        owed = invoice["amount"]
        if chance.happens(0.015):
            owed -= self._credit(charge, invoice, owed * chance.whole(5, 30) // 100)
        if chance.happens(0.02 if charge.is_good_payer else 0.25):
            return
        day = self._payday(charge, invoice)
        if chance.happens(0.04):
            first = owed * chance.whole(30, 70) // 100
            self._pay(invoice, day, first)
            if chance.happens(0.85):
                self._pay(invoice, day + timedelta(days=chance.whole(10, 45)), owed - first)
            return
        paid = self._pay(invoice, day, owed)
        if paid and chance.happens(0.008):
            self._pay(invoice, paid + timedelta(days=chance.whole(5, 40)), owed * chance.whole(5, 40) // 100, "refund")

    def _payday(self, charge: Charge, invoice: Row) -> date:
        chance, due = self._chance, invoice["due_on"]
        if chance.happens(0.72 if charge.is_good_payer else 0.35):
            return weekday_from(due - timedelta(days=chance.whole(2, min(24, charge.days_to_pay - 2))))
        return weekday_from(due + timedelta(days=int(chance.about(14)) + 1))

    def _give_back(self, charge: Charge, invoice: Row, stopped: date, unused: int) -> None:
        """Bill for a period in which the customer stopped: a credit note for the rest, and the money back if paid."""
        chance = self._chance
        paid = self._pay(invoice, self._payday(charge, invoice) if not charge.by_card else stopped, invoice["amount"])
        if unused:
            self._credit(charge, invoice, unused, weekday_from(stopped))
            if paid:
                self._pay(
                    invoice, weekday_from(max(paid, stopped) + timedelta(days=chance.whole(5, 25))), unused, "refund"
                )

    def _credit(self, charge: Charge, invoice: Row, amount: int, day: date | None = None) -> int:
        issued_on = day or weekday_from(invoice["issued_on"] + timedelta(days=self._chance.whole(4, 20)))
        if issued_on > NOW or amount == 0:
            return 0
        self._world.add(
            "invoices",
            invoice_id=self._world.key("CN", 6),
            account_id=charge.account_id,
            contract_id=charge.contract_id,
            issued_on=issued_on,
            due_on=None,
            amount=amount,
            currency=charge.currency,
            kind="credit_note",
            applies_to=invoice["invoice_id"],
        )
        return amount

    def _pay(self, invoice: Row, day: date, amount: int, kind: str = "payment") -> date | None:
        """Book money in or out on the day; None if the day has not come."""
        moment = datetime.combine(day, time(13)) + timedelta(seconds=self._chance.whole(0, 9 * 3600 - 1))
        if not past(moment) or amount == 0:
            return None
        self._world.add(
            "payments",
            payment_id=self._world.key("PAY", 6),
            invoice_id=invoice["invoice_id"],
            paid_at=moment,
            amount=amount,
            currency=invoice["currency"],
            kind=kind,
        )
        return day


def _whole_months(start: date, end: date) -> int:
    return (end.year - start.year) * 12 + end.month - start.month
