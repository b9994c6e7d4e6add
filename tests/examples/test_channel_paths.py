"""Ten thousand published customer paths over twelve channels: every model of credit gives what was worked out for them.

The paths are the example data of the package ChannelAttribution, which may be used and not passed on: `Data.csv` in
`python/src/cypack/data` of its repository DavideAltomare/ChannelAttribution, put as it is (or as .gz) into the folder
`channel_paths` beside the data of the examples.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.metrics import builtin_catalogue

CLOSED = datetime(2025, 3, 20)  # noqa: DTZ001 - the store keeps instants in UTC without saying so
EXPECTED = json.loads((Path(__file__).parent / "channel_paths_expected.json").read_text(encoding="utf-8"))["values"]
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "first_touch": ("attributed_revenue", {"model": "first"}),
    "last_touch": ("attributed_revenue", {"model": "last"}),
    "linear": ("attributed_revenue", {"model": "linear"}),
    "position_40_20_40": ("attributed_revenue", {"model": "position_based"}),
    "markov_with_null": ("attributed_revenue", {"model": "markov"}),
    "touched": ("touched_revenue", {}),
    "actioned": ("actioned_revenue", {"rule": "sole"}),
}


def rows_of_paths() -> list[dict[str, str]]:
    """The published rows: a path, and how many journeys along it were won and lost; fails with what to fetch."""
    folder = Path(os.environ["REVGAUGE_DATA"]).expanduser() / "channel_paths"
    for name, opened in (("Data.csv", open), ("Data.csv.gz", gzip.open)):
        if (folder / name).exists():
            with opened(folder / name, "rt", encoding="utf-8") as file:
                return list(csv.DictReader(file, delimiter=";"))
    pytest.fail(f"{folder} lacks Data.csv; see the head of {Path(__file__).name} for where it is", pytrace=False)


@pytest.fixture(scope="module")
def looked() -> Evaluation:
    """An evaluation of the paths as deals and touches: a deal for each journey, its touches an hour apart."""
    deals: dict[str, list[Any]] = {name: [] for name in ("key", "amount", "won")}
    touches: dict[str, list[Any]] = {name: [] for name in ("key", "deal", "occurred", "channel")}
    for row in rows_of_paths():
        channels = row["path"].split(" > ")
        won, lost = int(row["total_conversions"]), int(row["total_null"])
        worth = Decimal(row["total_conversion_value"])
        each = round(worth / won, 6) if won else Decimal(0)
        for number in range(won + lost):
            key = f"o{len(deals['key'])}"
            deals["key"].append(key)
            deals["won"].append(number < won)
            deals["amount"].append(round(worth - each * (won - 1), 6) if number == 0 and won else each)
            for place, channel in enumerate(channels):
                touches["key"].append(f"{key}-{place:03}")
                touches["deal"].append(key)
                touches["occurred"].append(CLOSED - timedelta(hours=len(channels) - place))
                touches["channel"].append(channel)
    warehouse = Warehouse.of_empty_entities()
    connection = warehouse.connection
    connection.register("deals", pa.table({**deals, "amount": pa.array(deals["amount"], pa.decimal128(18, 6))}))
    connection.register("touches", pa.table(touches))
    connection.execute(
        "INSERT INTO opportunities (opportunity_id, amount, is_won, created_at, closed_at) "
        f"SELECT key, amount, won, TIMESTAMP '2025-01-01', TIMESTAMP '{CLOSED}' FROM deals"
    )
    connection.execute(
        "INSERT INTO touchpoints (touchpoint_id, opportunity_id, occurred_at, channel) "
        "SELECT key, deal, occurred, channel FROM touches"
    )
    return Evaluation(builtin_catalogue(), Context(Warehouse.over(connection), Settings(date(2025, 3, 31))))


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.parametrize("name", ASKED)
def test_credit_of_the_published_paths(looked: Evaluation, name: str) -> None:
    """Each channel has the credit that was worked out from the paths without RevGauge, to less than a cent."""
    metric, params = ASKED[name]
    period = (looked.context.calendar.parse("2025-03"),)
    (result,) = looked.results([Request(metric, period, params, ("channel",))])
    found = {value.dimensions["channel"]: value.value for value in result.values()}
    expected = EXPECTED[name]
    differing = {
        channel: (found.get(channel), worth)
        for channel, worth in expected.items()
        if abs((found.get(channel) or Decimal(0)) - Decimal(str(worth))) > Decimal("0.005")
    }
    assert differing == {}
    assert found["unattributed"] == 0
    assert not [channel for channel in found.keys() - expected.keys() - {"unattributed", "shared"} if found[channel]]
