"""Forecasts and equations from a short noisy trajectory and perhaps a guess, by a trained network."""
