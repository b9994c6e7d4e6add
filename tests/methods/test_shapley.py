"""Shapley values: against every order of the players in fractions; where orders are drawn, against the exact ones."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.metrics import credit_reference

from revgauge.methods import shapley
from revgauge.methods.shapley import Journeys, conversion_rate, shapley_values, subset_sums, subset_value

Set = tuple[frozenset[str], int, int]

sets = st.lists(
    st.tuples(st.frozensets(st.sampled_from("abcde"), min_size=1), st.integers(0, 3), st.integers(0, 3)), max_size=8
)


def journeys(given_sets: list[Set]) -> list[Journeys]:
    """Journeys of sets with their numbers of won and lost ones."""
    return [Journeys(players, won, won + lost) for players, won, lost in given_sets]


@given(sets)
def test_conversion_rates_are_shared_as_over_every_order(found: list[Set]) -> None:
    """Subset sums give what adding the players in each of all orders, in fractions, gives."""
    paths = [(sorted(players), won) for players, won_, lost in found for won in [True] * won_ + [False] * lost]
    expected = credit_reference.conversion_game(paths)
    values = shapley_values(journeys(found))
    for player in values.keys() | expected.keys():
        assert values.get(player, 0.0) == pytest.approx(float(expected.get(player, 0)), abs=1e-12)


@given(sets)
def test_the_worth_of_subsets_is_shared_alike_among_the_players_of_each_journey(found: list[Set]) -> None:
    """The game whose sets are worth what was won inside them splits each journey in equal parts."""
    expected: dict[str, float] = {}
    for players, won, _ in found:
        for player in players:
            expected[player] = expected.get(player, 0.0) + won / len(players)
    assert shapley_values(journeys(found), subset_value) == pytest.approx(expected, abs=1e-12)


@given(sets)
def test_values_are_together_the_worth_of_all(found: list[Set]) -> None:
    """Nothing is lost or added in sharing out."""
    won, every = sum(one for _, one, _ in found), sum(won + lost for _, won, lost in found)
    assert sum(shapley_values(journeys(found)).values()) == pytest.approx(won / every if every else 0, abs=1e-12)


def test_subset_sums_add_up_what_lies_inside() -> None:
    """For sets of players as bits: what lies inside {0, 2} are the sets 0, 1, 4 and 5."""
    weights = np.array([1.0, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000])
    assert subset_sums(weights)[0b101] == 110_011
    assert subset_sums(weights)[0b111] == weights.sum()


def test_a_channel_that_spoils_journeys_has_a_value_below_nothing() -> None:
    """Worked by hand: a alone always wins, a with b never does. Before a comes b is worth 0, after it 1/2 - 1."""
    values = shapley_values([Journeys(frozenset("a"), 1, 1), Journeys(frozenset("ab"), 0, 1)])
    # Orders a b: a adds 1, b adds 1/2 - 1. Orders b a: b adds 0, a adds 1/2.
    assert values == pytest.approx({"a": 0.75, "b": -0.25})


def test_without_players_there_are_no_values() -> None:
    """Journeys without any player are ignored."""
    assert shapley_values([]) == {}
    assert shapley_values([Journeys(frozenset(), 3, 4)]) == {}


def many(players: int) -> list[Journeys]:
    """Journeys of one to three of so many players, drawn once and for all."""
    draw = np.random.default_rng(7)
    names = [f"p{number:02}" for number in range(players)]
    found = []
    for _ in range(120):
        size = int(draw.integers(1, 4))
        found.append(Journeys(frozenset(draw.choice(names, size, replace=False)), int(draw.integers(0, 5)), 5))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("worth", [conversion_rate, subset_value])
def test_drawn_orders_come_near_to_all_orders(worth: shapley.Worth, monkeypatch: pytest.MonkeyPatch) -> None:
    """For ten players both ways can be gone: what is drawn is within a few hundredths of the largest value."""
    exact = shapley_values(many(10), worth)
    monkeypatch.setattr(shapley, "MOST_EXACT", 0)
    drawn = shapley_values(many(10), worth)
    largest = max(abs(value) for value in exact.values())
    assert drawn == pytest.approx(exact, abs=0.05 * largest)
    assert sum(drawn.values()) == pytest.approx(sum(exact.values()))


@pytest.mark.slow
def test_more_players_than_can_be_gone_through_give_the_same_values_each_time() -> None:
    """Beyond fifteen players orders are drawn with a fixed seed: two runs agree to the last digit, and add up."""
    once, again = shapley_values(many(40)), shapley_values(many(40))
    assert once == again
    every = sum(journey.all for journey in many(40))
    assert sum(once.values()) == pytest.approx(sum(journey.won for journey in many(40)) / every)


def test_the_reference_goes_through_every_order() -> None:
    """The calculation that the others are held against is right where it can be seen: two players, two orders."""
    paths = [(["a"], True), (["a", "b"], False)]
    assert len(list(permutations("ab"))) == 2
    assert credit_reference.conversion_game(paths) == {"a": Fraction(3, 4), "b": Fraction(-1, 4)}
