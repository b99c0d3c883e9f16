-- Posts a payment, but not after a moment: the database decides, by its own clock, and for good.
--
-- A posting that was sent in time may be delayed on its way (a killed process, a stalled server) and
-- arrive when its client was told that the approval has expired, and has paid in another way. So
-- the moment goes with the posting; and what is refused once is written down, so that nothing, not
-- even a message that still waits in the retry queue, posts it later.

CREATE TABLE ledger.refusals (
    transaction_id uuid PRIMARY KEY,
    not_after timestamptz NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.refusals
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- As find_entry tells the entry; or NULL: it is not posted, and never will be.
CREATE FUNCTION ledger.post_payment(
    p_transaction_id uuid, p_merchant_id text, p_amount bigint, p_currency text,
    -- NULL: whenever it comes. The payment was accepted while its approval held.
    p_not_after timestamptz
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    clearing constant text := 'clearing-receivable/' || p_currency;
    payable constant text := 'merchant-payable/' || p_merchant_id || '/' || p_currency;
    entry ledger.entries;
BEGIN
    -- The contract's own limits (validate_request.json), for whoever else may call this.
    IF p_transaction_id IS NULL
        OR p_merchant_id IS NULL OR p_merchant_id !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'
        OR p_currency IS NULL OR p_currency !~ '^[A-Z]{3}$'
        OR p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 999999999999
    THEN
        RAISE EXCEPTION 'no payment has such terms' USING ERRCODE = 'check_violation';
    END IF;

    -- One at a time for one payment, to the end of the transaction: whoever comes after a posting
    -- that is under way sees what became of it, and whoever is refused is refused for good.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_transaction_id::text, 0));

    IF EXISTS (SELECT FROM ledger.entries e WHERE e.transaction_id = p_transaction_id) THEN
        IF NOT EXISTS (
            SELECT FROM ledger.entries e JOIN ledger.postings p USING (entry_id)
            WHERE e.transaction_id = p_transaction_id AND p.account = payable
                AND p.direction = 'credit' AND p.amount = p_amount AND p.currency = p_currency
        ) THEN
            RAISE EXCEPTION 'transaction % is posted with other terms', p_transaction_id
                USING ERRCODE = 'unique_violation';
        END IF;
        RETURN ledger.find_entry(p_transaction_id);
    END IF;
    IF EXISTS (SELECT FROM ledger.refusals r WHERE r.transaction_id = p_transaction_id) THEN
        RETURN NULL;
    END IF;
    IF p_not_after IS NOT NULL AND clock_timestamp() >= p_not_after THEN
        INSERT INTO ledger.refusals (transaction_id, not_after)
            VALUES (p_transaction_id, p_not_after);
        RETURN NULL;
    END IF;

    INSERT INTO ledger.entries (transaction_id) VALUES (p_transaction_id) RETURNING * INTO entry;
    INSERT INTO ledger.accounts (account, kind, currency)
        VALUES (clearing, 'asset', p_currency), (payable, 'liability', p_currency)
        ON CONFLICT DO NOTHING;
    INSERT INTO ledger.postings (entry_id, line, account, direction, amount, currency) VALUES
        (entry.entry_id, 1, clearing, 'debit', p_amount, p_currency),
        (entry.entry_id, 2, payable, 'credit', p_amount, p_currency);
    INSERT INTO ledger.outbox (transaction_id, event_timestamp, event) VALUES (
        p_transaction_id,
        (extract(epoch FROM entry.posted_at) * 1000000)::bigint,
        jsonb_build_object(
            'state', 'posted', 'entry_id', entry.entry_id, 'merchant_id', p_merchant_id,
            'amount', p_amount, 'currency', p_currency));
    RETURN ledger.find_entry(p_transaction_id);
END $$;

REVOKE ALL ON FUNCTION ledger.post_payment(uuid, text, bigint, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_payment(uuid, text, bigint, text, timestamptz)
    TO payment_processor;
-- Operators may look at what was refused.
GRANT SELECT ON ledger.refusals TO payment_processor, ledger_reader;

-- The release before knows no such moment. It is held to the same lock and refusals.
CREATE OR REPLACE FUNCTION ledger.post_payment(
    p_transaction_id uuid, p_merchant_id text, p_amount bigint, p_currency text
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry constant jsonb := ledger.post_payment(
        p_transaction_id, p_merchant_id, p_amount, p_currency, NULL);
BEGIN
    IF entry IS NULL THEN
        RAISE EXCEPTION 'transaction % was refused for good', p_transaction_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN entry;
END $$;
