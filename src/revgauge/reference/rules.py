"""The common rules: what holds for every metric, each said once and with the place in the code where it lives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One rule that several metrics share."""

    key: str
    title: str
    text: str
    homes: tuple[str, ...] = ()
    """What implements it, as dotted names below `revgauge`; empty: no metric of this version needs it."""


RULES: tuple[Rule, ...] = (
    Rule(
        "R1",
        "Periods",
        "A period runs from its first day up to, and without, the day after its last, in the days of the reporting "
        "time zone. An instant belongs to the day that a clock in that zone shows; a plain day is taken as it stands. "
        "Midnight of the first belongs to the month that begins.",
        (
            "model.period.Period",
            "model.period.Calendar",
            "catalogue.context.Context.day",
        ),
    ),
    Rule(
        "R2",
        "Now",
        "`now` is the last day that counts. What is dated later is as if it were not there: tomorrow's subscription "
        "is no revenue yet, next week's cancellation has not happened, and an end that lies ahead does not decide the "
        "order of rows either. A period that begins after `now` has no value; one that contains it is read up to and "
        "including it and marked *to date*.",
        (
            "model.period.Period.partial",
            "catalogue.context.Context.known",
            "catalogue.context.Context.known_day",
        ),
    ),
    Rule(
        "R3",
        "Opening and closing",
        "A state is read on the closing day: the last day of the period, or `now` if that comes first. The opening "
        "day is the day before the period. A change counts from the first day of the new state: what is paid up to "
        "and without 1 April is revenue of March and churn of April.",
        (
            "model.period.Period.closing",
            "model.period.Period.opening",
            "catalogue.spans.UpToClosing",
        ),
    ),
    Rule(
        "R4",
        "Null and zero",
        "A quotient whose divisor is zero or below has no value: it is neither nought nor infinite. A sum or a count "
        "over a table that was loaded is 0 where no row matches; over a table that never was, or where a needed field "
        "or rate is missing, it has no value. Every missing value says why.",
        (
            "catalogue.series.combine",
            "catalogue.measures.ratio",
            "catalogue.resolver.NotComputable",
        ),
    ),
    Rule(
        "R5",
        "Missing data",
        "Nothing is guessed. What one row lacks spoils only the values that need it.",
        (
            "catalogue.gaps.GapFinder",
            "catalogue.measures.Total.gap",
        ),
    ),
    Rule(
        "R6",
        "Merged records",
        "Rows of an account that was merged count under the account that survived, through a chain of merges if need "
        "be; in a loop of merges each counts under itself. An opportunity or a lead that is a duplicate is left out.",
        (
            "catalogue.context.follow",
            "catalogue.context.Context.resolved",
        ),
    ),
    Rule(
        "R7",
        "Currency",
        "A rate is what one unit is worth in the reporting currency; that of a day is the last quote on or before it, "
        "however old; `revgauge gaps` says where it was older than seven days. Before the first quote there is none, "
        "and what needs it has no value. States are converted on the closing day, happenings on their own day.",
        (
            "catalogue.context.Rates",
            "catalogue.context.Context.with_rate",
            "catalogue.quotes.quote_gaps",
            "catalogue.planner.Planner",
        ),
    ),
    Rule(
        "R8",
        "Constant rates",
        "Where the same customers are compared on two days, both amounts are converted at the rates of the opening "
        "day, so that customers are measured and not currencies. With `fx = spot` each has the rates of its own day.",
        ("derived.retention.retained_mrr",),
    ),
    Rule(
        "R9",
        "Recurring revenue of a day",
        "The rows of a subscription are put in the order of start, end (open last) and amount. Each ends at the "
        "earliest of its own end, the start of the next and the end of the subscription; a row that would end on or "
        "before its start does not exist, and one that was cut short does not come back. So neither the order of a "
        "file nor a row loaded twice matters. A trial counts nothing. An account's revenue is the sum of its live "
        "rows, over all subscriptions; it is a customer while that sum is above zero, and at or below zero it counts "
        "nothing. Where a rate is missing, an account without a negative row is still a customer. Amounts are for a "
        "month, net of discounts, without tax; one-off fees, services and uncommitted usage are not among them.",
        (
            "derived.subscriptions.subscription_rows",
            "derived.account_days.account_days",
            "sources.units",
        ),
    ),
    Rule(
        "R10",
        "Days decide",
        "States of whole days are compared, so that a cancellation and a return on one day leave no trace. With "
        "`gap_days` an account that pays nothing for at most so many days and then returns is treated as if it had "
        "kept the rows of the day before the gap.",
        (
            "derived.subscriptions.subscription_changes",
            "derived.subscriptions.live_rows",
        ),
    ),
    Rule(
        "R11",
        "Level of a customer",
        "A customer is an account or, with `level = parent`, all accounts below the top of a group.",
        ("catalogue.context.Context.resolved",),
    ),
    Rule(
        "R12",
        "Dimensions of revenue",
        "Segment, region, industry, channel and owner are those of the account as it is now; what is missing is "
        "`unknown`. Product and plan choose the rows first, and what is chosen is treated as a company of its own: "
        "new is then new to the product, and products do not add up to the whole.",
        (
            "derived.subscriptions.ACCOUNT_DIMENSIONS",
            "catalogue.facts.WHOLE_DIMENSIONS",
        ),
    ),
    Rule(
        "R13",
        "Corrections",
        "Values are computed from what is known today, so a correction changes the past. Each build publishes its "
        "values with the version of the definition.",
        ("catalogue.published.publish",),
    ),
    Rule(
        "R14",
        "Negative amounts",
        "Where a kind tells the direction, an amount is a magnitude. A bill below zero is read as a credit note. A "
        "negative row of recurring revenue is a discount and is added as it stands.",
        (
            "derived.billing.monthly_billings",
            "derived.parts.mrr_parts",
        ),
    ),
    Rule(
        "R15",
        "Refunds",
        "A refund does not touch recurring revenue.",
        ("derived.subscriptions.subscription_rows",),
    ),
    Rule(
        "R16",
        "Sources of revenue",
        "Which revenue a figure means: recurring, invoiced, collected, recognised, booked.",
    ),
    Rule(
        "R17",
        "Gross margin",
        "Revenue less its cost, over revenue, of the twelve months up to the closing day.",
    ),
    Rule(
        "R18",
        "Won",
        "Won is an opportunity that is marked so and was closed in the period, worth its amount at the rate of that "
        "day; `won_opportunities` counts all types.",
        (
            "derived.opportunities.deal_events",
            "derived.opportunities.won_opportunities",
        ),
    ),
    Rule(
        "R19",
        "Path of a deal",
        "The touches that led to a won deal, in order of time, within a window.",
    ),
    Rule(
        "R20",
        "Quantiles",
        "The median and the 90th percentile lie between two values in proportion (type 7 of R).",
        ("catalogue.measures.Spread",),
    ),
    Rule(
        "R21",
        "Months",
        "So many months later is the same day number, cut to the length of the month. The term of a contract in "
        "months counts years, months and thirtieths of the difference of the day numbers. Whole months are one less "
        "while the day number of the start is not reached.",
        (
            "model.period.add_months",
            "methods.survival.whole_months",
            "derived.billing.contract_changes",
        ),
    ),
)

OPERATIONS_RULES: tuple[Rule, ...] = (
    Rule(
        "O1",
        "Shared",
        "R1, R2, R4 to R7 and R20 hold here too. *At the end* means just before the period, or the day `now`, is over.",
        ("catalogue.context.Context.end",),
    ),
    Rule(
        "O2",
        "Looking ahead",
        "A metric about what is planned has values for periods that have not begun.",
        ("catalogue.registry.Metric.looks_ahead",),
    ),
    Rule(
        "O3",
        "Four rules of time",
        "*Booked*: what completes the fact lies in the period, so a past period never changes for what happens later; "
        "a duration is booked where it ends. *Cohort*: those who entered in the period, and what became of them by "
        "now; with `window_days` only who has had the window counts, without it the value is marked *still ripening* "
        "while a tenth or more are undecided and younger than nine in ten were when it was decided. *Due*: the "
        "promise falls into the period. *Snapshot*: the state at the end.",
        (
            "metrics.funnel.RIPE_SHARE",
            "derived.leads.lead_events",
            "derived.opportunities.deal_events",
        ),
    ),
    Rule(
        "O4",
        "Windows and durations",
        "A window of so many days ends at the same time of day on a clock in the reporting zone, also where clocks "
        "are changed in between. A duration is elapsed time, in days or hours with fractions. What ends before it "
        "began is left out and listed.",
        (
            "catalogue.engine.wall_clock",
            "catalogue.engine.days_between",
        ),
    ),
    Rule(
        "O5",
        "Working hours",
        "Durations that count only inside the hours of a working calendar.",
    ),
    Rule(
        "O6",
        "Owners",
        "The owner of a deal is the one of the moment that is counted: the last in its history up to then, else the "
        "present one. Of a lead: who held it then by assignment, else its present owner. A handover moves the future "
        "and not the past.",
        (
            "derived.opportunities.at_instant",
            "derived.leads.lead_events",
        ),
    ),
    Rule(
        "O7",
        "Amounts of then",
        "An amount at an instant is the last that the history tells up to then; without any it is today's, and the "
        "value is marked *from present values*. A closed deal is worth its present amount. A deal without an amount "
        "is in no sum and is listed; an amount of 0 is a value.",
        (
            "derived.opportunities.created_deal_values",
            "derived.opportunities.spells",
        ),
    ),
    Rule(
        "O8",
        "Duplicates",
        "A duplicate lead is no lead of its own. What it reached counts for the lead that survived, where that has "
        "nothing of its own.",
        (
            "derived.leads.known_leads",
            "derived.leads.lead_states",
        ),
    ),
    Rule(
        "O9",
        "Which opportunities",
        "New business, expansion and cross-sell count, and a deal without a type is new business; renewals are won by "
        "other means and at other rates. A deal that was lost as a duplicate or a test was never an opportunity.",
        ("derived.opportunities.deals",),
    ),
    Rule(
        "O10",
        "Path of an opportunity",
        "The stages of a deal in the order of its history. In this version it decides one thing: whether the deal was "
        "ever in an open stage at or beyond the first pitch stage of its pipeline.",
        ("derived.opportunities.deal_events",),
    ),
    Rule(
        "O11",
        "Opportunities of a lead",
        "Those that name the lead or that it names, its duplicates included. It became an opportunity when it was "
        "converted or, without a date of that, when the first of them was created; converted into a mere contact it "
        "did not.",
        (
            "derived.leads.lead_links",
            "derived.leads.lead_states",
        ),
    ),
    Rule(
        "O12",
        "Dimensions of operations",
        "Leads: direction, channel, campaign, owner and the owner's team, role and department. Deals: type, channel, "
        "campaign, pipeline and the same of the owner. Both by account, segment, region and industry. What is missing "
        "is `unknown`.",
        (
            "derived.leads.LEAD_DIMENSIONS",
            "derived.opportunities.OPPORTUNITY_DIMENSIONS",
        ),
    ),
    Rule(
        "O13",
        "Small numbers",
        "A share of cases comes with both of its numbers and Wilson's 95 % interval, a mean with Student's. Below 30 "
        "cases the value is marked *few*.",
        (
            "catalogue.statistics.wilson",
            "catalogue.statistics.mean_interval",
            "catalogue.statistics.few",
        ),
    ),
    Rule(
        "O14",
        "Statistics of durations",
        "Mean, median and 90th percentile are all computed; the card says which one is the value by default.",
        ("catalogue.evaluation.Value.statistics",),
    ),
)


def rules() -> str:
    """The page."""
    return "\n".join(
        [
            _OPENING,
            "## Money and time\n",
            *map(_section, RULES),
            "## Leads and deals\n",
            *map(_section, OPERATIONS_RULES),
        ]
    )


_OPENING = """\
# Common rules

*Generated from `src/revgauge/reference/rules.py`; change it and run `make docs`. A test looks up every name given under
"in the code".*

What holds for every metric, said once. The cards of the [metrics](metrics/index.md) only say what is their own. The
numbers are those by which tests and worked cases refer to a rule.
"""


def _section(rule: Rule) -> str:
    homes = ", ".join(f"`{home}`" for home in rule.homes)
    place = f"In the code: {homes}." if homes else "No metric of this version needs it."
    return f"### {rule.key} {rule.title}\n\n{rule.text}\n\n{place}\n"
