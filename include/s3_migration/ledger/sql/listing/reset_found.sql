-- What a listing finds is counted slice by slice, and anew where it begins anew.
UPDATE s3_migration.tally SET number = 0
WHERE run_no = %(run_no)s AND step = 'list' AND chunk = 0 AND what = ANY(%(found)s)
