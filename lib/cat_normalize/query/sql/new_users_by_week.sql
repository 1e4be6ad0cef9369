-- How many users had their first conversation in each week; a week is named by its Monday.
-- Users without a dated conversation count under NULL.
SELECT
  CAST(date_trunc('week', fecha_primera_conversacion) AS date) AS week,
  count(*) AS user_count
FROM users
GROUP BY 1
ORDER BY week
