"""What every synthesis is checked for: four policy packs, and the app's own rules."""
