-- Contracts that came to their end, and what became of them.
--
-- It stands on `live_rows` and the stages before it: a contract may renew by itself where its subscription goes on.

-- stage: contract_terms
-- Contracts signed by now, with what they are worth a year; a day of a term is a thirtieth of a month.
SELECT
    contracts.contract_id, keys.account, subscriptions.subscription, renewed_by, coalesce(auto_renew, FALSE) AS renews_itself,
    signed_at::DATE AS signed_on, ends_on, coalesce(currency, reporting_currency()) AS currency,
    12 * (year(ends_on) - year(starts_on)) + month(ends_on) - month(starts_on)
        + (day(ends_on) - day(starts_on)) / 30.0 AS months,
    CASE WHEN months > 0 THEN contracts.value::DOUBLE * 12 / months END AS annual
FROM contracts
LEFT JOIN account_keys keys ON keys.account_id = contracts.account_id
LEFT JOIN numbered_subscriptions subscriptions ON subscriptions.subscription_id = contracts.subscription_id
WHERE signed_at IS NULL OR signed_at < end_of_now()

-- stage: gone_on
-- Contracts that nothing follows by name and whose subscription is paid for on the day on which they end.
SELECT DISTINCT contract_id
FROM contract_terms terms
JOIN live_rows rows
    ON rows.subscription = terms.subscription AND rows.starts <= ends_on AND coalesce(rows.ends, DATE '9999-12-31') > ends_on
WHERE ends_on <= now_day() AND renewed_by IS NULL AND renews_itself AND mrr > 0

-- stage: contracts_due
SELECT
    due.account, due.ends_on AS day, due.renews_itself::INTEGER::USMALLINT AS auto_renew, due.currency,
    due.annual AS old_value, coalesce(after.signed_on <= due.ends_on + 30, FALSE) AS followed,
    followed OR gone_on.contract_id IS NOT NULL AS renewed,
    CASE WHEN followed THEN after.currency ELSE due.currency END AS new_currency,
    CASE WHEN followed THEN after.annual WHEN renewed THEN due.annual END AS new_value
FROM contract_terms due
LEFT JOIN contract_terms after ON after.contract_id = due.renewed_by
LEFT JOIN gone_on ON gone_on.contract_id = due.contract_id
WHERE due.ends_on <= now_day()

-- stage: renewal_sums
SELECT
    calendar.month, {cut_name} AS dimension, {cut_code} AS code,
    sum(old_value * old_rates.rate) AS due_value, count(*) FILTER (old_value IS NULL OR old_rates.rate IS NULL) AS unvalued,
    sum(least(old_value * old_rates.rate, new_value * new_rates.rate)) FILTER (renewed) AS kept_value,
    count(*) FILTER (renewed AND (new_value IS NULL OR new_rates.rate IS NULL)) AS new_unvalued,
    count(DISTINCT due.account) AS accounts_due, count(DISTINCT due.account) FILTER (renewed) AS accounts_renewed
FROM contracts_due due
JOIN calendar USING (day)
LEFT JOIN numbered_accounts USING (account)
LEFT JOIN bucket_rates old_rates ON old_rates.bucket = calendar.bucket AND old_rates.currency = due.currency
LEFT JOIN bucket_rates new_rates ON new_rates.bucket = calendar.bucket AND new_rates.currency = due.new_currency
GROUP BY calendar.month, {cut_sets}

-- stage: renewal_figures
SELECT
    month, dimension,
    CASE WHEN dimension = 'auto_renew' THEN CASE code WHEN 1 THEN 'true' ELSE 'false' END
         ELSE coalesce(word, 'unknown') END AS dimension_value,
    CASE WHEN unvalued = 0 THEN coalesce(due_value, 0) END AS renewals_due,
    share(accounts_renewed, accounts_due) AS renewal_rate,
    CASE WHEN unvalued + new_unvalued = 0 THEN share(coalesce(kept_value, 0), due_value) END AS renewal_rate_value
FROM renewal_sums
LEFT JOIN account_words USING (code)
WHERE month >= month_number(first_month())
