-- The twelve columns of docs/contract.md §2, for items in the form of maps and lists that keep the rules:
-- no rejects, no filters, no strings of JSON, no offsets but Z.
COPY (
  WITH read AS (
    SELECT
      PK.S[6:] AS usuario_id,
      SK.S AS sk,
      CreatedAt.S AS created_at,
      UserData.M AS user_data,
      Conversation.L AS messages,
      Feedback.M AS given
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
      nullif(trim(user_data.nombre.S), '') AS nombre,
      nullif(trim(user_data.gerencia.S), '') AS gerencia,
      nullif(trim(regexp_replace(user_data.ciudad.S, '\s*\(.*\)$', '')), '') AS ciudad,
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
      ) AS questions,
      lower(trim(given."type".S)) AS liked,
      CASE
        WHEN given IS NULL THEN NULL
        WHEN given."comment".S IS NULL AND given."option".S IS NULL THEN to_json({sk: sk, type: given."type".S})
        WHEN given."comment".S IS NULL
          THEN to_json({sk: sk, type: given."type".S, option: given."option".S})
        WHEN given."option".S IS NULL
          THEN to_json({sk: sk, type: given."type".S, comment: given."comment".S})
        ELSE to_json({sk: sk, type: given."type".S, comment: given."comment".S, option: given."option".S})
      END AS feedback,
      list_filter(
        [trim(replace(given."comment".S, '|', '/')), trim(replace(given."option".S, '|', '/'))],
        lambda answer: answer <> ''
      ) AS answers
    FROM read
  ),
  users AS (
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
      flatten(list(questions ORDER BY sk) FILTER (talks)) AS questions,
      list(DISTINCT liked) FILTER (judges AND liked IN ('like', 'dislike')) AS liked,
      flatten(list(answers ORDER BY sk) FILTER (judges)) AS answers
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
      list_filter(questions, lambda text, nth: text <> '' AND list_position(questions, text) = nth), ' | '
    ), '') AS pregunta_conversacion,
    CASE len(liked) WHEN 2 THEN 'mixed' ELSE liked[1] END AS feedback,
    nullif(array_to_string(
      list_filter(answers, lambda text, nth: list_position(answers, text) = nth), ' | '
    ), '') AS respuesta_feedback
  FROM users
  ORDER BY usuario_id
) TO $csv (FORMAT csv, HEADER);
