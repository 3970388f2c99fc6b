"""Families of partial differential equations in one dimension, one symbolic definition each.

Source: Sun, Liu, Zhang & Schaeffer, Towards a foundation model for partial differential equations,
arXiv 2404.12355 (PROSE-PDE). Equations, central coefficients, horizons and initial laws are those of its
MIT-licensed code, except where a family says otherwise; solvers are ours. Its Fokker-Planck family, in
physical units of 1e-7 m, is left out.
"""

from __future__ import annotations

from types import MappingProxyType

from symnum.synthesis.families.pde import PDEFamily
from symnum.synthesis.families.system import Coefficients

_REACTION = {"nu": 3e-3, "r": 1.0}
_FLUX = Coefficients({"q": 1.0, "e": 0.01}, derived={"nu": "e/pi"})
_NORM = (10.0, 2000.0)


def _conservation(name: str, flux: str, viscous: bool) -> PDEFamily:
    """Conservation law u_t + q F(u)_x = nu u_xx; ``flux`` is F'(u)*u_x as text."""
    return PDEFamily(
        name,
        f"k*ut + {flux} - nu*uxx" if viscous else f"k*ut + {flux}",
        _FLUX if viscous else Coefficients({"q": 1.0}),
        solver="volumes",
        refine=3,
        norm=_NORM,
        source="Takamoto et al., PDEBench, 2022" if "burgers" in name else "PROSE-PDE",
    )


def _reaction(name: str, rate: str, coefficients: Coefficients, source: str = "PROSE-PDE") -> PDEFamily:
    """Diffusion with a reaction r*f(u)."""
    return PDEFamily(name, f"k*ut - nu*uxx - r*{rate}", coefficients, norm=_NORM, source=source)


_DEFINITIONS = (
    PDEFamily("heat", "k*ut - c*uxx", Coefficients({"c": 3e-3}), source="Fourier 1822"),
    # (u**m)_xx written out; PROSE's text has plus signs, which is not the equation that it solves.
    PDEFamily(
        "porous_medium",
        "k*ut - b*u**p*ux**2 - m*u**s*uxx",
        Coefficients(choices={"m": (2.0, 3.0, 4.0)}, derived={"b": "m*(m - 1)", "p": "m - 2", "s": "m - 1"}),
        initial="bump",
        horizon=0.1,
        solver="volumes",
        source="Barenblatt 1952 (signs of PROSE's text corrected)",
    ),
    PDEFamily("advection", "k*ut + b*ux", Coefficients({"b": 0.5}), initial="sines2", source="transport"),
    PDEFamily(
        "wave",
        "k2*utt - b2*uxx",
        Coefficients({"b": 0.5}, derived={"b2": "b**2"}),
        initial="sines2",
        horizon=1.0,
        source="d'Alembert 1747",
    ),
    PDEFamily(
        "klein_gordon",
        "k2*utt - c2*uxx + w*u",
        Coefficients({"c": 1.0, "m": 0.1}, derived={"c2": "c**2", "w": "m**2*c**4"}),
        initial="one_sine",
        horizon=1.0,
        source="Klein 1926, Gordon 1926",
    ),
    PDEFamily(
        "sine_gordon",
        "k2*utt - uxx + c*sin(u)",
        Coefficients({"c": 1.0}),
        initial="one_sine",
        horizon=1.0,
        source="Frenkel & Kontorova 1939",
    ),
    PDEFamily(
        "kdv",
        "k*ut + d2*uxxx + u*ux",
        Coefficients({"d": 0.022}, derived={"d2": "d**2"}),
        initial="half_sines",
        horizon=1.0,
        refine=3,
        step=2e-3,
        source="Korteweg & de Vries 1895; coefficient of Zabusky & Kruskal 1965",
    ),
    # The textbook equation u_t = (u**3 - u - g*u_xx)_xx; PROSE's code has (3*u**2 - 1 - e**2*u_xx)_xx.
    PDEFamily(
        "cahn_hilliard",
        "k*ut + g*uxxxx + uxx - 3*u**2*uxx - 6*u*ux**2",
        Coefficients({"e": 0.05}, derived={"g": "e**2"}),
        initial="mixture",
        horizon=0.1,
        step=1e-3,
        source="Cahn & Hilliard, J. Chem. Phys. 28, 1958 (e is 0.05, PROSE has 0.01)",
    ),
    _reaction("diff_logisreact", "u*(1 - u)", Coefficients(_REACTION), "Fisher 1937, Kolmogorov et al. 1937"),
    _reaction("diff_linearreact", "u", Coefficients({"nu": 3e-3, "r": 0.1})),
    # PROSE's code draws a and writes it, but solves with a = 0; here text and data have the same a.
    _reaction(
        "diff_bistablereact",
        "u*(1 - u)*(u - a)",
        Coefficients(_REACTION, ranges={"a": (0.0, 1.0)}),
        "Nagumo et al. 1962",
    ),
    _reaction("diff_squarelogisticreact", "u**2*(1 - u)**2", Coefficients(_REACTION)),
    _conservation("burgers", "q*u*ux", viscous=True),
    PDEFamily("conservation_linearflux", "k*ut + q*ux - nu*uxx", _FLUX, norm=_NORM, source="PROSE-PDE"),
    _conservation("conservation_sinflux", "q*cos(u)*ux", viscous=True),
    _conservation("conservation_cosflux", "-q*sin(u)*ux", viscous=True),
    _conservation("conservation_cubicflux", "q*u**2*ux", viscous=True),
    _conservation("inviscid_burgers", "q*u*ux", viscous=False),
    _conservation("inviscid_conservation_sinflux", "q*cos(u)*ux", viscous=False),
    _conservation("inviscid_conservation_cosflux", "-q*sin(u)*ux", viscous=False),
    _conservation("inviscid_conservation_cubicflux", "q*u**2*ux", viscous=False),
)

PDE_FAMILIES = MappingProxyType({family.name: family for family in _DEFINITIONS})
"""The families by name."""
