-- A posting takes less: each rule is checked once, where it was checked up to three times, and no
-- two payments wait for each other at the row of an account that both use. And an entry stays closed
-- in another cluster, where transaction ids start anew.
--
-- Nothing here reads or rewrites a row, however many there are.

-- The entry's own id and time are the database's, whatever an INSERT says: they tell when it was
-- posted, and the check below holds to that.
CREATE FUNCTION ledger.stamp_entry() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.posted_by <> pg_current_xact_id() THEN
        RAISE EXCEPTION 'an entry is posted by its own transaction'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_open';
    END IF;
    NEW.entry_id := uuidv7();
    -- Not before its transaction, even if the clock is set back meanwhile.
    NEW.posted_at := greatest(clock_timestamp(), transaction_timestamp());
    RETURN NEW;
END $$;

REVOKE ALL ON FUNCTION ledger.stamp_entry() FROM PUBLIC;
CREATE OR REPLACE TRIGGER entry_is_open BEFORE INSERT ON ledger.entries
    FOR EACH ROW EXECUTE FUNCTION ledger.stamp_entry();
ALTER TABLE ledger.entries ENABLE ALWAYS TRIGGER entry_is_open;

-- One look instead of three: the entry is there and open, and the account is there, in that currency.
--
-- An entry is open to the transaction that posted it. That transaction's id alone does not say so:
-- in a cluster that was restored from a dump, or fed by replication, ids start anew, and a later
-- transaction gets the id that an old entry names. But it begins after the entry was posted.
--
-- Rows of both tables are never changed or removed, so they need no lock to be relied upon.
CREATE OR REPLACE FUNCTION ledger.check_entry_is_open() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM ledger.entries e, ledger.accounts a
        WHERE e.entry_id = NEW.entry_id AND e.posted_by = pg_current_xact_id()
            AND e.posted_at >= transaction_timestamp()
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

-- What the foreign keys had checked, by locking the account's row for every posting. They stay in
-- the catalog as what holds; ENFORCED again, PostgreSQL would verify every row.
ALTER TABLE ledger.postings ALTER CONSTRAINT postings_entry_id_fkey NOT ENFORCED;
ALTER TABLE ledger.postings ALTER CONSTRAINT postings_account_currency_fkey NOT ENFORCED;

-- At commit, each entry's debits equal its credits, currency by currency: one look at its postings,
-- and another one only where there are several currencies.
CREATE OR REPLACE FUNCTION ledger.check_entry_balances() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pair bigint;
    has_one_currency boolean;
    difference numeric;
BEGIN
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

-- The entry's own check, at commit, sees its postings. One that comes after an early check (SET
-- CONSTRAINTS) is checked by itself: lines 1 and 2 were there by then, so it is another.
-- contract: replaced by the next statement
DROP TRIGGER entry_balances ON ledger.postings;
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON ledger.postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.line > 2)
    EXECUTE FUNCTION ledger.check_entry_balances();
ALTER TABLE ledger.postings ENABLE ALWAYS TRIGGER entry_balances;

-- contract: unused since 0001, nobody has ever looked postings up by account
DROP INDEX ledger.postings_by_account;

-- What comes in order fills pages to the end.
ALTER INDEX ledger.entries_pkey SET (fillfactor = 100);
ALTER INDEX ledger.postings_pkey SET (fillfactor = 100);

-- As before, but for what it takes: one look for what is there, accounts inserted only if they are
-- missing, and the answer told from what was just written instead of read back.
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
    accounts bigint;
    new_entry_id uuid;
    new_posted_at timestamptz;
    microseconds bigint;
    new_event jsonb;
    new_event_id bigint;
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

    SELECT EXISTS (SELECT FROM ledger.entries e WHERE e.transaction_id = p_transaction_id),
        EXISTS (SELECT FROM ledger.refusals r WHERE r.transaction_id = p_transaction_id),
        (SELECT count(*) FROM ledger.accounts a WHERE a.account IN (clearing, payable))
        INTO is_posted, is_refused, accounts;
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
    IF accounts < 2 THEN
        INSERT INTO ledger.accounts (account, kind, currency)
            VALUES (clearing, 'asset', p_currency), (payable, 'liability', p_currency)
            ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO ledger.postings (entry_id, line, account, direction, amount, currency) VALUES
        (new_entry_id, 1, clearing, 'debit', p_amount, p_currency),
        (new_entry_id, 2, payable, 'credit', p_amount, p_currency);
    microseconds := (extract(epoch FROM new_posted_at) * 1000000)::bigint;
    new_event := jsonb_build_object(
        'state', 'posted', 'entry_id', new_entry_id, 'merchant_id', p_merchant_id,
        'amount', p_amount, 'currency', p_currency);
    INSERT INTO ledger.outbox (transaction_id, event_timestamp, event)
        VALUES (p_transaction_id, microseconds, new_event)
        RETURNING event_id INTO new_event_id;
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
            'timestamp', microseconds, 'event', new_event)));
END $$;
