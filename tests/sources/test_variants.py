"""The same deals in six disguises become the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.sources.helpers import HERE, load_now, make_project, query

VARIANTS = HERE / "data" / "variants"
EXPECTED = json.loads((VARIANTS / "expected.json").read_text(encoding="utf-8"))
FIELDS = ("opportunity_id", "account_id", "stage", "created_at", "closed_at", "amount")
PLAIN = ("opportunity_id", "account", "stage", "created", "closed", "amount")
HEADERS = {
    "german_excel_semicolon_cp1252.csv": (
        "Chancen-ID", "Unternehmen", "Phase", "Angelegt am", "Geschlossen am", "Betrag (USD)",
    ),
    "salesforce_report_with_footer.csv": (
        "Opportunity ID", "Account Name", "{column: Stage, map: {Closed Won: Won, Closed Lost: Lost}}",
        "Created Date", "Close Date", "Amount",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EXPECTED["files"]))
def test_every_disguise_yields_the_same_deals(tmp_path: Path, name: str) -> None:
    """Encoding, separators, dates and amounts are found out; the expected rows stand in `expected.json`."""
    columns = zip(FIELDS, HEADERS.get(name, PLAIN), strict=True)
    mapped = "".join(f"      {field}: {column}\n" for field, column in columns)
    mapping = f"source: crm\nfiles: {{data: {name}}}\nentities:\n  opportunities:\n    fields:\n{mapped}"
    project = make_project(tmp_path, mapping, {name: VARIANTS / name})
    report = load_now(project)
    assert report.counts.get("error", 0) == 0
    found = query(
        project,
        "SELECT opportunity_id, account_id, stage, strftime(created_at, '%Y-%m-%d'), strftime(closed_at, '%Y-%m-%d'), "
        "CAST(amount AS DOUBLE) FROM opportunities ORDER BY opportunity_id",
    )
    assert [list(row) for row in found] == sorted(EXPECTED["truth"])
