"""Media of a column, decoded."""
