"""What all our commands have in common: how they print, write files, and end."""
