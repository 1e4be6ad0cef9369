-- What users wrote with a dislike in a period, newest first; those without a time of feedback come last.
-- Users are masked, and in comments their own id, e-mail addresses and runs of five digits or more.
-- parameter: since day
-- parameter: until day
-- parameter: ciudad text = ''
-- parameter: gerencia text = ''
-- parameter: top integer = 10
SELECT
  place,
  feedback_en,
  CASE WHEN length(usuario_id) >= 8 THEN '***' || substr(usuario_id, -2) ELSE '***' END AS usuario,
  replace(
    replace(
      replace(
        regexp_replace(
          regexp_replace(comentario_negativo, '[^ @＠,;<>]{1,255}[@＠][^ @＠,;<>]{1,255}', '***'),
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
  ) AS comentario,
  ciudad
FROM (
  SELECT
    row_number() OVER (ORDER BY feedback_en DESC, usuario_id, orden) AS place,
    feedback_en,
    usuario_id,
    coalesce(
      nullif(replace(trim(regexp_replace(usuario_id, '[\p{Z}\p{Cc}]+', ' ')), '|', '/'), ''),
      usuario_id
    ) AS own_id,
    comentario_negativo,
    ciudad
  FROM conversations
  WHERE fecha >= ? AND fecha <= ? AND ? IN ('', ciudad) AND ? IN ('', gerencia)
    AND comentario_negativo IS NOT NULL
) AS ranked
WHERE place <= ?
ORDER BY place
