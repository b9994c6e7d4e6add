"""First-order Markov chains over journeys: how much each state does for the outcome.

A journey starts, goes through states, and ends well (won) or badly (lost). From how often each state followed each the
chain knows how likely a journey is to be won, and how likely it would be if every step into one state led to a loss.
The relative fall is the removal effect of that state. Everything is solved from linear equations; nothing is simulated,
so that the same journeys always give the same effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BLOCK = 256
"""Columns of the inverse that are solved for at once: many at a time are quick, all at once may not fit."""


@dataclass(frozen=True)
class Chain:
    """How often each step was taken, as counts or any other weights."""

    starts: Mapping[str, float]
    """Journeys that begin with a state."""
    steps: Mapping[tuple[str, str], float]
    """Steps from one state to the next; a state that follows itself changes nothing."""
    won: Mapping[str, float]
    """Journeys that were won right after a state."""
    lost: Mapping[str, float]
    """Journeys that were lost right after a state."""

    @property
    def states(self) -> list[str]:
        """Every state that a journey went through, in order of its name."""
        found = {*self.starts, *self.won, *self.lost}
        for step in self.steps:
            found.update(step)
        return sorted(found)


@dataclass(frozen=True)
class Removal:
    """What a chain says: how likely it is to be won, and what each state does for it."""

    probability: float
    effects: Mapping[str, float]
    """For each state the share of the probability that is gone without it, from 0 to 1; all 0 if nothing is won."""


def removal_effects(chain: Chain) -> Removal:
    """The probability of being won, and the removal effect of every state.

    With expected visits v = s (I - Q)^-1 and chances of winning b = (I - Q)^-1 r, a journey ever reaches state i with
    probability v_i / N_ii, where N = (I - Q)^-1, and from there it wins with b_i: what passes i is v_i b_i / N_ii, and
    the removal effect is that over the whole. One factorisation of I - Q serves all of it.
    """
    from scipy import sparse  # noqa: PLC0415 - loading it takes a third of a second, and few commands need it
    from scipy.sparse.linalg import splu  # noqa: PLC0415 - as above

    states = chain.states
    if not states or not any(chain.won.values()):
        return Removal(0.0, dict.fromkeys(states, 0.0))
    place = {state: number for number, state in enumerate(states)}
    size = len(states)
    starts, won, leaving = np.zeros(size), np.zeros(size), np.zeros(size)
    for state, weight in chain.starts.items():
        starts[place[state]] += weight
    for state, weight in chain.won.items():
        won[place[state]] += weight
        leaving[place[state]] += weight
    for state, weight in chain.lost.items():
        leaving[place[state]] += weight
    moves = {(place[source], place[target]): weight for (source, target), weight in chain.steps.items()}
    for (source, target), weight in moves.items():
        # A step to itself is left out on both sides: it delays a journey and leads it nowhere else.
        leaving[source] += weight if source != target else 0.0
    leaving[leaving == 0] = 1.0  # a state of no weight leads nowhere
    apart = [(source, target) for source, target in moves if source != target]
    shares = [-moves[move] / leaving[move[0]] for move in apart]
    rows, columns = [source for source, _ in apart], [target for _, target in apart]
    system = sparse.csc_matrix(
        (np.array([*shares, *np.ones(size)]), ([*rows, *range(size)], [*columns, *range(size)])), shape=(size, size)
    )
    factors = splu(system)
    chances: Floats = factors.solve(won / leaving)
    visits: Floats = factors.solve(starts / starts.sum(), trans="T")
    probability = float(starts @ chances / starts.sum())
    passing = visits * chances / _inverse_diagonal(factors, size)
    return Removal(probability, dict(zip(states, (passing / probability).tolist(), strict=True)))


def _inverse_diagonal(factors: Any, size: int) -> Floats:
    """The diagonal of the inverse of the factorised matrix."""
    found = np.empty(size)
    for first in range(0, size, BLOCK):
        block = np.arange(first, min(first + BLOCK, size))
        units = np.zeros((size, len(block)))
        units[block, np.arange(len(block))] = 1.0
        found[block] = factors.solve(units)[block, np.arange(len(block))]
    return found
