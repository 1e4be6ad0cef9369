-- The figures of overview for each city; NULL is an unknown city.
-- Shares are between 0 and 1; NULL where there is nothing to divide by. Times are seconds, by nearest rank.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
SELECT
  ciudad,
  count(DISTINCT usuario_id) AS active_users,
  count(DISTINCT usuario_id) FILTER (WHERE fecha = first_day) AS new_users,
  count(DISTINCT usuario_id) - count(DISTINCT usuario_id) FILTER (WHERE fecha = first_day)
    AS returning_users,
  count(usuario_id) AS conversations,
  count(*) FILTER (WHERE emisor = 'user') AS messages_user,
  count(*) FILTER (WHERE emisor = 'bot') AS messages_bot,
  count(*) FILTER (WHERE emisor NOT IN ('user', 'bot')) AS messages_other,
  round(CAST(count(*) FILTER (WHERE mensajes_usuario > 0) AS double) / nullif(count(usuario_id), 0), 4)
    AS engaged_share,
  round(CAST(sum(turnos) AS double) / nullif(count(usuario_id), 0), 4) AS mean_turns,
  round(min(espera_s) FILTER (WHERE wait_place * 100 >= wait_count * 50), 3) AS median_reply_s,
  round(min(espera_s) FILTER (WHERE wait_place * 100 >= wait_count * 95), 3) AS p95_reply_s,
  round(CAST(count(espera_s) AS double) / nullif(count(*) FILTER (WHERE respuesta), 0), 4)
    AS reply_coverage,
  round(CAST(count(*) FILTER (WHERE sin_respuesta) AS double) / nullif(count(usuario_id), 0), 4)
    AS unanswered_share,
  round(CAST(count(*) FILTER (WHERE no_entendida) AS double) / nullif(count(usuario_id), 0), 4)
    AS not_understood_share
FROM (
  SELECT
    ciudad,
    usuario_id,
    fecha,
    first_day,
    mensajes_usuario,
    turnos,
    sin_respuesta,
    no_entendida,
    emisor,
    respuesta,
    espera_s,
    row_number() OVER (PARTITION BY ciudad ORDER BY espera_s) AS wait_place,
    count(espera_s) OVER (PARTITION BY ciudad) AS wait_count
  FROM (
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
  ) AS facts
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
) AS ranked
GROUP BY ciudad
ORDER BY active_users DESC, ciudad
