"""The double-entry ledger in PostgreSQL, as payment-processor and ledger-schema reach it."""
