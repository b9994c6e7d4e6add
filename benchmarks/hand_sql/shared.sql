-- What the three families have in common: who an account is, which days share a month and a rate.

-- stage: merged_accounts
-- Merged account -> survivor at the end of its chain; a loop stops where it would come round.
WITH RECURSIVE chain AS (
    SELECT account_id, duplicate_of AS survivor, [account_id, duplicate_of] AS seen
    FROM accounts
    WHERE duplicate_of IS NOT NULL
    UNION ALL
    SELECT chain.account_id, accounts.duplicate_of, list_append(chain.seen, accounts.duplicate_of)
    FROM chain
    JOIN accounts ON accounts.account_id = chain.survivor
    WHERE accounts.duplicate_of IS NOT NULL AND NOT list_contains(chain.seen, accounts.duplicate_of)
)
SELECT account_id, arg_max(survivor, len(seen)) AS survivor FROM chain GROUP BY account_id

-- stage: account_words
-- The values of the account's dimensions as small numbers; 0 is kept for unknown.
SELECT word, (row_number() OVER (ORDER BY word))::USMALLINT AS code
FROM (
    SELECT segment AS word FROM accounts UNION SELECT region FROM accounts UNION SELECT industry FROM accounts
    UNION SELECT channel FROM accounts UNION SELECT owner_id FROM accounts
)
WHERE word IS NOT NULL AND word <> 'unknown'

-- stage: numbered_accounts
SELECT
    row_number() OVER () AS account, account_id,
    coalesce(s.code, 0)::USMALLINT AS segment, coalesce(r.code, 0)::USMALLINT AS region,
    coalesce(i.code, 0)::USMALLINT AS industry, coalesce(c.code, 0)::USMALLINT AS channel,
    coalesce(o.code, 0)::USMALLINT AS owner_id
FROM accounts
LEFT JOIN account_words s ON s.word = accounts.segment
LEFT JOIN account_words r ON r.word = accounts.region
LEFT JOIN account_words i ON i.word = accounts.industry
LEFT JOIN account_words c ON c.word = accounts.channel
LEFT JOIN account_words o ON o.word = accounts.owner_id

-- stage: account_keys
-- Key of the source -> number of the surviving account.
SELECT numbered.account_id, coalesce(survivor.account, numbered.account) AS account
FROM numbered_accounts numbered
LEFT JOIN merged_accounts merged ON merged.account_id = numbered.account_id
LEFT JOIN numbered_accounts survivor ON survivor.account_id = merged.survivor

-- stage: calendar
-- Each day with its month and its bucket: a run of days in one month under the same quotes.
SELECT day, month_number(day) AS month, sum(breaks::INTEGER) OVER (ORDER BY day)::INTEGER AS bucket
FROM (
    SELECT day, day = date_trunc('month', day) OR quotes.quoted_on IS NOT NULL AS breaks
    FROM (SELECT unnest(generate_series(calendar_start(), now_day(), INTERVAL 1 DAY))::DATE AS day)
    LEFT JOIN (SELECT DISTINCT quoted_on FROM exchange_rates) quotes ON quotes.quoted_on = day
)

-- stage: bucket_rates
-- The rate of each currency in each bucket, and in the bucket before.
WITH wanted AS (
    SELECT bucket, month, first_day, currency
    FROM (SELECT bucket, month, min(day) AS first_day FROM calendar GROUP BY bucket, month),
        (SELECT DISTINCT currency FROM exchange_rates UNION SELECT reporting_currency())
), quoted AS (
    SELECT bucket, month, wanted.currency,
        CASE WHEN wanted.currency = reporting_currency() THEN 1 ELSE rate END::DECIMAL(18, 8) AS rate
    FROM wanted
    ASOF LEFT JOIN exchange_rates quotes
        ON quotes.currency = wanted.currency AND quotes.quoted_on <= wanted.first_day
)
SELECT *, lag(rate) OVER (PARTITION BY currency ORDER BY bucket) AS rate_before,
    bucket = max(bucket) OVER (PARTITION BY month) AS closes_month
FROM quoted

-- stage: closings
SELECT month, max(day) AS closing FROM calendar GROUP BY month

-- stage: closing_rates
SELECT month, currency, rate FROM bucket_rates WHERE closes_month
