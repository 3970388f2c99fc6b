"""The two ways to run the search: as published, and so that it recovers formulas within seconds."""

from __future__ import annotations

from dataclasses import dataclass

from symnum.exceptions import InvalidInput
from symnum.search.dysymnet.network import INITIAL
from symnum.search.dysymnet.training import Phase


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings of a search.

    Attributes
    ----------
    library : tuple of str
        Units that the controller chooses from.
    depths, widths : tuple of int
        Hidden layers, and units of each.
    batch : int
        Networks of an epoch; epochs begin with fewer.
    first_batch : int
        Networks of the first epoch; it doubles from epoch to epoch.
    phases : tuple of Phase
    spread : tuple of float
        Of the first weights, see `Networks.create`.
    bias, skip : bool
        Whether sums may hold a constant, and whether all layers read the columns.
    scale : bool
        Whether columns and target are divided by their root mean square.
    rows : int
        Rows that networks are trained on at most.
    columns : int
        Columns at most, those of the largest correlation with the target.
    thresholds : tuple of (float, float)
        Weights of hidden layers and of the output below which they are removed; each pair gives a formula.
    plain : bool
        Whether formulas leave out what keeps units finite in training.
    shorten : int
        Formulas of each class of number of constants that an epoch shortens and makes simple.
    limit : float
        Loss at a check above which a network is given up.
    check : int
        Steps between checks.
    retries : int
        Times that a network which was given up is trained again from new weights.
    rate, risk, entropy : float
        Of the policy gradient.
    bits : bool
        Whether the reward is the description length saved, or ``1/(1 + MSE)``.
    enough : float or None
        R2 that ends the search.
    repeats : int
        Times that the same architecture is trained.
    links : int or None
        Inputs of a linear combination at most in every second network, see `Networks.create`; None for all.
    clip : bool
        Whether gradients are clipped.
    policy : str or None
        File of the controller's first weights, made by ``pretrain/dysymnet_policy.py``; "shipped" for the one
        that comes with the package, None for random ones.
    """

    library: tuple[str, ...]
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    batch: int
    first_batch: int
    phases: tuple[Phase, ...]
    spread: tuple[float, ...]
    bias: bool
    skip: bool
    scale: bool
    rows: int
    columns: int
    thresholds: tuple[tuple[float, float], ...]
    plain: bool
    shorten: int
    limit: float
    check: int
    retries: int
    rate: float
    risk: float
    entropy: float
    bits: bool
    enough: float | None
    repeats: int
    links: int | None = None
    clip: bool = True
    policy: str | None = None


PAPER = Preset(
    library=("id", "sin", "cos", "square", "add", "sub", "product"),
    depths=(2, 3, 4, 5), widths=(2, 3, 4, 5, 6), batch=10, first_batch=10,
    phases=(Phase(2_000, 1e-2, 5e-3), Phase(10_001, 1e-3, 5e-3), Phase(10_001, 1e-4, 5e-3)),
    spread=INITIAL, bias=False, skip=False, scale=False, rows=1_000, columns=10,
    thresholds=((0.05, 0.01),), plain=False, shorten=0, limit=1_000.0, check=1_000, retries=4,
    rate=6e-4, risk=0.5, entropy=0.005, bits=False, enough=0.99, repeats=1_000_000,
)  # fmt: skip
"""DySymNet's published code (AILWQ/DySymNet, 3f7ca0b) without its bugs, which `DySymNetSearch` lists."""

FAST = Preset(
    library=("id", "sin", "cos", "exp", "log", "sqrt", "square", "mul", "div"),
    depths=(1, 2, 3), widths=(1, 2, 3, 4), batch=512, first_batch=64,
    phases=(Phase(60, 5e-2, 0.0, 0.3), Phase(140, 3e-2, 1e-3, 1.0, 0.1)),
    spread=(0.7, 0.5, 0.7), bias=True, skip=True, scale=True, rows=128, columns=10,
    thresholds=((0.05, 0.02), (0.2, 0.08)), plain=True, shorten=2, limit=1e4, check=20, retries=0,
    rate=3e-3, risk=0.1, entropy=0.02, bits=True, enough=None, repeats=50, links=3, policy="shipped",
)  # fmt: skip
"""Small networks by the hundred, the hopeless ones given up early, judged by description length."""

PRESETS = {"fast": FAST, "paper": PAPER}


def preset(name: str | Preset) -> Preset:
    """Preset by name.

    Raises
    ------
    InvalidInput
        For unknown names.
    """
    if isinstance(name, Preset):
        return name
    if name not in PRESETS:
        raise InvalidInput(f"preset={name!r} is unknown; use one of {', '.join(PRESETS)} or a Preset")
    return PRESETS[name]
