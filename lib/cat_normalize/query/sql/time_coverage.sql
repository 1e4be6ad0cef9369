-- How many messages have a readable time, and how many conversations a day; the others are in no period.
SELECT
  coalesce(sum(mensajes), 0) AS message_count,
  coalesce(sum(con_hora), 0) AS timed_messages,
  count(*) AS conversation_count,
  count(fecha) AS dated_conversations
FROM conversations
ORDER BY conversation_count
