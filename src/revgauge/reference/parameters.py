"""What each parameter of a metric is for, in a line; a metric's own meaning stands before the general one."""

from __future__ import annotations

from revgauge.catalogue.registry import Metric

MEANINGS: dict[str, str] = {
    "action": "The action that people were asked to take, as it is named in `conversions.action`.",
    "time_to_conversion_days.action": "An action as in `conversions.action`; without one, the steps of a lead.",
    "activation": "Whether a subscription without a won deal activates a lead (`any`) or a won deal alone (`won`).",
    "age": "Periods of the cohort's own grain since the cohort; 0 is the end of the cohort's own period.",
    "survival_rate.age": "Whole months since the first paying day.",
    "amount": "Which amount of a deal: in force at the end of the period, the first one given, or today's.",
    "arpu_months": "With basis `arpu_users`: over how many months the billings for a user are averaged.",
    "bant_min": "How many of budget, authority, need and timing must be known to be there.",
    "basis": "From what recurring revenue is read: subscriptions, contracts, or bills.",
    "win_rate.basis": "Of the deals closed in the period, or of those created in it.",
    "lead_to_opportunity_rate.basis": "`cohort`: what became of the leads created; `flow`: arrivals over creations.",
    "lead_to_accepted_opportunity_rate.basis": "As for the lead to opportunity rate.",
    "activation_rate.basis": "As for the lead to opportunity rate.",
    "lead_activation_gap.basis": "As for the lead to opportunity rate.",
    "cohort": "The period in which the members paid for the first time: 2024-03, 2024-Q1 or 2024.",
    "compare": "The close of the period before, or of the same period a year before.",
    "count": "Which number of deals: open at the end, created in the period, or the mean of both ends.",
    "criteria": "What makes it accepted: sales said so, enough of BANT is known, or both.",
    "direction": "Inbound or outbound leads alone; without it both.",
    "exclude_loss_reasons": "Reasons of a loss that say that there was no opportunity: such deals are in no figure.",
    "from": "The step at which leads enter the rate.",
    "time_to_conversion_days.from": "The step at which the time begins.",
    "fx": "Each amount at the rate of its own day (`spot`), or all at the rate of one day (`constant`).",
    "fx_on": "With `fx = constant`: the day whose rates are used throughout.",
    "gap_days": "An account that pays nothing for at most so many days is treated as if it had never stopped.",
    "include_fx": "Whether the currency effect is added.",
    "include_reactivation": "Whether returns count as gained.",
    "level": "One customer is an account, or all accounts below the top of a group.",
    "lookback_days": "Value, win rate and cycle from so many days up to the end; without it those of the period.",
    "measure": "Money, or customers.",
    "cohort_revenue_retention.measure": "With growth of the members, or each capped at its first day.",
    "method": "The customers of two dates compared, or the movements on the way added up.",
    "logo_churn_rate.method": "Opening customers who are gone at the close, departures of them, or of anybody.",
    "customer_retention_rate.method": "As for customer churn.",
    "netting": "Compare each day with the day before, or the closing day of the period with its opening day.",
    "outcome": "Deals that were won alone, or all that were decided.",
    "overdue_as_lost": "Whether open deals past their expected day of closing count as closed.",
    "source": "From the movements of recurring revenue, or from won opportunities of that type.",
    "start": "Where the cycle begins: creation of the deal, creation of its lead, or acceptance.",
    "stat": "Which statistic of the values.",
    "time_to_conversion_days.stat": "Which statistic; `km_median` counts those who still wait.",
    "to": "The step that they are to reach, or any beyond it.",
    "time_to_conversion_days.to": "The step at which the time ends.",
    "types": "Types of opportunities that count; one without a type is new business.",
    "unit": "A subject once, from its first offer, or each offer by itself.",
    "users": "What a user is: a seat, a person who used the product, or an account.",
    "window_days": "Only leads that have had so many days, and only what they did within; without it all, up to now.",
    "conversion_rate.window_days": "Only those who have had so many days, and only what they did within.",
    "window_months": "Months from the opening to the closing day.",
}


def meaning(metric: Metric, param: str) -> str:
    """What the parameter is for in that metric; KeyError if nobody has written it down."""
    return MEANINGS.get(f"{metric.name}.{param}") or MEANINGS[param]
