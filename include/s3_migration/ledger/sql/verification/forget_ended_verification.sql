-- A verification that has ended, or a chunk's part of one, is cleared to be taken anew; one that was killed goes on.
DELETE FROM s3_migration.place AS p
USING s3_migration.run AS r
WHERE
    p.run_no = %(run_no)s AND r.run_no = p.run_no AND p.step = 'verify'
    AND CASE WHEN %(chunk)s = 0 THEN r.verified_at IS NOT NULL ELSE p.chunk = %(chunk)s AND p.ended END
