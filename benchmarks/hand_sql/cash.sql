-- Bills and money: what is owed, for how long, and what was billed.
--
-- A bill's balance changes on few days; what is owed is a running total of the changes of all bills. Money is in the
-- currency of its bill, which is checked.

-- stage: numbered_bills
SELECT
    row_number() OVER () AS bill, invoice_id, keys.account, coalesce(currency, reporting_currency()) AS currency,
    issued_on, due_on, abs(amount) AS amount, coalesce(kind = 'credit_note', FALSE) OR amount < 0 AS is_note, applies_to
FROM invoices
LEFT JOIN account_keys keys ON keys.account_id = invoices.account_id
WHERE issued_on <= now_day() AND amount <> 0

-- stage: lowerings
-- What lowers a bill, from its day of issue on: payments, what is taken back of them, and credit notes that name it.
SELECT
    bill, greatest(paid_at::DATE, issued_on) AS day, coalesce(moved.currency <> bills.currency, FALSE) AS is_foreign,
    CASE WHEN moved.kind = 'clawback' THEN -abs(moved.amount) ELSE abs(moved.amount) END AS lowered,
    coalesce(moved.kind, 'payment') = 'payment' AS is_payment
FROM payments moved
JOIN numbered_bills bills ON bills.invoice_id = moved.invoice_id
WHERE NOT is_note AND paid_at < end_of_now() AND coalesce(moved.kind, 'payment') <> 'refund'
    AND NOT (moved.amount < 0 AND coalesce(moved.kind, 'payment') = 'payment')
UNION ALL
SELECT bills.bill, greatest(notes.issued_on, bills.issued_on), notes.currency <> bills.currency, notes.amount, FALSE
FROM numbered_bills notes
JOIN numbered_bills bills ON bills.invoice_id = notes.applies_to
WHERE notes.is_note AND NOT bills.is_note

-- stage: plain_stays
-- From `start` to `stop` a bill stood open with the same amount.
SELECT bill, account, currency, issued_on, due_on, invoice_id, day AS start, until AS stop, balance AS owed
FROM (
    SELECT bill, day, lead(day) OVER history AS until, sum(change) OVER history AS balance
    FROM (
        SELECT bill, day, sum(change) AS change
        FROM (
            SELECT bill, issued_on AS day, amount AS change FROM numbered_bills WHERE NOT is_note
            UNION ALL
            SELECT bill, day, -lowered FROM lowerings
        )
        GROUP BY bill, day
    )
    WINDOW history AS (PARTITION BY bill ORDER BY day)
)
JOIN numbered_bills USING (bill)
WHERE balance > 0

-- stage: loose_notes
-- Credit notes that name no bill.
SELECT account, currency, issued_on AS day, sum(amount) AS given
FROM numbered_bills
WHERE is_note AND applies_to IS NULL AND account IS NOT NULL
GROUP BY account, currency, issued_on

-- stage: purses
SELECT DISTINCT account, currency FROM loose_notes

-- stage: purse_stays
SELECT stays.* FROM plain_stays stays JOIN purses USING (account, currency)

-- stage: purse_turns
-- The days on which anything of such an account changes, and what it was credited by then.
SELECT account, currency, day AS since, lead(day) OVER history AS until, sum(sum(given)) OVER history AS credit
FROM (
    SELECT account, currency, day, given FROM loose_notes
    UNION ALL
    SELECT account, currency, start, 0 FROM purse_stays
    UNION ALL
    SELECT account, currency, stop, 0 FROM purse_stays WHERE stop IS NOT NULL
)
GROUP BY account, currency, day
WINDOW history AS (PARTITION BY account, currency ORDER BY day)

-- stage: lowered_stays
-- Between two such days credits lower what is open, the oldest bill first.
SELECT bill, account, currency, due_on, since AS start, until AS stop,
    owed - least(owed, greatest(0, credit - (sum(owed) OVER older - owed))) AS owed
FROM purse_stays stays
JOIN purse_turns turns USING (account, currency)
WHERE turns.since >= stays.start AND turns.since < coalesce(stays.stop, DATE '9999-12-31')
WINDOW older AS (PARTITION BY account, currency, since ORDER BY issued_on, invoice_id ROWS UNBOUNDED PRECEDING)

-- stage: open_stays
SELECT bill, account, currency, due_on, start, stop, owed FROM plain_stays ANTI JOIN purses USING (account, currency)
UNION ALL
SELECT bill, account, currency, due_on, start, stop, owed FROM lowered_stays WHERE owed > 0

-- stage: bill_ends
SELECT bill, max(stop) AS last_stop, bool_or(stop IS NULL) AS is_open,
    sum(owed) FILTER (start <= due_on AND coalesce(stop > due_on, TRUE)) AS owed_at_due
FROM open_stays
GROUP BY bill

-- stage: bills_paid
SELECT DISTINCT bill FROM lowerings WHERE is_payment

-- stage: bill_facts
SELECT bills.bill, account, currency, issued_on, due_on, amount,
    greatest(0, least(amount, amount - coalesce(owed_at_due, 0))) AS settled_at_due,
    CASE WHEN paid.bill IS NOT NULL AND NOT coalesce(is_open, FALSE) THEN coalesce(last_stop, issued_on) END AS settled_on
FROM numbered_bills bills
LEFT JOIN bill_ends ends ON ends.bill = bills.bill
LEFT JOIN bills_paid paid ON paid.bill = bills.bill
WHERE NOT is_note

-- stage: cash_sums
WITH events AS (
    SELECT greatest(start, calendar_start()) AS day, account, currency, owed, 0 AS late,
        NULL::DECIMAL(18, 6) AS due, NULL::DECIMAL(18, 6) AS settled, NULL::BIGINT AS cash_days
    FROM open_stays
    UNION ALL
    SELECT greatest(stop, calendar_start()), account, currency, -owed, 0, NULL, NULL, NULL FROM open_stays
    WHERE stop IS NOT NULL
    UNION ALL
    SELECT greatest(start, due_on + 1, calendar_start()), account, currency, 0, owed, NULL, NULL, NULL FROM open_stays
    WHERE coalesce(stop > due_on + 1, TRUE) AND due_on < now_day()
    UNION ALL
    SELECT greatest(stop, calendar_start()), account, currency, 0, -owed, NULL, NULL, NULL FROM open_stays
    WHERE stop > due_on + 1
    UNION ALL
    SELECT due_on, account, currency, 0, 0, amount, settled_at_due, NULL FROM bill_facts
    UNION ALL
    SELECT settled_on, account, currency, 0, 0, NULL, NULL, settled_on - issued_on FROM bill_facts
)
SELECT
    month, bucket, currency, {cut_name} AS dimension, {cut_code} AS code, sum(owed) AS owed, sum(late) AS late,
    sum(due) AS due, sum(settled) AS settled, sum(cash_days) AS cash_days, count(cash_days) AS cash_cases
FROM events
JOIN calendar USING (day)
LEFT JOIN numbered_accounts USING (account)
GROUP BY month, bucket, currency, {cut_sets}

-- stage: cash_cuts
SELECT DISTINCT currency, dimension, code FROM cash_sums

-- stage: cash_months
WITH months AS (
    SELECT sums.month, sums.currency, dimension, code, sum(owed) AS owed, sum(late) AS late,
        money(due, rate) AS due, money(settled, rate) AS settled, sum(cash_days) AS cash_days, sum(cash_cases) AS cash_cases
    FROM cash_sums sums
    LEFT JOIN bucket_rates USING (bucket, currency)
    GROUP BY sums.month, sums.currency, dimension, code
)
SELECT
    all_months.month, cuts.currency, cuts.dimension, cuts.code, cash_days, cash_cases,
    CASE WHEN months.month IS NULL THEN 0 ELSE due END AS due,
    CASE WHEN months.month IS NULL THEN 0 ELSE settled END AS settled,
    sum(coalesce(owed, 0)) OVER history AS owed, sum(coalesce(late, 0)) OVER history AS late
FROM cash_cuts cuts
CROSS JOIN (SELECT DISTINCT month FROM calendar) all_months
LEFT JOIN months
    ON months.month = all_months.month AND months.currency = cuts.currency
    AND months.dimension = cuts.dimension AND months.code = cuts.code
WINDOW history AS (
    PARTITION BY cuts.dimension, cuts.code, cuts.currency ORDER BY all_months.month ROWS UNBOUNDED PRECEDING
)

-- stage: billed_sums
SELECT issued_on AS day, currency, {cut_name} AS dimension, {cut_code} AS code,
    sum(CASE WHEN is_note THEN -amount ELSE amount END) AS billed
FROM numbered_bills
LEFT JOIN numbered_accounts USING (account)
WHERE issued_on >= calendar_start()
GROUP BY issued_on, currency, {cut_sets}

-- stage: billed_days
-- What was billed on a day, less credit notes, at the rate of the day.
SELECT day, dimension, code, money(billed, rate) AS billed
FROM billed_sums
JOIN calendar USING (day)
LEFT JOIN bucket_rates USING (bucket, currency)
GROUP BY day, dimension, code

-- stage: billed_windows
-- What was billed in the three months up to each closing day.
SELECT month, dimension, code, sum(billed) AS billed, any_value(closing - opens + 1) AS days
FROM (SELECT *, (closing + 1 - INTERVAL 3 MONTH)::DATE AS opens FROM closings)
JOIN billed_days ON day >= opens AND day <= closing
GROUP BY month, dimension, code

-- stage: cash_figures
SELECT
    this.month, this.dimension, coalesce(word, 'unknown') AS dimension_value,
    money(owed, rate) AS receivables, money(late, rate) AS overdue_amount,
    share(money(owed, rate) * any_value(days), any_value(billed)) AS days_sales_outstanding,
    CASE WHEN count(due) = count(*) THEN share(sum(settled), sum(due)) END AS on_time_payment_rate,
    sum(cash_days)::DOUBLE / nullif(sum(cash_cases), 0) AS invoice_to_cash_days
FROM cash_months this
LEFT JOIN closing_rates rates ON rates.month = this.month AND rates.currency = this.currency
LEFT JOIN billed_windows windows
    ON windows.month = this.month AND windows.dimension = this.dimension AND windows.code = this.code
LEFT JOIN account_words ON account_words.code = this.code AND this.dimension <> 'total'
WHERE this.month >= month_number(first_month())
GROUP BY this.month, this.dimension, this.code, word
