-- Better to give up than to stand in the way of the other migrations.
SET LOCAL lock_timeout = '60s'
