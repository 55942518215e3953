-- CREATE: each listing is COPYed into a scratch table of the role's own, dropped when merged.
GRANT USAGE, CREATE ON SCHEMA s3_migration TO {role}
