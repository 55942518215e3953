-- One look of a survey, as settings of its transaction, so that a run's own session keeps what it is set to: nothing is
-- written, no lock is waited for, and rows that a policy hides are an error instead of rows that are not there.
SELECT
    set_config('transaction_read_only', 'on', true) AS read_only,
    set_config('statement_timeout', %(timeout)s, true) AS statement_timeout,
    set_config('lock_timeout', '500ms', true) AS lock_timeout,
    set_config('row_security', 'off', true) AS row_security
