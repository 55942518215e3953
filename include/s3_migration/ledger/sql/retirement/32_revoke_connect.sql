-- On the database that this is run in, as the set-up granted it.
DO 'BEGIN
    EXECUTE ''REVOKE CONNECT, TEMPORARY ON DATABASE '' || quote_ident(current_database()) || '' FROM '' || quote_ident({role_name});
END'
