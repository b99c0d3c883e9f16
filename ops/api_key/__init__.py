"""`api-key`: the keys with which clients call the API."""
