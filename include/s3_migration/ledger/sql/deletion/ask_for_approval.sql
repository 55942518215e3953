-- An approval was for what the run had when that was asked for: it ends here. A rejection holds until it is answered again.
UPDATE s3_migration.run
SET
    approval_asked_at = now(),
    answered_at = CASE WHEN approved THEN NULL ELSE answered_at END,
    answered_by = CASE WHEN approved THEN NULL ELSE answered_by END,
    approved = CASE WHEN approved THEN NULL ELSE approved END
WHERE run_no = %(run_no)s
