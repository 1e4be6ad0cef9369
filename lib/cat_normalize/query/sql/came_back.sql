-- How many users came back within a week: another conversation 1 to 7 days after the first.
-- Only users count whose first is at least 7 days before the last day with any, up to the run date.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
-- parameter: run_date day
WITH firsts AS (
  SELECT usuario_id, min(fecha) AS first_day
  FROM conversations
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
  GROUP BY usuario_id
),
data_end AS (
  SELECT max(fecha) AS last_day FROM conversations WHERE fecha <= ?
),
seen AS (
  SELECT firsts.usuario_id, count(later.fecha) AS later_count
  FROM firsts
  CROSS JOIN data_end
  LEFT JOIN conversations AS later
    ON later.usuario_id = firsts.usuario_id
    AND date_diff('day', firsts.first_day, later.fecha) BETWEEN 1 AND 7
  WHERE date_diff('day', firsts.first_day, data_end.last_day) >= 7
  GROUP BY firsts.usuario_id
)
SELECT
  count(*) AS user_count,
  count(*) FILTER (WHERE later_count > 0) AS came_back_count,
  round(CAST(count(*) FILTER (WHERE later_count > 0) AS double) / nullif(count(*), 0), 4) AS share
FROM seen
ORDER BY user_count
