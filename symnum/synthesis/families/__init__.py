"""Families of differential equations, each from one symbolic definition, and their trajectories."""
