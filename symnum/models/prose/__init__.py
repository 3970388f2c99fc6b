"""PROSE: trajectory and guess in, forecast and equations out (Liu et al. 2024)."""
