"""Search over small networks of operators: sampled, trained together, pruned, read out as formulas.

Li et al., "A Neural-Guided Dynamic Symbolic Network for Exploring Mathematical Expressions from Data",
ICML 2024, arXiv 2309.13705. Networks need the extra ``neural``; nothing here is imported by a plain fit.
"""
