"""SNIP: a formula and its data at the same place (Meidani et al. 2024, arXiv:2310.02227)."""
