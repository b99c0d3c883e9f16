-- A posting takes less room and less time: an event names the terms of its entry instead of holding
-- them as JSON once more, and an entry of two lines is checked without adding them up.
--
-- Nothing here reads or rewrites a row, however many there are.

-- What the history is told of an entry follows from these four. Other events, and those that are
-- there, stand in written_event as they were written; whoever reads `event` sees no difference.
-- contract: read as the column `event` below, by the release before too; written by functions alone
ALTER TABLE ledger.outbox RENAME COLUMN event TO written_event;
ALTER TABLE ledger.outbox ALTER COLUMN written_event DROP NOT NULL;
ALTER TABLE ledger.outbox
    ADD COLUMN entry_id uuid,
    ADD COLUMN amount bigint,
    ADD COLUMN merchant_id text,
    ADD COLUMN currency text,
    -- jsonb_object is immutable, as it must be here, and makes texts; the amount is a number.
    ADD COLUMN event jsonb GENERATED ALWAYS AS (coalesce(written_event, jsonb_set(
        jsonb_object(ARRAY[
            'state', 'posted', 'entry_id', entry_id::text, 'merchant_id', merchant_id,
            'amount', amount::text, 'currency', currency]),
        '{amount}', amount::text::jsonb))) VIRTUAL;

CREATE OR REPLACE FUNCTION ledger.check_only_delivered() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- All columns that are stored: `event` follows from them.
    IF OLD.delivered_at IS NOT NULL OR NEW.delivered_at IS NULL
        OR (NEW.event_id, NEW.transaction_id, NEW.event_timestamp, NEW.written_event,
            NEW.entry_id, NEW.amount, NEW.merchant_id, NEW.currency)
           IS DISTINCT FROM
           (OLD.event_id, OLD.transaction_id, OLD.event_timestamp, OLD.written_event,
            OLD.entry_id, OLD.amount, OLD.merchant_id, OLD.currency)
    THEN
        RAISE EXCEPTION 'an outbox event can only be marked delivered, once'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

-- As before, and that it is a positive debit or credit. PostgreSQL parses a CHECK anew for each
-- statement, which takes as long as all that the trigger looks up. It stays in the catalog as what
-- holds.
-- contract: replaced by the next statements
ALTER TABLE ledger.postings
    DROP CONSTRAINT postings_line_check,
    DROP CONSTRAINT postings_direction_check,
    DROP CONSTRAINT postings_amount_check,
    ADD CONSTRAINT posting_terms
        CHECK (line > 0 AND direction IN ('debit', 'credit') AND amount > 0) NOT ENFORCED;
CREATE OR REPLACE FUNCTION ledger.check_entry_is_open() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.line > 0 AND NEW.direction IN ('debit', 'credit') AND NEW.amount > 0 AND EXISTS (
        SELECT FROM ledger.entries e, ledger.accounts a
        WHERE e.entry_id = NEW.entry_id AND e.posted_by = pg_current_xact_id()
            AND coalesce(e.restored_at, e.posted_at) >= transaction_timestamp()
            AND a.account = NEW.account AND a.currency = NEW.currency
    ) THEN
        RETURN NEW;
    END IF;
    IF (NEW.line > 0 AND NEW.direction IN ('debit', 'credit') AND NEW.amount > 0) IS NOT TRUE THEN
        RAISE EXCEPTION 'a posting has a positive line and amount, and is a debit or a credit'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_terms';
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

-- As before, but that an entry is looked at for what nearly all are: lines 1 and 2, which move one
-- amount from one side to the other. Whatever else it has, each line beyond these two is checked by
-- itself, with the whole entry.
CREATE OR REPLACE FUNCTION ledger.check_entry_balances() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pair bigint;
    has_one_currency boolean;
    difference numeric;
BEGIN
    IF TG_TABLE_NAME = 'entries' THEN
        PERFORM FROM ledger.postings a, ledger.postings b
            WHERE a.entry_id = NEW.entry_id AND a.line = 1
                AND b.entry_id = NEW.entry_id AND b.line = 2
                AND a.direction <> b.direction
                AND a.amount = b.amount AND a.currency = b.currency;
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    SELECT count(*) FILTER (WHERE p.line <= 2), min(p.currency) = max(p.currency),
        sum(CASE p.direction WHEN 'debit' THEN p.amount ELSE -p.amount END)
        INTO pair, has_one_currency, difference
        FROM ledger.postings p WHERE p.entry_id = NEW.entry_id;
    IF difference IS NULL THEN
        RAISE EXCEPTION 'entry % has no postings', NEW.entry_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_balances';
    END IF;
    IF difference <> 0 OR (NOT has_one_currency AND EXISTS (
        SELECT FROM ledger.postings p WHERE p.entry_id = NEW.entry_id GROUP BY p.currency
        HAVING sum(CASE p.direction WHEN 'debit' THEN p.amount ELSE -p.amount END) <> 0
    )) THEN
        RAISE EXCEPTION 'debits and credits of entry % differ', NEW.entry_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_balances';
    END IF;
    -- On which the trigger below relies.
    IF pair < 2 THEN
        RAISE EXCEPTION 'entry % lacks line 1 or line 2', NEW.entry_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_balances';
    END IF;
    RETURN NULL;
END $$;

-- As before, but for the outbox, and for how the accounts and their names are looked at.
CREATE OR REPLACE FUNCTION ledger.post_payment(
    p_transaction_id uuid, p_merchant_id text, p_amount bigint, p_currency text,
    p_not_after timestamptz
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    clearing constant text := 'clearing-receivable/' || p_currency;
    payable constant text := 'merchant-payable/' || p_merchant_id || '/' || p_currency;
    is_posted boolean;
    is_refused boolean;
    has_accounts boolean;
    new_entry_id uuid;
    new_posted_at timestamptz;
    microseconds bigint;
    new_event_id bigint;
BEGIN
    -- The contract's own limits (validate_request.json), for whoever else may call this: here and
    -- below, those of the accounts' names.
    IF p_transaction_id IS NULL OR p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 999999999999 THEN
        RAISE EXCEPTION 'no payment has such terms' USING ERRCODE = 'check_violation';
    END IF;

    -- One at a time for one payment, to the end of the transaction: whoever comes after a posting
    -- that is under way sees what became of it, and whoever is refused is refused for good.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_transaction_id::text, 0));

    SELECT EXISTS (SELECT FROM ledger.entries e WHERE e.transaction_id = p_transaction_id),
        EXISTS (SELECT FROM ledger.refusals r WHERE r.transaction_id = p_transaction_id),
        EXISTS (
            SELECT FROM ledger.accounts a WHERE a.account = clearing AND a.currency = p_currency
        ) AND EXISTS (
            SELECT FROM ledger.accounts a WHERE a.account = payable AND a.currency = p_currency
        )
        INTO is_posted, is_refused, has_accounts;
    -- Accounts are there for names that were within the limits.
    IF NOT has_accounts AND (
        p_merchant_id IS NULL OR p_merchant_id !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'
        OR p_currency IS NULL OR p_currency !~ '^[A-Z]{3}$')
    THEN
        RAISE EXCEPTION 'no payment has such terms' USING ERRCODE = 'check_violation';
    END IF;
    IF is_posted THEN
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
    IF is_refused THEN
        RETURN NULL;
    END IF;
    IF p_not_after IS NOT NULL AND clock_timestamp() >= p_not_after THEN
        INSERT INTO ledger.refusals (transaction_id, not_after)
            VALUES (p_transaction_id, p_not_after);
        RETURN NULL;
    END IF;

    -- The id is the trigger's to give. What stands here spares the default, another random number.
    INSERT INTO ledger.entries (entry_id, transaction_id) VALUES (p_transaction_id, p_transaction_id)
        RETURNING entry_id, posted_at INTO new_entry_id, new_posted_at;
    IF NOT has_accounts THEN
        INSERT INTO ledger.accounts (account, kind, currency)
            VALUES (clearing, 'asset', p_currency), (payable, 'liability', p_currency)
            ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO ledger.postings (entry_id, line, account, direction, amount, currency) VALUES
        (new_entry_id, 1, clearing, 'debit', p_amount, p_currency),
        (new_entry_id, 2, payable, 'credit', p_amount, p_currency);
    INSERT INTO ledger.outbox (
        transaction_id, event_timestamp, entry_id, amount, merchant_id, currency
    ) VALUES (
        p_transaction_id, (extract(epoch FROM new_posted_at) * 1000000)::bigint,
        new_entry_id, p_amount, p_merchant_id, p_currency
    ) RETURNING event_id, event_timestamp INTO new_event_id, microseconds;
    -- As find_entry tells it.
    RETURN jsonb_build_object(
        'entry_id', new_entry_id,
        'posted_at', to_char(new_posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'postings', jsonb_build_array(
            jsonb_build_object('account', clearing, 'direction', 'debit',
                'amount', p_amount, 'currency', p_currency),
            jsonb_build_object('account', payable, 'direction', 'credit',
                'amount', p_amount, 'currency', p_currency)),
        'undelivered', jsonb_build_array(jsonb_build_object(
            'event_id', new_event_id, 'transaction_id', p_transaction_id,
            'timestamp', microseconds, 'event', jsonb_build_object(
                'state', 'posted', 'entry_id', new_entry_id, 'merchant_id', p_merchant_id,
                'amount', p_amount, 'currency', p_currency))));
END $$;

-- As before, but for the outbox.
CREATE OR REPLACE FUNCTION ledger.restore_payment(
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
    INSERT INTO ledger.outbox (
        transaction_id, event_timestamp, entry_id, amount, merchant_id, currency
    ) VALUES (
        p_transaction_id, (extract(epoch FROM p_posted_at) * 1000000)::bigint,
        p_entry_id, p_amount, p_merchant_id, p_currency
    );
    RETURN ledger.find_entry(p_transaction_id);
END $$;
