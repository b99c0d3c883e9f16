-- The user that payment-processor signs in as, with IAM tokens only (rds_iam: no password).
-- Roles belong to the server, not to this database: the role may be there already.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'payment_processor') THEN
        CREATE ROLE payment_processor LOGIN;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO payment_processor', current_database());
END $$;

GRANT rds_iam TO payment_processor;

-- Below the function's own limit on waiting for an answer (3 s), so that the server gives up
-- first and the connection stays usable.
ALTER ROLE payment_processor SET statement_timeout = '2500ms';
ALTER ROLE payment_processor SET lock_timeout = '2s';
ALTER ROLE payment_processor SET idle_in_transaction_session_timeout = '5s';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO payment_processor;
GRANT SELECT ON ledger.accounts, ledger.entries, ledger.postings, ledger.outbox
    TO payment_processor;
GRANT UPDATE (delivered_at) ON ledger.outbox TO payment_processor;
GRANT EXECUTE ON FUNCTION ledger.find_entry(uuid) TO payment_processor;
GRANT EXECUTE ON FUNCTION ledger.post_payment(uuid, text, bigint, text) TO payment_processor;
