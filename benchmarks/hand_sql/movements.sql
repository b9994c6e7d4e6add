-- MRR and its movements alone, without the parts of a change: what is measured against polars.
-- It stands on `live_rows`, `payers` and the stages before them.

-- stage: bare_changes
SELECT account, day, sum(change)::DECIMAL(18, 6) AS change
FROM (
    SELECT account, starts AS day, mrr AS change FROM live_rows
    UNION ALL
    SELECT account, ends, -mrr FROM live_rows WHERE ends IS NOT NULL
)
GROUP BY account, day

-- stage: bare_balances
SELECT account, day, change, (sum(change) OVER history)::DECIMAL(18, 6) AS balance
FROM bare_changes
WHERE change <> 0
WINDOW history AS (PARTITION BY account ORDER BY day ROWS UNBOUNDED PRECEDING)

-- stage: bare_first_payments
SELECT account, min(day) AS day FROM bare_balances WHERE balance > 0 GROUP BY account

-- stage: bare_sums
WITH sided AS (
    SELECT balances.account, balances.day, calendar.month, calendar.bucket, balances.day = first.day AS is_first,
        greatest(balance - change, 0)::DECIMAL(18, 6) AS opening, greatest(balance, 0)::DECIMAL(18, 6) AS closing
    FROM bare_balances balances
    JOIN calendar ON calendar.day = greatest(balances.day, calendar_start())
    LEFT JOIN bare_first_payments first ON first.account = balances.account
)
SELECT
    month, bucket, currency, {cut_name} AS dimension, {cut_code} AS code,
    sum(CASE WHEN opening = 0 AND is_first THEN closing ELSE 0 END) AS new,
    sum(CASE WHEN opening = 0 AND NOT is_first THEN closing ELSE 0 END) AS back,
    sum(CASE WHEN closing = 0 THEN opening ELSE 0 END) AS churned,
    sum(CASE WHEN opening > 0 AND closing > opening THEN closing - opening ELSE 0 END) AS expanded,
    sum(CASE WHEN closing > 0 AND closing < opening THEN opening - closing ELSE 0 END) AS contracted
FROM sided
JOIN payers USING (account)
GROUP BY month, bucket, currency, {cut_sets}

-- stage: movement_figures
WITH cuts AS (SELECT DISTINCT currency, dimension, code FROM bare_sums), buckets AS (
    SELECT cuts.dimension, cuts.code, rates.month, closes_month, rate, rate_before, new, back, churned, expanded, contracted,
        coalesce(new + back + expanded - contracted - churned, 0) AS change,
        sum(coalesce(new + back + expanded - contracted - churned, 0)) OVER history AS balance
    FROM cuts
    JOIN bucket_rates rates ON rates.currency = cuts.currency
    LEFT JOIN bare_sums sums
        ON sums.bucket = rates.bucket AND sums.currency = cuts.currency
        AND sums.dimension = cuts.dimension AND sums.code = cuts.code
    WINDOW history AS (PARTITION BY cuts.dimension, cuts.code, cuts.currency ORDER BY rates.bucket ROWS UNBOUNDED PRECEDING)
)
SELECT
    month, dimension, coalesce(word, 'unknown') AS dimension_value,
    money(CASE WHEN closes_month THEN balance ELSE 0 END, rate) AS mrr,
    money(new, rate) AS new_mrr, money(expanded, rate) AS expansion_mrr, money(contracted, rate) AS contraction_mrr,
    money(churned, rate) AS churned_mrr, money(back, rate) AS reactivation_mrr,
    money(balance - change, rate - rate_before) AS currency_effect_mrr, money(change, rate) AS net_new_mrr
FROM buckets
LEFT JOIN account_words ON account_words.code = buckets.code AND dimension <> 'total'
WHERE month >= month_number(first_month())
GROUP BY month, dimension, word
