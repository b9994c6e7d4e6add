"""Shapley values: what each player of a game adds to it, averaged over all orders in which players could come in.

For up to 15 players the average is exact: the worth of all sets is summed up from the worth of what lies inside them.
Beyond that, orders are drawn with a fixed seed, so that the same journeys always give the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Worth = Callable[[Floats, Floats], Floats]
"""The worth of sets, from the won and all weights of the journeys inside each."""

MOST_EXACT = 15
"""Players up to which all sets are looked at."""
FEWEST_ORDERS, MOST_ORDERS = 2_000, 20_000
"""How many orders are drawn where there are more players: as many as fit into the work below."""
WORK = 100_000_000
"""Players of journeys that are looked up in all orders together: about a second."""
SEED = 20_250_101


@dataclass(frozen=True)
class Journeys:
    """Journeys of one set of players: what was won of them, and what there was in all."""

    players: frozenset[str]
    won: float
    all: float


def conversion_rate(won: Floats, everything: Floats) -> Floats:
    """The share won of the journeys inside a set; 0 where there is none."""
    return np.divide(won, everything, out=np.zeros_like(won), where=everything > 0)


def subset_value(won: Floats, everything: Floats) -> Floats:  # noqa: ARG001 - one signature for all games
    """What was won of the journeys inside a set.

    Each journey is then shared in equal parts among its players, which needs no game: this is the proof of it.
    """
    return won


def shapley_values(journeys: Sequence[Journeys], worth: Worth = conversion_rate) -> dict[str, float]:
    """The Shapley value of each player; together they are the worth of all players.

    The worth of a set follows from the journeys whose players all lie inside it. Journeys without a player are ignored.
    """
    counted = [journey for journey in journeys if journey.players]
    players = sorted(frozenset[str]().union(*(journey.players for journey in counted)))
    if not players:
        return {}
    place = {player: number for number, player in enumerate(players)}
    values = (_exact if len(players) <= MOST_EXACT else _sampled)(counted, place, worth)
    return dict(zip(players, values.tolist(), strict=True))


def subset_sums(weights: Floats) -> Floats:
    """For each set of players, as bits of its index, the sum of the weights of all sets inside it (zeta transform)."""
    sums = weights.copy()
    for player in range(len(weights).bit_length() - 1):
        halves = sums.reshape(-1, 2, 1 << player)
        halves[:, 1] += halves[:, 0]
    return sums


def _exact(journeys: Sequence[Journeys], place: Mapping[str, int], worth: Worth) -> Floats:
    size = len(place)
    won, everything = np.zeros(1 << size), np.zeros(1 << size)
    for journey in journeys:
        index = sum(1 << place[player] for player in journey.players)
        won[index] += journey.won
        everything[index] += journey.all
    worths = worth(subset_sums(won), subset_sums(everything))
    members = np.array([index.bit_count() for index in range(1 << size)])
    weights = np.array([factorial(before) * factorial(size - 1 - before) / factorial(size) for before in range(size)])
    values = np.empty(size)
    for player in range(size):
        pairs = worths.reshape(-1, 2, 1 << player)
        before = members.reshape(-1, 2, 1 << player)[:, 0]
        values[player] = np.sum(weights[before] * (pairs[:, 1] - pairs[:, 0]))
    return values


def _sampled(journeys: Sequence[Journeys], place: Mapping[str, int], worth: Worth) -> Floats:
    """The mean over drawn orders, each together with its reverse, which takes out much of the chance."""
    size = len(place)
    width = max(len(journey.players) for journey in journeys)
    # A short journey repeats one of its players, so that all rows are of one length.
    members = np.array([_filled([place[player] for player in sorted(journey.players)], width) for journey in journeys])
    won = np.array([journey.won for journey in journeys])
    everything = np.array([journey.all for journey in journeys])
    orders = min(MOST_ORDERS, max(FEWEST_ORDERS, WORK // members.size))
    draw = np.random.default_rng(SEED)
    added = np.zeros(size)
    for _ in range(orders // 2):
        order = draw.permutation(size)
        for one in (order, order[::-1]):
            turn = np.empty(size, dtype=np.int64)
            turn[one] = np.arange(size)
            # A journey lies inside once the last of its players has come in.
            complete = turn[members].max(axis=1)
            inside_won: Floats = np.bincount(complete, weights=won, minlength=size).cumsum()
            inside_all: Floats = np.bincount(complete, weights=everything, minlength=size).cumsum()
            worths = worth(inside_won, inside_all)
            added[one] += np.diff(worths, prepend=0.0)
    return added / (orders // 2 * 2)


def _filled(players: list[int], width: int) -> list[int]:
    return players + [players[0]] * (width - len(players))
