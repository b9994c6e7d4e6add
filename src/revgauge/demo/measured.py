"""What the README tells in figures, counted from the company itself and not from what was intended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from revgauge.demo import stories
from revgauge.demo.clock import add_months
from revgauge.demo.world import Row, World

Window = tuple[date, date]
"""From a day up to, without, another."""


def mean(values: Iterable[Fraction | int]) -> Fraction:
    """The arithmetic mean; 0 of nothing."""
    listed = list(values)
    return Fraction(sum(listed), len(listed)) if listed else Fraction(0)


def days(length: timedelta) -> Fraction:
    """Exact days."""
    return Fraction(int(length.total_seconds()), 86_400)


class Measured:
    """Counts over the tables of the company."""

    def __init__(self, world: World) -> None:
        """Reads the tables as they are."""
        self._tables = world.tables
        self._accounts = {row["account_id"]: row for row in world.tables["accounts"]}
        self._deals = [row for row in world.tables["opportunities"] if not row["duplicate_of"]]

    def count(self, entity: str) -> int:
        """Rows of an entity."""
        return len(self._tables[entity])

    def customers(self, day: date) -> int:
        """Accounts with a price above zero on the day."""
        return len(
            {
                row["account_id"]
                for row in self._tables["subscription_periods"]
                if not row["is_trial"]
                and row["valid_from"] <= day
                and (row["valid_to"] is None or day < row["valid_to"])
            }
        )

    def stage_days(self, segment: str, stage: str, begun: Window) -> Fraction:
        """Mean days of the visits of new business to a stage that began in the window and are over."""
        deals = {
            row["opportunity_id"]
            for row in self._deals
            if row["type"] == "new_business" and self._accounts[row["account_id"]]["segment"] == segment
        }
        lengths = []
        changes = [row for row in self._tables["opportunity_history"] if row["stage"]]
        for row, following in pairwise(changes):
            same = row["opportunity_id"] == following["opportunity_id"] and row["opportunity_id"] in deals
            if same and row["stage"] == stage and begun[0] <= row["changed_at"].date() < begun[1]:
                lengths.append(days(following["changed_at"] - row["changed_at"]))
        return mean(lengths)

    def cycle_days(self, closed: Window, segment: str, *, first_region: bool) -> tuple[Fraction, int]:
        """Mean days from creation to close of new business won in the window, and how many deals these are."""
        lengths = []
        for row in self._deals:
            account = self._accounts[row["account_id"]]
            inside = row["is_won"] and closed[0] <= row["closed_at"].date() < closed[1]
            here = (account["region"] == stories.TOOL_FIRST_REGION) is first_region
            if row["type"] == "new_business" and inside and here and account["segment"] == segment:
                lengths.append(days(row["closed_at"] - row["created_at"]))
        return mean(lengths), len(lengths)

    def raised(self) -> list[tuple[Row, Row]]:
        """Subscriptions whose price for a seat rose by the rise, with the row of their first raised price."""
        subscriptions = {row["subscription_id"]: row for row in self._tables["subscriptions"]}
        units: dict[str, int] = {}
        found = []
        for row in self._tables["subscription_periods"]:
            key, unit = row["subscription_id"], row["mrr"] // row["quantity"]
            if key in units and unit > units[key] and stories.RISE_FROM <= row["valid_from"] < stories.RISE_TO:
                found.append((subscriptions[key], row))
            units[key] = unit
        return found

    def left_within_a_year(self) -> tuple[int, int]:
        """How many of the raised ended within twelve months of the rise, and how many of them gave it as the reason."""
        ended = [
            subscription
            for subscription, row in self.raised()
            if subscription["ended_on"] and subscription["ended_on"] <= add_months(row["valid_from"], 12)
        ]
        return len(ended), sum(row["cancel_reason"] == stories.RISE_REASON for row in ended)

    def channel(self, name: str, created: Window) -> tuple[int, int, int]:
        """Leads of a channel, how many became deals, and how many became customers; duplicates do not count."""
        firsts: dict[str, date] = {}
        for row in self._tables["subscriptions"]:
            firsts[row["account_id"]] = min(firsts.get(row["account_id"], date.max), row["started_on"])
        won = {row["lead_id"] for row in self._deals if row["is_won"] and row["lead_id"]}
        sold = {row["account_id"] for row in self._deals if row["is_won"] and row["lead_id"]}
        leads = [
            row
            for row in self._tables["leads"]
            if row["channel"] == name
            and not row["duplicate_of"]
            and created[0] <= row["created_at"].date() < created[1]
        ]
        alone = {
            row["account_id"]
            for row in leads
            if row["account_id"] not in sold and firsts.get(row["account_id"], date.min) >= row["created_at"].date()
        }
        customers = sum(row["lead_id"] in won for row in leads) + len(alone)
        return len(leads), sum(row["converted_at"] is not None for row in leads), customers

    def resolution_hours(self, opened: Window) -> Fraction:
        """Mean hours from opening to the last resolution of tickets opened in the window."""
        return mean(
            days(row["resolved_at"] - row["opened_at"]) * 24
            for row in self._tables["tickets"]
            if row["resolved_at"] and not row["merged_into"] and opened[0] <= row["opened_at"].date() < opened[1]
        )

    def satisfied(self, answered: Window) -> Fraction:
        """Share of 4 and 5 among customers' answers about tickets."""
        return mean(
            int(row["score"] >= 4)
            for row in self._tables["survey_responses"]
            if row["kind"] == "csat"
            and row["audience"] == "customer"
            and row["responded_at"]
            and answered[0] <= row["responded_at"].date() < answered[1]
        )

    def moved(self) -> tuple[int, int]:
        """Accounts of account managers in the region cut anew: those that changed hands on the day, and all of them."""
        day = stories.RECARVE_ON
        managers = {row["person_id"] for row in self._tables["people"] if row["role"] == "Account manager"}
        mine = [
            row
            for row in self._tables["account_assignments"]
            if self._accounts[row["account_id"]]["region"] == stories.RECARVE_REGION and row["person_id"] in managers
        ]
        held = [row for row in mine if row["valid_from"] < day and (row["valid_to"] is None or row["valid_to"] >= day)]
        return sum(row["valid_to"] == day for row in held), len(held)

    def doubles(self, entity: str) -> int:
        """Records merged into another."""
        return sum(row["duplicate_of"] is not None for row in self._tables[entity])
