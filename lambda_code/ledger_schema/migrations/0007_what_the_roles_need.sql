-- The functions' users: what they need, and no more.
--
-- A user of PostgreSQL may always change its own password and its own lasting settings. The password
-- is of no use, since rds_iam admits tokens only; the settings do not reach the functions, which
-- bring theirs along at each sign-in. Nor can it be kept from taking advisory locks (a migrator that
-- waits for one in vain says who holds it) or from writing large objects, which the database's free
-- storage is watched for.

-- All sandboxes of two releases, and a few that have lost theirs: never all of max_connections
-- (200), so that migrations, operators and AWS get in.
ALTER ROLE payment_processor CONNECTION LIMIT 180;
ALTER ROLE ledger_reader CONNECTION LIMIT 10;

-- Temporary tables: in this database PUBLIC has no right left (0002); in the others it has by
-- default. Where they are not ours, as RDS's own is not, it is not ours to take either.
DO $$
DECLARE
    other name;
BEGIN
    FOR other IN
        SELECT datname FROM pg_database
        WHERE pg_has_role(current_user, datdba, 'USAGE') AND datname <> current_database()
    LOOP
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', other);
    END LOOP;
END $$;
