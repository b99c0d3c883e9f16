"""Ledger, history and audit trail: read, held against each other, and the trail against itself."""
