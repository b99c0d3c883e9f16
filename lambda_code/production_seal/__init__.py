"""production-seal: protects the unit's data against deletion once all of it stands."""
