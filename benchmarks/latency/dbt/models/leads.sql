-- Read where they stand, as the others read them.
{{ config(materialized='view') }}
SELECT lead_id, created_at, coalesce(direction, 'unknown') AS direction
FROM store.main.leads
WHERE duplicate_of IS NULL
