"""Canonical CSV folders: strict values, and the difference between empty and never loaded."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from revgauge.sources.canonical import CaseError, read_case_tables

if TYPE_CHECKING:
    from pathlib import Path


def test_values_keep_their_types_and_instants_become_utc(tmp_path: Path) -> None:
    """An instant with an offset is stored in UTC, an amount stays an exact decimal (by hand: 02:30+02:00 is 00:30)."""
    (tmp_path / "opportunities.csv").write_text(
        "opportunity_id,amount,created_at,is_won\n007,12.50,2025-03-01T02:30:00+02:00,true\n8,,2025-03-01T00:00:00Z,\n",
        encoding="utf-8",
    )
    connection = duckdb.connect()
    read_case_tables(tmp_path, connection)
    rows = connection.execute(
        "SELECT opportunity_id, amount, created_at, is_won FROM opportunities ORDER BY opportunity_id"
    ).fetchall()
    assert rows == [
        ("007", Decimal("12.500000"), datetime(2025, 3, 1, 0, 30), True),  # noqa: DTZ001 - stored without a zone
        ("8", None, datetime(2025, 3, 1), None),  # noqa: DTZ001 - stored without a zone
    ]


def test_empty_is_not_never_loaded(tmp_path: Path) -> None:
    """A header without rows is loaded and empty; an absent column or file leaves no trace in `loaded_fields`."""
    (tmp_path / "accounts.csv").write_text("account_id,segment\n", encoding="utf-8")
    connection = duckdb.connect()
    read_case_tables(tmp_path, connection)
    facts = connection.execute("SELECT * FROM loaded_fields ORDER BY field").fetchall()
    assert facts == [("accounts", "account_id", 0, 0), ("accounts", "segment", 0, 0)]
    assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (0,)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Every bad cell, unknown file and unknown column is named in one error."""
    (tmp_path / "payments.csv").write_text(
        "payment_id,paid_at,amount\np1,2025-03-01T00:00:00,ten\np2,2025-02-30T00:00:00Z,1.1234567\n", encoding="utf-8"
    )
    (tmp_path / "acounts.csv").write_text("account_id\n", encoding="utf-8")
    with pytest.raises(CaseError) as caught:
        read_case_tables(tmp_path, duckdb.connect())
    told = "\n".join(caught.value.mistakes)
    assert len(caught.value.mistakes) == 5
    assert "did you mean `accounts`" in told
    assert "row 3, amount: `1.1234567`" in told
    assert "row 2, paid_at" in told
