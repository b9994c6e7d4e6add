"""Where the definitions come from: one line for each key that a card cites under Source or Benchmark.

Pages of vendors change; they were read in stored copies in late 2026. "Relayed" means that a later text was read which
reports what the named one says.
"""

from __future__ import annotations

SEEDS: dict[str, str] = {
    "S0": "Answers of practitioners on what a revenue operations team is accountable for.",
    "S1": "A description of what a revenue operations partner takes on and is judged by.",
    "S2": "A guide to twelve metrics of revenue operations that it calls indispensable.",
    "S3": "An explanation of what key performance indicators are, with examples.",
    "S4": "A list of key performance indicators for revenue operations, with formulas.",
}
"""The five texts by practitioners from which the list of metrics grew; a card names those that ask for it."""

BIBLIOGRAPHY: dict[str, str] = {
    "baremetrics-churn": "Baremetrics Help: user churn and revenue churn.",
    "baremetrics-net": "Baremetrics changelog: net MRR churn.",
    "baremetrics-nrr": "Baremetrics changelog: net revenue retention.",
    "baremetrics-quick": "Baremetrics changelog: quick ratio, and an update of the churn figures.",
    "benchmarkit-2025": "Benchmarkit: 2025 SaaS Performance Metrics, on data of 2024.",
    "bernhardsson": "E. Bernhardsson: why most conversion rates are computed wrong; the Python package convoys.",
    "chargebee-fx": "Chargebee Support: exchange rates in RevenueStory, 2023.",
    "chartmogul-arpa": "ChartMogul Help: average revenue per account.",
    "chartmogul-churn": "ChartMogul Help: customer churn rate.",
    "chartmogul-cohort": "ChartMogul Help: net MRR retention by cohort.",
    "chartmogul-fx": "ChartMogul: MRR of customers in several currencies.",
    "chartmogul-movements": "ChartMogul Help: MRR movements, and the lifecycle of a customer.",
    "chartmogul-settings": "ChartMogul Help: settings of subscription analytics (free customers, the moment of churn).",
    "chartmogul-smart": "ChartMogul: activities close together grouped into one (smart activity classification).",
    "dbt-conversion": "dbt documentation: conversion metrics, with a window between two events.",
    "fivetran-salesforce": "The public package fivetran/dbt_salesforce: figures by owner, win rate by value.",
    "gpb-cohorts": "GP Bullhound: handbook for finance heads of software companies, cohort tables, 2022.",
    "hamid": "M. Hamid, Social Capital, on the quick ratio of growth, about 2015 (relayed).",
    "hubspot-lifecycle": "HubSpot: lifecycle stages, as axiolo and crmcurator describe them.",
    "kaplan-meier": "E. L. Kaplan, P. Meier: Nonparametric estimation from incomplete observations, 1958.",
    "kbcm-2019": "KeyBanc Capital Markets: 10th survey of private SaaS companies, on data of 2018.",
    "kbcm-2024": "KeyBanc Capital Markets and Sapphire Ventures: 15th survey of private SaaS companies.",
    "kpitree-cycle": "KPI Tree: length of the sales cycle.",
    "lifelines": "Documentation of the Python package lifelines for survival analysis.",
    "little-1961": "J. D. C. Little, 1961: the number in progress is the rate of arrival times the time spent.",
    "mavenlb": "Maven: sales velocity and deal velocity.",
    "mv3": "mv3marketing: the demand waterfall, with rules of thumb for the conversion between its stages.",
    "profitwell-compare": "Paddle: how ProfitWell Metrics differs from Stripe, Recurly and Maxio.",
    "rekener": "Brainshark (Rekener): opportunity win rate, and close rate by cohort.",
    "salesforce-trends": "Salesforce Help: finding trends across forecast periods.",
    "salesforce-win": "Win rate as Salesforce reports it, described by KPI Tree and Light Hill.",
    "sec-kpi": "US Securities and Exchange Commission, Release 33-10751: key performance indicators and metrics, 2020.",
    "sirius-waterfall": "SiriusDecisions: demand waterfall of 2006 and 2012, as MarketOne and NuSpark describe it.",
    "smsb": "SaaS Metrics Standards Board: ARR, GRR, NRR, CAC payback, 2023 (relayed by the I'mBoard KPI reference).",
    "storylane": "Storylane: sales velocity.",
    "stripe-billing": "Stripe Docs: definitions of the billing metrics.",
    "stripe-support": "Stripe Support: billing analytics.",
    "varicent-created": "Varicent Lift: win rate of the opportunities created in a period.",
    "virtua-ndr": "Virtua Research: how 25 listed companies define net dollar retention.",
    "winsabove": "Wins Above: sales velocity.",
    "zoho-motivator": "Zoho Motivator: pipeline stages, with overdue deals taken as lost.",
}
"""What each key stands for."""
