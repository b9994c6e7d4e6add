"""The page of `revgauge.yml`: every setting with its default and what it means."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from revgauge.project.settings import BuildSettings, ProjectSettings
from revgauge.reference.markdown import table

TAKES: dict[str, str] = {
    "name": "text",
    "reporting_currency": "three capital letters",
    "time_zone": "name of a zone",
    "fiscal_year_start": "1 to 12",
    "as_of": "a day such as 2025-03-31",
    "warehouse": "an address",
    "memory_limit": "a number and KB, MB or GB",
    "build": "the keys below",
    "defaults": "a metric, and below it parameter and value",
    "grains": "a list of day, week, month, quarter, year, all",
    "dimensions": "a list of dimensions",
    "first_day": "a day such as 2023-01-01",
}
"""What each setting takes, in words."""


def settings_page() -> str:
    """The page."""
    return _PAGE.format(settings=_settings(ProjectSettings), build=_settings(BuildSettings))


_PAGE = """\
# revgauge.yml

*Generated from `src/revgauge/project/settings.py`; change it and run `make docs`. The same as JSON Schema:
[revgauge-yml.json](revgauge-yml.json).*

The file that makes a folder a project. Only `name` is needed:

```yaml
name: Example Company
reporting_currency: EUR
time_zone: Europe/Berlin
fiscal_year_start: 4        # the year that begins in April 2025 is 2026
build:
  grains: [month, quarter]
defaults:
  net_revenue_retention: {{level: parent}}
```

A setting that is not in the table is refused, with the line and the nearest right spelling; all mistakes are told at
once.

{settings}
## build

{build}
## Beside it

- [`sources/*.yml`](mapping.md): where data come from and what the columns mean; as JSON Schema:
  [sources-yml.json](sources-yml.json).
- [`metrics.yml`](metrics-yml.md), `metrics/*.py`: the company's own metrics; as JSON Schema:
  [metrics-yml.json](metrics-yml.json).
- `cases/`: [worked cases](../how-to/worked-cases.md) of the company's own, for `revgauge verify`.
- `.revgauge/`: what RevGauge makes: the loaded entities, the published values, answers and queries that
  need not be made again, a lock. All of it can be made anew.
"""


def _settings(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", TAKES[name], _default(field), field.description or "")
        for name, field in model.model_fields.items()
    ]
    return table(("setting", "takes", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if field.is_required():
        return "must be given"
    if isinstance(default, tuple):
        return f"`[{', '.join(map(str, default))}]`"
    return "none" if default in (None, {}) or isinstance(default, BaseModel) else f"`{default}`"
