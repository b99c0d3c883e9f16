"""`preflight`: whether a deployment would go through, before it takes half an hour."""
