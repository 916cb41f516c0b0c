"""Evidence: one room for each question that the figures leave open, every answer a table that leads to the notes."""
