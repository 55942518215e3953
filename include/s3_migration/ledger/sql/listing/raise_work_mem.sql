-- Of this session, where it has less: a merge sorts and hashes all that was listed, and with the 4 MB that it has by
-- default does so on disk.
SELECT set_config('work_mem', '64MB', false)
WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')
