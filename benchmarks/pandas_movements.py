"""MRR and its movements in pandas, by month in total and along five dimensions: the same figures as `movements.sql`.

Amounts are whole millionths, so that sums stay exact; they become money when they are multiplied by a rate. Keys are
turned into numbers and dimensions into categories first, which pandas sorts and groups by far faster than texts.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

from benchmarks.hand_sql import MOVEMENTS, TOTAL

_MILLION: Final = 1_000_000
_KINDS: Final = ["new", "back", "churned", "expanded", "contracted"]
_DIMENSIONS: Final = list(MOVEMENTS.dimensions)


def build(store: Path, *, now: date, first_month: date, currency: str = "USD") -> pd.DataFrame:
    """The figures as rows of (metric, month, dimension, dimension_value, value)."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{store}' AS store (READ_ONLY)")
        connection.execute("USE store")
        listed = ", ".join(_DIMENSIONS)
        accounts = _read(connection, f"SELECT account_id AS account, duplicate_of, {listed} FROM accounts")
        rows, names = _live_rows(connection, accounts, now, currency)
        quoted = "SELECT currency, quoted_on::TIMESTAMP AS day, rate::DOUBLE AS rate FROM exchange_rates"
        quotes = _read(connection, quoted)
    calendar = _calendar(quotes, first_month - timedelta(days=400), now)
    rates = _rates(calendar, quotes, currency)
    accounts["account"] = names.get_indexer(accounts["account"])
    payers = rows.groupby("account", as_index=False)["currency"].first().merge(accounts, on="account", how="left")
    payers[_DIMENSIONS] = payers[_DIMENSIONS].fillna("unknown")
    payers = payers.astype(dict.fromkeys(["currency", *_DIMENSIONS], "category"))
    moves = _movements(rows)
    moves["day"] = moves["day"].clip(lower=calendar["day"].iloc[0])
    moves = moves.merge(calendar[["day", "bucket"]], on="day").merge(payers, on="account")
    cuts = [_figures(_sums(moves, cut), rates, cut) for cut in (TOTAL, *_DIMENSIONS)]
    every = pd.concat(cuts, ignore_index=True)
    return every[every["month"] >= pd.Timestamp(first_month)]


def _read(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    return connection.sql(query).to_arrow_table().to_pandas()


def _survivors(accounts: pd.DataFrame) -> dict[str, str]:
    """Merged account -> the end of its chain, found by walking it; a loop stops where it would come round."""
    linked = accounts[accounts["duplicate_of"].notna()]
    merged = dict(zip(linked["account"], linked["duplicate_of"], strict=True))
    ends: dict[str, str] = {}
    for account, into in merged.items():
        seen, last = {account}, into
        while last in merged and merged[last] not in seen:
            seen.add(last)
            last = merged[last]
        ends[account] = last
    return ends


def _live_rows(
    connection: duckdb.DuckDBPyConnection, accounts: pd.DataFrame, now: date, currency: str
) -> tuple[pd.DataFrame, pd.Index]:
    """Prices with the days on which they are live, and the names of the accounts in them by number."""
    prices = _read(
        connection,
        "SELECT subscription_id AS subscription, account_id AS account, valid_from::TIMESTAMP AS starts, "
        "valid_to::TIMESTAMP AS valid_to, quantity::DOUBLE AS quantity, "
        f"CASE WHEN is_trial THEN 0 ELSE (mrr * {_MILLION})::BIGINT END AS mrr, "
        f"coalesce(currency, '{currency}') AS currency FROM subscription_periods WHERE valid_from <= DATE '{now}'",
    )
    terms = _read(
        connection,
        "SELECT subscription_id AS subscription, ended_on::TIMESTAMP AS ended_on FROM subscriptions "
        "WHERE ended_on IS NOT NULL",
    )
    prices["currency"] = prices["currency"].astype("category")
    prices["subscription"], subscriptions = pd.factorize(prices["subscription"])
    terms["subscription"] = subscriptions.get_indexer(terms["subscription"])
    numbers, names = pd.factorize(prices["account"])
    survivors = _survivors(accounts)
    ends_of_chains, names = pd.factorize(pd.Index([survivors.get(name, name) for name in names]))
    prices["account"] = ends_of_chains[numbers]
    prices = prices.merge(terms, on="subscription", how="left")
    prices = prices.sort_values(["subscription", "starts", "valid_to", "mrr", "quantity"], ignore_index=True)
    follower = prices["starts"].shift(-1).where(prices["subscription"] == prices["subscription"].shift(-1))
    ends = prices[["valid_to", "ended_on"]].assign(follower=follower).min(axis=1)
    prices["ends"] = ends.where(ends <= pd.Timestamp(now))
    live = ends.isna() | (ends > prices["starts"])
    return prices.loc[live, ["account", "currency", "starts", "ends", "mrr"]], names


def _movements(rows: pd.DataFrame) -> pd.DataFrame:
    """What each account paid before and after each of its changes, by the kind of the change."""
    begun = rows[["account", "starts", "mrr"]].set_axis(["account", "day", "change"], axis=1)
    ended = rows.loc[rows["ends"].notna(), ["account", "ends", "mrr"]].set_axis(["account", "day", "change"], axis=1)
    ended["change"] = -ended["change"]
    changes = pd.concat([begun, ended]).groupby(["account", "day"], as_index=False)["change"].sum()
    changes = changes[changes["change"] != 0]  # the grouping has put them in order
    balance = changes.groupby("account")["change"].cumsum()
    opening, closing = (balance - changes["change"]).clip(lower=0), balance.clip(lower=0)
    first_day = changes["day"].where(balance > 0).groupby(changes["account"]).transform("min")
    first, none = changes["day"] == first_day, opening == 0
    return changes[["account", "day"]].assign(
        new=closing.where(none & first, 0),
        back=closing.where(none & ~first, 0),
        churned=opening.where(closing == 0, 0),
        expanded=(closing - opening).where(~none & (closing > opening), 0),
        contracted=(opening - closing).where((closing > 0) & (closing < opening), 0),
    )


def _calendar(quotes: pd.DataFrame, first_day: date, now: date) -> pd.DataFrame:
    """Each day with its month and its bucket: a run of days in one month under the same quotes."""
    days = pd.Series(pd.date_range(first_day, now, unit="us"))
    breaks = (days.dt.day == 1) | days.isin(quotes["day"])
    return pd.DataFrame({"day": days, "month": days.dt.to_period("M").dt.start_time, "bucket": breaks.cumsum()})


def _rates(calendar: pd.DataFrame, quotes: pd.DataFrame, currency: str) -> pd.DataFrame:
    """The rate of each currency in each bucket, and in the bucket before."""
    buckets = calendar.groupby(["bucket", "month"], as_index=False)["day"].min()
    buckets["closes"] = buckets["bucket"] == buckets.groupby("month")["bucket"].transform("max")
    own = pd.DataFrame({"currency": [currency], "day": calendar["day"].iloc[:1] - pd.Timedelta(days=1), "rate": [1.0]})
    quoted = pd.concat([quotes[quotes["currency"] != currency], own]).sort_values("day")
    wanted = buckets.merge(quoted[["currency"]].drop_duplicates(), how="cross").sort_values("day")
    found = pd.merge_asof(wanted, quoted, on="day", by="currency").sort_values("bucket")
    found["rate_before"] = found.groupby("currency")["rate"].shift(1)
    return found


def _sums(moves: pd.DataFrame, cut: str) -> pd.DataFrame:
    keys = ["currency", "bucket"] if cut == TOTAL else [cut, "currency", "bucket"]
    sums = moves.groupby(keys, as_index=False, observed=True)[_KINDS].sum()
    sums["cut_value"] = "" if cut == TOTAL else sums[cut].astype(str)
    return sums.astype({"currency": str})


def _figures(sums: pd.DataFrame, rates: pd.DataFrame, cut: str) -> pd.DataFrame:
    """Balances over every bucket, converted and summed by month, in the long form."""
    dense = sums[["cut_value", "currency"]].drop_duplicates().merge(rates, on="currency")
    dense = dense.merge(
        sums[["cut_value", "currency", "bucket", *_KINDS]], on=["cut_value", "currency", "bucket"], how="left"
    )
    dense[_KINDS] = dense[_KINDS].fillna(0)
    dense = dense.sort_values("bucket")
    change = dense["new"] + dense["back"] + dense["expanded"] - dense["contracted"] - dense["churned"]
    balance = change.groupby([dense["cut_value"], dense["currency"]]).cumsum()
    money = pd.DataFrame(
        {
            "mrr": balance.where(dense["closes"], 0) * dense["rate"],
            "new_mrr": dense["new"] * dense["rate"],
            "expansion_mrr": dense["expanded"] * dense["rate"],
            "contraction_mrr": dense["contracted"] * dense["rate"],
            "churned_mrr": dense["churned"] * dense["rate"],
            "reactivation_mrr": dense["back"] * dense["rate"],
            "currency_effect_mrr": (balance - change) * (dense["rate"] - dense["rate_before"]),
            "net_new_mrr": change * dense["rate"],
        }
    )
    sums_of_months: Any = money.groupby([dense["month"], dense["cut_value"]]).sum() / _MILLION
    long = sums_of_months.reset_index().melt(["month", "cut_value"], var_name="metric", value_name="value")
    long = long.rename(columns={"cut_value": "dimension_value"}).assign(dimension=cut)
    return long[["metric", "month", "dimension", "dimension_value", "value"]]
