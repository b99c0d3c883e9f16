"""`restore-drill`: whether the backups bring production's records back."""
