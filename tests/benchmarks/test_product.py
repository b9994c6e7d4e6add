"""The product's figures beside those of SQL that was written by hand, from the standard, by somebody else."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from benchmarks import generate_whole, hand_sql, product
from benchmarks.compare import compare
from benchmarks.generate import FIRST_MONTH, NOW, generate
from benchmarks.scans import counted
from benchmarks.summary import compared, told_of


@pytest.mark.slow
def test_the_build_gives_the_figures_of_the_hand_written_sql(tmp_path: Path) -> None:
    """Every metric of the first families, each month of five years, in total and by five dimensions, to the cent.

    No entity is read more than three times for them, as the plans of the database count it.
    """
    store, figures = tmp_path / "entities.duckdb", tmp_path / "hand.parquet"
    generate(0.0003, store)
    hand_sql.build(store, now=NOW, first_month=FIRST_MONTH, into=figures)
    with counted("entities") as reads:
        built, _ = product.build(store, tmp_path / "built.duckdb")
    compared = compare(built, pq.read_table(figures))
    assert compared.agrees, compared
    assert compared.equal > 300_000
    assert max(reads.values()) <= 3, reads


@pytest.mark.slow
def test_the_whole_catalogue_gives_the_figures_of_the_third_written_by_hand(tmp_path: Path) -> None:
    """Renewals, cash, costs, credit and the others: the metrics that SQL by hand has too, by its cuts, to the cent."""
    store, figures = tmp_path / "entities.duckdb", tmp_path / "hand.parquet"
    generate_whole.generate(0.0003, store)
    hand_sql.build(store, now=NOW, first_month=FIRST_MONTH, families=hand_sql.THIRD, into=figures)
    others = pq.read_table(figures)
    built, told = product.whole_catalogue(store, tmp_path / "built.duckdb")
    found, lacking = compared(told_of("catalogue", built, others), others)
    assert found.agrees, found
    assert lacking == []
    assert found.equal > 45_000
    asked = {metric for family in hand_sql.THIRD for metric in family.metrics}
    assert 0.3 * told["metrics"] < len(asked) < 0.4 * told["metrics"]
    assert told["not_computable"] == {}
