-- TEMPORARY: each listing is COPYed into a scratch table, gone with the session.
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}
