-- Every later step rests on the listing: until it is done again they have nothing to rest on. One that was killed goes on where
-- its lanes stood, unless it had ended or another run has had the lease since; else what the run owned so far is not listed.
-- Each time that the lease is taken its token grows by one: a run that had given it back has taken it again itself.
UPDATE s3_migration.run AS r
SET
    listed_at = NULL, verified_at = NULL, finished_at = NULL, account = NULL,
    listing_began_at = CASE WHEN b.goes_on THEN r.listing_began_at ELSE now() END,
    listing_token = %(token)s
FROM (
    SELECT
        k.run_no,
        k.listed_at IS NULL AND coalesce(%(token)s - k.listing_token <= 1, false)
        AND EXISTS (SELECT FROM s3_migration.lane AS a WHERE a.run_no = k.run_no) AS goes_on
    FROM s3_migration.run AS k
    WHERE k.run_no = %(run_no)s
) AS b
WHERE r.run_no = b.run_no
RETURNING b.goes_on
