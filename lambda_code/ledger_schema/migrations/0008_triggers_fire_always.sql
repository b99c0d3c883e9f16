-- The rules hold in sessions that play a replica's part (session_replication_role), too: a user who
-- may set that could otherwise change rows without leaving a trace.
--
-- What is left is DDL: the owner of the tables, and so whoever has the master password, can take the
-- triggers away. Nothing in the database prevents that. pgaudit logs the statement, and the alarm
-- payments-ledger-schema-changed tells the operators.

ALTER TABLE ledger.accounts ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.entries ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.entries ENABLE ALWAYS TRIGGER entry_balances;
ALTER TABLE ledger.entries ENABLE ALWAYS TRIGGER entry_is_open;
ALTER TABLE ledger.postings ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.postings ENABLE ALWAYS TRIGGER entry_balances;
ALTER TABLE ledger.postings ENABLE ALWAYS TRIGGER entry_is_open;
ALTER TABLE ledger.outbox ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.outbox ENABLE ALWAYS TRIGGER only_delivered;
ALTER TABLE ledger.refusals ENABLE ALWAYS TRIGGER append_only;

COMMENT ON SCHEMA ledger IS
    'Append-only, for the owner too; who takes the triggers away is logged (pgaudit) and told '
    '(alarm payments-ledger-schema-changed).';
