"""Families of differential equations, each from one symbolic definition, and their trajectories.

`ode_families` and `pde_families` hold the definitions; from one come the text that people read, the tree
and skeleton that PROSE writes, LaTeX, the right-hand side and the choice of a solver. `random_odes` draws
small systems beside them, `edits` makes wrong guesses of equations, `trajectories` makes data that can be
made again from (seed, family, index), and `shards` keeps it on disk.

Examples
--------
>>> from symnum.synthesis.families.trajectories import TrajectoryConfig, make_equation
>>> data = make_equation(TrajectoryConfig(seed=1), "lorenz_3d", index=0)
>>> data.values.shape
(20, 192, 3)
"""
