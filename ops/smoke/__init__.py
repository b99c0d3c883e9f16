"""`smoke`: real payments through the deployed API."""
