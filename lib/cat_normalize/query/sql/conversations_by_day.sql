-- How many conversations began on each day, and of how many users.
-- The day is the one written in the conversation's sort key; one without a readable day counts under NULL.
-- A text that quotes a sort key is not counted: inside the JSON its quotes carry a backslash.
SELECT
  TRY_CAST(t.written AS date) AS day,
  count(*) AS conversation_count,
  count(DISTINCT usuario_id) AS user_count
FROM (
  SELECT
    usuario_id,
    regexp_extract_all(
      conversacion_completa,
      '"sk":"CONVERSATION#([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}|)',
      1
    ) AS days
  FROM users
) AS u
CROSS JOIN UNNEST(days) AS t (written)
GROUP BY 1
ORDER BY day
