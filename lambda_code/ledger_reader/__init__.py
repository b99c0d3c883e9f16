"""Lets operators read the ledger, through a database user that can do nothing else."""
