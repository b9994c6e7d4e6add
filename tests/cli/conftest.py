"""A small company for the command line: a few good rows and two broken ones, loaded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from revgauge.cli import main
from revgauge.workspace import Workspace

MOMENT = datetime(2025, 4, 1, 6, 0, tzinfo=UTC)

FILES = {
    "revgauge.yml": "name: Small Company\nreporting_currency: USD\nas_of: 2025-04-10\n",
    "sources/exports.yml": """\
source: exports
files:
  subscriptions: exports/subscriptions.csv
  customers: exports/customers.csv
  deals: exports/deals.csv
entities:
  accounts:
    from: customers
    fields:
      account_id: customer
      name: name
      segment: segment
      created_at: {column: since, time_zone: UTC}
  subscription_periods:
    from: subscriptions
    fields:
      subscription_id: subscription
      account_id: customer
      valid_from: start
      valid_to: stop
      mrr: mrr
      currency: {value: USD}
  opportunities:
    from: deals
    fields:
      opportunity_id: deal
      account_id: customer
      type: {value: new_business}
      stage: stage
      amount: amount
      currency: {value: USD}
      created_at: {column: created, time_zone: UTC}
      closed_at: {column: closed, time_zone: UTC}
      is_won: won
""",
    "exports/customers.csv": """\
customer,name,segment,since
acme,Acme,large,2024-12-01
birch,Birch,small,2024-12-01
cedar,=1+1,small,2024-12-01
delta,Delta,large,2024-12-01
""",
    "exports/subscriptions.csv": """\
subscription,customer,start,stop,mrr
s1,acme,2025-01-10,,1000
s2,birch,2025-01-15,2025-03-20,300
s3,cedar,2025-02-03,,234.56
s4,delta,2025-02-30,,900
s5,delta,2025-03-01,,ten
""",
    "exports/deals.csv": """\
deal,customer,stage,amount,created,closed,won
d1,acme,won,12000,2024-12-05,2025-01-08,true
d2,birch,won,3600,2024-12-20,2025-01-14,true
d3,delta,lost,9000,2025-01-02,2025-02-11,false
d4,delta,proposal,9600,2025-03-02,,
""",
}
"""Worked out by hand: MRR is 1300 at the end of January (acme, birch), 1534.56 of February (and cedar), 1234.56 of
March (without birch). The start of s4 is no day and the price of s5 no number, so neither row loads."""


@dataclass(frozen=True)
class Answer:
    """What a command line gave."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


def make_project(folder: Path) -> Path:
    """The folder of the small company, not loaded yet."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small company, loaded; tests only ask it."""
    folder = make_project(tmp_path_factory.mktemp("small-company"))
    report = Workspace(folder, clock=lambda: MOMENT).load()
    assert report.ok
    return folder


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command line in this process."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: object) -> Answer:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call
