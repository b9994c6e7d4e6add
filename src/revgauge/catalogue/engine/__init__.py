"""The engine: the one place that knows where tables stand and which database computes.

Everything above writes Ibis expressions. `expressions` has what definitions write, `meaning` keeps its meaning the same
in every database, `joins` puts tables beside each other, `base` says what a database has to offer, `duck`, `postgres`
and `spark` are the three that do, `through_ibis` stands for all others that Ibis speaks to, `forms` keeps how queries
are written, and `warehouse` is what the rest of the program holds.
"""

from revgauge.catalogue.engine.address import Address, AddressError, read_address
from revgauge.catalogue.engine.base import Engine, EngineError
from revgauge.catalogue.engine.duck import DuckDB
from revgauge.catalogue.engine.expressions import (
    MONEY,
    as_money,
    day_literal,
    days_between,
    flag,
    instant_of,
    local_day,
    seconds_between,
    times,
    to_decimal,
    wall_clock,
)
from revgauge.catalogue.engine.forms import Forms
from revgauge.catalogue.engine.joins import beside, with_match, without_match
from revgauge.catalogue.engine.recall import Recall
from revgauge.catalogue.engine.warehouse import Grouping, Journal, Step, Warehouse

__all__ = [
    "MONEY",
    "Address",
    "AddressError",
    "DuckDB",
    "Engine",
    "EngineError",
    "Forms",
    "Grouping",
    "Journal",
    "Recall",
    "Step",
    "Warehouse",
    "as_money",
    "beside",
    "day_literal",
    "days_between",
    "flag",
    "instant_of",
    "local_day",
    "read_address",
    "seconds_between",
    "times",
    "to_decimal",
    "wall_clock",
    "with_match",
    "without_match",
]
