SELECT count(*) AS objects, count(*) FILTER (WHERE s.named) AS named, coalesce(sum(s.rows), 0)::bigint AS rows FROM {sample} AS s
