-- How many users, conversations and feedback items each department has; NULL is an unknown department.
SELECT
  gerencia,
  count(*) AS user_count,
  sum(numero_conversaciones) AS conversation_count,
  sum(numero_feedback) AS feedback_count
FROM users
GROUP BY gerencia
ORDER BY user_count DESC, gerencia
