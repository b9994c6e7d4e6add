"""MRR and its movements in polars, by month in total and along five dimensions: the same figures as `movements.sql`.

Amounts are whole millionths, so that sums stay exact; they become money when they are multiplied by a rate.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from benchmarks.hand_sql import MOVEMENTS, TOTAL

_MILLION: Final = 1_000_000
_KINDS = ("new", "back", "churned", "expanded", "contracted")


def build(store: Path, *, now: date, first_month: date, currency: str = "USD") -> pl.DataFrame:
    """The figures as rows of (metric, month, dimension, dimension_value, value)."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{store}' AS store (READ_ONLY)")
        connection.execute("USE store")
        accounts = _accounts(connection)
        rows = _live_rows(connection, accounts, now, currency)
        quotes = connection.sql("SELECT currency, quoted_on AS day, rate::DOUBLE AS rate FROM exchange_rates").pl()
    calendar = _calendar(quotes, first_month - timedelta(days=400), now)
    rates = _rates(calendar, quotes, currency)
    payers = rows.group_by("account").agg(pl.col("currency").first()).join(accounts, on="account", how="left")
    payers = payers.with_columns(pl.col(MOVEMENTS.dimensions).fill_null("unknown"))
    moves = _movements(rows).with_columns(stands_on=pl.max_horizontal("day", pl.lit(calendar["day"][0])))
    moves = moves.join(calendar, left_on="stands_on", right_on="day").join(payers, on="account")
    cuts = [_figures(_sums(moves, cut), rates, cut) for cut in (TOTAL, *MOVEMENTS.dimensions)]
    return pl.concat(cuts).filter(pl.col("month") >= first_month)


def _accounts(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    listed = ", ".join(MOVEMENTS.dimensions)
    accounts = connection.sql(f"SELECT account_id AS account, duplicate_of, {listed} FROM accounts").pl()
    return accounts.with_columns(pl.col(MOVEMENTS.dimensions).fill_null("unknown"))


def _survivors(accounts: pl.DataFrame) -> pl.DataFrame:
    """Merged account -> the end of its chain, found by walking it; a loop stops where it would come round."""
    merged = {row[0]: row[1] for row in accounts.filter(pl.col("duplicate_of").is_not_null()).iter_rows()}
    ends: dict[str, str] = {}
    for account, into in merged.items():
        seen, last = {account}, into
        while last in merged and merged[last] not in seen:
            seen.add(last)
            last = merged[last]
        ends[account] = last
    return pl.DataFrame({"account": list(ends), "survivor": list(ends.values())}, schema=["account", "survivor"])


def _live_rows(connection: duckdb.DuckDBPyConnection, accounts: pl.DataFrame, now: date, currency: str) -> pl.DataFrame:
    """Prices with the days on which they are live."""
    prices = connection.sql(
        "SELECT subscription_id, account_id AS account, valid_from AS starts, valid_to, quantity::DOUBLE AS quantity, "
        f"CASE WHEN is_trial THEN 0 ELSE (mrr * {_MILLION})::BIGINT END AS mrr, "
        f"coalesce(currency, '{currency}') AS currency FROM subscription_periods WHERE valid_from <= DATE '{now}'"
    ).pl()
    terms = connection.sql("SELECT subscription_id, ended_on FROM subscriptions WHERE ended_on IS NOT NULL").pl()
    return (
        prices.lazy()
        .join(terms.lazy(), on="subscription_id", how="left")
        .join(_survivors(accounts).lazy(), on="account", how="left")
        .sort("subscription_id", "starts", "valid_to", "mrr", "quantity", nulls_last=True)
        .with_columns(next=pl.col("starts").shift(-1).over("subscription_id"))
        .with_columns(ends=pl.min_horizontal("valid_to", "ended_on", "next"))
        .filter(pl.col("ends").is_null() | (pl.col("ends") > pl.col("starts")))
        .select(
            pl.coalesce("survivor", "account").alias("account"),
            "currency",
            "starts",
            pl.when(pl.col("ends") <= now).then("ends").alias("ends"),
            "mrr",
        )
        .collect()
    )


def _movements(rows: pl.DataFrame) -> pl.DataFrame:
    """What each account paid before and after each of its changes, and the kind of the change."""
    begun = rows.lazy().select("account", day="starts", change="mrr")
    ended = rows.lazy().filter(pl.col("ends").is_not_null()).select("account", day="ends", change=-pl.col("mrr"))
    opening, closing = pl.col("opening"), pl.col("closing")
    first = pl.col("day") == pl.col("first_day")
    return (
        pl.concat([begun, ended])
        .group_by("account", "day")
        .agg(pl.col("change").sum())
        .filter(pl.col("change") != 0)
        .sort("account", "day")
        .with_columns(balance=pl.col("change").cum_sum().over("account"))
        .with_columns(
            opening=(pl.col("balance") - pl.col("change")).clip(lower_bound=0),
            closing=pl.col("balance").clip(lower_bound=0),
            first_day=pl.col("day").filter(pl.col("balance") > 0).min().over("account"),
        )
        .with_columns(
            new=pl.when((opening == 0) & first).then(closing).otherwise(0),
            back=pl.when((opening == 0) & ~first).then(closing).otherwise(0),
            churned=pl.when(closing == 0).then(opening).otherwise(0),
            expanded=pl.when((opening > 0) & (closing > opening)).then(closing - opening).otherwise(0),
            contracted=pl.when((closing > 0) & (closing < opening)).then(opening - closing).otherwise(0),
        )
        .select("account", "day", *_KINDS)
        .collect()
    )


def _calendar(quotes: pl.DataFrame, first_day: date, now: date) -> pl.DataFrame:
    """Each day with its month and its bucket: a run of days in one month under the same quotes."""
    days = pl.DataFrame({"day": pl.date_range(first_day, now, eager=True)})
    breaks = (pl.col("day").dt.day() == 1) | pl.col("day").is_in(quotes["day"].unique().to_list())
    return days.with_columns(month=pl.col("day").dt.truncate("1mo"), bucket=breaks.cast(pl.Int32).cum_sum())


def _rates(calendar: pl.DataFrame, quotes: pl.DataFrame, currency: str) -> pl.DataFrame:
    """The rate of each currency in each bucket, and in the bucket before."""
    buckets = calendar.group_by("bucket", "month").agg(pl.col("day").min()).sort("day")
    buckets = buckets.with_columns(closes=pl.col("bucket") == pl.col("bucket").max().over("month"))
    foreign = quotes.filter(pl.col("currency") != currency)
    own = pl.DataFrame({"currency": [currency], "day": [date(1900, 1, 1)], "rate": [1.0]})
    quoted = pl.concat([foreign, own]).sort("day")
    wanted = buckets.join(quoted.select("currency").unique(), how="cross").sort("day")
    found = wanted.join_asof(quoted, on="day", by="currency", check_sortedness=False)
    return found.sort("bucket").with_columns(rate_before=pl.col("rate").shift(1).over("currency"))


def _sums(moves: pl.DataFrame, cut: str) -> pl.DataFrame:
    value = pl.lit("") if cut == TOTAL else pl.col(cut)
    return moves.lazy().group_by(value.alias("cut_value"), "currency", "bucket").agg(pl.col(_KINDS).sum()).collect()


def _figures(sums: pl.DataFrame, rates: pl.DataFrame, cut: str) -> pl.DataFrame:
    """Balances over every bucket, converted and summed by month, in the long form."""
    change = pl.col("new") + pl.col("back") + pl.col("expanded") - pl.col("contracted") - pl.col("churned")
    dense = (
        sums.select("cut_value", "currency")
        .unique()
        .join(rates, on="currency")
        .join(sums, on=["cut_value", "currency", "bucket"], how="left")
        .with_columns(pl.col(_KINDS).fill_null(0))
        .sort("bucket")
        .with_columns(change=change)
        .with_columns(balance=pl.col("change").cum_sum().over("cut_value", "currency"))
    )
    before = pl.col("balance") - pl.col("change")
    figures = dense.group_by("month", "cut_value").agg(
        mrr=_money(pl.col("balance").filter(pl.col("closes")), pl.col("rate").filter(pl.col("closes"))),
        new_mrr=_money(pl.col("new"), pl.col("rate")),
        expansion_mrr=_money(pl.col("expanded"), pl.col("rate")),
        contraction_mrr=_money(pl.col("contracted"), pl.col("rate")),
        churned_mrr=_money(pl.col("churned"), pl.col("rate")),
        reactivation_mrr=_money(pl.col("back"), pl.col("rate")),
        currency_effect_mrr=_money(before, pl.col("rate") - pl.col("rate_before")),
        net_new_mrr=_money(pl.col("change"), pl.col("rate")),
    )
    long = figures.unpivot(index=["month", "cut_value"], variable_name="metric", value_name="value")
    return long.select("metric", "month", dimension=pl.lit(cut), dimension_value="cut_value", value="value")


def _money(amount: pl.Expr, rate: pl.Expr) -> pl.Expr:
    return (amount * rate).sum() / _MILLION
