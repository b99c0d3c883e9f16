"""The form of the audit trail, as its writer and its readers know it."""
