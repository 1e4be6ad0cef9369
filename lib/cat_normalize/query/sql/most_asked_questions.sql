-- Which questions the most users asked in a period, of those that three or more asked.
-- Questions that differ only in case, accents, punctuation or spaces are one, shown as most wrote it.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
-- parameter: top integer = 10
WITH asked AS (
  SELECT
    pregunta,
    trim(regexp_replace(replace(texto, '|', '/'), '[\p{Z}\p{Cc}]+', ' ')) AS spelling,
    usuario_id,
    count(*) AS message_count
  FROM messages
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
    AND pregunta IS NOT NULL
  GROUP BY 1, 2, 3
),
once AS (
  SELECT
    pregunta,
    spelling,
    message_count,
    row_number() OVER (PARTITION BY pregunta, usuario_id ORDER BY spelling) AS spelling_of_user
  FROM asked
),
spelled AS (
  SELECT
    pregunta,
    spelling,
    sum(message_count) AS message_count,
    count(*) FILTER (WHERE spelling_of_user = 1) AS user_count
  FROM once
  GROUP BY pregunta, spelling
),
chosen AS (
  SELECT
    pregunta,
    spelling,
    message_count,
    user_count,
    row_number() OVER (PARTITION BY pregunta ORDER BY message_count DESC, spelling) AS choice
  FROM spelled
),
questions AS (
  SELECT
    min(spelling) FILTER (WHERE choice = 1) AS question,
    sum(user_count) AS user_count,
    sum(message_count) AS message_count
  FROM chosen
  GROUP BY pregunta
),
ranked AS (
  SELECT
    row_number() OVER (ORDER BY user_count DESC, question) AS place,
    question,
    user_count,
    message_count
  FROM questions
  WHERE user_count >= 3
)
SELECT place, question, user_count, message_count
FROM ranked
WHERE place <= ?
ORDER BY place
