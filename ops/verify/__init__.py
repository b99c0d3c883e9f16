"""`verify`: the acceptance of a live environment against the requirements R1 to R18."""
