-- The user that payments-ledger-reader signs in as, with IAM tokens only (rds_iam: no password),
-- to show operators what the ledger holds. It may read, and nothing else.
-- Roles belong to the server, not to this database: the role may be there already.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_reader') THEN
        CREATE ROLE ledger_reader LOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO ledger_reader', current_database());
END $$;

GRANT rds_iam TO ledger_reader;

-- A second guard: what may write is not granted either.
ALTER ROLE ledger_reader SET default_transaction_read_only = on;
-- Below the function's own limit on waiting for an answer (11 s). Payments do not wait for
-- readers, but old row versions do.
ALTER ROLE ledger_reader SET statement_timeout = '10s';
ALTER ROLE ledger_reader SET lock_timeout = '2s';
ALTER ROLE ledger_reader SET idle_in_transaction_session_timeout = '5s';

GRANT USAGE ON SCHEMA ledger TO ledger_reader;
GRANT SELECT ON ledger.entries, ledger.postings, ledger.outbox TO ledger_reader;
