"""The fifteen families of ordinary differential equations of PROSE, one symbolic definition each.

Source: Liu, Zhang & Schaeffer, PROSE: Predicting operators and symbolic expressions using multimodal
transformers, arXiv 2309.16816, as its MIT-licensed code runs it. Initial states are uniform in [-2, 2] and
times go from 0 to 6.
"""

from __future__ import annotations

from types import MappingProxyType

from symnum.synthesis.families.system import Coefficients, ODESystem


def _lorenz_96(dimension: int) -> tuple[str, ...]:
    """Lorenz 1996, written out with the state of smaller number first in each product."""
    texts = []
    for i in range(dimension):
        ahead, behind, last = (i + 1) % dimension, (i - 2) % dimension, (i - 1) % dimension
        gain, loss = sorted((ahead, last)), sorted((behind, last))
        texts.append(f"u_{gain[0]}*u_{gain[1]} - u_{loss[0]}*u_{loss[1]} - u_{i} + F")
    return tuple(texts)


_DEFINITIONS = (
    ODESystem(
        "thomas",
        ("sin(u_1) - b*u_0", "sin(u_2) - b*u_1", "sin(u_0) - b*u_2"),
        Coefficients({"b": 0.17}),
        source="Thomas, Int. J. Bifurcation Chaos 9, 1999",
    ),
    ODESystem(
        "lorenz_3d",
        ("sigma*u_1 - sigma*u_0", "rho*u_0 - u_0*u_2 - u_1", "u_0*u_1 - beta*u_2"),
        Coefficients({"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}),
        source="Lorenz, J. Atmos. Sci. 20, 1963",
    ),
    # Not the textbook system: PROSE's code leaves out the terms with u_1**2 and with a coefficient e.
    ODESystem(
        "aizawa",
        (
            "u_0*u_2 - b*u_0 - d*u_1",
            "d*u_0 + u_1*u_2 - b*u_1",
            "c + a*u_2 - u_2**3/3 - u_0**2 + f*u_0**3*u_2",
        ),
        Coefficients({"a": 0.95, "b": 0.7, "c": 0.6, "d": 3.5, "f": 0.1}),
        source="Langford 1984 (as simplified by PROSE)",
    ),
    ODESystem(
        "chen_lee",
        ("a*u_0 - u_1*u_2", "-10*u_1 + u_0*u_2", "d*u_2 + u_0*u_1/3"),
        Coefficients({"a": 5.0, "d": -0.38}),
        reference_method="LSODA",
        source="Chen & Lee, Chaos Solitons Fractals 21, 2004",
    ),
    ODESystem(
        "dadras",
        ("0.5*u_1 - a*u_0 + b*u_1*u_2", "c*u_1 + -0.5*u_0*u_2 + 0.5*u_2", "d*u_0*u_1 - e*u_2"),
        Coefficients({"a": 1.25, "b": 1.15, "c": 0.75, "d": 0.8, "e": 4.0}),
        reference_method="LSODA",
        source="Dadras & Momeni, Phys. Lett. A 373, 2009",
    ),
    ODESystem(
        "rossler",
        ("-u_1 - u_2", "u_0 + a*u_1", "b + u_0*u_2 - c*u_2"),
        Coefficients({"a": 0.1, "b": 0.1, "c": 14.0}),
        reference_method="LSODA",
        source="Rossler, Phys. Lett. A 57, 1976",
    ),
    ODESystem(
        "halvorsen",
        (
            "a*u_0 - u_1 - u_2 - 0.25*u_1**2",
            "a*u_1 - u_2 - u_0 - 0.25*u_2**2",
            "a*u_2 - u_0 - u_1 - 0.25*u_0**2",
        ),
        Coefficients({"a": -0.35}),
        reference_method="RK45",
        source="Sprott, Chaos and Time-Series Analysis, 2003",
    ),
    ODESystem(
        "fabrikant",
        (
            "u_1*u_2 - u_1 + u_0**2*u_1 + gamma*u_0",
            "3*u_0*u_2 + u_0 - u_0**3 + gamma*u_1",
            "alpha2*u_2 + -2*u_0*u_1*u_2",
        ),
        Coefficients({"alpha": 0.98, "gamma": 0.1}, derived={"alpha2": "-2*alpha"}),
        bound=1e5,
        source="Rabinovich & Fabrikant, Sov. Phys. JETP 50, 1979",
    ),
    ODESystem(
        "sprott_B",
        ("a*u_1*u_2", "u_0 - b*u_1", "c - u_0*u_1"),
        Coefficients({"a": 0.4, "b": 1.2, "c": 1.0}),
        source="Sprott, Phys. Rev. E 50, 1994, case B",
    ),
    ODESystem(
        "sprott_linz_F",
        ("u_1 + u_2", "a*u_1 - u_0", "u_0**2 - u_2"),
        Coefficients({"a": 0.5}),
        source="Sprott, Phys. Rev. E 50, 1994, case F",
    ),
    ODESystem(
        "four_wing",
        ("a*u_0 + u_1*u_2", "b*u_0 + c*u_1 - u_0*u_2", "-u_2 - u_0*u_1"),
        Coefficients({"a": 0.2, "b": 0.01, "c": -0.4}),
        source="Wang et al., Int. J. Bifurcation Chaos 19, 2009",
    ),
    # The first state is a clock whose start is a random phase.
    ODESystem(
        "duffing",
        ("1", "u_2", "delta*u_2 + alpha*u_1 + beta*u_1**3 + gamma*cos(omega*u_0)"),
        Coefficients({"alpha": -1.0, "beta": -5.0, "gamma": 8.0, "delta": -0.02, "omega": 0.5}),
        source="Duffing 1918",
    ),
    ODESystem(
        "lorenz_96_4d",
        _lorenz_96(4),
        Coefficients({"F": 8.0}),
        source="Lorenz, Predictability: a problem partly solved, 1996",
    ),
    ODESystem(
        "lorenz_96_5d",
        _lorenz_96(5),
        Coefficients({"F": 8.0}),
        source="Lorenz, Predictability: a problem partly solved, 1996",
    ),
    # Two equal masses on rods of equal length; g/length enters three times, each rounded by itself. As in
    # PROSE's code the last equation has u_3**2*cos(...) where mechanics has twice that, so that energy is not
    # conserved.
    ODESystem(
        "double_pendulum",
        (
            "u_2",
            "u_3",
            "(k1*sin(u_0) + k2*sin(u_0 + -2*u_1) + -2*(sin(u_0 - u_1)*(u_3**2 + u_2**2*cos(u_0 - u_1))))"
            "/(3 - cos(2*(u_0 - u_1)))",
            "sin(u_0 - u_1)*(4*u_2**2 + k3*cos(u_0) + u_3**2*cos(u_0 - u_1))/(3 - cos(2*(u_0 - u_1)))",
        ),
        Coefficients(
            {"g": 9.81, "length": 1.0},
            derived={"k1": "-3*g/length", "k2": "-g/length", "k3": "4*g/length"},
        ),
        edit_at={2: (0,), 3: (0, 1)},
        source="Euler-Lagrange equations of the planar double pendulum",
    ),
)

ODE_FAMILIES = MappingProxyType({system.name: system for system in _DEFINITIONS})
"""The fifteen systems by name, in PROSE's order but for the double pendulum and Lorenz 96."""

CHAOTIC_3D = tuple(name for name, system in ODE_FAMILIES.items() if system.dimension == 3)
"""The twelve systems with three states: PROSE's setting "3D"."""
