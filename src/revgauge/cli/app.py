"""The commands: each reads its words, calls one function and returns an exit code.

What a command needs is imported when it is called, so that `revgauge --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Group, Parameter

from revgauge import __version__
from revgauge.cli import failures
from revgauge.cli.asking import Question, workspace
from revgauge.cli.terminal import Format, say
from revgauge.model.period import Grain

if TYPE_CHECKING:
    from revgauge.workspace import Workspace

EPILOGUE = (
    "Data goes to standard output, words to standard error. Exit codes: 0 good, 1 the data or definitions have errors, "
    "2 the call was wrong, 3 another run holds the project. --debug shows where in the program an error arose."
)

app = App(
    name="revgauge",
    help="Revenue operations numbers that are explained, owned and judged.",
    help_epilogue=EPILOGUE,
    help_format="plaintext",
    version=__version__,
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
START = Group("Start", sort_key=1)
WORK = Group("Do the work", sort_key=2)
ASK = Group("Ask", sort_key=3)

Shape = Annotated[Format, Parameter(name="--format", help="table for people; json and csv for programs.")]
Report = Annotated[Literal["table", "json"], Parameter(name="--format", help="table for people; json for programs.")]
Name = Annotated[str, Parameter(help="Name or short form of a metric, such as mrr or nrr.")]
By = Annotated[
    list[str] | None,
    Parameter(name="--by", negative="", help="DIMENSION to split by, or DIMENSION=VALUE to be limited to; repeatable."),
]
Variant = Annotated[
    list[str] | None,
    Parameter(name="--param", negative="", help="NAME=VALUE of a parameter of the definition; repeatable."),
]
Explain = Annotated[
    bool, Parameter(negative="", help="Print the steps: tables, answers, what each read, rows and seconds.")
]
Shrinking = Annotated[
    bool,
    Parameter(
        name="--allow-shrink", negative="", help="Take far fewer rows than the last time from a source as meant."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Here:
    """Which project."""

    project: Annotated[
        Path | None, Parameter(help="Folder of the project; else this one or the nearest above with revgauge.yml.")
    ] = None

    def workspace(self) -> Workspace:
        """The project to work with."""
        return workspace(self.project)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class HereThen(Here):
    """Which project, as of which day."""

    as_of: Annotated[
        date | None, Parameter(help="Last day that counts, such as 2025-03-31; else the project's own, or today.")
    ] = None

    def workspace(self) -> Workspace:
        """The project to work with, as it was on the day."""
        return workspace(self.project, self.as_of)


@app.command(group=START, sort_key=1)
def demo(
    folder: Annotated[Path, Parameter(name="DIR", help="Where it is made.")] = Path("demo-company"),
    /,
    *,
    report: Report = "table",
) -> int:
    """Make a sample company, load it, build it and show its headline metrics."""
    from revgauge.cli import beginnings

    return beginnings.demo(folder, form=report)


@app.command(group=START, sort_key=2)
def init(folder: Annotated[Path, Parameter(name="DIR", help="Where the files lie.")] = Path(), /) -> int:
    """Make a project from files that lie about: propose sources and mappings, and say how sure each is."""
    from revgauge.cli import beginnings

    return beginnings.init(folder)


@app.command(group=WORK, sort_key=1)
def load(*, allow_shrink: Shrinking = False, report: Report = "table", here: Here = Here()) -> int:
    """Read the sources into the entities; bad rows go to quarantine with file, row, column, reason and fix."""
    from revgauge.cli import work

    return work.load(here.workspace(), form=report, allow_shrink=allow_shrink)


@app.command(group=WORK, sort_key=2)
def gaps(*, shape: Shape = "table", here: HereThen = HereThen()) -> int:
    """Show what can be computed, what cannot, and what is missing."""
    from revgauge.cli import missing

    return missing.gaps(here.workspace(), form=shape)


@app.command(group=WORK, sort_key=3)
def build(*, explain: Explain = False, report: Report = "table", here: HereThen = HereThen()) -> int:
    """Compute all metrics and publish their values in one step."""
    from revgauge.cli import work

    return work.build(here.workspace(), form=report, explain=explain)


@app.command(group=WORK, sort_key=4)
def run(*, allow_shrink: Shrinking = False, report: Report = "table", here: HereThen = HereThen()) -> int:
    """Load, look for gaps and build: what a scheduler calls; safe to repeat."""
    from revgauge.cli import work

    return work.run(here.workspace(), form=report, allow_shrink=allow_shrink)


@app.command(group=ASK, sort_key=1)
def metrics(
    name: Annotated[str | None, Parameter(help="A metric, to see its definition in full.")] = None,
    /,
    *,
    shape: Shape = "table",
    here: Here = Here(),
) -> int:
    """List the catalogue, or show one definition in full."""
    from revgauge.cli import definitions

    return definitions.metrics(name, here.project, form=shape)


@app.command(group=ASK, sort_key=2)
def show(
    metric: Name,
    /,
    *,
    grain: Annotated[Grain | None, Parameter(help="Length of the periods; else that of --period, or month.")] = None,
    period: Annotated[
        str | None, Parameter(help="One period: 2025-03-31, 2025-W10, 2025-03, 2025-Q1, 2025 or all; else the last 13.")
    ] = None,
    by: By = None,
    param: Variant = None,
    exact: Annotated[bool, Parameter(negative="", help="All digits instead of three.")] = False,
    shape: Shape = "table",
    here: HereThen = HereThen(),
) -> int:
    """Show values of a metric."""
    from revgauge.cli import values

    question = Question(metric, grain, period, by or (), param or ())
    return values.show(here.workspace(), question, form=shape, exact=exact)


@app.command(group=ASK, sort_key=3)
def rows(
    metric: Name,
    /,
    *,
    period: Annotated[str, Parameter(help="The period: 2025-03-31, 2025-W10, 2025-03, 2025-Q1, 2025 or all.")],
    by: By = None,
    param: Variant = None,
    limit: Annotated[
        int | None, Parameter(help="Most rows of each list, 0 for all; else 20 in a table and all in json and csv.")
    ] = None,
    shape: Shape = "table",
    here: HereThen = HereThen(),
) -> int:
    """List the rows behind a number, those left out with the reason, and add them up again."""
    from revgauge.cli import listing

    question = Question(metric, None, period, by or (), param or ())
    return listing.rows(here.workspace(), question, form=shape, limit=limit)


@app.command(group=ASK, sort_key=4)
def forecast(
    metric: Name,
    /,
    *,
    grain: Annotated[
        Literal["day", "week", "month", "quarter", "year"], Parameter(help="Length of the periods.")
    ] = "month",
    horizon: Annotated[int, Parameter(help="How many periods ahead.")] = 6,
    by: By = None,
    param: Variant = None,
    shape: Shape = "table",
    here: HereThen = HereThen(),
) -> int:
    """Forecast a metric, and say which method would have been best on its own past."""
    from revgauge.cli import forecasting

    question = Question(metric, grain, None, by or (), param or ())
    return forecasting.foreseen(here.workspace(), question, step=grain, horizon=horizon, form=shape)


@app.command(group=ASK, sort_key=5)
def verify(
    *paths: Annotated[Path, Parameter(help="Folders with worked cases, at any depth; else the project's cases/.")],
    engine: Annotated[
        str, Parameter(help="The database that computes: duckdb, postgresql, spark, or an address as in `warehouse`.")
    ] = "duckdb",
    report: Report = "table",
    here: Here = Here(),
) -> int:
    """Check worked cases against the catalogue."""
    from revgauge.cli import checks

    return checks.verified(paths, here.project, form=report, engine=engine)


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process if none is given; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    given = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in given
    try:
        code = app(
            [word for word in given if word != "--debug"],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("Stopped. What was published before stays as it was.")
        return 130
    except BrokenPipeError:
        # Who reads has seen enough, as `head` does. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failures.GOOD
    except Exception as error:
        if debug:
            raise
        failure = failures.explained(error) or failures.ours(error)
        say(failure.text)
        return failure.code
    return code if isinstance(code, int) else failures.GOOD
