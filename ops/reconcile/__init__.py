"""`reconcile`: ledger against history against audit trail."""
