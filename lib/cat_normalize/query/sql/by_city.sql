-- The figures of overview for each city; NULL is an unknown city.
-- Shares are between 0 and 1; NULL where there is nothing to divide by. Times are seconds, by nearest rank.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
WITH facts AS (
  SELECT
    usuario_id,
    fecha,
    min(fecha) OVER (PARTITION BY usuario_id) AS first_day,
    ciudad,
    gerencia,
    mensajes_usuario,
    turnos,
    sin_respuesta,
    no_entendida,
    CAST(NULL AS varchar) AS emisor,
    CAST(NULL AS boolean) AS respuesta,
    CAST(NULL AS double) AS espera_s
  FROM conversations
  UNION ALL
  SELECT
    CAST(NULL AS varchar),
    fecha,
    CAST(NULL AS date),
    ciudad,
    gerencia,
    CAST(NULL AS integer),
    CAST(NULL AS integer),
    CAST(NULL AS boolean),
    CAST(NULL AS boolean),
    emisor,
    respuesta,
    espera_s
  FROM messages
),
per_user AS (
  SELECT
    ciudad,
    usuario_id,
    emisor,
    respuesta,
    espera_s,
    count(*) AS row_count,
    count(espera_s) AS wait_count,
    count(*) FILTER (WHERE fecha = first_day) AS first_count,
    count(*) FILTER (WHERE mensajes_usuario > 0) AS engaged_count,
    sum(turnos) AS turn_count,
    count(*) FILTER (WHERE sin_respuesta) AS unanswered_count,
    count(*) FILTER (WHERE no_entendida) AS not_understood_count
  FROM facts
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
  GROUP BY ciudad, usuario_id, emisor, respuesta, espera_s
),
per_wait AS (
  SELECT
    ciudad,
    emisor,
    respuesta,
    espera_s,
    count(usuario_id) AS active_users,
    count(*) FILTER (WHERE first_count > 0) AS new_users,
    sum(row_count) AS row_count,
    sum(wait_count) AS wait_count,
    sum(engaged_count) AS engaged_count,
    sum(turn_count) AS turn_count,
    sum(unanswered_count) AS unanswered_count,
    sum(not_understood_count) AS not_understood_count
  FROM per_user
  GROUP BY ciudad, emisor, respuesta, espera_s
),
ranked AS (
  SELECT
    ciudad,
    emisor,
    respuesta,
    espera_s,
    active_users,
    new_users,
    row_count,
    wait_count,
    engaged_count,
    turn_count,
    unanswered_count,
    not_understood_count,
    sum(wait_count) OVER (PARTITION BY ciudad ORDER BY espera_s) AS waits_so_far,
    sum(wait_count) OVER (PARTITION BY ciudad) AS waits
  FROM per_wait
),
counted AS (
  SELECT
    ciudad,
    coalesce(sum(active_users), 0) AS active_users,
    coalesce(sum(new_users), 0) AS new_users,
    coalesce(sum(row_count) FILTER (WHERE emisor IS NULL), 0) AS conversations,
    coalesce(sum(row_count) FILTER (WHERE emisor = 'user'), 0) AS messages_user,
    coalesce(sum(row_count) FILTER (WHERE emisor = 'bot'), 0) AS messages_bot,
    coalesce(sum(row_count) FILTER (WHERE emisor NOT IN ('user', 'bot')), 0) AS messages_other,
    min(espera_s) FILTER (WHERE waits_so_far * 100 >= waits * 50) AS median_reply_s,
    min(espera_s) FILTER (WHERE waits_so_far * 100 >= waits * 95) AS p95_reply_s,
    sum(wait_count) AS wait_count,
    sum(row_count) FILTER (WHERE respuesta) AS reply_count,
    sum(engaged_count) AS engaged_count,
    sum(turn_count) AS turn_count,
    sum(unanswered_count) AS unanswered_count,
    sum(not_understood_count) AS not_understood_count
  FROM ranked
  GROUP BY ciudad
)
SELECT
  ciudad,
  active_users,
  new_users,
  active_users - new_users AS returning_users,
  conversations,
  messages_user,
  messages_bot,
  messages_other,
  round(CAST(engaged_count AS double) / nullif(conversations, 0), 4) AS engaged_share,
  round(CAST(turn_count AS double) / nullif(conversations, 0), 4) AS mean_turns,
  round(median_reply_s, 3) AS median_reply_s,
  round(p95_reply_s, 3) AS p95_reply_s,
  round(CAST(wait_count AS double) / nullif(reply_count, 0), 4) AS reply_coverage,
  round(CAST(unanswered_count AS double) / nullif(conversations, 0), 4) AS unanswered_share,
  round(CAST(not_understood_count AS double) / nullif(conversations, 0), 4) AS not_understood_share
FROM counted
ORDER BY active_users DESC, ciudad
