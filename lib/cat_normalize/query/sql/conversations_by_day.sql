-- How many conversations began on each day of a period, of how many users, and how they went.
-- The last two count feedback items, of which a conversation may have several.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
SELECT
  fecha AS day,
  count(*) AS conversation_count,
  count(DISTINCT usuario_id) AS user_count,
  count(*) FILTER (WHERE sin_respuesta) AS unanswered_count,
  count(*) FILTER (WHERE no_entendida) AS not_understood_count,
  count(*) FILTER (WHERE likes + dislikes > 0) AS rated_count,
  sum(likes) AS like_count,
  sum(dislikes) AS dislike_count
FROM conversations
WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
GROUP BY fecha
ORDER BY day
