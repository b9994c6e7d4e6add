-- Won deals and the touches on the way to them.

-- stage: won_deals
SELECT
    row_number() OVER () AS deal, opportunity_id, lead_id, keys.account, closed_at, closed_at::DATE AS day,
    coalesce(amount, 0) AS amount, coalesce(currency, reporting_currency()) AS currency
FROM opportunities
LEFT JOIN account_keys keys ON keys.account_id = opportunities.account_id
WHERE is_won AND closed_at < end_of_now() AND duplicate_of IS NULL

-- stage: touch_words
SELECT word, (row_number() OVER (ORDER BY word))::USMALLINT AS code
FROM (SELECT department AS word FROM touchpoints UNION SELECT channel FROM touchpoints UNION SELECT 'unattributed')
WHERE word IS NOT NULL AND word <> 'unknown'

-- stage: known_touches
SELECT
    touchpoint_id, opportunity_id, lead_id, keys.account, occurred_at, coalesce(is_direct, FALSE) AS is_direct,
    coalesce(departments.code, 0)::USMALLINT AS department, coalesce(channels.code, 0)::USMALLINT AS channel
FROM touchpoints
LEFT JOIN account_keys keys ON keys.account_id = touchpoints.account_id
LEFT JOIN touch_words departments ON departments.word = department
LEFT JOIN touch_words channels ON channels.word = channel

-- stage: path_touches
-- By the deal that a touch names; else by its lead; else by its account. At most ninety days before the closing.
WITH met AS (
    SELECT deal, day, amount, currency, closed_at, touches.*
    FROM known_touches touches JOIN won_deals deals ON deals.opportunity_id = touches.opportunity_id
    UNION ALL
    SELECT deal, day, amount, currency, closed_at, touches.*
    FROM known_touches touches JOIN won_deals deals ON deals.lead_id = touches.lead_id
    WHERE touches.opportunity_id IS NULL
    UNION ALL
    SELECT deal, day, amount, currency, closed_at, touches.*
    FROM known_touches touches JOIN won_deals deals ON deals.account = touches.account
    WHERE touches.opportunity_id IS NULL AND touches.lead_id IS NULL
)
SELECT
    deal, day, amount, currency, department, channel,
    CASE WHEN is_direct THEN CASE WHEN bool_and(is_direct) OVER path THEN count(*) OVER path END
         ELSE count(*) FILTER (NOT is_direct) OVER path END AS shares,
    row_number() OVER path = 1 AS is_first,
    row_number() OVER (PARTITION BY deal, department) = 1 AS is_first_of_department,
    row_number() OVER (PARTITION BY deal, channel) = 1 AS is_first_of_channel
FROM met
WHERE occurred_at BETWEEN closed_at - INTERVAL 90 DAY AND closed_at
WINDOW path AS (PARTITION BY deal)

-- stage: deals_untouched
SELECT deal, day, amount, currency, code AS department, code AS channel
FROM won_deals
ANTI JOIN path_touches USING (deal)
CROSS JOIN (SELECT code FROM touch_words WHERE word = 'unattributed')

-- stage: credit_sums
SELECT
    month, bucket, currency, {cut_name} AS dimension, {cut_code} AS code,
    sum(amount) FILTER (is_first AND is_touched) AS touched, sum(amount) FILTER (is_first_of_department) AS by_department,
    sum(amount) FILTER (is_first_of_channel) AS by_channel,
    sum(amount / shares) FILTER (is_touched) AS attributed, sum(amount) FILTER (NOT is_touched) AS untouched
FROM (
    SELECT day, currency, department, channel, amount::DOUBLE AS amount, shares, is_first, is_first_of_department,
        is_first_of_channel, TRUE AS is_touched
    FROM path_touches
    UNION ALL
    SELECT day, currency, department, channel, amount, 1, TRUE, TRUE, TRUE, FALSE FROM deals_untouched
)
JOIN calendar USING (day)
GROUP BY month, bucket, currency, {cut_sets}

-- stage: credit_figures
SELECT
    sums.month, dimension, coalesce(word, 'unknown') AS dimension_value,
    money(CASE dimension WHEN 'department' THEN by_department WHEN 'channel' THEN by_channel ELSE touched END, rate)
        AS touched_revenue,
    money(coalesce(attributed, 0) + CASE dimension WHEN 'total' THEN 0 ELSE coalesce(untouched, 0) END, rate)
        AS attributed_revenue
FROM credit_sums sums
LEFT JOIN bucket_rates USING (bucket, currency)
LEFT JOIN touch_words ON touch_words.code = sums.code AND dimension <> 'total'
WHERE sums.month >= month_number(first_month())
GROUP BY sums.month, dimension, word
