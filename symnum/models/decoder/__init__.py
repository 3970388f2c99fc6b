"""A decoder of formulas from the embeddings of SNIP (Meidani et al. 2024, section 4)."""
