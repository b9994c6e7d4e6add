"""`init` and `demo`: a project where there was none."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from revgauge.cli.asking import SETTINGS
from revgauge.cli.failures import DATA_WRONG, GOOD, CallError
from revgauge.cli.headlines import as_json, headlines, write_scorecard
from revgauge.cli.missing import in_short, status_counts
from revgauge.cli.terminal import progress, say, write, write_json
from revgauge.cli.work import load_in_short
from revgauge.demo import create
from revgauge.sources.propose import propose
from revgauge.sources.propose import write as write_proposal
from revgauge.workspace import Workspace

SAMPLE = "# The sample company."
"""How the settings of a sample company begin, so that no other project is overwritten."""


def init(folder: Path) -> int:
    """Propose sources and mappings for the files in the folder and write them; 1 if no file was recognised."""
    if not folder.is_dir():
        raise CallError(f"there is no folder {folder}")
    with progress() as tell:
        tell("looking at the files")
        proposal = propose(folder)
    written = write_proposal(proposal, folder)
    write(proposal.text())
    write()
    for path in written:
        write(f"wrote {path}")
    kept = [name for name in proposal.files if folder / name not in written]
    for name in kept:
        write(f"left as it was: {folder / name}")
    if not proposal.recognised:
        say("No file was recognised. Put CSV, Excel, JSON or Parquet files here, or write sources/*.yml by hand.")
        return DATA_WRONG
    say(f"Look through {folder / 'sources'}, then: revgauge run" + ("" if folder == Path() else f" --project {folder}"))
    return GOOD


def demo(folder: Path, *, form: Literal["table", "json"]) -> int:
    """Create, load and build the sample company, and print its headline metrics; the exit code."""
    _refuse_foreign(folder)
    began = time.monotonic()
    with progress() as tell:
        tell("inventing a company")
        create(folder)
        project = Workspace(folder)
        loaded = project.load(progress=tell)
        tell("looking for gaps")
        findings = project.gaps()
        built = project.build(tell)
        tell("reading the headlines")
        found = headlines(project)
    if form == "json":
        period = found[0].last.period.label
        scorecard = [as_json(headline) for headline in found]
        facts = {"project": str(folder), "name": project.settings.name, "as_of": project.now, "period": period}
        write_json({**facts, "scorecard": scorecard, "gaps": status_counts(findings)})
    else:
        write_scorecard(project, found)
        write()
        write(f"Loaded  {load_in_short(loaded)}")
        write(f"Built   {built.values:,} values")
        write(f"Gaps    {in_short(findings)}")
    say(f"\nThe sample company stands in {folder}, made in {time.monotonic() - began:.0f} s.")
    say(f"Its README tells what is hidden in the data. Try:\n  cd {folder}\n  revgauge show mrr --by segment")
    say(f"  revgauge rows win_rate --period {found[0].last.period.label}")
    return GOOD if loaded.ok else DATA_WRONG


def _refuse_foreign(folder: Path) -> None:
    """Raise CallError unless the folder is new, empty or an earlier sample company."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    settings = folder / SETTINGS
    if not folder.is_dir() or not settings.exists() or not settings.read_text(encoding="utf-8").startswith(SAMPLE):
        raise CallError(f"{folder} is not empty and holds no sample company; name a new folder: revgauge demo DIR")
