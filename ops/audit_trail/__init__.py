"""Verifies the audit trail: `python -m ops audit-trail verify --bucket BUCKET`."""
