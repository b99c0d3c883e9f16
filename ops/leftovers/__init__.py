"""`leftovers`: what a failed first deployment has left, and its removal."""
