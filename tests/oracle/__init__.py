"""A slow reference calculation of the metric standard, independent of the product.

It compares states day by day, keeps every number an exact fraction and takes no short cut, so that a reader can hold
each function against the standard. `evaluate` answers one question; `SCOPE` lists the metrics within reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from . import (
    accuracy,
    cash,
    economics,
    funnel,
    growth,
    movements,
    pipeline,
    prediction,
    recurring,
    renewals,
    retention,
    sales,
)
from .periods import Period
from .question import Question
from .tables import Tables, TextRows

Calculation = Callable[[Question], Fraction | None]

__all__ = ["ALIASES", "SCOPE", "Metric", "Tables", "evaluate"]


@dataclass(frozen=True)
class Metric:
    """A calculation and the tables without which it has no value."""

    calculate: Calculation
    needs: tuple[str, ...] = ()


def _part(part: str, deal_type: str) -> Calculation:
    def calculate(question: Question) -> Fraction | None:
        if question.params.get("source", "mrr") == "opportunities":
            return sales.won_value(question, deal_type) if question.tables.loaded("opportunities") else None
        return movements.part_mrr(question, part) if question.tables.loaded("subscription_periods") else None

    return calculate


def _time_to_conversion(question: Question) -> Fraction | None:
    needs = ("conversions",) if "action" in question.params else ("leads", "opportunities")
    return funnel.time_to_conversion_days(question) if question.tables.loaded(*needs) else None


def _recurring(calculate: Calculation) -> Metric:
    return Metric(calculate, ("subscription_periods",))


def _leads(calculate: Calculation) -> Metric:
    return Metric(calculate, ("leads", "opportunities"))


def _stages(calculate: Calculation) -> Metric:
    return Metric(calculate, ("opportunities", "opportunity_history", "stages"))


def _sales(calculate: Calculation) -> Metric:
    return Metric(calculate, ("opportunities",))


SCOPE: dict[str, Metric] = {
    "mrr": Metric(recurring.mrr),
    "arr": Metric(recurring.arr),
    "active_customers": _recurring(recurring.active_customers),
    "average_revenue_per_account": _recurring(recurring.revenue_per_account),
    "average_revenue_per_user": _recurring(recurring.revenue_per_user),
    "new_mrr": _recurring(lambda q: movements.moved(q, "new")),
    "expansion_mrr": _recurring(lambda q: movements.moved(q, "expansion")),
    "contraction_mrr": _recurring(lambda q: movements.moved(q, "contraction")),
    "churned_mrr": _recurring(lambda q: movements.moved(q, "churn")),
    "reactivation_mrr": _recurring(lambda q: movements.moved(q, "reactivation")),
    "currency_effect_mrr": _recurring(lambda q: movements.moved(q, "currency")),
    "net_new_mrr": _recurring(movements.net_new_mrr),
    "upsell_mrr": Metric(_part("upsell", "expansion")),
    "cross_sell_mrr": Metric(_part("cross_sell", "cross_sell")),
    "price_change_mrr": _recurring(movements.price_change_mrr),
    "new_customers": _recurring(lambda q: movements.accounts_moved(q, "new")),
    "churned_customers": _recurring(lambda q: movements.accounts_moved(q, "churn")),
    "reactivated_customers": _recurring(lambda q: movements.accounts_moved(q, "reactivation")),
    "upsell_rate": _recurring(lambda q: movements.part_rate(q, "upsell")),
    "cross_sell_rate": _recurring(lambda q: movements.part_rate(q, "cross_sell")),
    "quick_ratio": _recurring(movements.quick_ratio),
    "mrr_growth_rate": _recurring(recurring.mrr_growth_rate),
    "logo_churn_rate": _recurring(retention.logo_churn_rate),
    "customer_retention_rate": _recurring(retention.customer_retention_rate),
    "gross_revenue_retention": _recurring(lambda q: retention.revenue_retention(q, gross=True)),
    "net_revenue_retention": _recurring(lambda q: retention.revenue_retention(q, gross=False)),
    "gross_revenue_churn_rate": _recurring(lambda q: retention.revenue_churn_rate(q, gross=True)),
    "net_revenue_churn_rate": _recurring(lambda q: retention.revenue_churn_rate(q, gross=False)),
    "cohort_customer_retention": _recurring(retention.cohort_customer_retention),
    "cohort_revenue_retention": _recurring(retention.cohort_revenue_retention),
    "survival_rate": _recurring(retention.survival_rate),
    "lead_count": Metric(lambda q: funnel.milestone_count(q, "lead"), ("leads",)),
    "marketing_qualified_lead_count": Metric(lambda q: funnel.milestone_count(q, "mql"), ("leads",)),
    "sales_accepted_lead_count": Metric(lambda q: funnel.milestone_count(q, "sal"), ("leads",)),
    "sales_qualified_lead_count": _leads(lambda q: funnel.milestone_count(q, "sql")),
    "lead_stage_conversion_rate": Metric(funnel.lead_stage_conversion_rate, ("leads",)),
    "lead_to_opportunity_rate": _leads(funnel.lead_to_opportunity_rate),
    "lead_to_accepted_opportunity_rate": _leads(funnel.lead_to_accepted_opportunity_rate),
    "activation_rate": _leads(funnel.activation_rate),
    "lead_activation_gap": _leads(funnel.lead_activation_gap),
    "conversion_rate": Metric(funnel.conversion_rate, ("conversions",)),
    "conversion_count": Metric(funnel.conversion_count, ("conversions",)),
    "time_to_conversion_days": Metric(_time_to_conversion),
    "opportunities_created_count": _sales(sales.opportunities_created_count),
    "opportunities_created_value": _sales(sales.opportunities_created_value),
    "pitched_rate": _sales(sales.pitched_rate),
    "closed_rate": _sales(sales.closed_rate),
    "win_rate": _sales(sales.win_rate),
    "win_rate_value": _sales(sales.win_rate_value),
    "average_deal_value": _sales(sales.average_deal_value),
    "sales_cycle_days": _sales(sales.sales_cycle_days),
    "sales_velocity": _sales(sales.sales_velocity),
    "stage_conversion_rate": _stages(pipeline.stage_conversion_rate),
    "stage_duration_days": _stages(pipeline.stage_duration_days),
    "stage_delay_days": _stages(pipeline.stage_delay_days),
    "stage_overdue_rate": _stages(pipeline.stage_overdue_rate),
    "stage_friction_index": _stages(pipeline.stage_friction_index),
    "stage_regression_rate": _stages(pipeline.stage_regression_rate),
    "pipeline_movement_rate": _stages(pipeline.pipeline_movement_rate),
    "close_date_slippage_rate": _sales(pipeline.close_date_slippage_rate),
    "close_date_pushes": _sales(pipeline.close_date_pushes),
    "open_pipeline_count": _sales(pipeline.open_pipeline_count),
    "open_pipeline_value": _sales(pipeline.open_pipeline_value),
    "weighted_pipeline_value": _stages(pipeline.weighted_pipeline_value),
    "pipeline_velocity": _sales(pipeline.pipeline_velocity),
    "required_pipeline_coverage": _sales(pipeline.required_pipeline_coverage),
    **{name: Metric(calculate, ("contracts",)) for name, calculate in renewals.CALCULATIONS.items()},
    **{name: Metric(calculate, ("invoices", "payments")) for name, calculate in cash.CALCULATIONS.items()},
    "revenue": Metric(growth.revenue),
    "revenue_growth_rate": Metric(growth.revenue_growth_rate),
    "run_rate": Metric(growth.run_rate),
    "market_penetration": Metric(growth.market_penetration, ("subscription_periods", "markets")),
    "market_share": Metric(growth.market_share, ("markets",)),
    "market_share_change": Metric(growth.market_share_change, ("markets",)),
    "headcount": Metric(growth.headcount, ("people",)),
    "revenue_per_full_time_equivalent": Metric(growth.revenue_per_full_time_equivalent, ("people",)),
    "headcount_growth_rate": Metric(growth.headcount_growth_rate, ("people",)),
    "growth_gap": Metric(growth.growth_gap, ("people",)),
    "gross_margin": Metric(economics.gross_margin, ("expenses", "subscription_periods")),
    "lifetime_value": _recurring(economics.lifetime_value),
    "lifetime_value_historic": _recurring(economics.lifetime_value_historic),
    "lifetime_value_survival": _recurring(economics.lifetime_value_survival),
    **{
        name: Metric(calculate, ("expenses",))
        for name, calculate in (
            ("acquisition_cost", economics.acquisition_cost),
            ("customer_acquisition_cost", economics.customer_acquisition_cost),
            ("customer_acquisition_cost_ratio", economics.customer_acquisition_cost_ratio),
            ("customer_acquisition_payback_months", economics.customer_acquisition_payback_months),
            ("lifetime_value_to_acquisition_cost", economics.lifetime_value_to_acquisition_cost),
            ("operating_expenses", economics.operating_expenses),
        )
    },
    "predicted_mrr": _recurring(prediction.predicted_mrr),
    **{name: Metric(calculate, ("forecasts",)) for name, calculate in accuracy.FORECAST_CALCULATIONS.items()},
    **{name: Metric(calculate, ("plans",)) for name, calculate in accuracy.PLAN_CALCULATIONS.items()},
}

LOOKING_AHEAD = ("predicted_mrr", "required_pipeline_coverage")
"""Metrics that have a value for a period that has not begun."""

ALIASES = {
    "arpa": "average_revenue_per_account",
    "arpu": "average_revenue_per_user",
    "fx_mrr": "currency_effect_mrr",
    "customer_churn_rate": "logo_churn_rate",
    "grr": "gross_revenue_retention",
    "gdr": "gross_revenue_retention",
    "nrr": "net_revenue_retention",
    "ndr": "net_revenue_retention",
    "mql_count": "marketing_qualified_lead_count",
    "sal_count": "sales_accepted_lead_count",
    "sql_count": "sales_qualified_lead_count",
    "average_deal_size": "average_deal_value",
    "cac": "customer_acquisition_cost",
    "cac_payback_months": "customer_acquisition_payback_months",
    "cac_ratio": "customer_acquisition_cost_ratio",
    "cltv": "lifetime_value",
    "clv": "lifetime_value",
    "dso": "days_sales_outstanding",
    "ltv": "lifetime_value",
    "ltv_to_cac": "lifetime_value_to_acquisition_cost",
    "opex": "operating_expenses",
    "revenue_per_fte": "revenue_per_full_time_equivalent",
    "sales_cycle_length": "sales_cycle_days",
}


def evaluate(  # noqa: PLR0913, PLR0917 -- the nine parts of a check, in the order of a case file
    case_tables: Tables | TextRows,
    metric: str,
    params: Mapping[str, Any],
    grain: str,
    period: str | None,
    by: Mapping[str, str],
    now: date | str,
    reporting_currency: str,
    time_zone: str,
) -> Decimal | None:
    """The value of one check, or None where the standard says there is none.

    `case_tables` are the rows as text (or already typed); a table that is absent was never loaded. Money is in the
    reporting currency, ratios are fractions, durations are in the unit of the metric's name. KeyError if the metric is
    out of scope.
    """
    tables = case_tables if isinstance(case_tables, Tables) else Tables(case_tables)
    today = date.fromisoformat(now) if isinstance(now, str) else now
    question = Question(
        tables=tables,
        period=Period.parse(grain, period, today),
        now=today,
        reporting_currency=reporting_currency,
        time_zone=time_zone,
        params=dict(params),
        by=dict(by),
    )
    definition = SCOPE[ALIASES.get(metric, metric)]
    ahead = metric in LOOKING_AHEAD
    if (question.period.start > today and not ahead) or not tables.loaded(*definition.needs):
        return None
    value = definition.calculate(question)
    return None if value is None else Decimal(value.numerator) / Decimal(value.denominator)
