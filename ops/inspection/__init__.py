"""What any live resources are, against the requirements R1 to R18; `verify` and `migration` ask."""
