-- Changes of the schema and of rights go to the database's log (pgaudit, as the parameter
-- group sets it up). RDS carries the extension; a PostgreSQL that does not works without.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgaudit') THEN
        CREATE EXTENSION IF NOT EXISTS pgaudit;
    END IF;
END $$;
