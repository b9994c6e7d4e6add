SELECT CAST(day AS DATE) AS day
FROM generate_series(DATE '2020-01-01', DATE '2024-12-31', INTERVAL 1 DAY) AS days(day)
