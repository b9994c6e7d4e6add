"""What is wrong in the exports on purpose: rows twice, rows that arrive late, rows that no loader can accept."""

from __future__ import annotations

from dataclasses import dataclass

from revgauge.demo import stories
from revgauge.demo.chance import Chance
from revgauge.demo.exports import Export, Lines
from revgauge.demo.world import World

REPEATED = {"product_usage": 25, "payments": 12, "leads": 8}
"""How many rows of an entity stand in its file twice, exactly."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that must land in quarantine: a good row with a new key and one bad value."""

    entity: str
    key: str
    """The key it carries, so that it can be found."""
    header: str
    value: str
    about: str


FAULTS = (
    Fault("leads", "L-90001", "CreatedDate", "31/02/2025", "a day that does not exist"),
    Fault("leads", "L-90002", "CreatedDate", "31/02/2025", "a day that does not exist"),
    Fault("invoices", "INV-900001", "Currency", "dollars", "a word that is no currency"),
    Fault("invoices", "INV-900002", "Currency", "dollars", "a word that is no currency"),
    Fault("contracts", "K-90001", "EndDate", "2022-01-01", "an end before the start"),
    Fault("contracts", "K-90002", "EndDate", "2022-01-01", "an end before the start"),
    Fault("tickets", "H-90001", "Created at", "yesterday", "a word where an instant is due"),
    Fault("tickets", "H-90002", "Replies", "-3", "fewer messages than none"),
    Fault("survey_responses", "V-900001", "kind", "npss", "a kind of survey that does not exist"),
    Fault("expenses", "E-90001", "amount", "twelve", "an amount in words"),
    Fault("quotas", "", "amount", "", "a quota without its amount"),
)
"""The bad rows. The last one has no key of its own: its amount is missing."""


def repeat(export: Export, lines: Lines, chance: Chance) -> None:
    """Put exact copies of some rows into the file, some rows further down."""
    for _ in range(REPEATED.get(export.entity, 0)):
        position = chance.whole(0, len(lines) - 400)
        lines.insert(position + chance.whole(1, 300), list(lines[position]))


def break_rows(export: Export, lines: Lines, chance: Chance) -> None:
    """Put the bad rows among the good ones."""
    headers = [column.header for column in export.columns]
    for fault in FAULTS:
        if fault.entity != export.entity:
            continue
        position = chance.whole(len(lines) // 2, len(lines) - 1)
        model = next(line for line in lines[position:] + lines if line[headers.index(fault.header)])
        bad = list(model)
        if fault.key:
            bad[0] = fault.key
        else:
            bad[headers.index("period_start")], bad[headers.index("period_end")] = "2026-04-01", "2026-07-01"
        bad[headers.index(fault.header)] = fault.value
        if fault.entity == "contracts":
            bad[headers.index("Renewed_By__c")] = bad[headers.index("Renewal_Reason__c")] = ""
        lines.insert(position, bad)


def late(world: World, lines: Lines) -> tuple[Lines, Lines]:
    """Split the payments into those of the first export and those that came with the next one."""
    regions = {row["account_id"]: row["region"] for row in world.tables["accounts"]}
    billed = {row["invoice_id"]: regions[row["account_id"]] for row in world.tables["invoices"]}
    first, second = stories.LATE_FROM.isoformat(), stories.LATE_TO.isoformat()
    on_time: Lines = []
    arrived_late: Lines = []
    for line in lines:
        is_late = first <= line[2] < second and billed[line[1]] == stories.LATE_REGION
        (arrived_late if is_late else on_time).append(line)
    return on_time, arrived_late
