-- Which users had the most conversations; equals come in the order of their id.
-- parameter: top integer = 10
SELECT place, usuario_id, nombre, numero_conversaciones, numero_feedback
FROM (
  SELECT
    row_number() OVER (ORDER BY numero_conversaciones DESC, usuario_id) AS place,
    usuario_id,
    nombre,
    numero_conversaciones,
    numero_feedback
  FROM users
) AS ranked
WHERE place <= ?
ORDER BY place
