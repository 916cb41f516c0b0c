"""The built-in sample corpus: synthetic notes, no real patient in them."""
