-- Which days have conversations, up to a run date; the last one ends the default period of other queries.
-- Both days are NULL if there are none. The counts include conversations without a day.
-- parameter: run_date day
SELECT
  min(fecha) AS first_day,
  max(fecha) AS last_day,
  count(*) AS conversation_count,
  count(*) FILTER (WHERE fecha IS NULL) AS undated_count
FROM conversations
WHERE fecha <= ? OR fecha IS NULL
ORDER BY first_day
