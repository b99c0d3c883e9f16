"""`migration`: what becomes of an environment that was made by hand, and what is to be done."""
