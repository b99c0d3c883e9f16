"""What a deployment would do to what is deployed: one list for the root stack and its children."""
