-- At which hours of which weekdays users write, from 1, Monday, to 7; messages without a time do not count.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
SELECT day_of_week(fecha) AS weekday, hora, count(*) AS message_count
FROM messages
WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
  AND emisor = 'user' AND hora IS NOT NULL
GROUP BY 1, hora
ORDER BY weekday, hora
