"""The permission matrix: who may do what to what, written by hand and proven by a policy engine."""
