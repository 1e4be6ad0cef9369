-- How many users, conversations and feedback items each city has; NULL is an unknown city.
SELECT
  ciudad,
  count(*) AS user_count,
  sum(numero_conversaciones) AS conversation_count,
  sum(numero_feedback) AS feedback_count
FROM users
GROUP BY ciudad
ORDER BY user_count DESC, ciudad
