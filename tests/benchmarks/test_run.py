"""What a run of measurements makes of what it finds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from benchmarks.compare import compare
from benchmarks.generate import generate
from benchmarks.latency import asking, ours
from benchmarks.processes import Failed, Runner
from benchmarks.show import LABELS
from benchmarks.summary import SIDES, growth, merged, ratios, summary
from benchmarks.ways import WAYS


def _runs(*seconds: float) -> list[dict[str, float]]:
    return [{"seconds": each, "cpu_seconds": 2 * each, "peak_mib": 100 + each} for each in seconds]


def test_medians_and_ratios() -> None:
    """The median of three runs counts; one query per metric is a sixth of what it stands for: 6 x 5 / 2 = 15."""
    found = summary({"product": _runs(3, 9, 4), "hand": _runs(2), "per_metric": _runs(5)}, {"hand": {"leads": 2}})
    assert found["product"]["seconds"] == 4
    assert found["product"]["peak_mib"] == 109
    assert found["hand"]["scans_in_all"] == 2
    assert ratios(found) == {
        "product / hand": {"seconds": 2.0, "cpu_seconds": 2.0},
        "per_metric / hand": {"seconds": 15.0, "cpu_seconds": 15.0},
    }


def test_growth_is_of_the_ways_that_both_scales_have() -> None:
    """Ten times the rows and eight times the time; a way that only the smaller scale has does not grow."""
    small = {"scale": 0.01, "rows": {"leads": 10}, "ways": summary({"hand": _runs(1), "product_spark": _runs(9)}, {})}
    large = {"scale": 0.1, "rows": {"leads": 100}, "ways": summary({"hand": _runs(8)}, {})}
    assert growth([small, large]) == [
        {"from": 0.01, "to": 0.1, "rows": 10.0, "times": {"hand": {"seconds": 8.0, "cpu_seconds": 8.0}}}
    ]


def test_what_is_added_stands_beside_what_was_measured_before() -> None:
    """A way measured now replaces its earlier figures, and one that was not keeps them; ratios are of both: 8 / 4."""
    before = {"scale": 0.1, "ways": summary({"product": _runs(9), "hand": _runs(4)}, {}), "agrees": True}
    now = {"scale": 0.1, "ways": summary({"product": _runs(8)}, {}), "agrees": True}
    nothing: dict[str, object] = {"failed": {}, "figures": {}, "lacking": {}, "ratios": {}}
    found = merged({**nothing, **before}, {**nothing, **now})
    assert found["ways"]["product"]["seconds"] == 8
    assert found["ways"]["hand"]["seconds"] == 4
    assert found["ratios"] == {"product / hand": {"seconds": 2.0, "cpu_seconds": 2.0}}
    assert found["agrees"]


def test_every_way_has_a_name_and_something_to_be_compared_with() -> None:
    """Nothing is measured whose figures nobody checks."""
    assert LABELS.keys() == WAYS.keys()
    assert SIDES.keys() | set(SIDES.values()) == WAYS.keys()


@pytest.mark.slow
def test_a_measurement_that_fails_says_why(tmp_path: Path) -> None:
    """Without a store the reason is the last line of the error, and one that takes too long is given up."""
    with pytest.raises(Failed, match=r"nowhere\.duckdb"):
        Runner().run("product", tmp_path / "nowhere.duckdb")
    with pytest.raises(Failed, match="given up after 0 seconds"):
        Runner(patience=0.01).run("product", tmp_path / "nowhere.duckdb")


@pytest.mark.slow
def test_one_question_has_the_same_answer_by_hand(tmp_path: Path) -> None:
    """Leads by month and direction: the product, asked twice, and one statement of SQL give the same numbers."""
    store = tmp_path / "entities.duckdb"
    generate(0.0001, store)
    wanted = asking.figures(ours.hand(store)())
    ask = ours.product_again(store)
    answers: list[pa.Table] = [ours.product(store)(), ask(), ask()]
    for answer in answers:
        compared = compare(asking.figures(answer), wanted)
        assert compared.agrees, compared
        assert compared.equal >= 60


def test_environments_are_fixed_to_versions() -> None:
    """Each tool that is measured beside us has its requirements, each of one version."""
    for name in asking.GUESTS.values():
        path = Path(asking.__file__).with_name(f"requirements-{name}.txt")
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        assert lines
        assert all("==" in line for line in lines if line), path
