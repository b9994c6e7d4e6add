"""Credit for revenue: which teams, channels and campaigns won deals, and what marketing money brought back.

Every metric looks at the touches on the way to a deal, up to its closing. What no touch has a part in is shown as
`unattributed`, never spread over the rest.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure, Unknown, limited, ratio, total
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import MonthsEarlier
from revgauge.derived.costs import Basis, margin_known
from revgauge.derived.credit import DIMENSIONS, SHARED, UNATTRIBUTED

Model = Literal["linear", "first", "last", "time_decay", "position_based", "markov", "shapley"]

WON = (
    "opportunities.closed_at",
    "opportunities.is_won",
    "opportunities.amount",
    "touchpoints.occurred_at",
)
MARKETING = (("department", "marketing"),)


def _asked(context: Context) -> list[str]:
    """The dimensions of credit that are asked for."""
    return [name for name in DIMENSIONS if name in context.split]


def _one_at_a_time(names: list[str]) -> Unknown:
    """What is said where two dimensions are asked for together and the parts of one would not add up to the other."""
    return Unknown(f"it is split by one dimension at a time, not by {' and '.join(names)} together")


@metric(label="Actioned revenue", unit=Unit.MONEY, needs=WON)
def actioned_revenue(
    step_touches: Facts, sole_deals: Facts, context: Context, *, rule: Literal["step", "sole"] = "step"
) -> Measure:
    """What won deals are worth that a department, channel or campaign brought about itself.

    A deal is a staircase: every change of its amount up to the closing is a step, and belongs to the last touch in the
    30 days before it, direct visits included; a discount is charged the same way. Steps that no touch precedes are
    `unattributed`. With rule `sole` a whole deal counts, and only where its path shows nothing else; others are
    `shared`. In all it is what is neither unattributed nor shared between departments.

    Unit: money
    Formula: sum of the steps of deals won, at the rate of the day of closing, by the last touch before each
    Edges: nothing won is 0; all values together are what was won; below 0 for who only gives discounts
    Null: a deal is in a currency without a rate by its closing; touches or deals were never loaded
    Seed: S2
    Source: S2
    So what: fair targets for sales, marketing and service; if low, a team helps others and closes nothing itself
    By: department, channel or campaign_id of the touch
    """
    asked = _asked(context)
    if rule == "sole":
        if len(asked) > 1:
            return _one_at_a_time(asked)
        alone = ~_.department.isin([UNATTRIBUTED, SHARED])
        return total(sole_deals, "amount", where=None if asked else alone, gap=_.unconverted)
    return total(step_touches, "step", where=_.acts if asked else _.acts & _.touched, gap=_.unconverted)


@metric(label="Touched revenue", unit=Unit.MONEY, needs=WON)
def touched_revenue(
    touched_deals: Facts, step_touches: Facts, context: Context, *, value: Literal["full", "uplift"] = "full"
) -> Measure:
    """What won deals are worth that a department, channel or campaign had any part in.

    A deal counts whole for each value that its path shows, so the parts add up to more than what was won; what has no
    touch is `unattributed`. With value `uplift` only the steps upward count that such a touch precedes by at most 30
    days.

    Unit: money
    Formula: sum of the amounts of deals won with at least one such touch on the path, at the rate of the closing
    Edges: nothing won is 0; in all it is the deals with any touch
    Null: a deal is in a currency without a rate by its closing; touches or deals were never loaded
    Seed: S2
    Source: S2, salesforce-influence
    So what: the reach of a team; much touched with little actioned says that it helps and does not close
    By: department, channel or campaign_id of the touch
    """
    asked = _asked(context)
    if len(asked) > 1:
        return _one_at_a_time(asked)
    if value == "uplift":
        counted = _[f"first_{asked[0]}"] if asked else _.acts & _.touched
        return total(step_touches, "step", where=counted & _.rises, gap=_.unconverted)
    return _touched(touched_deals, asked)


def _touched(touched_deals: Facts, asked: list[str]) -> Measure:
    """Won deals, once for each value of the dimension asked for; without one those with a touch."""
    counted = _[f"first_{asked[0]}"] if asked else _.touched & (_.place == 1)
    return total(touched_deals, "amount", where=counted, gap=_.unconverted)


@metric(label="Uplift of touched deals", unit=Unit.RATIO, kind="ratio", needs=WON)
def revenue_uplift_rate(touched_deals: Facts, step_touches: Facts, context: Context) -> Measure:
    """By how much a department, channel or campaign raised the won deals that it touched.

    Its own steps are those that follow one of its touches within 30 days and no later touch of anybody else.

    Unit: share of the rest of those deals
    Formula: its steps on the deals it touched / all other steps of those deals
    Null: no deal that it touched was won, or there is nothing else on them
    Edges: below 0 where it gives discounts
    Seed: S2
    Source: S2
    So what: whether a webinar raises budgets; if it does, put it before the offer
    By: department, channel or campaign_id of the touch
    """
    asked = _asked(context)
    if len(asked) > 1:
        return _one_at_a_time(asked)
    own = total(step_touches, "step", where=_.acts & _.touched, gap=_.unconverted)
    counted = _.touched & (_[f"first_{asked[0]}"] if asked else _.place == 1)
    touched = total(touched_deals, "amount", where=counted, gap=_.unconverted)
    return ratio(own, touched - own, "no deal that it touched was won, or there is nothing else on them")


@metric(label="Attributed revenue", unit=Unit.MONEY, needs=WON)
def attributed_revenue(
    touch_credits: Facts,
    value_credits: Facts,
    journey_credits: Facts,
    touched_deals: Facts,
    context: Context,
    *,
    model: Model = "linear",
    worth: Literal["subset_value", "conversion_rate"] = "subset_value",
) -> Measure:
    """What won deals are worth, shared out among the touches on their path by a model.

    Rules look at one deal: `linear` gives every touch the same, `first` and `last` all to one, `time_decay` halves the
    weight of a touch with each half-life before the closing, `position_based` gives 40 % to the first, 40 % to the last
    and the rest to those between. Two models weigh all journeys of the period, also the lost ones where it says so:
    `markov` by how much less likely a win would be without a channel, `shapley` by what it adds to the other channels:
    to the revenue of the journeys inside a set, or with `worth` to the share of them that is won. They describe paths
    and prove no cause, so read them beside a rule. Direct visits are passed over unless there is nothing else. Deals
    without a path are `unattributed`; in all it is the rest.

    Unit: money
    Formula: sum of share x amount of deals won, at the rate of the day of closing
    Edges: nothing won is 0; all values together are what was won; Shapley by conversion rates may be below 0
    Null: a deal is in a currency without a rate by its closing; touches or deals were never loaded
    Seed: S2
    Source: hubspot-attribution, google-attribution, salesforce-influence, anderl-2016, channelattribution,
        shapley-1953, zhao-2018
    So what: where the next marketing dollar goes; if first and last disagree, fund both ends before cutting either
    By: channel, campaign_id or department of the touch
    """
    check_weights(touch_credits)
    asked = _asked(context)
    if model not in ("markov", "shapley"):
        return total(touch_credits, "credit", where=None if asked else _.touched, gap=_.gap)
    if len(asked) > 1:
        return _one_at_a_time(asked)
    if not asked:  # shared out in whatever way, it is the same in all
        return total(touched_deals, "amount", where=_.touched & (_.place == 1), gap=_.unconverted)
    if model == "shapley" and worth == "subset_value":
        (name,) = asked
        return total(value_credits, f"credit_{name}", where=_[f"first_{name}"], gap=_.unconverted)
    return total(journey_credits, "credit", gap=_.gap)


def check_weights(touch_credits: Facts) -> None:
    """Raise ParamError if a deal cannot be shared out with the parameters of the facts."""
    known = touch_credits.params_dict()
    half_life, first, last = (known[name] for name in ("half_life_days", "first_weight", "last_weight"))
    wrong = []
    if half_life <= 0:
        wrong.append(f"half_life_days = {half_life} is not possible: a half-life is longer than nothing")
    if first < 0 or last < 0 or first + last > 1:
        wrong.append(
            f"first_weight = {first} and last_weight = {last} are not possible: neither is below 0, and together they "
            "are at most 1"
        )
    if wrong:
        raise ParamError("; ".join(wrong))


@metric(
    label="Return on marketing spend",
    unit=Unit.RATIO,
    kind="ratio",
    aliases=("marketing_roi", "romi"),
    needs=(*WON, "expenses.incurred_on", "expenses.amount", "expenses.department"),
    excluded=("department",),
)
def marketing_return_on_investment(
    touch_credits: Facts,
    booked_expenses: Facts,
    mrr_earnings: Facts,
    *,
    basis: Basis = "margin",
    gross_margin: Decimal | None = None,
    lag_months: int = 0,
) -> Measure:
    """What marketing brought back for each unit of money spent on it, less that unit.

    The credit of marketing touches by a rule-based model, times the gross margin, against all expenses of the
    department; by channel or campaign both sides are those booked on it. With `lag_months` the spending is that of so
    many months earlier. It is an average: the next unit may bring less.

    Unit: share of the spending; 0 gives the money back, -1 loses it all
    Formula: (attributed revenue of marketing touches x gross margin - spending) / spending
    Null: nothing was spent, or no margin is known
    Edges: spending without any credit is -1; the margin is the one given, else that of the last twelve months
    Seed: S2
    Source: farris-metrics
    So what: keep, scale or stop a campaign; test before scaling
    By: channel, campaign_id
    """
    check_weights(touch_credits)
    margin = margin_known(mrr_earnings, booked_expenses, basis=basis, gross_margin=gross_margin)
    credit = limited(total(touch_credits, "credit", gap=_.gap), MARKETING)
    spent = limited(total(booked_expenses, "amount", span=MonthsEarlier(lag_months), gap=_.unconverted), MARKETING)
    return ratio(credit * margin - spent, spent, "nothing was spent on marketing")
