"""The planted stories: their dates and sizes, in one place.

Every part of the sample company reads its share of a story from here, and so do the README of the folder and the
tests, so that what is told is what was planted.
"""

from __future__ import annotations

from datetime import date

# 1 A stage that slows in one segment.
SLOW_STAGE = "Security review"
SLOW_SEGMENT = "Enterprise"
SLOW_FROM = date(2025, 4, 1)
"""Visits that begin on or after this day are slow."""
SLOW_FACTOR = 2.6

# 2 A price rise, and the churn of those who were raised.
RISE_PLAN = "Growth"
RISE_FROM = date(2024, 7, 1)
RISE_TO = date(2025, 7, 1)
"""Renewals due in [RISE_FROM, RISE_TO) of contracts signed before RISE_FROM are raised, each subscription once."""
RISE_PERCENT = 8
RISE_LEAVERS = 0.24
"""Share of the raised that terminate three to eight months later, with RISE_REASON."""
RISE_REASON = "price increase"

# 3 A channel that brings leads that do not activate.
IDLE_CHANNEL = "Content syndication"
IDLE_FROM = date(2025, 2, 1)
IDLE_LEADS_A_MONTH = 62
IDLE_WIN_RATE = 0.03
IDLE_COST_A_MONTH = 900_000
"""Cents a month."""

# 4 A rollout that shortened the sales cycle.
TOOL_INITIATIVE = "I-quote-tool"
TOOL_FIRST_REGION = "North America"
TOOL_FIRST_ON = date(2024, 10, 1)
TOOL_ELSEWHERE_ON = date(2025, 7, 1)
TOOL_STAGES = ("Proposal", "Negotiation")
TOOL_FACTOR = 0.5
"""Visits of these stages that begin after the rollout last this share of what they lasted."""

# 5 A rep whose commission is wrong in one quarter.
MISPAID_TEAM = "Mid-Market North America"
MISPAID_QUARTER = date(2024, 7, 1)
"""First day of the quarter; the largest deal of the best paid rep of the team was credited twice."""

# 6 Late and duplicate data: see `faults`.
LATE_FROM = date(2025, 11, 1)
LATE_TO = date(2025, 12, 1)
"""Card payments of this month, for the region below, came with the export of January instead of December."""
LATE_REGION = "Europe"
LATE_SUBSCRIPTIONS = 3
LATE_SUBSCRIPTIONS_FROM = date(2025, 3, 1)
"""Subscriptions that started in this month were recorded two months late: reported MRR was too low until then."""

# 7 A hole in the support team.
HOLE_FROM = date(2025, 6, 1)
HOLE_TO = date(2025, 9, 1)
HOLE_FACTOR = 2.3
"""Answer and resolution times of tickets opened in the hole, against the usual."""

# 8 Territories cut anew.
RECARVE_ON = date(2025, 1, 6)
RECARVE_REGION = "UK & Ireland"
RECARVE_SHARE = 0.5
"""Share of the region's customers that changed hands on that day."""
