-- How long users waited for the bot's replies on each day of a period: seconds, by nearest rank.
-- Of all replies, those count as timed that have a time, as the message before them does.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
WITH per_wait AS (
  SELECT fecha AS day, espera_s, count(*) AS reply_count, count(espera_s) AS timed_count
  FROM messages
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
    AND respuesta
  GROUP BY fecha, espera_s
),
ranked AS (
  SELECT
    day,
    espera_s,
    reply_count,
    timed_count,
    sum(timed_count) OVER (PARTITION BY day ORDER BY espera_s) AS waits_so_far,
    sum(timed_count) OVER (PARTITION BY day) AS waits
  FROM per_wait
)
SELECT
  day,
  sum(reply_count) AS reply_count,
  sum(timed_count) AS timed_count,
  round(min(espera_s) FILTER (WHERE waits_so_far * 100 >= waits * 50), 3) AS median_s,
  round(min(espera_s) FILTER (WHERE waits_so_far * 100 >= waits * 95), 3) AS p95_s
FROM ranked
GROUP BY day
ORDER BY day
