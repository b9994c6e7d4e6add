"""The command line: `app` has the commands, the modules beside it print what a command found."""

from __future__ import annotations

from revgauge.cli.app import main

__all__ = ["main"]
