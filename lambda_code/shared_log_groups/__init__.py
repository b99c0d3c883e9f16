"""shared-log-groups: log groups that belong to the account, kept as ours are."""
