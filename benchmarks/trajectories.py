"""How fast trajectories of the families are made, on one core.

Run it alone on the machine: ``python benchmarks/trajectories.py [--seconds 1] [--pde]``. Columns for ODEs:

- trajectories per CPU second of `make_equations` (192 points on [0, 6]), rejected candidates per trajectory;
- seconds per trajectory of the scipy method that the published generator uses (rtol 1e-5, atol 1e-6), run
  here on our right-hand side, and of the published generator itself, measured elsewhere; the gain over that;
- largest errors of both methods on [0, 2], relative to the largest state, against DOP853 at 1e-12.
"""

import argparse
import time

import numpy as np

from symnum.synthesis.families.ode_families import ODE_FAMILIES
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.trajectories import RANDOM_FAMILIES, TrajectoryConfig, make_equations

# CPU seconds per trajectory of the published generator (one core, five initial conditions).
PUBLISHED = {
    "thomas": 0.010, "lorenz_3d": 0.065, "aizawa": 0.018, "chen_lee": 0.013, "dadras": 0.003,
    "rossler": 0.002, "halvorsen": 0.003, "fabrikant": 0.046, "sprott_B": 0.008, "sprott_linz_F": 0.011,
    "four_wing": 0.012, "duffing": 0.026, "lorenz_96_4d": 0.062, "lorenz_96_5d": 0.052,
    "double_pendulum": 0.068,
}  # fmt: skip


def rate(family, config, seconds, block):
    """Trajectories per CPU second, and rejected ones per trajectory."""
    make_equations(config, family, range(2))
    made = rejected = first = 0
    begin = time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        data = make_equations(config, family, range(first, first + block))
        first += block
        made += sum(len(d.values) for d in data)
        rejected += sum(sum(d.rejected.values()) for d in data)
    return made / spent, rejected / made


def accuracy(system, count=3):
    """Seconds per trajectory of the reference method, and largest relative errors of ours and of it."""
    rng, times = np.random.default_rng(0), np.linspace(0, 6, 192)
    values, initial = system.coefficients.draw(rng, 1)[0], system.draw_initial(rng, count)
    begin = time.process_time()
    reference = system.integrate(values, initial, times, system.reference_method, 1e-5, 1e-6, max_steps=10**6)
    spent = (time.process_time() - begin) / count
    ours = system.integrate(values, initial, times)
    exact = system.integrate(values, initial, times[:64], "DOP853", 1e-12, 1e-13, max_steps=10**6)
    fine = exact.ok & ours.ok & reference.ok
    if not fine.any():
        return spent, np.nan, np.nan
    scale = np.abs(exact.values[fine]).max()
    errors = [np.abs(f.values[fine, :64] - exact.values[fine]).max() / scale for f in (ours, reference)]
    return spent, *errors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds per family")
    parser.add_argument("--pde", action="store_true", help="partial differential equations as well")
    given = parser.parse_args()
    config = TrajectoryConfig()
    print(f"{'family':16} {'traj/s':>8} {'rejected':>8} {'method s':>9} {'publ. s':>8} {'x publ.':>8} "
          f"{'error':>8} {'its error':>9}")  # fmt: skip
    speeds = []
    for name, system in ODE_FAMILIES.items():
        speed, rejected = rate(name, config, given.seconds, 32)
        spent, ours, theirs = accuracy(system)
        speeds.append(speed)
        print(f"{name:16} {speed:8.0f} {rejected:8.3f} {spent:9.4f} {PUBLISHED[name]:8.3f} "
              f"{speed * PUBLISHED[name]:8.0f} {ours:8.0e} {theirs:9.0e}", flush=True)  # fmt: skip
    mean = len(speeds) / sum(1 / s for s in speeds)
    print(
        f"all fifteen in equal parts: {mean:.0f} trajectories/s; published {15 / sum(PUBLISHED.values()):.0f}"
    )
    for name in RANDOM_FAMILIES:
        speed, rejected = rate(name, config, given.seconds, 8)
        print(f"{name:16} {speed:8.0f} {rejected:8.3f}", flush=True)
    for name in PDE_FAMILIES if given.pde else ():
        speed, rejected = rate(name, config, given.seconds, 1)
        print(f"{name:32} {speed:8.0f} fields/s, {rejected:.3f} rejected", flush=True)


if __name__ == "__main__":
    main()
