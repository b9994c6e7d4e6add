"""Money spent, quotas and commissions, plans and forecasts, and the figures that were reported at the time."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from revgauge.demo import stories
from revgauge.demo.campaigns import CHANNELS, IDLE, Campaigns, monthly_cost
from revgauge.demo.clock import NOW, START, add_months, months, quarters, weekday_from
from revgauge.demo.market import SEGMENTS, Rates
from revgauge.demo.people import Person, Staff
from revgauge.demo.world import World

LAST_MONTH = date(2025, 12, 1)
PLANNED_TO = date(2026, 7, 1)
_CENT = Decimal(1)
_OFFICE = {"rent": (3_900_000, "executive"), "utilities": (410_000, "executive"), "supplies": (260_000, "executive")}
_TOOLS = {"sales": 1_350_000, "marketing": 820_000, "service": 640_000, "engineering": 1_900_000, "revops": 510_000}
Where = tuple[str, str]
"""A field of accounts and the value it has to have."""
Tiers = tuple[tuple[str, str | None, str], ...]
"""Bands of attainment: from, to (None: no upper end), rate."""
_PLANS: dict[str, tuple[tuple[date, date | None, Tiers], ...]] = {
    "Account executive": (
        (START, date(2025, 1, 1), (("0", "0.5", "0.06"), ("0.5", "1", "0.09"), ("1", None, "0.13"))),
        (date(2025, 1, 1), None, (("0", "0.6", "0.055"), ("0.6", "1", "0.095"), ("1", None, "0.14"))),
    ),
    "Account manager": ((START, None, (("0", "1", "0.05"), ("1", None, "0.08"))),),
}
_OWN_PLAN: Tiers = (("0", "1", "0.09"), ("1", None, "0.15"))
"""What one enterprise seller was promised for 2025."""


class Ledger:
    """Recurring revenue on any day, from the price periods."""

    def __init__(self, world: World, rates: Rates) -> None:
        """Reads the price periods as they are now."""
        self._rates = rates
        accounts = {row["account_id"]: row for row in world.tables["accounts"]}
        self._periods = [
            (
                row["valid_from"],
                row["valid_to"] or date.max,
                row["mrr"],
                row["currency"],
                accounts[row["account_id"]],
                row,
            )
            for row in world.tables["subscription_periods"]
            if not row["is_trial"]
        ]

    def mrr(self, day: date, where: Where | None = None, without: frozenset[str] = frozenset()) -> Decimal:
        """Cents in dollars on the day, of the accounts that `where` keeps, without some subscriptions."""
        return sum((amount for _, amount in self._live(day, where, without)), Decimal(0))

    def customers(self, day: date, where: Where | None = None, without: frozenset[str] = frozenset()) -> set[str]:
        """The accounts that pay on the day."""
        return {account_id for account_id, _ in self._live(day, where, without)}

    def _live(self, day: date, where: Where | None, without: frozenset[str]) -> list[tuple[str, Decimal]]:
        rates = {currency: self._rates.on(currency, day) for currency in ("USD", "EUR", "GBP")}
        return [
            (account["account_id"], mrr * rates[currency])
            for start, end, mrr, currency, account, row in self._periods
            if start <= day < end
            and row["subscription_id"] not in without
            and (where is None or account[where[0]] == where[1])
        ]


class Finance:
    """Fills the tables of finance."""

    def __init__(self, world: World, staff: Staff, rates: Rates, campaigns: Campaigns) -> None:
        """Needs all deals and customers to have run."""
        self._world, self._staff, self._rates, self._campaigns = world, staff, rates, campaigns
        self._chance = world.chance("finance")
        self.ledger = Ledger(world, rates)

    def book(self) -> None:
        """Fill every table of finance."""
        self._pay_commissions()
        for month in months(START, LAST_MONTH + timedelta(days=1)):
            self._month(month)
        self._world.tables["expenses"].sort(key=lambda row: (row["incurred_on"], row["expense_id"]))
        self._plan()
        self._forecast()
        self._report()

    # Expenses

    def _spend(self, day: date, amount: int, category: str, department: str, **values: object) -> None:
        if amount > 0:
            self._world.add(
                "expenses",
                expense_id=self._world.key("E"),
                incurred_on=day,
                amount=amount,
                currency=values.get("currency", "USD"),
                category=category,
                purpose=values.get("purpose"),
                department=department,
                channel=values.get("channel"),
                campaign_id=values.get("campaign_id"),
            )

    def _month(self, month: date) -> None:
        chance, end = self._chance, add_months(month, 1)
        last = end - timedelta(days=1)
        for (department, currency, purpose), amount in self._payroll(month, end).items():
            self._spend(last, amount, "compensation", department, currency=currency, purpose=purpose)
        for channel in (*CHANNELS.values(), IDLE):
            amount = monthly_cost(channel, month) * chance.whole(94, 104) // 100
            day = weekday_from(month + timedelta(days=4))
            campaign_id = self._campaigns.running(channel.name, day)
            self._spend(
                day,
                amount,
                "advertising",
                channel.department,
                channel=channel.name,
                campaign_id=campaign_id,
                purpose="acquisition",
            )
        years = month.year - START.year
        for category, (amount, department) in _OFFICE.items():
            self._spend(month, amount * (100 + 6 * years) // 100, category, department)
        for department, amount in _TOOLS.items():
            self._spend(month, amount * (100 + 12 * years) // 100 * chance.whole(97, 103) // 100, "tools", department)
        hosting = int(self.ledger.mrr(last)) * chance.whole(182, 196) // 1000
        self._spend(last, hosting, "cogs", "engineering")
        travel = 900_000 * chance.whole(60, 140) // 100
        self._spend(last, travel, "other", "sales", purpose="acquisition")

    def _payroll(self, month: date, end: date) -> dict[tuple[str, str, str | None], int]:
        pay: dict[tuple[str, str, str | None], int] = defaultdict(int)
        days = (end - month).days
        for person in self._staff.people:
            first, last = max(person.hired_on, month), min(person.left_on or end, end)
            if first < last:
                purpose = {"Account management": "expansion", "Customer success": "retention"}.get(person.team)
                share = person.annual_salary * (last - first).days // (12 * days)
                pay[person.department, person.currency, purpose] += share
        return pay

    # Quotas and commissions

    def _pay_commissions(self) -> None:
        world = self._world
        for role, plans in _PLANS.items():
            for valid_from, valid_to, tiers in plans:
                self._promise(tiers, valid_from, valid_to, role=role)
        star = next(person for person in self._staff.people if person.team == "Enterprise North America")
        self._promise(_OWN_PLAN, date(2025, 1, 1), date(2026, 1, 1), person_id=star.person_id)
        earned_by = self._credits()
        quotas = self._quotas(earned_by)
        paid: dict[tuple[date, str], Decimal] = {}
        for (quarter, person_id), quota in quotas.items():
            credit = earned_by.get((quarter, person_id), [])
            if add_months(quarter, 3) <= NOW and credit:
                person = next(person for person in self._staff.people if person.person_id == person_id)
                tiers = self._tiers(person, quarter, own=star.person_id)
                paid[quarter, person_id] = commission(sum(credit, Decimal(0)), Decimal(quota), tiers)
        self._mispay(earned_by, quotas, paid)
        for (quarter, person_id), amount in paid.items():
            if amount:
                world.add(
                    "commissions",
                    person_id=person_id,
                    period_start=quarter,
                    period_end=add_months(quarter, 3),
                    amount=int(amount),
                    currency="USD",
                )
        for quarter in quarters(START, NOW):
            total = sum((amount for (start, _), amount in paid.items() if start == quarter), Decimal(0))
            self._spend(weekday_from(add_months(quarter, 3) + timedelta(days=9)), int(total), "commission", "sales")

    def _promise(
        self, tiers: Tiers, start: date, end: date | None, *, role: str | None = None, person_id: str | None = None
    ) -> None:
        for attainment_from, attainment_to, rate in tiers:
            self._world.add(
                "commission_rates",
                role=role,
                person_id=person_id,
                valid_from=start,
                valid_to=end,
                attainment_from=attainment_from,
                attainment_to=attainment_to,
                rate=rate,
            )

    def _tiers(self, person: Person, quarter: date, own: str) -> Tiers:
        if person.person_id == own and quarter >= date(2025, 1, 1):
            return _OWN_PLAN
        return next(
            tiers for start, end, tiers in _PLANS[person.role] if start <= quarter and (end is None or quarter < end)
        )

    def _credits(self) -> dict[tuple[date, str], list[Decimal]]:
        """Cents in dollars that each person is credited with, deal by deal, in each quarter; renewals do not count."""
        shares: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
        for split in self._world.tables["opportunity_splits"]:
            if split["kind"] == "revenue":
                shares[split["opportunity_id"]].append((split["person_id"], Decimal(split["share"])))
        earned_by: dict[tuple[date, str], list[Decimal]] = defaultdict(list)
        for deal in self._world.tables["opportunities"]:
            if deal["is_won"] and deal["type"] != "renewal" and deal["closed_at"].date() >= START:
                day = deal["closed_at"].date()
                value = deal["amount"] * self._rates.on(deal["currency"], day)
                for person_id, share in shares.get(deal["opportunity_id"]) or [(deal["owner_id"], Decimal(1))]:
                    earned_by[_quarter(day), person_id].append(value * share)
        return earned_by

    def _quotas(self, earned_by: dict[tuple[date, str], list[Decimal]]) -> dict[tuple[date, str], int]:
        """Each seller's quota by quarter: what the team sold in the year for each head, a little less, rounded.

        Nobody carries a quota in the quarter of hiring; a quota stands when its owner leaves in the quarter.
        """
        quotas: dict[tuple[date, str], int] = {}
        for year in (2023, 2024, 2025, 2026):
            for team in dict.fromkeys(person.team for person in self._staff.sellers()):
                members = [person for person in self._staff.sellers() if person.team == team]
                seats = [
                    (quarter, person.person_id)
                    for quarter in quarters(date(year, 1, 1), date(year + 1, 1, 1))
                    for person in members
                    if person.works_on(quarter) and quarter <= NOW
                ]
                basis = [seat for seat in seats if seat[0].year < 2026]
                sold = sum((sum(earned_by.get(seat, []), Decimal(0)) for seat in basis), Decimal(0))
                fair = sold * 90 / 100 / len(basis) if basis else Decimal(self._last(quotas, members))
                amount = max(1, int(fair / 250_000 + Decimal("0.5"))) * 250_000
                quotas.update(dict.fromkeys(sorted(seats), amount))
        for (quarter, person_id), amount in quotas.items():
            self._world.add(
                "quotas",
                person_id=person_id,
                period_start=quarter,
                period_end=add_months(quarter, 3),
                amount=amount,
                currency="USD",
            )
        return quotas

    @staticmethod
    def _last(quotas: dict[tuple[date, str], int], members: list[Person]) -> int:
        """The team's quota of the last quarter, for the next year."""
        ids = {person.person_id for person in members}
        return max((amount for (_, person_id), amount in quotas.items() if person_id in ids), default=5_000_000)

    def _mispay(
        self,
        earned_by: dict[tuple[date, str], list[Decimal]],
        quotas: dict[tuple[date, str], int],
        paid: dict[tuple[date, str], Decimal],
    ) -> None:
        """The story of the wrong commission: one deal of one seller credited twice in one quarter."""
        team = [person for person in self._staff.sellers() if person.team == stories.MISPAID_TEAM]
        quarter = stories.MISPAID_QUARTER
        person = max(team, key=lambda person: paid.get((quarter, person.person_id), Decimal(0)))
        seat = (quarter, person.person_id)
        largest = max(earned_by[seat])
        tiers = self._tiers(person, quarter, own="")
        right = paid[seat]
        paid[seat] = commission(sum(earned_by[seat], Decimal(0)) + largest, Decimal(quotas[seat]), tiers)
        self._world.facts["mispaid_person"] = person.person_id
        self._world.facts["mispaid_name"] = person.name
        self._world.facts["mispaid_right"] = f"{right / 100:.2f}"
        self._world.facts["mispaid_paid"] = f"{paid[seat] / 100:.2f}"
        self._world.facts["mispaid_deal"] = f"{largest / 100:.2f}"

    # Plans, forecasts, reported values

    def _plan(self) -> None:
        """Plans by quarter, monthly for the recurring revenue; 2025 was planned higher than it came."""
        chance = self._chance
        for month in months(START, PLANNED_TO):
            self._plan_value("mrr", month, 1, self._dollars(month), self._ambition(month))
            for segment in SEGMENTS:
                if month.month % 3 == 0:
                    quarter = _quarter(month)
                    value = self._dollars(month, ("segment", segment))
                    self._plan_value("mrr", quarter, 3, value, self._ambition(month), segment)
        for quarter in quarters(START, PLANNED_TO):
            sold, won = self._sold(quarter)
            self._plan_value("bookings", quarter, 3, sold, self._ambition(quarter))
            self._plan_value("new_customers", quarter, 3, Decimal(won), self._ambition(quarter), places=0)
            heads = sum(person.works_on(min(quarter, NOW)) for person in self._staff.people) + chance.whole(-1, 3)
            self._plan_value("headcount", quarter, 3, Decimal(heads), 100, places=0)

    def _ambition(self, day: date) -> int:
        """Percent of what came that had been planned."""
        return {2023: 98, 2024: 101, 2025: 107}.get(day.year, 112) + self._chance.whole(-3, 3)

    def _dollars(self, month: date, where: Where | None = None) -> Decimal:
        day = min(add_months(month, 1) - timedelta(days=1), NOW)
        return self.ledger.mrr(day, where) / 100

    def _sold(self, quarter: date) -> tuple[Decimal, int]:
        start = min(quarter, date(2025, 10, 1))
        won = [
            deal
            for deal in self._world.tables["opportunities"]
            if deal["is_won"] and deal["type"] != "renewal" and start <= deal["closed_at"].date() < add_months(start, 3)
        ]
        value = sum((deal["amount"] * self._rates.on(deal["currency"], start) for deal in won), Decimal(0))
        return value / 100, sum(deal["type"] == "new_business" for deal in won)

    def _plan_value(
        self,
        metric: str,
        start: date,
        span: int,
        value: Decimal,
        percent: int,
        segment: str | None = None,
        places: int = -3,
    ) -> None:
        step = Decimal(10) ** -places if places < 0 else Decimal(1)
        rounded = (value * percent / 100 / step).quantize(Decimal(1), ROUND_HALF_UP) * step
        self._world.add(
            "plans",
            metric=metric,
            period_start=start,
            period_end=add_months(start, span),
            value=str(int(rounded)),
            segment=segment,
        )

    def _forecast(self) -> None:
        """Forecasts of recurring revenue: the company's each month, the account managers' each quarter."""
        for month in months(START, NOW):
            actual = self._dollars(month)
            for ahead, error in ((2, 35), (1, 22), (0, 12)):
                self._guess("mrr", weekday_from(add_months(month, -ahead)), (month, 1), actual, error)
        managers = [person for person in self._staff.people if person.role == "Account manager"]
        for quarter in quarters(date(2024, 1, 1), NOW):
            last = add_months(quarter, 2)
            for person in managers:
                if person.works_on(quarter):
                    owned = self._dollars(last, ("owner_id", person.person_id))
                    self._guess("mrr", quarter, (quarter, 3), owned, 45, person_id=person.person_id)
            sold, _ = self._sold(quarter)
            for category, percent in (("commit", 82), ("best_case", 118)):
                self._guess("bookings", quarter, (quarter, 3), sold * percent / 100, 60, category=category)

    def _guess(
        self,
        metric: str,
        made_on: date,
        period: tuple[date, int],
        actual: Decimal,
        error: int,
        *,
        person_id: str | None = None,
        category: str | None = None,
    ) -> None:
        """A forecast that misses the actual value by up to `error` thousandths, a little more often upwards."""
        thousandths = 1000 + self._chance.whole(-error * 2 // 3, error)
        value = (actual * thousandths / 1000).quantize(Decimal(1), ROUND_HALF_UP)
        if made_on <= NOW and value:
            self._world.add(
                "forecasts",
                metric=metric,
                made_on=made_on,
                period_start=period[0],
                period_end=add_months(*period),
                value=str(value),
                person_id=person_id,
                category=category,
            )

    def _report(self) -> None:
        """What was reported on the fifth of the next month; some subscriptions were recorded too late for it."""
        late = self._late_subscriptions()
        for month in months(START, LAST_MONTH + timedelta(days=1)):
            reported_at = datetime.combine(weekday_from(add_months(month, 1) + timedelta(days=4)), time(14))
            unknown = (
                late
                if stories.LATE_SUBSCRIPTIONS_FROM <= month < add_months(stories.LATE_SUBSCRIPTIONS_FROM, 2)
                else frozenset()
            )
            closing, opening = add_months(month, 1) - timedelta(days=1), month - timedelta(days=1)
            now, before = self.ledger.customers(closing, None, unknown), self.ledger.customers(opening)
            self._value("mrr", month, reported_at, self.ledger.mrr(closing, None, unknown) / 100)
            self._value("active_customers", month, reported_at, Decimal(len(now)))
            if before:
                lost = Decimal(len(before - now)) / len(before)
                self._value("logo_churn_rate", month, reported_at, lost)
            for segment in SEGMENTS:
                value = self.ledger.mrr(closing, ("segment", segment), unknown) / 100
                self._value("mrr", month, reported_at, value, ("segment", segment))

    def _late_subscriptions(self) -> frozenset[str]:
        start = stories.LATE_SUBSCRIPTIONS_FROM
        started = [
            row["subscription_id"]
            for row in self._world.tables["subscriptions"]
            if start <= row["started_on"] < add_months(start, 1) and row["product"] == "Insight"
        ]
        chosen = started[: stories.LATE_SUBSCRIPTIONS]
        self._world.facts["late_subscriptions"] = ", ".join(chosen)
        return frozenset(chosen)

    def _value(
        self,
        metric: str,
        month: date,
        reported_at: datetime,
        value: Decimal,
        cut: tuple[str | None, str | None] = (None, None),
    ) -> None:
        self._world.add(
            "metric_values",
            metric=metric,
            grain="month",
            period_start=month,
            period_end=add_months(month, 1),
            dimension=cut[0],
            dimension_value=cut[1],
            value=f"{value.quantize(Decimal('0.000001'), ROUND_HALF_UP):f}",
            reported_at=reported_at,
            definition_version="1",
        )


def commission(credit: Decimal, quota: Decimal, tiers: Tiers) -> Decimal:
    """What a credit earns: the rate of each band on the part of the credit inside it, to the cent."""
    earned = Decimal(0)
    for low, high, rate in tiers:
        top = credit if high is None else min(credit, Decimal(high) * quota)
        earned += max(Decimal(0), top - Decimal(low) * quota) * Decimal(rate)
    return earned.quantize(_CENT, ROUND_HALF_UP)


def _quarter(day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
