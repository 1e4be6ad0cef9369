-- How many users liked, disliked or did both; 'none' is everyone else.
SELECT
  coalesce(feedback, 'none') AS feedback,
  count(*) AS user_count
FROM users
GROUP BY 1
ORDER BY user_count DESC, 1
