-- How many users of each week's new ones came back in each week after; a week is named by its Monday.
-- A user is of the week of the first conversation ever, if that lies in the period.
-- Every week up to the period's end has a row, for up to 9,999 weeks, with 0 where nobody came.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
WITH dated AS (
  SELECT
    usuario_id,
    ciudad,
    gerencia,
    fecha,
    min(fecha) OVER (PARTITION BY usuario_id) AS first_day
  FROM conversations
),
started AS (
  SELECT
    usuario_id,
    ciudad,
    gerencia,
    fecha,
    CAST(date_trunc('week', first_day) AS date) AS week
  FROM dated
  WHERE first_day >= ?
),
facts AS (
  SELECT week, date_diff('day', week, fecha) / 7 AS weeks_later, fecha AS day, usuario_id, ciudad, gerencia
  FROM started
  UNION ALL
  SELECT
    week,
    weeks_later,
    CAST(date_add('day', 7 * weeks_later, week) AS date),
    CAST(NULL AS varchar),
    CAST(NULL AS varchar),
    CAST(NULL AS varchar)
  FROM (SELECT DISTINCT week FROM started) AS weeks
  CROSS JOIN UNNEST(sequence(0, 9999)) AS t (weeks_later)
),
counted AS (
  SELECT week, weeks_later, count(DISTINCT usuario_id) AS active_users
  FROM facts
  WHERE day <= ? AND (usuario_id IS NULL OR (? IN ('', ciudad) AND ? IN ('', gerencia)))
  GROUP BY week, weeks_later
),
sized AS (
  SELECT week, max(active_users) OVER (PARTITION BY week) AS week_users, weeks_later, active_users
  FROM counted
)
SELECT
  week,
  week_users,
  weeks_later,
  active_users,
  round(CAST(active_users AS double) / week_users, 4) AS share
FROM sized
WHERE week_users > 0
ORDER BY week, weeks_later
