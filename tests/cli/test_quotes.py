"""`revgauge gaps` tells of currencies without a quote or with an old one, beside its data and not in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.conftest import Cli

from revgauge.workspace import Workspace

MAPPING = """\
source: exports
files:
  periods: periods.csv
  rates: rates.csv
entities:
  subscription_periods:
    from: periods
    fields: {subscription_id: id, account_id: id, valid_from: start, mrr: mrr, currency: currency}
  exchange_rates:
    from: rates
    fields: {currency: currency, quoted_on: day, rate: rate}
"""


def test_old_and_missing_quotes_are_told(tmp_path: Path, cli: Cli) -> None:
    """On 20 January the quote of the 3rd is 17 days old, ten more than seven; CHF has none. JSON stays a list."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "revgauge.yml").write_text("name: Small\nreporting_currency: USD\nas_of: 2025-01-20\n", "utf-8")
    (tmp_path / "sources" / "exports.yml").write_text(MAPPING, "utf-8")
    (tmp_path / "periods.csv").write_text("id,start,mrr,currency\na,2025-01-05,10,EUR\nc,2025-01-05,9,CHF\n", "utf-8")
    (tmp_path / "rates.csv").write_text("currency,day,rate\nEUR,2025-01-03,1.1\n", "utf-8")
    assert Workspace(tmp_path, clock=lambda: datetime(2025, 1, 20, tzinfo=UTC)).load().ok
    answer = cli("gaps", "--project", tmp_path, "--format", "json")
    assert answer.code == 0
    assert all("metric" in finding for finding in json.loads(answer.out))
    missing, old = answer.err.splitlines()
    assert missing == "exchange rates: CHF has no quote: 1 row is in it, and figures that need it have no value"
    assert old == (
        "exchange rates: EUR is converted at a quote more than 7 days old on 10 days since 2025-01-03; "
        "at worst that of 2025-01-03 held for 17 days, to 2025-01-20"
    )
