-- Of this session: a merge sorts and hashes all that was listed, and with the 4 MB that it has by default does so on disk.
SET work_mem = '64MB'
