DELETE FROM {sample} AS s WHERE NOT ({in_sample})
