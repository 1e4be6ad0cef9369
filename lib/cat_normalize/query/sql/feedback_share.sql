-- Which share of the users left feedback, and how many feedback items came for each conversation.
-- Shares are between 0 and 1, to four decimals; NULL where there is nothing to divide by.
SELECT
  count(*) AS user_count,
  count(*) FILTER (WHERE numero_feedback > 0) AS users_with_feedback,
  round(CAST(count(*) FILTER (WHERE numero_feedback > 0) AS double) / nullif(count(*), 0), 4)
    AS share_of_users,
  round(CAST(sum(numero_feedback) AS double) / nullif(sum(numero_conversaciones), 0), 4)
    AS feedback_per_conversation
FROM users
ORDER BY user_count
