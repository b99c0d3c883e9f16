"""`replay-history`: what a restored table lacks, put back into it."""
