"""Customers: what they subscribe to, what they add and drop, how they renew, why they leave, and when they return."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from revgauge.demo import stories
from revgauge.demo.billing import Billing, Charge
from revgauge.demo.campaigns import CHANNELS
from revgauge.demo.clock import FIRST_SALE, NOW, START, add_months, at_work, weekday_from
from revgauge.demo.deals import Deals, Offer
from revgauge.demo.leads import Ready
from revgauge.demo.market import (
    CONNECT,
    CORE,
    CURRENCY,
    FORECAST,
    REGIONS,
    SEGMENT_SHARES,
    SEGMENTS,
    Companies,
    list_price,
)
from revgauge.demo.people import Person, Staff
from revgauge.demo.world import Row, World

LEGACY_CUSTOMERS = 190
"""Customers won before the CRM was introduced."""
_REASONS = {
    "low usage": 28.0,
    "budget": 22.0,
    "competitor": 20.0,
    "missing features": 14.0,
    "no longer needed": 11.0,
    "company closed": 5.0,
}
_BILLED_EVERY = {
    "SMB": {1: 0.5, 12: 0.5},
    "Mid-Market": {3: 0.6, 12: 0.4},
    "Enterprise": {12: 0.85, 3: 0.15},
}
_DAYS_TO_PAY = {"SMB": 14, "Mid-Market": 30, "Enterprise": 45}


@dataclass(slots=True)
class Customer:
    """A company that buys, or bought: what usage, support and surveys need to know of it."""

    account: Row
    segment: str
    health: float
    """From 0 to 1: how well it gets on with the product."""
    won_on: date
    contact: Row | None = None
    spans: list[tuple[date, date | None]] = field(default_factory=list)
    """From when to when it had the core product; None is still."""
    seats: list[tuple[date, int]] = field(default_factory=list)
    """Seats of the core product from a day on."""


@dataclass(slots=True)
class _Agreement:
    """A subscription under contract while its story runs."""

    customer: Customer
    row: Row
    segment: str
    """The segment by which it is priced."""
    unit: int
    """Cents a seat and month."""
    seats: int
    term: int
    every: int
    contract: Row
    add_ons: set[str] = field(default_factory=set)
    is_raised: bool = False
    leaves_on: date | None = None
    amendments: list[Row] = field(default_factory=list)
    sold_beside: list[_AddOn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _AddOn:
    """An add-on as it was sold; it runs on when the story of the core product is known."""

    row: Row
    contract: Row
    start: date
    monthly: int


class Subscriptions:
    """Runs customers from their first order to their end, or to NOW."""

    def __init__(self, world: World, staff: Staff, companies: Companies, deals: Deals) -> None:
        """No customer yet."""
        self._world, self._staff, self._companies, self._deals = world, staff, companies, deals
        self._billing = Billing(world)
        self._chance = world.chance("subscriptions")
        self.customers: dict[str, Customer] = {}
        self._charges: list[tuple[Row, Charge]] = []
        self._open_periods: dict[str, Row] = {}

    def found_base(self) -> None:
        """The customers won before the CRM was introduced: contracts, but no leads and no deals."""
        chance = self._chance
        span = (START - FIRST_SALE).days
        for number in range(LEGACY_CUSTOMERS):
            day = weekday_from(FIRST_SALE + timedelta(days=span * number // LEGACY_CUSTOMERS + chance.whole(0, 2)))
            segment, region = chance.weighted(SEGMENT_SHARES), chance.weighted(REGIONS)
            channel = chance.weighted({name: known.weight for name, known in CHANNELS.items()})
            created_at = at_work(weekday_from(day - timedelta(days=chance.whole(20, 90))), chance)
            owner = self._staff.account_manager(region, created_at.date())
            account = self._companies.found(created_at, segment, region, channel, owner.person_id)
            customer = self._welcome(account, segment, day, self._companies.employ(account, created_at))
            if segment == "SMB" and chance.happens(0.5):
                self._run_monthly(customer, day)
            else:
                self._sign(customer, segment, at_work(day, chance), None)

    def convert(self, ready: Ready) -> None:
        """A lead that sales accepted buys by itself, or becomes a deal; a deal that is won becomes a contract."""
        chance, lead = self._chance, ready.lead
        account = ready.account
        if account["account_id"] in self.customers:
            lead["converted_at"] = None
            return
        if ready.on_its_own:
            if chance.happens(min(0.95, 0.78 * ready.eagerness)):
                self._run_monthly(
                    self._welcome(account, "SMB", ready.moment.date(), ready.contact), ready.moment.date()
                )
            return
        segment = ready.segment
        rate = SEGMENTS[segment].win_rate * ready.eagerness
        if ready.channel.name == stories.IDLE_CHANNEL:
            rate = stories.IDLE_WIN_RATE
        seats, unit, term = self._order(segment, account, ready.moment.date())
        offer = Offer(
            account=account,
            segment=segment,
            kind="new_business",
            amount=seats * unit * term,
            owner=self._owner_of(lead),
            is_won=chance.happens(rate),
            lead=lead,
            channel=lead["channel"],
            campaign_id=lead["campaign_id"],
        )
        deal = self._deals.run(offer, ready.moment)
        lead["converted_at"], lead["opportunity_id"] = ready.moment, deal["opportunity_id"]
        if deal["is_won"]:
            customer = self._welcome(account, segment, deal["closed_at"].date(), ready.contact)
            self._sign(customer, segment, deal["closed_at"], deal, (seats, unit, term))

    def finish(self) -> None:
        """Bill everything; called once, when all customers have run."""
        for subscription, charge in self._charges:
            ended = subscription["ended_on"]
            self._billing.bill(_stopped(charge, ended) if ended and ended < charge.end else charge)

    def _owner_of(self, lead: Row) -> Person:
        return next(person for person in self._staff.people if person.person_id == lead["owner_id"])

    def _welcome(self, account: Row, segment: str, day: date, contact: Row | None) -> Customer:
        health = self._chance.between(0.08, 0.62, 0.98)
        customer = Customer(account, segment, health, day, contact)
        self.customers[account["account_id"]] = customer
        return customer

    def _order(self, segment: str, account: Row, day: date) -> tuple[int, int, int]:
        """Seats, cents a seat and month after discount, and months of the first term."""
        chance = self._chance
        seats = int(chance.between(*SEGMENTS[segment].seats))
        price = list_price(segment, CURRENCY[account["region"]], day)
        discount = chance.pick((0, 0, 0, 5, 10, 15)) if segment != "SMB" else chance.pick((0, 0, 0, 10))
        term = chance.weighted({12: 0.78, 24: 0.15, 36: 0.07}) if segment == "Enterprise" else 12
        return seats, price * (100 - discount) // 100, term

    # Contracts

    def _sign(
        self,
        customer: Customer,
        segment: str,
        signed_at: datetime,
        deal: Row | None,
        order: tuple[int, int, int] | None = None,
    ) -> None:
        """Start a subscription under contract and run it."""
        chance, account = self._chance, customer.account
        seats, unit, term = order or self._order(segment, account, signed_at.date())
        start = weekday_from(signed_at.date() + timedelta(days=chance.whole(0, 14)))
        start = start.replace(day=min(start.day, 28))
        start = max(start, signed_at.date())
        auto_renew = chance.happens({"SMB": 0.75, "Mid-Market": 0.3, "Enterprise": 0.1}[segment])
        row = self._subscription(account, CORE, SEGMENTS[segment].plan, start, term, auto_renew=auto_renew)
        contract = self._contract(row, signed_at, (start, add_months(start, term)), seats * unit * term, deal)
        agreement = _Agreement(
            customer, row, segment, unit, seats, term, chance.weighted(_BILLED_EVERY[segment]), contract
        )
        self._charge(agreement, contract, seats * unit, agreement.every)
        self._period(row, start, seats * unit, seats)
        customer.seats.append((start, seats))
        customer.spans.append((start, None))
        self._run(agreement, start)
        end = row["ended_on"]
        customer.spans[-1] = (start, end)
        if end is not None and end <= NOW and row["cancel_reason"] != "company closed" and chance.happens(0.17):
            self._win_back(customer, segment, end)

    def _run(self, agreement: _Agreement, start: date) -> None:
        """The core product to its end or to NOW, then its add-ons."""
        self._run_terms(agreement, start)
        for add_on in agreement.sold_beside:
            self._run_add_on(agreement, add_on)

    def _run_terms(self, agreement: _Agreement, start: date) -> None:
        """Term after term: changes during the term, then renewal or end."""
        while True:
            end = add_months(start, agreement.term)
            self._grow(agreement, start, end)
            leaves = agreement.leaves_on
            if leaves is not None and leaves < end:
                if leaves <= NOW:
                    self._end(agreement.row, leaves, stories.RISE_REASON)
                return
            if not self._renew(agreement, end):
                return
            start = end

    def _grow(self, agreement: _Agreement, start: date, end: date) -> None:
        """Deals for more seats and for add-ons during the term; some are lost."""
        chance, customer = self._chance, agreement.customer
        last = min(end, agreement.leaves_on or end)
        for _ in range(agreement.term // 12):
            if chance.happens(0.2 + 0.3 * customer.health):
                effect = add_months(start, chance.whole(3, agreement.term - 1))
                if effect < last:
                    self._add_seats(agreement, effect, end)
            for product, odds in ((FORECAST, 0.2), (CONNECT, 0.13)):
                if product not in agreement.add_ons and chance.happens(odds * (0.4 + customer.health)):
                    effect = add_months(start, chance.whole(2, agreement.term - 1))
                    if effect < last:
                        self._add_product(agreement, product, effect)

    def _pursue(self, agreement: _Agreement, kind: str, amount: int, effect: date, *, is_won: bool) -> Row | None:
        """A deal with a customer that closes shortly before `effect`; None if it is not yet open."""
        chance, account = self._chance, agreement.customer.account
        closing = weekday_from(effect - timedelta(days=chance.whole(3, 12)))
        length = int(chance.about(self._deals.typical_days(kind, agreement.segment))) + 3
        first = agreement.row["started_on"] + timedelta(days=2)
        created_on = weekday_from(max(closing - timedelta(days=length), first))
        if created_on > NOW or created_on >= closing:
            return None
        owner = self._staff.account_manager(account["region"], created_on)
        offer = Offer(account, agreement.segment, kind, amount, owner, is_won, channel=account["channel"])
        return self._deals.run(offer, at_work(created_on, chance), closing_on=closing)

    def _add_seats(self, agreement: _Agreement, effect: date, end: date) -> None:
        chance = self._chance
        more = max(1, agreement.seats * chance.whole(8, 40) // 100)
        left = (end.year - effect.year) * 12 + end.month - effect.month
        monthly = more * agreement.unit
        is_won = chance.happens(0.62)
        deal = self._pursue(agreement, "expansion", monthly * left, effect, is_won=is_won)
        if deal is None or not deal["is_won"]:
            return
        contract = self._contract(agreement.row, deal["closed_at"], (effect, end), monthly * left, deal)
        agreement.amendments.append(contract)
        self._charge(agreement, contract, monthly, left)
        agreement.seats += more
        self._period(agreement.row, effect, agreement.seats * agreement.unit, agreement.seats)
        agreement.customer.seats.append((effect, agreement.seats))

    def _add_product(self, agreement: _Agreement, product: str, effect: date) -> None:
        """Sell an add-on with its own yearly contract, which renews by itself while the customer stays."""
        chance = self._chance
        seats = agreement.seats if product == FORECAST else 1
        unit = agreement.unit * 3 // 10 if product == FORECAST else agreement.unit * agreement.seats * 12 // 100
        is_won = chance.happens(0.6)
        deal = self._pursue(agreement, "cross_sell", seats * unit * 12, effect, is_won=is_won)
        if deal is None or not deal["is_won"]:
            return
        agreement.add_ons.add(product)
        account = agreement.customer.account
        row = self._subscription(account, product, agreement.row["plan"], effect, 12, auto_renew=True)
        contract = self._contract(row, deal["closed_at"], (effect, add_months(effect, 12)), seats * unit * 12, deal)
        self._period(row, effect, seats * unit, seats)
        self._charge(agreement, contract, seats * unit, 3, row)
        agreement.sold_beside.append(_AddOn(row, contract, effect, seats * unit))

    def _run_add_on(self, agreement: _Agreement, add_on: _AddOn) -> None:
        """Year after year until it is dropped or the core product ends."""
        chance, contract, start = self._chance, add_on.contract, add_on.start
        last = agreement.row["ended_on"]
        while (end := add_months(start, 12)) <= min(NOW, last or NOW):
            if end == last or chance.happens(0.12):
                break
            signed_at = datetime.combine(end - timedelta(days=30), time(14))
            following = self._contract(add_on.row, signed_at, (end, add_months(end, 12)), add_on.monthly * 12, None)
            contract["renewed_by"], contract["renewal_reason"] = following["contract_id"], "auto"
            self._charge(agreement, following, add_on.monthly, 3, add_on.row)
            contract, start = following, end
        else:
            if last is not None:
                self._end(add_on.row, last, agreement.row["cancel_reason"])
            return
        self._end(add_on.row, end, agreement.row["cancel_reason"] if end == last else chance.weighted(_REASONS))

    def _renew(self, agreement: _Agreement, due: date) -> bool:
        """Decide what happens at the end of the term; whether there is a next term that has begun or been signed."""
        chance, customer = self._chance, agreement.customer
        churn = SEGMENTS[agreement.segment].yearly_churn * (1.9 - 1.7 * customer.health)
        stays = not chance.happens(churn)
        draw = chance.share()
        percent = 100 if draw < 0.64 else (chance.whole(104, 125) if draw < 0.86 else chance.whole(65, 94))
        seats = max(2, agreement.seats * percent // 100)
        unit = self._next_unit(agreement, due)
        if agreement.segment == "SMB" and agreement.row["auto_renew"]:
            return self._renew_by_itself(agreement, due, (seats, unit), stays=stays)
        return self._renew_by_deal(agreement, due, (seats, unit), stays=stays)

    def _renew_by_itself(self, agreement: _Agreement, due: date, order: tuple[int, int], *, stays: bool) -> bool:
        """A small customer whose contract renews without anybody selling."""
        if due > NOW:
            return False
        if not stays:
            self._end(agreement.row, due, self._chance.weighted(_REASONS))
        elif self._chance.happens(0.3):
            self._renew_in_silence(agreement, due)
        else:
            signed_at = datetime.combine(weekday_from(due - timedelta(days=30)), time(15))
            self._follow(agreement, due, order, signed_at, "auto", None)
        return stays

    def _renew_by_deal(self, agreement: _Agreement, due: date, order: tuple[int, int], *, stays: bool) -> bool:
        """A renewal that an account manager sells, some weeks before the end or shortly after it."""
        chance, customer = self._chance, agreement.customer
        created_on = weekday_from(due - timedelta(days=chance.whole(72, 112)))
        closing = weekday_from(due - timedelta(days=chance.whole(-16, 46) if stays else chance.whole(-6, 25)))
        if created_on > NOW:
            return False
        account = customer.account
        owner = self._staff.account_manager(account["region"], created_on)
        seats, unit = order if stays else (agreement.seats, agreement.unit)
        amount = seats * unit * agreement.term
        offer = Offer(account, agreement.segment, "renewal", amount, owner, stays, channel=account["channel"])
        deal = self._deals.run(offer, at_work(created_on, chance), closing_on=closing)
        if deal["closed_at"] is None:
            return False
        if not stays:
            self._end(agreement.row, due, chance.weighted(_REASONS))
            return False
        reason = "value" if chance.happens(0.3 + 0.6 * customer.health) else "relationship"
        self._follow(agreement, due, order, deal["closed_at"], reason, deal)
        return True

    def _next_unit(self, agreement: _Agreement, due: date) -> int:
        """The price from the renewal on: the story of the price rise."""
        first_signed = agreement.row["started_on"]
        rises = (
            agreement.row["plan"] == stories.RISE_PLAN
            and stories.RISE_FROM <= due < stories.RISE_TO
            and first_signed < stories.RISE_FROM
            and not agreement.is_raised
        )
        if not rises:
            return agreement.unit
        return round(agreement.unit * (100 + stories.RISE_PERCENT) / 100)

    def _follow(
        self,
        agreement: _Agreement,
        due: date,
        order: tuple[int, int],
        signed_at: datetime,
        reason: str,
        deal: Row | None,
    ) -> None:
        """The contract that follows, and the new price period."""
        chance = self._chance
        seats, unit = order
        if unit != agreement.unit:
            agreement.is_raised = True
            if chance.happens(stories.RISE_LEAVERS):
                agreement.leaves_on = add_months(due, chance.whole(3, 8))
        value = seats * unit * agreement.term
        following = self._contract(agreement.row, signed_at, (due, add_months(due, agreement.term)), value, deal)
        for ending in (agreement.contract, *agreement.amendments):
            if ending["ends_on"] == due:
                ending["renewed_by"], ending["renewal_reason"] = following["contract_id"], reason
        agreement.contract, agreement.amendments = following, []
        self._charge(agreement, following, seats * unit, agreement.every)
        if (seats, unit) != (agreement.seats, agreement.unit):
            self._period(agreement.row, due, seats * unit, seats)
            if due <= NOW:
                agreement.customer.seats.append((due, seats))
        agreement.seats, agreement.unit = seats, unit

    def _renew_in_silence(self, agreement: _Agreement, due: date) -> None:
        """The term simply goes on: no new contract is written, the old one stays the ground of the bills."""
        contract = {
            **agreement.contract,
            "starts_on": due,
            "ends_on": add_months(due, agreement.term),
            "signed_at": None,
        }
        self._charge(agreement, contract, agreement.seats * agreement.unit, agreement.every)

    def _win_back(self, customer: Customer, segment: str, ended: date) -> None:
        """A customer who left returns some months later, through a new deal."""
        chance = self._chance
        back = add_months(ended, chance.whole(2, 8))
        length = int(self._deals.typical_days("new_business", segment)) + chance.whole(0, 20)
        created_on = weekday_from(max(back - timedelta(days=length), ended + timedelta(days=5)))
        if created_on > NOW:
            return
        order = self._order(segment, customer.account, back)
        owner = self._staff.seller(segment, customer.account["region"], created_on)
        amount = order[0] * order[1] * order[2]
        offer = Offer(customer.account, segment, "new_business", amount, owner, is_won=True, channel="Outbound")
        deal = self._deals.run(offer, at_work(created_on, chance))
        if deal["closed_at"] is not None:
            customer.health = min(0.98, customer.health + 0.2)
            self._sign(customer, segment, deal["closed_at"], deal, order)

    # Monthly, without a contract

    def _run_monthly(self, customer: Customer, signed_on: date) -> None:
        """Start a Starter subscription paid by card, month by month, often after a trial of two weeks."""
        chance, account = self._chance, customer.account
        start = signed_on.replace(day=min(signed_on.day, 28))
        start = start if start >= signed_on else add_months(start, 1)
        if start > NOW:
            return
        seats = int(chance.between(2, 5, 16))
        unit = list_price("SMB", CURRENCY[account["region"]], start)
        row = self._subscription(account, CORE, "Starter", start, 1, auto_renew=True)
        paying = start
        if chance.happens(0.6):
            paying = start + timedelta(days=14)
            paying = paying.replace(day=min(paying.day, 28))
            self._period(row, start, seats * unit, seats, is_trial=True)
        if paying > NOW:
            return
        self._period(row, paying, seats * unit, seats)
        customer.seats.append((start, seats))
        customer.spans.append((start, None))
        leaving = 0.03 * (1.7 - 1.5 * customer.health)
        number = 0
        while add_months(paying, number) <= NOW:
            month = add_months(paying, number)
            if number and chance.happens(leaving):
                self._end(row, month, chance.weighted(_REASONS))
                break
            if number and chance.happens(0.05):
                seats = max(1, seats + chance.pick((-2, -1, 1, 2, 3, 4)))
                self._period(row, month, seats * unit, seats)
                customer.seats.append((month, seats))
            if number > 5 and chance.happens(0.012 * customer.health) and self._upgrade(customer, row, month, seats):
                return
            charge = Charge(
                account["account_id"],
                None,
                CURRENCY[account["region"]],
                seats * unit,
                month,
                add_months(month, 1),
                1,
                by_card=True,
            )
            self._charges.append((row, charge))
            number += 1
        customer.spans[-1] = (start, row["ended_on"])
        if row["ended_on"] is not None and chance.happens(0.12):
            back = add_months(row["ended_on"], chance.whole(2, 9))
            if back <= NOW:
                self._run_monthly(customer, back)

    def _upgrade(self, customer: Customer, row: Row, month: date, seats: int) -> bool:
        """From the monthly plan to a yearly Growth contract, through an expansion deal; whether it happened."""
        chance, account = self._chance, customer.account
        if month < START:
            return False
        unit = list_price("Mid-Market", CURRENCY[account["region"]], month)
        seats += chance.whole(6, 14)
        owner = self._staff.account_manager(account["region"], month)
        offer = Offer(account, "SMB", "expansion", seats * unit * 12, owner, is_won=True, channel=account["channel"])
        created_at = at_work(weekday_from(month - timedelta(days=25)), chance)
        closing = weekday_from(month - timedelta(days=4))
        deal = self._deals.run(offer, created_at, closing_on=closing)
        if deal["closed_at"] is None:
            return False
        started = customer.spans[-1][0]
        self._end(row, month, "upgraded")
        customer.spans[-1] = (started, month)
        upgraded = self._subscription(account, CORE, "Growth", month, 12, auto_renew=False)
        contract = self._contract(upgraded, deal["closed_at"], (month, add_months(month, 12)), seats * unit * 12, deal)
        agreement = _Agreement(customer, upgraded, "Mid-Market", unit, seats, 12, 3, contract)
        self._charge(agreement, contract, seats * unit, 3)
        self._period(upgraded, month, seats * unit, seats)
        customer.seats.append((month, seats))
        customer.spans.append((month, None))
        self._run(agreement, month)
        customer.spans[-1] = (month, upgraded["ended_on"])
        return True

    # Rows

    def _subscription(self, account: Row, product: str, plan: str, start: date, term: int, *, auto_renew: bool) -> Row:
        return self._world.add(
            "subscriptions",
            subscription_id=self._world.key("S"),
            account_id=account["account_id"],
            product=product,
            plan=plan,
            started_on=start,
            ended_on=None,
            term_months=term,
            auto_renew=auto_renew,
            cancel_reason=None,
        )

    def _contract(
        self, subscription: Row, signed_at: datetime, term: tuple[date, date], value: int, deal: Row | None
    ) -> Row:
        is_recorded = deal is not None and deal["closed_at"] is not None and deal["closed_at"].date() >= START
        account_id = subscription["account_id"]
        return self._world.add(
            "contracts",
            contract_id=self._world.key("K"),
            account_id=account_id,
            subscription_id=subscription["subscription_id"],
            opportunity_id=deal["opportunity_id"] if deal is not None and is_recorded else None,
            signed_at=signed_at,
            starts_on=term[0],
            ends_on=term[1],
            value=value,
            currency=CURRENCY[self.customers[account_id].account["region"]],
            auto_renew=subscription["auto_renew"],
            renewed_by=None,
            renewal_reason=None,
        )

    def _period(self, subscription: Row, start: date, mrr: int, quantity: int, *, is_trial: bool = False) -> None:
        """A new price from `start` on; the one before ends there."""
        before = self._open_periods.get(subscription["subscription_id"])
        if before is not None:
            before["valid_to"] = start
        self._open_periods[subscription["subscription_id"]] = self._world.add(
            "subscription_periods",
            subscription_id=subscription["subscription_id"],
            account_id=subscription["account_id"],
            valid_from=start,
            valid_to=None,
            mrr=mrr,
            currency=CURRENCY[self.customers[subscription["account_id"]].account["region"]],
            quantity=quantity,
            is_trial=is_trial,
        )

    def _end(self, subscription: Row, day: date, reason: str) -> None:
        """End the subscription and the price that held last."""
        subscription["ended_on"], subscription["cancel_reason"] = day, reason
        self._open_periods[subscription["subscription_id"]]["valid_to"] = day

    def _charge(
        self, agreement: _Agreement, contract: Row, monthly: int, every: int, subscription: Row | None = None
    ) -> None:
        signed_at = contract["signed_at"]
        self._charges.append(
            (
                subscription or agreement.row,
                Charge(
                    account_id=contract["account_id"],
                    contract_id=contract["contract_id"],
                    currency=contract["currency"],
                    monthly=monthly,
                    start=contract["starts_on"],
                    end=contract["ends_on"],
                    every=every,
                    signed_on=signed_at.date() if signed_at else None,
                    days_to_pay=_DAYS_TO_PAY[agreement.segment],
                    is_good_payer=agreement.customer.health > 0.25,
                ),
            )
        )


def _stopped(charge: Charge, ended: date) -> Charge:
    return Charge(
        charge.account_id,
        charge.contract_id,
        charge.currency,
        charge.monthly,
        charge.start,
        charge.end,
        charge.every,
        ended,
        charge.by_card,
        charge.signed_on,
        charge.days_to_pay,
        charge.is_good_payer,
    )
