"""The product's figures beside those of SQL that was written by hand, from the standard, by somebody else."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from benchmarks import hand_sql, product
from benchmarks.compare import compare
from benchmarks.generate import FIRST_MONTH, NOW, generate


@pytest.mark.slow
def test_the_build_gives_the_figures_of_the_hand_written_sql(tmp_path: Path) -> None:
    """Every metric of the first families, each month of five years, in total and by five dimensions, to the cent."""
    store, figures = tmp_path / "entities.duckdb", tmp_path / "hand.parquet"
    generate(0.0003, store)
    hand_sql.build(store, now=NOW, first_month=FIRST_MONTH, into=figures)
    built, _ = product.build(store, tmp_path / "built.duckdb")
    compared = compare(built, pq.read_table(figures))
    assert compared.agrees, compared
    assert compared.equal > 300_000
