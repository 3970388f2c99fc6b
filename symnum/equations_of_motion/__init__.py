"""Equations of motion from trajectories: smoothing, candidates for each state, and fits of whole systems."""
