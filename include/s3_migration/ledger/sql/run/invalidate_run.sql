-- The run starts over: until its listing is done again, from the beginning, no later step has anything to rest on.
UPDATE s3_migration.run AS r SET listed_at = NULL, verified_at = NULL, listing_token = NULL
FROM s3_migration.migration AS m
WHERE m.name = %(name)s AND r.migration_id = m.migration_id AND r.run_id = %(run_id)s
