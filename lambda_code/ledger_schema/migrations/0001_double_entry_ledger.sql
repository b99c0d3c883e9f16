-- The double-entry ledger. Amounts are integers in the currency's minor unit
-- (ISO 4217). Account names carry their meaning:
--   clearing-receivable/<currency>              asset: what the acquirer owes us
--   merchant-payable/<merchant_id>/<currency>   liability: what we owe the merchant
-- The schema `ledger` itself is made by the migrator, which keeps its record in it.

CREATE TABLE ledger.accounts (
    account text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('asset', 'liability')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (account, currency)
);

CREATE TABLE ledger.entries (
    entry_id uuid PRIMARY KEY DEFAULT uuidv7(),
    transaction_id uuid NOT NULL UNIQUE,
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The database transaction that made the entry: no later one may add postings to it.
    posted_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE ledger.postings (
    entry_id uuid NOT NULL REFERENCES ledger.entries,
    line smallint NOT NULL CHECK (line > 0),
    account text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('debit', 'credit')),
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    PRIMARY KEY (entry_id, line),
    FOREIGN KEY (account, currency) REFERENCES ledger.accounts (account, currency)
);
CREATE INDEX postings_by_account ON ledger.postings (account);

-- What the payment's history must be told, written with the entry itself.
-- `event` is the history item's content; event_timestamp (microseconds since 1970)
-- is decided here, once, so that every delivery writes the same item.
CREATE TABLE ledger.outbox (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid NOT NULL REFERENCES ledger.entries (transaction_id),
    event_timestamp bigint NOT NULL CHECK (event_timestamp > 0),
    event jsonb NOT NULL,
    delivered_at timestamptz,
    UNIQUE (transaction_id, event_timestamp)
);
CREATE INDEX outbox_undelivered ON ledger.outbox (event_id) WHERE delivered_at IS NULL;


-- Balance: at commit, each entry's debits equal its credits, currency by currency.

CREATE FUNCTION ledger.check_entry_balances() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.postings p WHERE p.entry_id = NEW.entry_id) THEN
        RAISE EXCEPTION 'entry % has no postings', NEW.entry_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_balances';
    END IF;
    IF EXISTS (
        SELECT FROM ledger.postings p WHERE p.entry_id = NEW.entry_id GROUP BY p.currency
        HAVING sum(CASE p.direction WHEN 'debit' THEN p.amount ELSE -p.amount END) <> 0
    ) THEN
        RAISE EXCEPTION 'debits and credits of entry % differ', NEW.entry_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_balances';
    END IF;
    RETURN NULL;
END $$;

-- One check an entry is enough: its postings come in the same transaction or never.
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON ledger.entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.check_entry_balances();

-- A session may make the check above immediate (SET CONSTRAINTS) and then add postings:
-- so they are checked too.
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON ledger.postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.check_entry_balances();

CREATE FUNCTION ledger.check_entry_is_open() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- posted_by can be given by whoever inserts: an entry names its own transaction.
    IF TG_TABLE_NAME = 'entries' THEN
        IF NEW.posted_by <> pg_current_xact_id() THEN
            RAISE EXCEPTION 'an entry is posted by its own transaction'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_open';
        END IF;
    ELSIF EXISTS (
        SELECT FROM ledger.entries e
        WHERE e.entry_id = NEW.entry_id AND e.posted_by <> pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION 'entry % is posted: correct it with another entry', NEW.entry_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_open';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER entry_is_open BEFORE INSERT ON ledger.entries
    FOR EACH ROW EXECUTE FUNCTION ledger.check_entry_is_open();
CREATE TRIGGER entry_is_open BEFORE INSERT ON ledger.postings
    FOR EACH ROW EXECUTE FUNCTION ledger.check_entry_is_open();


-- Append-only, for the owner too.

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% of ledger.% is refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.postings
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE FUNCTION ledger.check_only_delivered() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.delivered_at IS NOT NULL OR NEW.delivered_at IS NULL
        OR (NEW.event_id, NEW.transaction_id, NEW.event_timestamp, NEW.event)
           IS DISTINCT FROM (OLD.event_id, OLD.transaction_id, OLD.event_timestamp, OLD.event)
    THEN
        RAISE EXCEPTION 'an outbox event can only be marked delivered, once'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER only_delivered BEFORE UPDATE ON ledger.outbox
    FOR EACH ROW EXECUTE FUNCTION ledger.check_only_delivered();


-- The entry of a transaction, with its postings and its undelivered events, as JSON; or NULL.
CREATE FUNCTION ledger.find_entry(p_transaction_id uuid) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'entry_id', e.entry_id,
        'posted_at', to_char(e.posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'postings', (
            SELECT jsonb_agg(jsonb_build_object(
                'account', p.account, 'direction', p.direction,
                'amount', p.amount, 'currency', p.currency) ORDER BY p.line)
            FROM ledger.postings p WHERE p.entry_id = e.entry_id),
        'undelivered', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'event_id', o.event_id, 'transaction_id', o.transaction_id,
                'timestamp', o.event_timestamp, 'event', o.event) ORDER BY o.event_id), '[]')
            FROM ledger.outbox o
            WHERE o.transaction_id = e.transaction_id AND o.delivered_at IS NULL))
    FROM ledger.entries e WHERE e.transaction_id = p_transaction_id
$$;

-- Posts a payment, or finds that it is posted: one statement, one round trip, one commit.
-- SECURITY DEFINER: the caller may post payments in this one way, and not write the tables;
-- search_path is fixed, so that no object of the caller's can stand in for ours.
CREATE FUNCTION ledger.post_payment(
    p_transaction_id uuid, p_merchant_id text, p_amount bigint, p_currency text
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    clearing constant text := 'clearing-receivable/' || p_currency;
    payable constant text := 'merchant-payable/' || p_merchant_id || '/' || p_currency;
    entry ledger.entries;
BEGIN
    INSERT INTO ledger.entries (transaction_id) VALUES (p_transaction_id)
        ON CONFLICT (transaction_id) DO NOTHING RETURNING * INTO entry;
    IF entry.entry_id IS NULL THEN
        -- Another statement, so another snapshot: it sees the entry that was in our way.
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

    INSERT INTO ledger.accounts (account, kind, currency)
        VALUES (clearing, 'asset', p_currency), (payable, 'liability', p_currency)
        ON CONFLICT (account) DO NOTHING;
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
