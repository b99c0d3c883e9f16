"""`payment`: one payment's whole story, as a time line."""
