"""Survival: how long customers stay, from those who left and those who are still there."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from revgauge.model.period import DAY, whole_months


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
    """The survival curve of customers by first paying day and day of first churn, as seen on the closing day."""
    after = closing + DAY
    ended = np.array([day is not None and day <= closing for day in left], dtype=bool)
    tenures = np.array(
        [whole_months(start, end if gone else after) for start, end, gone in zip(first, left, ended, strict=True)],
        dtype=np.int64,
    )
    return kaplan_meier(tenures, ended, np.array(counts, dtype=np.int64))
