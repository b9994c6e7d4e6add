-- The funnel: leads, their milestones, and what became of the leads of a month.

-- stage: merged_leads
-- Merged lead -> survivor at the end of its chain.
WITH RECURSIVE chain AS (
    SELECT lead_id, duplicate_of AS survivor, [lead_id, duplicate_of] AS seen
    FROM leads
    WHERE duplicate_of IS NOT NULL AND created_at < end_of_now()
    UNION ALL
    SELECT chain.lead_id, leads.duplicate_of, list_append(chain.seen, leads.duplicate_of)
    FROM chain
    JOIN leads ON leads.lead_id = chain.survivor
    WHERE leads.duplicate_of IS NOT NULL AND NOT list_contains(chain.seen, leads.duplicate_of)
)
SELECT lead_id, arg_max(survivor, len(seen)) AS survivor FROM chain GROUP BY lead_id

-- stage: twins
-- The earliest milestones of the leads that were merged into another one.
SELECT survivor AS lead_id, min(known(qualified_at)) AS qualified_at, min(known(accepted_at)) AS accepted_at,
    min(known(converted_at)) AS converted_at
FROM leads
JOIN merged_leads USING (lead_id)
GROUP BY survivor

-- stage: real_deals
-- Deals that a lead may have led to: no duplicates, no tests, no renewals, with what is known by now.
SELECT opportunity_id, lead_id, created_at, known(accepted_at) AS accepted_at,
    coalesce(is_won AND closed_at < end_of_now(), FALSE) AS is_won
FROM opportunities
WHERE created_at < end_of_now() AND duplicate_of IS NULL AND coalesce(type, 'new_business') <> 'renewal'
    AND NOT coalesce(closed_at < end_of_now() AND NOT coalesce(is_won, FALSE)
                     AND loss_reason IN ('duplicate', 'test'), FALSE)

-- stage: deals_of_leads
-- By surviving lead; a deal may be named by the lead, by the deal, or by both.
SELECT coalesce(survivor, links.lead_id) AS lead_id, min(created_at) AS created_at, min(accepted_at) AS accepted_at,
    bool_or(is_won) AS is_won
FROM (
    SELECT lead_id, created_at, accepted_at, is_won FROM real_deals WHERE lead_id IS NOT NULL
    UNION ALL
    SELECT leads.lead_id, deals.created_at, deals.accepted_at, deals.is_won
    FROM leads
    JOIN real_deals deals ON deals.opportunity_id = leads.opportunity_id
    WHERE leads.created_at < end_of_now()
) links
LEFT JOIN merged_leads ON merged_leads.lead_id = links.lead_id
GROUP BY ALL

-- stage: lead_words
SELECT word, (row_number() OVER (ORDER BY word))::USMALLINT AS code
FROM (SELECT direction AS word FROM leads UNION SELECT channel FROM leads)
WHERE word IS NOT NULL AND word <> 'unknown'

-- stage: lead_facts
-- One row for each lead that counts.
SELECT
    leads.lead_id, leads.created_at, keys.account,
    coalesce(known(leads.qualified_at), twins.qualified_at) AS qualified_at,
    coalesce(known(leads.accepted_at), twins.accepted_at) AS accepted_at,
    CASE WHEN deals.lead_id IS NOT NULL
         THEN coalesce(known(leads.converted_at), twins.converted_at, deals.created_at) END AS became_deal_at,
    deals.accepted_at IS NOT NULL AS deal_accepted, coalesce(deals.is_won, FALSE) AS won,
    coalesce(directions.code, 0)::USMALLINT AS direction, coalesce(channels.code, 0)::USMALLINT AS channel,
    coalesce(accounts.segment, 0)::USMALLINT AS segment, coalesce(accounts.region, 0)::USMALLINT AS region,
    coalesce(accounts.industry, 0)::USMALLINT AS industry
FROM leads
LEFT JOIN twins USING (lead_id)
LEFT JOIN deals_of_leads deals ON deals.lead_id = leads.lead_id
LEFT JOIN account_keys keys ON keys.account_id = leads.account_id
LEFT JOIN numbered_accounts accounts ON accounts.account = keys.account
LEFT JOIN lead_words directions ON directions.word = leads.direction
LEFT JOIN lead_words channels ON channels.word = leads.channel
WHERE leads.duplicate_of IS NULL AND leads.created_at < end_of_now()

-- stage: self_served
-- The earliest lead of each account that subscribed by itself: after that lead, and without a deal won by any.
SELECT first_lead AS lead_id
FROM (
    SELECT account, arg_min(lead_id, (created_at, lead_id)) AS first_lead, min(created_at) AS created_at,
        bool_or(won) AS any_won
    FROM lead_facts
    WHERE account IS NOT NULL
    GROUP BY account
) leads
JOIN (
    SELECT account, min(started_on) AS started_on
    FROM subscriptions
    JOIN account_keys USING (account_id)
    WHERE started_on <= now_day()
    GROUP BY account
) begun USING (account)
WHERE NOT any_won AND started_on >= created_at::DATE

-- stage: lead_sums
WITH events AS (
    SELECT month_number(created_at) AS month, segment, region, industry, direction, channel, 1 AS created,
        0 AS qualified, 0 AS accepted, 0 AS became, (became_deal_at IS NOT NULL)::INTEGER AS cohort_became,
        deal_accepted::INTEGER AS cohort_accepted, (won OR self_served.lead_id IS NOT NULL)::INTEGER AS cohort_active
    FROM lead_facts
    LEFT JOIN self_served USING (lead_id)
    UNION ALL
    SELECT month_number(qualified_at), segment, region, industry, direction, channel, 0, 1, 0, 0, 0, 0, 0
    FROM lead_facts WHERE qualified_at IS NOT NULL
    UNION ALL
    SELECT month_number(accepted_at), segment, region, industry, direction, channel, 0, 0, 1, 0, 0, 0, 0
    FROM lead_facts WHERE accepted_at IS NOT NULL
    UNION ALL
    SELECT month_number(became_deal_at), segment, region, industry, direction, channel, 0, 0, 0, 1, 0, 0, 0
    FROM lead_facts WHERE became_deal_at IS NOT NULL
)
SELECT month, {cut_name} AS dimension, {cut_code} AS code,
    sum(created) AS created, sum(qualified) AS qualified, sum(accepted) AS accepted, sum(became) AS became,
    sum(cohort_became) AS cohort_became, sum(cohort_accepted) AS cohort_accepted, sum(cohort_active) AS cohort_active
FROM events
GROUP BY month, {cut_sets}

-- stage: funnel_figures
SELECT
    months.month, cuts.dimension, coalesce(account_words.word, lead_words.word, 'unknown') AS dimension_value,
    coalesce(created, 0) AS lead_count, coalesce(qualified, 0) AS marketing_qualified_lead_count,
    coalesce(accepted, 0) AS sales_accepted_lead_count, coalesce(became, 0) AS sales_qualified_lead_count,
    share(cohort_became, created) AS lead_to_opportunity_rate,
    share(cohort_accepted, created) AS lead_to_accepted_opportunity_rate,
    share(cohort_active, created) AS activation_rate,
    share(cohort_became, created) - share(cohort_active, created) AS lead_activation_gap
FROM (SELECT dimension, code FROM lead_sums UNION SELECT 'total', 0) cuts
CROSS JOIN (SELECT DISTINCT month FROM calendar WHERE month >= month_number(first_month())) months
LEFT JOIN lead_sums sums
    ON sums.month = months.month AND sums.dimension = cuts.dimension AND sums.code = cuts.code
LEFT JOIN account_words ON account_words.code = cuts.code AND cuts.dimension IN ('segment', 'region', 'industry')
LEFT JOIN lead_words ON lead_words.code = cuts.code AND cuts.dimension IN ('direction', 'channel')
