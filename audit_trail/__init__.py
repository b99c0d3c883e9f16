"""Verifies the audit trail: `python -m audit_trail verify --bucket BUCKET`."""
