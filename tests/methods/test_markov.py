"""Markov chains: against fractions solved by the book, against every way through a small chain, and on edges."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.metrics import credit_reference

from revgauge.methods.markov import Chain, Removal, removal_effects

Journey = tuple[list[str], bool]

journeys = st.lists(st.tuples(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), st.booleans()), max_size=12)


def solved(paths: list[Journey]) -> tuple[list[str], Removal]:
    """The states of the journeys and what the chain says of them."""
    states = sorted({state for path, _ in paths for state in path})
    place = {state: number for number, state in enumerate(states)}
    starts, won, lost = (np.zeros(len(states)) for _ in range(3))
    steps: Counter[tuple[int, int]] = Counter()
    for path, is_won in paths:
        starts[place[path[0]]] += 1
        (won if is_won else lost)[place[path[-1]]] += 1
        steps.update((place[one], place[other]) for one, other in pairwise(path))
    ends = np.array([*steps], dtype=np.int64).reshape(-1, 2)
    weights = np.array([*steps.values()], dtype=float)
    return states, removal_effects(Chain(starts, won, lost, ends[:, 0], ends[:, 1], weights))


@given(journeys)
def test_effects_are_those_of_chains_solved_anew_without_each_state(paths: list[Journey]) -> None:
    """One factorisation gives what solving the whole chain again in fractions, once without each state, gives."""
    states, removal = solved(paths)
    expected = credit_reference.removal_effects(paths)
    assert sorted(expected) == states
    assert removal.effects == pytest.approx([float(expected[state]) for state in states], abs=1e-12)


def every_way(paths: list[Journey], removed: str) -> Fraction:
    """The chance of winning as the sum over all ways through the chain, which has no circle."""
    follow: dict[str, Counter[str]] = {}
    for path, won in paths:
        for source, target in pairwise(["start", *path, "won" if won else "lost"]):
            follow.setdefault(source, Counter())[target] += 1

    def chance(state: str) -> Fraction:
        if state in ("won", "lost", removed):
            return Fraction(int(state == "won"))
        total = follow[state].total()
        return sum((chance(target) * Fraction(count, total) for target, count in follow[state].items()), Fraction(0))

    return chance("start")


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abcde"), min_size=1).map(sorted), st.booleans()), min_size=1, max_size=8
    )
)
def test_effects_are_those_of_all_ways_through_a_chain_without_circles(paths: list[Journey]) -> None:
    """Where journeys only go forward, every way through the chain can be followed, and the sums agree."""
    states, removal = solved(paths)
    whole = every_way(paths, "")
    assert removal.probability == pytest.approx(float(whole), abs=1e-12)
    expected = [float((whole - every_way(paths, state)) / whole) if whole else 0.0 for state in states]
    assert removal.effects == pytest.approx(expected, abs=1e-12)


def test_the_published_shape_of_a_small_chain() -> None:
    """Worked by hand: a then b wins, a alone loses, b alone wins.

    The chain: start to a 2/3, to b 1/3; a to b 1/2, to lost 1/2; b wins. P = 1/3 + 2/3 x 1/2 = 2/3. Without a 1/3 is
    left, so its effect is 1/2; without b nothing is left, so its effect is 1.
    """
    states, removal = solved([(["a", "b"], True), (["a"], False), (["b"], True)])
    assert states == ["a", "b"]
    assert removal.probability == pytest.approx(2 / 3)
    assert removal.effects == pytest.approx([1 / 2, 1])


def test_a_state_that_follows_itself_changes_nothing() -> None:
    """Seeing the same channel three times in a row leads nowhere else than seeing it once."""
    _, once = solved([(["a", "b"], True), (["b"], False), (["a"], True)])
    _, often = solved([(["a", "a", "a", "b", "b"], True), (["b"], False), (["a"], True)])
    assert often.effects == pytest.approx(once.effects)


def test_weights_count_a_journey_as_often_as_it_was_taken() -> None:
    """Counts and many times the counts give the same chain."""
    paths = [(["a", "b"], True), (["b", "c"], False), (["c", "a"], True)]
    _, once = solved(paths)
    _, often = solved(paths * 7)
    assert often.effects == pytest.approx(once.effects)


@pytest.mark.parametrize("paths", [[], [(["a"], False), (["b", "a"], False)]])
def test_where_nothing_is_won_no_state_has_an_effect(paths: list[Journey]) -> None:
    """There is nothing to lose by removing a state."""
    states, removal = solved(paths)
    assert removal.probability == 0
    assert removal.effects.tolist() == [0.0] * len(states)


@pytest.mark.slow
def test_thousands_of_states_are_solved() -> None:
    """A chain of 2,000 campaigns in a ring, each left for the next, won or lost alike: all have the same effect."""
    size = 2_000
    ones = np.ones(size)
    every = np.arange(size)
    removal = removal_effects(Chain(ones, ones, ones, every, np.roll(every, -1), ones))
    assert removal.probability == pytest.approx(0.5)
    assert removal.effects == pytest.approx(np.full(size, removal.effects[0]))
    # From a state one journey in three goes on: it is reached from those before with 1/3, 1/9, ..., so by 1.5 in 2,000.
    assert removal.effects[0] == pytest.approx(1.5 / size, rel=1e-9)
