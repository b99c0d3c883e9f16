-- Puts an entry back that a ledger restored to a time before lacks, as the payment's history was told
-- of it: under its id, at its time. Whatever was told of it, to clients or auditors, stays true, and
-- its event is the item that the history has already.
--
-- Nothing here reads or rewrites a row, however many there are.

-- NULL: the entry stands since it was posted.
ALTER TABLE ledger.entries ADD COLUMN restored_at timestamptz;

CREATE OR REPLACE FUNCTION ledger.stamp_entry() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Not before its transaction, even if the clock is set back meanwhile.
    stamp constant timestamptz := greatest(clock_timestamp(), transaction_timestamp());
BEGIN
    IF NEW.posted_by <> pg_current_xact_id() THEN
        RAISE EXCEPTION 'an entry is posted by its own transaction'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_open';
    END IF;
    IF NEW.restored_at IS NULL THEN
        NEW.entry_id := uuidv7();
        NEW.posted_at := stamp;
        RETURN NEW;
    END IF;
    -- Restored: it was posted before, and its id tells when (UUID version 7, RFC 9562).
    IF NEW.posted_at >= transaction_timestamp()
        OR uuid_extract_timestamp(NEW.entry_id) NOT BETWEEN
            NEW.posted_at - interval '10 seconds' AND NEW.posted_at + interval '10 seconds'
        OR uuid_extract_version(NEW.entry_id) IS DISTINCT FROM 7
    THEN
        RAISE EXCEPTION 'entry % was not posted at %', NEW.entry_id, NEW.posted_at
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_restored';
    END IF;
    NEW.restored_at := stamp;
    RETURN NEW;
END $$;

-- As before, but that a restored entry is open since it was restored.
CREATE OR REPLACE FUNCTION ledger.check_entry_is_open() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM ledger.entries e, ledger.accounts a
        WHERE e.entry_id = NEW.entry_id AND e.posted_by = pg_current_xact_id()
            AND coalesce(e.restored_at, e.posted_at) >= transaction_timestamp()
            AND a.account = NEW.account AND a.currency = NEW.currency
    ) THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM ledger.entries e WHERE e.entry_id = NEW.entry_id) THEN
        RAISE EXCEPTION 'posting violates the foreign key to entries: there is no entry %',
            NEW.entry_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'postings_entry_id_fkey';
    END IF;
    IF NOT EXISTS (
        SELECT FROM ledger.accounts a
        WHERE a.account = NEW.account AND a.currency = NEW.currency
    ) THEN
        RAISE EXCEPTION 'posting violates the foreign key to accounts: there is no account % in %',
            NEW.account, NEW.currency
            USING ERRCODE = 'foreign_key_violation',
                CONSTRAINT = 'postings_account_currency_fkey';
    END IF;
    RAISE EXCEPTION 'entry % is posted: correct it with another entry', NEW.entry_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_open';
END $$;

-- As find_entry tells the entry: the one that is there, or else the one that is put back; or NULL,
-- if the payment was refused for good.
CREATE FUNCTION ledger.restore_payment(
    p_transaction_id uuid, p_merchant_id text, p_amount bigint, p_currency text,
    p_entry_id uuid, p_posted_at timestamptz
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    clearing constant text := 'clearing-receivable/' || p_currency;
    payable constant text := 'merchant-payable/' || p_merchant_id || '/' || p_currency;
BEGIN
    -- As post_payment.
    IF p_transaction_id IS NULL OR p_entry_id IS NULL OR p_posted_at IS NULL
        OR p_merchant_id IS NULL OR p_merchant_id !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'
        OR p_currency IS NULL OR p_currency !~ '^[A-Z]{3}$'
        OR p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 999999999999
    THEN
        RAISE EXCEPTION 'no payment was posted so' USING ERRCODE = 'check_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(p_transaction_id::text, 0));
    IF EXISTS (SELECT FROM ledger.entries e WHERE e.transaction_id = p_transaction_id)
        OR EXISTS (SELECT FROM ledger.refusals r WHERE r.transaction_id = p_transaction_id)
    THEN
        -- Which checks the terms, and tells what is there.
        RETURN ledger.post_payment(p_transaction_id, p_merchant_id, p_amount, p_currency, NULL);
    END IF;
    INSERT INTO ledger.entries (entry_id, transaction_id, posted_at, restored_at)
        VALUES (p_entry_id, p_transaction_id, p_posted_at, now());
    INSERT INTO ledger.accounts (account, kind, currency)
        VALUES (clearing, 'asset', p_currency), (payable, 'liability', p_currency)
        ON CONFLICT DO NOTHING;
    INSERT INTO ledger.postings (entry_id, line, account, direction, amount, currency) VALUES
        (p_entry_id, 1, clearing, 'debit', p_amount, p_currency),
        (p_entry_id, 2, payable, 'credit', p_amount, p_currency);
    -- Whoever delivers it meets the item that the history has; so nobody is told twice.
    INSERT INTO ledger.outbox (transaction_id, event_timestamp, event) VALUES (
        p_transaction_id,
        (extract(epoch FROM p_posted_at) * 1000000)::bigint,
        jsonb_build_object(
            'state', 'posted', 'entry_id', p_entry_id, 'merchant_id', p_merchant_id,
            'amount', p_amount, 'currency', p_currency));
    RETURN ledger.find_entry(p_transaction_id);
END $$;

REVOKE ALL ON FUNCTION
    ledger.restore_payment(uuid, text, bigint, text, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ledger.restore_payment(uuid, text, bigint, text, uuid, timestamptz) TO payment_processor;
