-- Recurring revenue, movements and retention.
--
-- Balances are running totals of changes. Amounts stay in the account's own currency until they are summed by bucket,
-- so each sum is multiplied by one rate and no row is. That asks for one currency for each account, which is checked.

-- stage: numbered_subscriptions
SELECT row_number() OVER () AS subscription, subscription_id, coalesce(product, 'unknown') AS product, ended_on
FROM subscriptions

-- stage: live_rows
-- Prices with the days on which they are live. Each ends with its own end, that of its subscription, or the next price.
SELECT subscription, account, product, currency, starts, CASE WHEN ends <= now_day() THEN ends END AS ends, mrr, quantity
FROM (
    SELECT
        *, least(valid_to, ended_on, lead(starts) OVER (
            PARTITION BY subscription ORDER BY starts, valid_to NULLS LAST, mrr, quantity
        )) AS ends
    FROM (
        SELECT
            coalesce(terms.subscription, -(hash(prices.subscription_id) >> 1)::BIGINT) AS subscription,
            coalesce(keys.account, -(hash(prices.account_id) >> 1)::BIGINT) AS account,
            coalesce(terms.product, 'unknown') AS product, coalesce(prices.currency, reporting_currency()) AS currency,
            prices.valid_from AS starts, prices.valid_to, terms.ended_on,
            CASE WHEN prices.is_trial THEN 0 ELSE prices.mrr END::DECIMAL(18, 6) AS mrr, prices.quantity
        FROM subscription_periods prices
        LEFT JOIN numbered_subscriptions terms ON terms.subscription_id = prices.subscription_id
        LEFT JOIN account_keys keys ON keys.account_id = prices.account_id
        WHERE prices.valid_from <= now_day()
    )
)
WHERE ends IS NULL OR ends > starts

-- stage: payers
-- Each account that ever had a price, with its currency and what it is cut by.
SELECT rows.account, currency, is_mixed, coalesce(segment, 0) AS segment, coalesce(region, 0) AS region,
    coalesce(industry, 0) AS industry, coalesce(channel, 0) AS channel, coalesce(owner_id, 0) AS owner_id
FROM (
    SELECT account, min(currency) AS currency, min(currency) <> max(currency) AS is_mixed FROM live_rows GROUP BY account
) rows
LEFT JOIN numbered_accounts USING (account)

-- stage: linked_rows
-- Each price beside the one that it follows without a break.
SELECT
    subscription, account, product, starts, ends, mrr, quantity,
    coalesce(lag(ends) OVER line = starts, FALSE) AS follows,
    lag(mrr) OVER line AS mrr_before, lag(quantity) OVER line AS quantity_before,
    coalesce(lead(starts) OVER line = ends, FALSE) AS goes_on
FROM live_rows
WINDOW line AS (PARTITION BY subscription, account ORDER BY starts)

-- stage: held_starts
-- Starts of a subscription in a product that the account held the day before.
WITH runs AS (
    SELECT subscription, account, product, starts, follows,
        CASE WHEN goes_on THEN lead(ends) OVER (PARTITION BY subscription, account ORDER BY starts) ELSE ends END AS ends
    FROM linked_rows
    WHERE NOT (follows AND goes_on)
)
SELECT subscription, account, starts
FROM runs
WHERE NOT follows
QUALIFY max(coalesce(ends, DATE '9999-12-31')) OVER (
    PARTITION BY account, product ORDER BY starts RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 DAY PRECEDING
) >= starts

-- stage: line_changes
-- Changes of single subscriptions, split into price and volume.
WITH changes AS (
    SELECT account, subscription, starts AS day, follows AS continues, FALSE AS stops,
        CASE WHEN follows THEN mrr_before ELSE 0 END AS old_mrr, mrr AS new_mrr,
        CASE WHEN follows THEN quantity_before END AS old_quantity, quantity AS new_quantity
    FROM linked_rows
    UNION ALL
    SELECT account, subscription, ends, FALSE, TRUE, mrr, 0, quantity, NULL
    FROM linked_rows
    WHERE ends IS NOT NULL AND NOT goes_on
), priced AS (
    SELECT *, CASE
        WHEN old_mrr < 0 OR new_mrr < 0 THEN new_mrr - old_mrr
        WHEN continues AND old_quantity <> 0 AND new_quantity <> 0 AND old_quantity <> new_quantity
            THEN new_mrr::DOUBLE - old_mrr::DOUBLE * new_quantity::DOUBLE / old_quantity::DOUBLE
        WHEN continues AND old_quantity <> 0 AND new_quantity <> 0 THEN new_mrr - old_mrr
        ELSE 0
    END::DOUBLE AS price
    FROM changes
)
SELECT
    priced.account, day, new_mrr - old_mrr AS change, price, (new_mrr - old_mrr)::DOUBLE - price AS volume,
    NOT continues AND NOT stops AND held_starts.subscription IS NULL AS is_new_product,
    coalesce(new_quantity, 0) - coalesce(old_quantity, 0) AS quantity_change,
    (NOT stops AND new_quantity IS NULL)::INTEGER
        - ((continues OR stops) AND old_quantity IS NULL)::INTEGER AS unknown_quantities
FROM priced
LEFT JOIN held_starts
    ON held_starts.subscription = priced.subscription AND held_starts.account = priced.account
    AND held_starts.starts = priced.day

-- stage: account_changes
-- All lines of an account and a day together.
SELECT
    account, day,
    sum(change) AS change, sum(quantity_change) AS quantity_change, sum(unknown_quantities) AS unknown_quantities,
    sum(CASE WHEN is_new_product AND volume > 0 THEN volume ELSE 0 END) AS cross_sold,
    sum(CASE WHEN NOT is_new_product AND volume > 0 THEN volume ELSE 0 END) AS upsold,
    sum(CASE WHEN price > 0 THEN price ELSE 0 END) AS raised,
    sum(CASE WHEN price < 0 THEN -price ELSE 0 END) AS cut
FROM line_changes
GROUP BY account, day

-- stage: account_balances
-- What an account pays after each of its changes.
SELECT *,
    (sum(change) OVER history)::DECIMAL(18, 6) AS balance, sum(quantity_change) OVER history AS quantity,
    sum(unknown_quantities) OVER history AS unknown_quantity_rows
FROM account_changes
WINDOW history AS (PARTITION BY account ORDER BY day ROWS UNBOUNDED PRECEDING)

-- stage: first_payments
SELECT account, min(day) AS day FROM account_balances WHERE balance > 0 GROUP BY account

-- stage: account_movements
-- The change of each account and day as one kind of movement, with its parts; amounts in the account's currency.
WITH sided AS (
    SELECT *,
        greatest(balance - change, 0)::DECIMAL(18, 6) AS opening, greatest(balance, 0)::DECIMAL(18, 6) AS closing,
        cross_sold + upsold + raised AS gained
    FROM account_balances
)
SELECT
    sided.account, sided.day, calendar.month, calendar.bucket, opening, closing,
    opening = 0 AND closing > 0 AND sided.day = first_payments.day AS is_new,
    opening = 0 AND closing > 0 AND sided.day > first_payments.day AS is_back,
    opening > 0 AND closing = 0 AS is_churn,
    CASE WHEN opening > 0 AND closing > 0 THEN closing - opening ELSE 0 END::DECIMAL(18, 6) AS moved,
    CASE WHEN moved > 0 THEN moved::DOUBLE / gained ELSE 0 END AS gain_share,
    -- Losses are the gains less the change; what of the loss is left after the gains were set against it.
    CASE WHEN moved < 0 THEN -moved::DOUBLE / (gained - moved::DOUBLE) ELSE 0 END AS loss_share,
    gain_share * cross_sold AS cross_sold, gain_share * upsold AS upsold, gain_share * raised - loss_share * cut AS repriced,
    CASE WHEN closing > 0 THEN quantity ELSE 0 END
        - CASE WHEN opening > 0 THEN quantity - quantity_change ELSE 0 END AS users,
    CASE WHEN closing > 0 THEN unknown_quantity_rows ELSE 0 END
        - CASE WHEN opening > 0 THEN unknown_quantity_rows - unknown_quantities ELSE 0 END AS unknown_users
FROM sided
JOIN calendar ON calendar.day = greatest(sided.day, calendar_start())
LEFT JOIN first_payments ON first_payments.account = sided.account

-- stage: movement_sums
SELECT
    month, bucket, currency, {cut_name} AS dimension, {cut_code} AS code,
    sum(CASE WHEN is_new THEN closing ELSE 0 END) AS new, sum(CASE WHEN is_back THEN closing ELSE 0 END) AS back,
    sum(CASE WHEN is_churn THEN opening ELSE 0 END) AS churned,
    sum(CASE WHEN moved > 0 THEN moved ELSE 0 END) AS expanded,
    sum(CASE WHEN moved < 0 THEN -moved ELSE 0 END) AS contracted,
    sum(cross_sold) AS cross_sold, sum(upsold) AS upsold, sum(repriced) AS repriced,
    count_if(is_new) AS new_accounts, count_if(is_back) AS returns, count_if(is_churn) AS departures,
    sum(users) AS users, sum(unknown_users) AS unknown_users
FROM account_movements
JOIN payers USING (account)
GROUP BY month, bucket, currency, {cut_sets}

-- stage: account_months
-- The same netted by month: what an account paid at its opening and at its close.
SELECT account, month, arg_min(opening, day) AS opening, arg_max(closing, day) AS closing,
    bool_or(is_churn) AS churned, bool_or(is_back) AS came_back
FROM account_movements
GROUP BY account, month

-- stage: month_sums
SELECT
    month, currency, {cut_name} AS dimension, {cut_code} AS code,
    sum(CASE WHEN closing < opening THEN opening - closing ELSE 0 END) AS lost,
    sum(CASE WHEN opening > 0 AND closing > opening THEN closing - opening ELSE 0 END) AS gained,
    count_if(opening > 0 AND closing = 0) AS accounts_lost,
    count_if(churned) AS churned_accounts, count_if(came_back) AS returned_accounts
FROM account_months
JOIN payers USING (account)
GROUP BY month, currency, {cut_sets}

-- stage: year_changes
-- Two running totals for each account, what it pays and what it paid twelve months before. Its part of a sum over the
-- customers of then changes only where one of the two does.
WITH turns AS (
    SELECT account, 2 * month AS turn, closing - opening AS change, 0::DECIMAL(18, 6) AS old_change FROM account_months
    UNION ALL
    SELECT account, 2 * (month + 12) + 1, 0, closing - opening FROM account_months WHERE month + 12 <= month_number(now_day())
), running AS (
    SELECT account, turn // 2 AS month, change, old_change,
        (sum(change) OVER history)::DECIMAL(18, 6) AS pays, (sum(old_change) OVER history)::DECIMAL(18, 6) AS paid
    FROM turns
    WINDOW history AS (PARTITION BY account ORDER BY turn ROWS UNBOUNDED PRECEDING)
)
SELECT
    account, month,
    least(pays, paid) - least(pays - change, paid - old_change) AS capped,
    CASE WHEN paid > 0 THEN pays ELSE 0 END - CASE WHEN paid - old_change > 0 THEN pays - change ELSE 0 END AS kept
FROM running

-- stage: year_sums
SELECT month, currency, {cut_name} AS dimension, {cut_code} AS code, sum(capped) AS capped, sum(kept) AS kept
FROM year_changes
JOIN payers USING (account)
WHERE capped <> 0 OR kept <> 0
GROUP BY month, currency, {cut_sets}

-- stage: revenue_cuts
-- What there is to show; the whole company always, even if it never had a customer.
SELECT currency, dimension, code FROM movement_sums
UNION
SELECT reporting_currency(), 'total', 0

-- stage: bucket_figures
-- Every bucket of every cut and currency: what stands before and after it, and its rates.
SELECT
    cuts.dimension, cuts.code, cuts.currency, buckets.month, buckets.bucket, buckets.closes_month, rate, rate_before,
    new, back, churned, expanded, contracted, cross_sold, upsold, repriced, new_accounts,
    sum(coalesce(new + back + expanded - contracted - churned, 0)) OVER history AS balance,
    balance - coalesce(new + back + expanded - contracted - churned, 0) AS balance_before,
    sum(coalesce(new_accounts + returns - departures, 0)) OVER history AS customers,
    sum(coalesce(users, 0)) OVER history AS users, sum(coalesce(unknown_users, 0)) OVER history AS unknown_users
FROM revenue_cuts cuts
CROSS JOIN (SELECT DISTINCT month, bucket, closes_month FROM bucket_rates) buckets
LEFT JOIN bucket_rates USING (bucket, currency)
LEFT JOIN movement_sums sums
    ON sums.bucket = buckets.bucket AND sums.currency = cuts.currency
    AND sums.dimension = cuts.dimension AND sums.code = cuts.code
WINDOW history AS (PARTITION BY cuts.dimension, cuts.code, cuts.currency ORDER BY buckets.bucket ROWS UNBOUNDED PRECEDING)

-- stage: month_money
-- Money by month of one cut, converted: flows at the rate of their bucket, balances at the closing rate.
SELECT
    month, dimension, code,
    money(CASE WHEN closes_month THEN balance ELSE 0 END, rate) AS mrr,
    sum(customers) FILTER (closes_month) AS customers, sum(users) FILTER (closes_month) AS users,
    sum(unknown_users) FILTER (closes_month) AS unknown_users,
    money(new, rate) AS new, money(back, rate) AS back, money(churned, rate) AS churned, money(expanded, rate) AS expanded,
    money(contracted, rate) AS contracted, money(cross_sold, rate) AS cross_sold, money(upsold, rate) AS upsold,
    money(repriced, rate) AS repriced, money(balance_before, rate - rate_before) AS currency_effect,
    coalesce(sum(new_accounts), 0) AS new_accounts
FROM bucket_figures
GROUP BY month, dimension, code

-- stage: month_losses
-- What the customers of the opening day lost and gained within the month, at the rate of that day.
SELECT sums.month, dimension, code, money(lost, rate) AS lost, money(gained, rate) AS gained,
    sum(accounts_lost) AS accounts_lost, sum(churned_accounts) AS churned_accounts,
    sum(returned_accounts) AS returned_accounts
FROM month_sums sums
LEFT JOIN closing_rates rates ON rates.month = sums.month - 1 AND rates.currency = sums.currency
GROUP BY sums.month, dimension, code

-- stage: year_money
-- What the customers of twelve months ago pay, at the rate of then: as it is, and at most what each paid then.
WITH months AS (SELECT DISTINCT month FROM calendar), balances AS (
    SELECT months.month, cuts.dimension, cuts.code, cuts.currency,
        sum(coalesce(capped, 0)) OVER history AS capped, sum(coalesce(kept, 0)) OVER history AS kept
    FROM revenue_cuts cuts
    CROSS JOIN months
    LEFT JOIN year_sums sums
        ON sums.month = months.month AND sums.currency = cuts.currency
        AND sums.dimension = cuts.dimension AND sums.code = cuts.code
    WINDOW history AS (
        PARTITION BY cuts.dimension, cuts.code, cuts.currency ORDER BY months.month ROWS UNBOUNDED PRECEDING
    )
)
SELECT balances.month, dimension, code, money(capped, rate) AS capped, money(kept, rate) AS kept
FROM balances
LEFT JOIN closing_rates rates ON rates.month = balances.month - 12 AND rates.currency = balances.currency
GROUP BY balances.month, dimension, code

-- stage: revenue_figures
SELECT
    this.month, this.dimension, coalesce(word, 'unknown') AS dimension_value,
    this.mrr, 12 * this.mrr AS arr, this.customers AS active_customers,
    share(this.mrr, this.customers) AS average_revenue_per_account,
    CASE WHEN this.unknown_users = 0 THEN share(this.mrr, this.users) END AS average_revenue_per_user,
    this.new AS new_mrr, this.expanded AS expansion_mrr, this.contracted AS contraction_mrr, this.churned AS churned_mrr,
    this.back AS reactivation_mrr, this.currency_effect AS currency_effect_mrr,
    this.new + this.back + this.expanded - this.contracted - this.churned AS net_new_mrr,
    this.upsold AS upsell_mrr, this.cross_sold AS cross_sell_mrr, this.repriced AS price_change_mrr,
    this.new_accounts AS new_customers, coalesce(losses.churned_accounts, 0) AS churned_customers,
    coalesce(losses.returned_accounts, 0) AS reactivated_customers,
    share(this.upsold, before.mrr) AS upsell_rate, share(this.cross_sold, before.mrr) AS cross_sell_rate,
    share(this.new + this.expanded + this.back, this.contracted + this.churned) AS quick_ratio,
    share(this.mrr, before.mrr) - 1 AS mrr_growth_rate,
    share(coalesce(losses.accounts_lost, 0), before.customers) AS logo_churn_rate,
    1 - share(coalesce(losses.accounts_lost, 0), before.customers) AS customer_retention_rate,
    share(year.capped, long_before.mrr) AS gross_revenue_retention,
    share(year.kept, long_before.mrr) AS net_revenue_retention,
    share(coalesce(losses.lost, 0), before.mrr) AS gross_revenue_churn_rate,
    share(coalesce(losses.lost - losses.gained, 0), before.mrr) AS net_revenue_churn_rate
FROM month_money this
LEFT JOIN month_money before
    ON before.month = this.month - 1 AND before.dimension = this.dimension AND before.code = this.code
LEFT JOIN month_money long_before
    ON long_before.month = this.month - 12 AND long_before.dimension = this.dimension AND long_before.code = this.code
LEFT JOIN month_losses losses
    ON losses.month = this.month AND losses.dimension = this.dimension AND losses.code = this.code
LEFT JOIN year_money year ON year.month = this.month AND year.dimension = this.dimension AND year.code = this.code
LEFT JOIN account_words ON account_words.code = this.code AND this.dimension <> 'total'
WHERE this.month >= month_number(first_month())
