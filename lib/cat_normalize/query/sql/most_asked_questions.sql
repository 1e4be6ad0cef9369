-- Which questions the most users asked in a period, of those that three or more asked.
-- Questions that differ only in case, accents, punctuation or spaces are one, shown as most wrote it.
-- The period is asked twice: texts are read only for the questions that three or more asked.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
-- parameter: top integer = 10
WITH per_user AS (
  SELECT pregunta, usuario_id, count(*) AS message_count
  FROM messages
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
    AND pregunta IS NOT NULL
  GROUP BY pregunta, usuario_id
),
popular AS (
  SELECT pregunta, count(*) AS user_count, sum(message_count) AS message_count
  FROM per_user
  GROUP BY pregunta
  HAVING count(*) >= 3
),
spelled AS (
  SELECT
    p.pregunta,
    p.user_count,
    p.message_count,
    trim(regexp_replace(replace(m.texto, '|', '/'), '[\p{Z}\p{Cc}]+', ' ')) AS spelling,
    count(*) AS spelling_count
  FROM popular AS p
  JOIN messages AS m ON m.pregunta = p.pregunta
  WHERE m.fecha >= ? AND m.fecha <= ? AND ? IN ('', m.ciudad) AND ? IN ('', m.gerencia)
  GROUP BY 1, 2, 3, 4
),
chosen AS (
  SELECT
    spelling AS question,
    user_count,
    message_count,
    row_number() OVER (PARTITION BY pregunta ORDER BY spelling_count DESC, spelling) AS choice
  FROM spelled
),
ranked AS (
  SELECT
    row_number() OVER (ORDER BY user_count DESC, question) AS place,
    question,
    user_count,
    message_count
  FROM chosen
  WHERE choice = 1
)
SELECT place, question, user_count, message_count
FROM ranked
WHERE place <= ?
ORDER BY place
