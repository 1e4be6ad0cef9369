-- Which conversations of a period ended with a message of the user that the bot never answered, newest first.
-- Users are masked, and in questions their own id, e-mail addresses and runs of five digits or more.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
-- parameter: top integer = 10
SELECT
  place,
  inicio,
  CASE WHEN length(usuario_id) >= 8 THEN '***' || substr(usuario_id, -2) ELSE '***' END AS usuario,
  replace(
    replace(
      replace(
        regexp_replace(
          regexp_replace(primera_pregunta, '[^ @＠,;<>]{1,255}[@＠][^ @＠,;<>]{1,255}', '***'),
          '\p{Nd}{5,}',
          '***'
        ),
        own_id,
        '***'
      ),
      lower(own_id),
      '***'
    ),
    upper(own_id),
    '***'
  ) AS primera_pregunta,
  mensajes,
  ciudad
FROM (
  SELECT
    row_number() OVER (ORDER BY inicio DESC, usuario_id, orden) AS place,
    inicio,
    usuario_id,
    coalesce(
      nullif(replace(trim(regexp_replace(usuario_id, '[\p{Z}\p{Cc}]+', ' ')), '|', '/'), ''),
      usuario_id
    ) AS own_id,
    primera_pregunta,
    mensajes,
    ciudad
  FROM conversations
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
    AND sin_respuesta
) AS ranked
WHERE place <= ?
ORDER BY place
