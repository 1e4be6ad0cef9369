-- The twelve columns of docs/contract.md §2, for items in the form of maps and lists that keep the rules:
-- no rejects, no filters, no strings of JSON, no offsets but Z.
COPY (
  WITH read AS (
    SELECT
      PK.S[6:] AS usuario_id,
      SK.S AS sk,
      CreatedAt.S AS created_at,
      UserData.M AS who,
      Conversation.L AS messages,
      Feedback.M AS thumb
    FROM read_json(
      getvariable('items'),
      format = 'newline_delimited',
      maximum_object_size = 2097152, -- a buffer is twice that: small ones keep both threads busy
      columns = {
        PK: 'STRUCT(S VARCHAR)',
        SK: 'STRUCT(S VARCHAR)',
        CreatedAt: 'STRUCT(S VARCHAR)',
        UserData: 'STRUCT(M STRUCT(nombre STRUCT(S VARCHAR), gerencia STRUCT(S VARCHAR), ciudad STRUCT(S VARCHAR)))',
        Conversation: 'STRUCT(L STRUCT(M STRUCT("from" STRUCT(S VARCHAR), "text" STRUCT(S VARCHAR), "timestamp" STRUCT(S VARCHAR)))[])',
        Feedback: 'STRUCT(M STRUCT("type" STRUCT(S VARCHAR), "comment" STRUCT(S VARCHAR), "option" STRUCT(S VARCHAR)))'
      }
    )
  ),
  item AS (
    SELECT
      usuario_id,
      sk,
      sk LIKE 'CONVERSATION#%' AS talks,
      sk LIKE 'FEEDBACK#%' AS judges,
      nullif(trim(who.nombre.S), '') AS nombre,
      nullif(trim(who.gerencia.S), '') AS gerencia,
      nullif(trim(regexp_replace(who.ciudad.S, '\s*\(.*\)$', '')), '') AS ciudad,
      CAST(try_cast(created_at AS TIMESTAMP)
        - CASE WHEN ends_with(created_at, 'Z') THEN INTERVAL 5 HOUR ELSE INTERVAL 0 HOUR END AS DATE) AS day,
      to_json({
        sk: sk,
        messages: list_transform(messages, lambda m: {
          "from": CASE WHEN lower(trim(m.M."from".S)) IN ('user', 'usuario') THEN 'user'
                       WHEN lower(trim(m.M."from".S)) IN ('bot', 'assistant', 'catia') THEN 'bot'
                       ELSE lower(trim(m.M."from".S)) END,
          text: coalesce(m.M.text.S, ''),
          timestamp: m.M.timestamp.S
        })
      }) AS conversation,
      list_transform(
        list_filter(messages, lambda m: lower(trim(m.M."from".S)) IN ('user', 'usuario')),
        lambda m: trim(replace(regexp_replace(m.M.text.S, '[\s\x00-\x1f\x7f]+', ' ', 'g'), '|', '/'))
      ) AS asked,
      lower(trim(thumb."type".S)) AS liked,
      CASE
        WHEN thumb IS NULL THEN NULL
        WHEN thumb."comment".S IS NULL AND thumb."option".S IS NULL THEN to_json({sk: sk, type: thumb."type".S})
        WHEN thumb."comment".S IS NULL
          THEN to_json({sk: sk, type: thumb."type".S, option: thumb."option".S})
        WHEN thumb."option".S IS NULL
          THEN to_json({sk: sk, type: thumb."type".S, comment: thumb."comment".S})
        ELSE to_json({sk: sk, type: thumb."type".S, comment: thumb."comment".S, option: thumb."option".S})
      END AS feedback,
      list_filter(
        [trim(replace(thumb."comment".S, '|', '/')), trim(replace(thumb."option".S, '|', '/'))],
        lambda said: said <> ''
      ) AS said
    FROM read
  ),
  person AS (
    SELECT
      usuario_id,
      arg_min(nombre, sk) AS nombre,
      arg_min(gerencia, sk) AS gerencia,
      arg_min(ciudad, sk) AS ciudad,
      min(day) FILTER (talks) AS day,
      count(*) FILTER (talks) AS conversations,
      '[' || coalesce(string_agg(conversation, ',' ORDER BY sk) FILTER (talks), '') || ']' AS conversation,
      '[' || string_agg(feedback, ',' ORDER BY sk) FILTER (judges) || ']' AS feedback,
      count(*) FILTER (judges) AS judged,
      flatten(list(asked ORDER BY sk) FILTER (talks)) AS asked,
      list(DISTINCT liked) FILTER (judges AND liked IN ('like', 'dislike')) AS liked,
      flatten(list(said ORDER BY sk) FILTER (judges)) AS said
    FROM item
    GROUP BY usuario_id
    HAVING bool_or(talks OR judges)
  )
  SELECT
    usuario_id,
    coalesce(nombre, 'Usuario Anónimo') AS nombre,
    coalesce(gerencia, ciudad) AS gerencia,
    coalesce(ciudad, gerencia) AS ciudad,
    strftime(day, '%d/%m/%Y') AS fecha_primera_conversacion,
    conversations AS numero_conversaciones,
    conversation AS conversacion_completa,
    feedback AS feedback_total,
    judged AS numero_feedback,
    nullif(array_to_string(
      list_filter(asked, lambda text, place: text <> '' AND list_position(asked, text) = place), ' | '
    ), '') AS pregunta_conversacion,
    CASE len(liked) WHEN 2 THEN 'mixed' ELSE liked[1] END AS feedback,
    nullif(array_to_string(
      list_filter(said, lambda text, place: list_position(said, text) = place), ' | '
    ), '') AS respuesta_feedback
  FROM person
  ORDER BY usuario_id
) TO $csv (FORMAT csv, HEADER);
