"""termination-protection: leaves nothing to clean up after a first deployment that failed."""
