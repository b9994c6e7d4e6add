-- Opportunities and sales.

-- stage: deal_words
SELECT word, (row_number() OVER (ORDER BY word))::USMALLINT AS code
FROM (SELECT type AS word FROM opportunities UNION SELECT channel FROM opportunities UNION SELECT 'new_business')
WHERE word IS NOT NULL AND word <> 'unknown'

-- stage: deals
-- Deals that were opportunities, as known by now. `settles_at` is when the amount of the month of creation is read.
SELECT
    opportunity_id, created_at, known(closed_at) AS closed_at, coalesce(is_won AND closed_at < end_of_now(), FALSE) AS is_won,
    amount, coalesce(currency, reporting_currency()) AS currency, coalesce(pipeline, 'default') AS pipeline,
    known(pitched_at) IS NOT NULL AS has_pitch,
    least(date_trunc('month', created_at) + INTERVAL 1 MONTH, end_of_now())::TIMESTAMP AS settles_at,
    types.code AS type, coalesce(channels.code, 0)::USMALLINT AS channel,
    coalesce(accounts.segment, 0)::USMALLINT AS segment, coalesce(accounts.region, 0)::USMALLINT AS region,
    coalesce(accounts.industry, 0)::USMALLINT AS industry
FROM opportunities
LEFT JOIN account_keys keys ON keys.account_id = opportunities.account_id
LEFT JOIN numbered_accounts accounts ON accounts.account = keys.account
JOIN deal_words types ON types.word = coalesce(opportunities.type, 'new_business')
LEFT JOIN deal_words channels ON channels.word = opportunities.channel
WHERE opportunities.created_at < end_of_now() AND opportunities.duplicate_of IS NULL
    AND coalesce(opportunities.type, 'new_business') <> 'renewal'
    AND NOT coalesce(closed_at < end_of_now() AND NOT coalesce(is_won, FALSE)
                     AND loss_reason IN ('duplicate', 'test'), FALSE)

-- stage: pitched_stages
-- Open stages at or past the first pitch stage of their pipeline.
SELECT pipeline, stage
FROM (
    SELECT coalesce(pipeline, 'default') AS pipeline, stage, position, kind,
        min(position) FILTER (is_pitch) OVER (PARTITION BY coalesce(pipeline, 'default')) AS pitch
    FROM stages
)
WHERE kind = 'open' AND position >= pitch

-- stage: deal_paths
-- From the history of each deal: the last amount before `settles_at`, and whether a pitch stage was reached.
SELECT
    history.opportunity_id,
    arg_max({'amount': history.amount, 'currency': history.currency}, history.changed_at)
        FILTER (history.amount IS NOT NULL AND history.changed_at < deals.settles_at) AS settled,
    bool_or(pitched_stages.stage IS NOT NULL) AS reached_pitch
FROM opportunity_history history
JOIN deals USING (opportunity_id)
LEFT JOIN pitched_stages ON pitched_stages.stage = history.stage AND pitched_stages.pipeline = deals.pipeline
WHERE history.changed_at < end_of_now()
GROUP BY history.opportunity_id

-- stage: deal_facts
SELECT
    deals.*, coalesce(has_pitch OR reached_pitch, has_pitch) OR is_won AS was_pitched,
    settled IS NOT NULL AND coalesce(closed_at >= settles_at, TRUE) AS from_history,
    CASE WHEN from_history THEN settled.amount ELSE amount END AS created_amount,
    CASE WHEN from_history THEN coalesce(settled.currency, currency) ELSE currency END AS created_currency
FROM deals
LEFT JOIN deal_paths USING (opportunity_id)

-- stage: deal_sums
WITH events AS (
    SELECT greatest(created_at::DATE, calendar_start()) AS day, created_currency AS currency,
        type, channel, segment, region, industry, 1 AS created, created_amount AS created_value,
        was_pitched::INTEGER AS pitched, (closed_at IS NOT NULL)::INTEGER AS decided, 0 AS won, 0 AS lost,
        NULL::DECIMAL(18, 6) AS won_value, NULL::DECIMAL(18, 6) AS lost_value, NULL::DOUBLE AS cycle_days
    FROM deal_facts
    UNION ALL
    SELECT greatest(closed_at::DATE, calendar_start()), currency, type, channel, segment, region, industry, 0, NULL, 0, 0,
        is_won::INTEGER, (NOT is_won)::INTEGER, CASE WHEN is_won THEN amount END, CASE WHEN NOT is_won THEN amount END,
        CASE WHEN is_won AND closed_at >= created_at THEN (epoch_us(closed_at) - epoch_us(created_at)) / 86400e6 END
    FROM deal_facts WHERE closed_at IS NOT NULL
)
SELECT
    month, bucket, currency, {cut_name} AS dimension, {cut_code} AS code,
    sum(created) AS created, sum(created_value) AS created_value, sum(pitched) AS pitched, sum(decided) AS decided,
    sum(won) AS won, sum(lost) AS lost, sum(won_value) AS won_value, sum(lost_value) AS lost_value,
    count(won_value) AS won_with_amount, sum(cycle_days) AS cycle_days, count(cycle_days) AS cycles
FROM events
JOIN calendar USING (day)
GROUP BY month, bucket, currency, {cut_sets}

-- stage: deal_months
SELECT sums.month, dimension, code,
    sum(created) AS created, money(created_value, rate) AS created_value, sum(pitched) AS pitched, sum(decided) AS decided,
    sum(won) AS won, sum(lost) AS lost, money(won_value, rate) AS won_value, money(lost_value, rate) AS lost_value,
    sum(won_with_amount) AS won_with_amount, sum(cycle_days) AS cycle_days, sum(cycles) AS cycles
FROM deal_sums sums
LEFT JOIN bucket_rates USING (bucket, currency)
GROUP BY sums.month, dimension, code

-- stage: sales_figures
WITH filled AS (
    SELECT
        months.month, cuts.dimension, cuts.code, coalesce(created, 0) AS created,
        CASE WHEN sums.month IS NULL THEN 0 ELSE created_value END AS created_value, pitched, decided, won, lost, won_value,
        lost_value, share(won, won + lost) AS win_rate, share(won_value, won_with_amount) AS deal_value,
        CASE WHEN cycles > 0 THEN cycle_days / cycles END AS cycle,
        sum(coalesce(created - won - lost, 0)) OVER (
            PARTITION BY cuts.dimension, cuts.code ORDER BY months.month ROWS UNBOUNDED PRECEDING
        ) AS open
    FROM (SELECT dimension, code FROM deal_sums UNION SELECT 'total', 0) cuts
    CROSS JOIN (SELECT DISTINCT month FROM calendar) months
    LEFT JOIN deal_months sums
        ON sums.month = months.month AND sums.dimension = cuts.dimension AND sums.code = cuts.code
)
SELECT
    month, dimension, coalesce(account_words.word, deal_words.word, 'unknown') AS dimension_value,
    created AS opportunities_created_count, created_value AS opportunities_created_value,
    share(pitched, created) AS pitched_rate, share(decided, created) AS closed_rate,
    win_rate, share(won_value, won_value + lost_value) AS win_rate_value, deal_value AS average_deal_value,
    cycle AS sales_cycle_days, share(open * deal_value * win_rate, cycle) AS sales_velocity
FROM filled
LEFT JOIN account_words ON account_words.code = filled.code AND dimension IN ('segment', 'region', 'industry')
LEFT JOIN deal_words ON deal_words.code = filled.code AND dimension IN ('type', 'channel')
WHERE month >= month_number(first_month())
