-- How long users waited for the bot's replies on each day of a period: seconds, by nearest rank.
-- Of all replies, those count as timed that have a time, as the message before them does.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
SELECT
  day,
  count(*) AS reply_count,
  count(espera_s) AS timed_count,
  round(min(espera_s) FILTER (WHERE wait_place * 100 >= wait_count * 50), 3) AS median_s,
  round(min(espera_s) FILTER (WHERE wait_place * 100 >= wait_count * 95), 3) AS p95_s
FROM (
  SELECT
    fecha AS day,
    espera_s,
    row_number() OVER (PARTITION BY fecha ORDER BY espera_s) AS wait_place,
    count(espera_s) OVER (PARTITION BY fecha) AS wait_count
  FROM messages
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
    AND respuesta
) AS ranked
GROUP BY day
ORDER BY day
