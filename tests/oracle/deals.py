"""Opportunities as they were: which of them count, their owner, amount and expected close at an instant, their path."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from .question import Question
from .tables import Row

TYPES = ("new_business", "expansion", "cross_sell")
NEVER_OPPORTUNITIES = ("duplicate", "test")
OWNER_DIMENSIONS = ("team", "role", "department")
ACCOUNT_DIMENSIONS = ("segment", "region", "industry", "account_id")


@dataclass(frozen=True)
class Visit:
    """A stay in an open stage; `end` is None while it lasts."""

    stage: str
    position: int
    start: datetime
    end: datetime | None


class Deals:
    """All opportunities that count for a question, with what is known by `now`."""

    def __init__(self, question: Question, types: tuple[str, ...] | None = TYPES) -> None:
        """`types` None takes every type."""
        self.question = question
        excluded = question.params.get("exclude_loss_reasons", NEVER_OPPORTUNITIES)
        self.rows: list[Row] = []
        for row in question.tables.rows("opportunities"):
            if row["duplicate_of"] or question.known(row["created_at"]) is None:
                continue
            deal = {**row, "closed_at": question.known(row["closed_at"]), "type": row["type"] or "new_business"}
            deal["won"] = bool(deal["closed_at"] and row["is_won"])
            never = deal["closed_at"] and not deal["won"] and row["loss_reason"] in excluded
            if not never and (types is None or deal["type"] in types):
                self.rows.append(deal)

    @cached_property
    def history(self) -> dict[str, list[Row]]:
        """Changes of each opportunity up to `now`, in order."""
        changes: dict[str, list[Row]] = defaultdict(list)
        for row in self.question.tables.rows("opportunity_history"):
            if self.question.known(row["changed_at"]) is not None:
                changes[row["opportunity_id"]].append(row)
        for rows in changes.values():
            rows.sort(key=lambda row: row["changed_at"])
        return changes

    @cached_property
    def _people(self) -> dict[str, Row]:
        return {row["person_id"]: row for row in self.question.tables.rows("people")}

    @cached_property
    def _stages(self) -> dict[tuple[str, str], Row]:
        return {(row["pipeline"] or "default", row["stage"]): row for row in self.question.tables.rows("stages")}

    def owner_at(self, deal: Row, instant: datetime, *, inclusive: bool) -> str:
        """The owner when something happened (a change of that very instant included) or just before an instant."""
        for row in reversed(self.history[deal["opportunity_id"]]):
            earlier = row["changed_at"] <= instant if inclusive else row["changed_at"] < instant
            if row["owner_id"] and earlier:
                return str(row["owner_id"])
        return deal["owner_id"] or "unknown"

    def amount_at(self, deal: Row, instant: datetime) -> tuple[Any, str | None]:
        """Amount and currency just before an instant; a closed deal is worth its own amount."""
        if deal["closed_at"] is None or deal["closed_at"] >= instant:
            for row in reversed(self.history[deal["opportunity_id"]]):
                if row["amount"] is not None and row["changed_at"] < instant:
                    return row["amount"], row["currency"] or deal["currency"]
        return deal["amount"], deal["currency"]

    def first_amount(self, deal: Row) -> tuple[Any, str | None]:
        """The first amount that was given, else the present one."""
        for row in self.history[deal["opportunity_id"]]:
            if row["amount"] is not None:
                return row["amount"], row["currency"] or deal["currency"]
        return deal["amount"], deal["currency"]

    def expected_close_at(self, deal: Row, instant: datetime) -> date | None:
        """The day on which the deal was expected to close, just before an instant."""
        for row in reversed(self.history[deal["opportunity_id"]]):
            if row["expected_close_on"] is not None and row["changed_at"] < instant:
                return row["expected_close_on"]  # type: ignore[no-any-return]
        return deal["expected_close_on"]  # type: ignore[no-any-return]

    def is_open_at(self, deal: Row, instant: datetime) -> bool:
        """Created before the instant and not closed before it."""
        created: bool = deal["created_at"] < instant
        return created and (deal["closed_at"] is None or deal["closed_at"] >= instant)

    def stage(self, deal: Row, name: str) -> Row | None:
        """The definition of a stage in the deal's pipeline."""
        return self._stages.get((deal["pipeline"] or "default", name))

    def path(self, deal: Row) -> list[Visit]:
        """The visits of the deal to open stages, in order.

        Equal neighbours are one visit; a row of a won or lost stage ends a visit and starts none; unknown stages are
        skipped; closing ends what is still open.
        """
        visits: list[Visit] = []
        here: tuple[str, int, datetime] | None = None
        for row in self.history[deal["opportunity_id"]]:
            definition = self.stage(deal, row["stage"]) if row["stage"] else None
            if definition is None or (here is not None and here[0] == row["stage"]):
                continue
            if here is not None:
                visits.append(Visit(*here, row["changed_at"]))
                here = None
            if definition["kind"] not in {"won", "lost"}:
                here = (row["stage"], int(definition["position"]), row["changed_at"])
        if here is not None:
            visits.append(Visit(*here, deal["closed_at"]))
        return visits

    def pitch_position(self, deal: Row) -> int | None:
        """The position of the first pitch stage of the deal's pipeline."""
        pipeline = deal["pipeline"] or "default"
        positions = [int(r["position"]) for (p, _), r in self._stages.items() if p == pipeline and r["is_pitch"]]
        return min(positions, default=None)

    def last_open_position(self, deal: Row) -> int:
        """The highest position of an open stage of the deal's pipeline."""
        pipeline = deal["pipeline"] or "default"
        rows = [row for (of, _), row in self._stages.items() if of == pipeline]
        return max((int(row["position"]) for row in rows if row["kind"] not in {"won", "lost"}), default=0)

    def in_slice(self, deal: Row, owner_of: datetime, *, inclusive: bool = True) -> bool:
        """Whether the deal belongs to the slice asked for; its owner is that of the given instant."""
        return all(
            self._dimension(deal, name, owner_of, inclusive=inclusive) == wanted
            for name, wanted in self.question.by.items()
        )

    def _dimension(self, deal: Row, name: str, owner_of: datetime, *, inclusive: bool) -> str:
        if name in ACCOUNT_DIMENSIONS:
            return self.question.accounts.dimension(deal["account_id"], name)
        if name == "owner_id":
            return self.owner_at(deal, owner_of, inclusive=inclusive)
        if name in OWNER_DIMENSIONS:
            owner = self.owner_at(deal, owner_of, inclusive=inclusive)
            return self._people.get(owner, {}).get(name) or "unknown"
        if name == "pipeline":
            return deal["pipeline"] or "default"
        return deal[name] or "unknown"
