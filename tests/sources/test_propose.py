"""The proposed project: header names of known systems are recognised, doubts are said, and the result loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sources.helpers import HERE, load_now, query

from revgauge.sources.propose import propose, write

EXPORTS = HERE / "data" / "exports"


def proposed(folder: Path, *names: str) -> dict[tuple[str, str], str]:
    """Copy these exports, write the proposal, and give (entity, field): where it first comes from."""
    for name in names:
        (folder / name).write_bytes((EXPORTS / name).read_bytes())
    proposal = propose(folder)
    write(proposal, folder)
    return {(one.entity, one.field): one.found for one in reversed(proposal.recognised)}


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        (
            "unified_payments.csv",
            "stripe",
            {
                ("payments", "paid_at"): "Created date (UTC)",
                ("payments", "invoice_id"): "Invoice ID",
                ("payments", "currency"): "Currency",
            },
        ),
        (
            "payments_classic_header.csv",
            "stripe",
            {("payments", "paid_at"): "Created (UTC)", ("payments", "amount"): "Amount"},
        ),
        (
            "subscriptions_columns.csv",
            "stripe",
            {("subscriptions", "subscription_id"): "id", ("subscriptions", "ended_on"): "Ended At (UTC)"},
        ),
        (
            "classic_export_header.csv",
            "zendesk",
            {("tickets", "ticket_id"): "Id", ("tickets", "opened_at"): "Created at", ("tickets", "reopens"): "Reopens"},
        ),
        (
            "hubspot-crm-exports-all-deals-header.csv",
            "hubspot",
            {("opportunities", "opportunity_id"): "Record ID", ("opportunities", "stage"): "Deal Stage"},
        ),
        (
            "hubspot-crm-exports-mqls-header.csv",
            "hubspot",
            {("leads", "channel"): "Original Source", ("contacts", "email"): "Email"},
        ),
        (
            "deal_fields.csv",
            "pipedrive",
            {("opportunities", "amount"): "Deal - Value", ("opportunities", "closed_at"): "Deal - Closed on"},
        ),
        ("line_items_template.csv", "chartmogul", {("subscription_periods", "valid_from"): "Service period start"}),
    ],
)
def test_known_exports_are_recognised_and_load(
    tmp_path: Path, name: str, source: str, expected: dict[tuple[str, str], str]
) -> None:
    """The header names that real exports carry are mapped, and what is written loads without an edit."""
    found = proposed(tmp_path, name)
    assert expected.items() <= found.items()
    assert (tmp_path / "sources" / f"{source}.yml").exists()
    report = load_now(tmp_path)
    assert report.ok, report.text()


def test_a_salesforce_report_loads_its_deals(tmp_path: Path) -> None:
    """The report's sixty deals are mapped by their labels, closed by their stage, and its footer is left out."""
    (tmp_path / "report.csv").write_bytes(
        (HERE / "data" / "variants" / "salesforce_report_with_footer.csv").read_bytes()
    )
    proposed(tmp_path)
    load_now(tmp_path)
    # expected.json: 60 deals, 102881.00 in all, everyone closed
    found = query(
        tmp_path, "SELECT count(*), CAST(sum(amount) AS INT), count(is_won), count(closed_at) FROM opportunities"
    )
    assert found == [(60, 102881, 60, 60)]


def test_a_report_without_ids_is_not_used(tmp_path: Path) -> None:
    """Without a column for the key nothing is proposed; the file and the reason are told."""
    (tmp_path / "r.csv").write_bytes((EXPORTS / "report1642777476321.csv").read_bytes())
    proposal = propose(tmp_path)
    assert proposal.recognised == []
    assert [file for file, _ in proposal.unknown] == ["r.csv"]
    assert list(proposal.files) == ["revgauge.yml"]


def test_doubts_are_said(tmp_path: Path) -> None:
    """A similar name, a currency told by its values and a time without a zone are written down as unsure."""
    (tmp_path / "deals.csv").write_text(
        "opportunity_id,amounts,money,created_at,closed\n1,10.50,USD,2024-01-01 10:00:00,2024-02-01 10:00:00\n"
        "2,5.00,EUR,2024-01-02 10:00:00,\n",
        encoding="utf-8",
    )
    proposal = propose(tmp_path)
    sure = {one.field: one.confidence for one in proposal.recognised}
    assert sure == {
        "opportunity_id": "exact",
        "created_at": "exact",
        "closed_at": "known",
        "amount": "similar",
        "currency": "by values",
    }
    text = proposal.files["sources/files.yml"]
    assert "amount: amounts  # unsure: similar name" in text
    assert "currency: money  # unsure: recognised by its values" in text
    assert "time_zone: UTC  # unsure" in text
    assert len(proposal.questions) == 1
    write(proposal, tmp_path)
    assert load_now(tmp_path).ok


def test_files_with_one_header_are_one_input(tmp_path: Path) -> None:
    """Two years of one export become one input with two files, in folders below too."""
    (tmp_path / "exports").mkdir()
    for year in (2023, 2024):
        (tmp_path / "exports" / f"accounts_{year}.csv").write_text(f"account_id,name\n{year},Acme\n", encoding="utf-8")
    proposed(tmp_path)
    load_now(tmp_path)
    assert query(tmp_path, "SELECT account_id FROM accounts ORDER BY 1") == [("2023",), ("2024",)]


def test_values_that_do_not_fit_are_not_mapped(tmp_path: Path) -> None:
    """A column with a fitting name and other contents is left out with a comment, so that the rows still load."""
    (tmp_path / "tickets.csv").write_text(
        "ticket_id,opened_at,type,messages\n1,2024-01-01,x,many\n2,2024-01-01,y,few\n", encoding="utf-8"
    )
    proposal = propose(tmp_path)
    assert (
        "# not mapped: messages: `messages` has values that do not fit, such as `many`"
        in proposal.files["sources/files.yml"]
    )
    write(proposal, tmp_path)
    assert load_now(tmp_path).entities[0].rows_loaded == 2


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is already there stays as it is."""
    (tmp_path / "accounts.csv").write_text("account_id,name\n1,Acme\n", encoding="utf-8")
    (tmp_path / "revgauge.yml").write_text("name: mine\n", encoding="utf-8")
    written = write(propose(tmp_path), tmp_path)
    assert [path.name for path in written] == ["files.yml"]
    assert (tmp_path / "revgauge.yml").read_text(encoding="utf-8") == "name: mine\n"
