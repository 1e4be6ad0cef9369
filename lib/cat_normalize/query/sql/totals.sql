-- How many users, conversations and feedback items there are.
SELECT
  count(*) AS user_count,
  coalesce(sum(numero_conversaciones), 0) AS conversation_count,
  coalesce(sum(numero_feedback), 0) AS feedback_count
FROM users
ORDER BY user_count
