"""The stream of chance repeats, and its draws keep to their limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from revgauge.demo.chance import Chance


def test_the_stream_is_the_same_everywhere() -> None:
    """The first draws of a stream are these; they were taken on Linux with Python 3.11."""
    chance = Chance(2025, "test")
    assert [chance.whole(1, 1000) for _ in range(5)] == [512, 887, 414, 238, 2]


@given(st.integers(0, 10_000), st.integers(-50, 50), st.integers(0, 80))
def test_whole_numbers_stay_inside(seed: int, low: int, width: int) -> None:
    """A whole number is never below the low end nor above the high one."""
    assert low <= Chance(seed, "whole").whole(low, low + width) <= low + width


@given(st.integers(0, 10_000), st.floats(0.01, 0.99))
def test_numbers_between_stay_inside(seed: int, mode: float) -> None:
    """A number between two ends lies between them, wherever the mode is."""
    assert 0 <= Chance(seed, "between").between(0, mode, 1) <= 1


@given(st.integers(0, 10_000))
def test_what_weighs_nothing_is_never_drawn(seed: int) -> None:
    """A weighted draw takes only what has a weight."""
    assert Chance(seed, "weighted").weighted({"never": 0.0, "always": 2.0, "nor": 0.0}) == "always"


def test_streams_do_not_disturb_each_other() -> None:
    """Two names of one seed are two different streams."""
    assert [Chance(1, "a").share(), Chance(1, "a").share()] == [Chance(1, "a").share()] * 2
    assert Chance(1, "a").share() != Chance(1, "b").share()
