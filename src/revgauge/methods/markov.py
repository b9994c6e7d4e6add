"""First-order Markov chains over journeys: how much each state does for the outcome.

A journey starts, goes through states, and ends well (won) or badly (lost). From how often each state followed each the
chain knows how likely a journey is to be won, and how likely it would be if every step into one state led to a loss.
The relative fall is the removal effect of that state. Everything is solved from linear equations; nothing is simulated,
so that the same journeys always give the same effects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

BLOCK = 256
"""Columns of the inverse that are solved for at once: many at a time are quick, all at once may not fit."""


@dataclass(frozen=True)
class Chain:
    """How often each step was taken, as counts or any other weights; states are numbered from 0."""

    starts: Floats
    """For each state, the journeys that begin with it."""
    won: Floats
    """For each state, the journeys that were won right after it."""
    lost: Floats
    """For each state, the journeys that were lost right after it."""
    sources: Places
    """The states that steps between states lead from, in any order; a step may be there several times."""
    targets: Places
    """The states that they lead to."""
    weights: Floats
    """How often they were taken. A state that follows itself delays a journey and changes nothing."""


@dataclass(frozen=True)
class Removal:
    """What a chain says: how likely it is to be won, and what each state does for it."""

    probability: float
    effects: Floats
    """For each state the share of the probability that is gone without it, from 0 to 1; all 0 if nothing is won."""


def removal_effects(chain: Chain) -> Removal:
    """The probability of being won, and the removal effect of every state.

    With expected visits v = s (I - Q)^-1 and chances of winning b = (I - Q)^-1 r, a journey ever reaches state i with
    probability v_i / N_ii, where N = (I - Q)^-1, and from there it wins with b_i: what passes i is v_i b_i / N_ii, and
    the removal effect is that over the whole. One factorisation of I - Q serves all of it.
    """
    from scipy import sparse  # noqa: PLC0415 - loading it takes a third of a second, and few commands need it
    from scipy.sparse.linalg import splu  # noqa: PLC0415 - as above

    size = len(chain.starts)
    if size == 0 or not chain.starts.sum() > 0 or not chain.won.sum() > 0:
        return Removal(0.0, np.zeros(size))
    apart = chain.sources != chain.targets
    sources, targets, weights = chain.sources[apart], chain.targets[apart], chain.weights[apart]
    leaving = chain.won + chain.lost + np.bincount(sources, weights, size)
    leaving[leaving == 0] = 1.0  # a state of no weight leads nowhere
    every = np.arange(size)
    values = np.concatenate([-weights / leaving[sources], np.ones(size)])
    places = (np.concatenate([sources, every]), np.concatenate([targets, every]))
    factors = splu(sparse.csc_matrix((values, places), shape=(size, size)))
    chances: Floats = factors.solve(chain.won / leaving)
    visits: Floats = factors.solve(chain.starts / chain.starts.sum(), trans="T")
    probability = float(chain.starts @ chances / chain.starts.sum())
    if probability <= 0:
        return Removal(0.0, np.zeros(size))
    return Removal(probability, visits * chances / _inverse_diagonal(factors, size) / probability)


def _inverse_diagonal(factors: Any, size: int) -> Floats:
    """The diagonal of the inverse of the factorised matrix."""
    found = np.empty(size)
    for first in range(0, size, BLOCK):
        block = np.arange(first, min(first + BLOCK, size))
        units = np.zeros((size, len(block)))
        units[block, np.arange(len(block))] = 1.0
        found[block] = factors.solve(units)[block, np.arange(len(block))]
    return found
