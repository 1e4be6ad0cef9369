-- Which questions the most users asked; those asked by equally many come in the order of their text.
-- parameter: top integer = 10
SELECT place, question, user_count
FROM (
  SELECT
    row_number() OVER (ORDER BY count(*) DESC, t.question) AS place,
    t.question,
    count(*) AS user_count
  FROM (SELECT split(pregunta_conversacion, ' | ') AS questions FROM users) AS u
  CROSS JOIN UNNEST(questions) AS t (question)
  WHERE t.question <> ''
  GROUP BY t.question
) AS ranked
WHERE place <= ?
ORDER BY place
