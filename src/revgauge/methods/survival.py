"""Survival: how long customers stay, from those who left and those who are still there."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from revgauge.model.period import DAY


def kaplan_meier(tenures: npt.NDArray[Any], ended: npt.NDArray[Any], counts: npt.NDArray[Any]) -> list[Decimal]:
    """The survival curve S(0), S(1), ... up to the longest tenure, after Kaplan and Meier.

    `tenures` are whole months, `ended` says whether each ended there or is still running, and `counts` how many there
    are of each. Who is still running at an age is at risk at that age.
    """
    most = int(tenures.max())
    at_age = np.zeros(most + 1, dtype=np.int64)
    events = np.zeros(most + 1, dtype=np.int64)
    np.add.at(at_age, tenures, counts)
    np.add.at(events, tenures[ended], counts[ended])
    at_risk = at_age[::-1].cumsum()[::-1]
    curve: list[Decimal] = []
    alive = Decimal(1)
    for gone, there in zip(events.tolist(), at_risk.tolist(), strict=True):
        alive *= 1 - Decimal(gone) / Decimal(there)
        curve.append(alive)
    return curve


def survival_curve(closing: date, first: Any, left: Any, counts: Any) -> list[Decimal]:
    """The survival curve of customers by first paying day and day of first churn, as seen on the closing day.

    `left` is empty (None or not a time) for who never left.
    """
    starts, departures = (np.asarray(days, dtype="datetime64[D]") for days in (first, left))
    ended = departures <= np.datetime64(closing)
    tenures = whole_months(starts, np.where(ended, departures, np.datetime64(closing + DAY)))
    return kaplan_meier(tenures, ended, np.asarray(counts, dtype=np.int64))


def whole_months(starts: npt.NDArray[Any], ends: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole months from each start to its end: one less while the end's day number is below the start's."""
    first, last = starts.astype("datetime64[M]"), ends.astype("datetime64[M]")
    unfinished = (ends - last.astype("datetime64[D]")) < (starts - first.astype("datetime64[D]"))
    months: npt.NDArray[Any] = (last - first).astype(np.int64) - unfinished
    return months
