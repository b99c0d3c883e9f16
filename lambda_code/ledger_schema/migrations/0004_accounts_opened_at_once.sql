-- Posts a payment as before, but for one thing: two that open the same account at once both post.
--
-- ledger.accounts is unique by `account` and again by `(account, currency)`, to which postings
-- refer. ON CONFLICT with a target watches the target's index only: when two insert the same account
-- at the same moment, the second one can meet the first in the other index, and was refused (23505).
-- Without a target, every unique index is watched. Rights on the function stay as they are.
CREATE OR REPLACE FUNCTION ledger.post_payment(
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
