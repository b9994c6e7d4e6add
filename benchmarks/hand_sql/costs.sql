-- Revenue as it is earned, what it costs, and what that makes a customer worth.
--
-- It stands on the stages of recurring revenue.

-- stage: earning_sums
-- Changes of recurring revenue, and what they earn up to the end of their bucket: as many days as it still has.
SELECT
    month, bucket, currency, {cut_name} AS dimension, {cut_code} AS code, sum(closing - opening) AS change,
    sum((closing - opening) * (last_day - greatest(account_movements.day, calendar_start()) + 1)) AS earned
FROM account_movements
JOIN payers USING (account)
JOIN (SELECT bucket, max(day) AS last_day FROM calendar GROUP BY bucket) USING (bucket)
GROUP BY month, bucket, currency, {cut_sets}

-- stage: earned_figures
-- Each day earns its recurring revenue divided by the days of its month, at the rates of the day.
WITH buckets AS (
    SELECT bucket, month, count(*) AS days, any_value(day(last_day(day))) AS days_of_month FROM calendar GROUP BY bucket, month
), balances AS (
    SELECT cuts.dimension, cuts.code, cuts.currency, buckets.month, buckets.bucket, days, days_of_month, earned,
        sum(coalesce(change, 0)) OVER history - coalesce(change, 0) AS before
    FROM revenue_cuts cuts
    CROSS JOIN buckets
    LEFT JOIN earning_sums sums
        ON sums.bucket = buckets.bucket AND sums.currency = cuts.currency
        AND sums.dimension = cuts.dimension AND sums.code = cuts.code
    WINDOW history AS (PARTITION BY cuts.dimension, cuts.code, cuts.currency ORDER BY buckets.bucket ROWS UNBOUNDED PRECEDING)
)
SELECT
    balances.month, dimension, coalesce(word, 'unknown') AS dimension_value,
    money((before * days + coalesce(earned, 0))::DOUBLE / days_of_month, rate) AS revenue
FROM balances
LEFT JOIN bucket_rates USING (bucket, currency)
LEFT JOIN account_words ON account_words.code = balances.code AND dimension <> 'total'
WHERE balances.month >= month_number(first_month())
GROUP BY balances.month, dimension, word

-- stage: company_days
-- What the company earned on each day.
WITH changes AS (
    SELECT greatest(day, calendar_start()) AS day, currency, sum(closing - opening) AS change
    FROM account_movements
    JOIN payers USING (account)
    GROUP BY ALL
)
SELECT day, money(balance, rate)::DOUBLE / day(last_day(day)) AS earned
FROM (
    SELECT calendar.day, bucket, cuts.currency,
        sum(coalesce(change, 0)) OVER (PARTITION BY cuts.currency ORDER BY calendar.day ROWS UNBOUNDED PRECEDING) AS balance
    FROM calendar
    CROSS JOIN (SELECT DISTINCT currency FROM changes) cuts
    LEFT JOIN changes ON changes.day = calendar.day AND changes.currency = cuts.currency
)
LEFT JOIN bucket_rates USING (bucket, currency)
GROUP BY day

-- stage: cost_words
SELECT word, (row_number() OVER (ORDER BY word))::USMALLINT AS code
FROM (SELECT department AS word FROM expenses UNION SELECT channel FROM expenses UNION SELECT channel FROM accounts)
WHERE word IS NOT NULL AND word <> 'unknown'

-- stage: booked
SELECT day, calendar.month, category, departments.word AS department_word, coalesce(departments.code, 0)::USMALLINT AS department,
    coalesce(channels.code, 0)::USMALLINT AS channel, booked.amount::DECIMAL(28, 6) * rate AS amount
FROM (SELECT *, incurred_on AS day, coalesce(currency, reporting_currency()) AS in_currency FROM expenses) booked
JOIN calendar USING (day)
LEFT JOIN cost_words departments ON departments.word = department
LEFT JOIN cost_words channels ON channels.word = channel
LEFT JOIN bucket_rates rates ON rates.bucket = calendar.bucket AND rates.currency = in_currency

-- stage: margins
-- Of the twelve months up to each closing day; unknown where no cost of goods is booked in them.
SELECT month, CASE WHEN cost IS NOT NULL AND is_known AND earned > 0 THEN (earned - cost::DOUBLE) / earned END AS margin
FROM (
    SELECT month, closing, CASE WHEN count(earned) = count(*) THEN sum(earned) END AS earned
    FROM closings
    JOIN company_days ON day >= (closing + 1 - INTERVAL 12 MONTH)::DATE AND day <= closing
    GROUP BY month, closing
)
LEFT JOIN (
    SELECT closings.month, sum(amount) AS cost, count(amount) = count(*) AS is_known
    FROM closings
    JOIN booked ON day >= (closing + 1 - INTERVAL 12 MONTH)::DATE AND day <= closing
    WHERE category = 'cogs'
    GROUP BY closings.month
) costs USING (month)

-- stage: cost_sums
SELECT month, {cut_name} AS dimension, {cut_code} AS code, CASE WHEN count(amount) = count(*) THEN sum(amount) END AS cost
FROM booked
WHERE department_word IN ('sales', 'marketing') AND coalesce(category <> 'cogs', TRUE)
GROUP BY month, {cut_sets}

-- stage: customers_won
-- New customers and what they pay, by channel and in all; a department's cost is set against all of them.
SELECT month, dimension, word, new_accounts, new
FROM month_money
LEFT JOIN account_words ON account_words.code = month_money.code AND dimension <> 'total'
WHERE dimension IN ('total', 'channel')

-- stage: acquisition_figures
WITH costs AS (
    SELECT month, dimension, coalesce(word, 'unknown') AS value, cost
    FROM cost_sums
    LEFT JOIN cost_words ON cost_words.code = cost_sums.code AND dimension <> 'total'
), cuts AS (
    SELECT dimension, value FROM costs
    UNION
    SELECT dimension, coalesce(word, 'unknown') FROM customers_won
)
SELECT
    margins.month, cuts.dimension, cuts.value AS dimension_value,
    CASE WHEN costs.month IS NULL THEN 0 ELSE cost END AS acquisition_cost,
    share(acquisition_cost, new_accounts) AS customer_acquisition_cost,
    share(acquisition_cost, new::DOUBLE * margin) AS customer_acquisition_payback_months
FROM cuts
CROSS JOIN margins
LEFT JOIN costs ON costs.month = margins.month AND costs.dimension = cuts.dimension AND costs.value = cuts.value
LEFT JOIN customers_won won
    ON won.month = margins.month AND won.dimension = CASE cuts.dimension WHEN 'channel' THEN 'channel' ELSE 'total' END
    AND coalesce(won.word, 'unknown') = CASE cuts.dimension WHEN 'channel' THEN cuts.value ELSE 'unknown' END
WHERE margins.month >= month_number(first_month())

-- stage: payback_figures
-- A department brings no customers of its own, so there is none by department.
SELECT * FROM acquisition_figures WHERE dimension <> 'department'

-- stage: lifetime_figures
-- Customers lost in twelve months over those at their beginnings: one over it is a lifetime.
SELECT this.month, this.dimension, coalesce(word, 'unknown') AS dimension_value,
    share(mrr, customers) * margin * share(opening, lost) AS lifetime_value
FROM (
    SELECT this.month, this.dimension, this.code, mrr, customers,
        sum(opening) OVER months AS opening, sum(coalesce(accounts_lost, 0)) OVER months AS lost
    FROM (
        SELECT *, lag(customers) OVER (PARTITION BY dimension, code ORDER BY month) AS opening FROM month_money
    ) this
    LEFT JOIN month_losses losses
        ON losses.month = this.month AND losses.dimension = this.dimension AND losses.code = this.code
    WINDOW months AS (PARTITION BY this.dimension, this.code ORDER BY this.month ROWS 11 PRECEDING)
) this
JOIN margins USING (month)
LEFT JOIN account_words ON account_words.code = this.code AND this.dimension <> 'total'
WHERE this.month >= month_number(first_month())

-- stage: market_sizes
-- By year and segment; for all of them the row that says so, else their sum.
SELECT year, word, coalesce(any_value(accounts) FILTER (is_whole), sum(accounts)) AS accounts
FROM (
    SELECT year, addressable_accounts AS accounts, coalesce(lower(segment) = 'all', TRUE) AS is_whole,
        unnest(CASE WHEN is_whole THEN [''] ELSE ['', segment] END) AS word
    FROM markets
)
GROUP BY year, word

-- stage: market_figures
SELECT this.month, this.dimension, coalesce(account_words.word, 'unknown') AS dimension_value,
    share(customers, accounts) AS market_penetration
FROM month_money this
LEFT JOIN account_words ON account_words.code = this.code AND this.dimension <> 'total'
LEFT JOIN market_sizes sizes
    ON sizes.year = this.month // 12
    AND sizes.word = CASE WHEN this.dimension = 'total' THEN '' ELSE account_words.word END
WHERE this.month >= month_number(first_month()) AND this.dimension IN ('total', 'segment')

-- stage: people_words
SELECT word, (row_number() OVER (ORDER BY word))::USMALLINT AS code
FROM (SELECT DISTINCT department AS word FROM people)
WHERE word IS NOT NULL AND word <> 'unknown'

-- stage: employed_sums
SELECT month, {cut_name} AS dimension, {cut_code} AS code, sum(change) AS change
FROM (
    SELECT greatest(changed_on, calendar_start()) AS day, coalesce(words.code, 0)::USMALLINT AS department, change
    FROM (
        SELECT hired_on AS changed_on, department AS word, coalesce(fte, 1) AS change FROM people
        WHERE coalesce(left_on > hired_on, TRUE)
        UNION ALL
        SELECT left_on, department, -coalesce(fte, 1) FROM people WHERE left_on > hired_on
    )
    LEFT JOIN people_words words USING (word)
)
JOIN calendar USING (day)
GROUP BY month, {cut_sets}

-- stage: people_figures
SELECT closings.month, cuts.dimension, coalesce(word, 'unknown') AS dimension_value,
    sum(coalesce(change, 0)) OVER (PARTITION BY cuts.dimension, cuts.code ORDER BY closings.month) AS headcount
FROM (SELECT dimension, code FROM employed_sums UNION SELECT 'total', 0) cuts
CROSS JOIN closings
LEFT JOIN employed_sums sums
    ON sums.month = closings.month AND sums.dimension = cuts.dimension AND sums.code = cuts.code
LEFT JOIN people_words ON people_words.code = cuts.code AND cuts.dimension <> 'total'
QUALIFY closings.month >= month_number(first_month())
