-- TEMPORARY: each listing is COPYed into a staging table, gone with the session. The database is the one that this is run
-- in, whatever its name: a plain GRANT cannot say so.
DO 'BEGIN
    EXECUTE ''GRANT CONNECT, TEMPORARY ON DATABASE '' || quote_ident(current_database()) || '' TO '' || quote_ident({role_name});
END'
