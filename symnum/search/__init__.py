"""Ways to find an expression for data."""
