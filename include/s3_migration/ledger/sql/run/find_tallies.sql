SELECT step, what, sum(number)::bigint AS number FROM s3_migration.tally WHERE run_no = %(run_no)s GROUP BY 1, 2
