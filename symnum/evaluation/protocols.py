"""What a method gets to see: the rows, splits, caps, noise and scaling of each protocol.

``srbench-2021`` and ``srbench-2025`` follow SRBench's scripts (tag v2.0; branch srbench_2025) operation by
operation, with `numpy.random.RandomState` in the place of the global generator, which gives the same numbers.
``symnum`` is ours: independent rows, whole trajectories held out, clean targets for every score, and rows
outside the domain.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.catalogue import Entry
from symnum.evaluation.domain import Domain, draw_outside, draw_real
from symnum.evaluation.systems import trajectories
from symnum.evaluation.tables import DataNotFound, find_table, load_table
from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

SEEDS_2021 = (23654, 15795, 860, 5390, 16850, 29910, 4426, 21962, 14423, 28020)
"""SRBench's seeds; the 2021 edition uses these ten."""
SEEDS_2025 = (
    *SEEDS_2021, 29802, 21575, 11964, 11284, 22118, 6265, 11363, 27495, 16023, 8322, 1685, 32052, 769, 26967,
    30187, 32157, 23333, 2433, 5311, 5051,
)  # fmt: skip
"""The thirty seeds of the 2025 edition."""
ROWS = 1_000
"""Training rows of our protocol where they can be drawn."""
TEST_ROWS = 10_000
OUTSIDE_ROWS = 10_000
TABLE_CAP = 10_000
"""Most training rows of a table in our protocol; the 2021 edition's cap has the same size."""
CAP_2025 = 40_000
_PMLB_ROWS = 100_000


@dataclass(frozen=True)
class Scaling:
    """Standardisation of columns and target: seen = (original - mean) / scale."""

    x_mean: NDArray[np.float64]
    x_scale: NDArray[np.float64]
    y_mean: float
    y_scale: float


@dataclass(frozen=True)
class Prepared:
    """The rows of one run.

    Attributes
    ----------
    names : tuple of str
    X_train : ndarray (n, d)
        As the method sees them: scaled where the protocol scales.
    y_train : ndarray (n,)
        Likewise, with the noise.
    X_test : ndarray (m, d)
        As the method sees them.
    y_test : ndarray (m,)
        Clean, on the original scale.
    X_ood, y_ood : ndarray (k, d), (k,)
        Outside the domain; empty where the truth is unknown.
    scaling : Scaling or None
    y_train_score : ndarray (n,)
        Target of the training score: on the original scale; with noise where SRBench scores against that.
    noise_std : float
        Standard deviation of the noise, on the scale of `y_train`.
    domain : Domain or None
        Where probes of the verdicts are drawn, on the original scale.
    note : str
        What differs from the protocol's letter, "" if nothing does.
    trajectory : tuple of (ndarray, ndarray) or None
        Time of each training row and number of its trajectory, for systems of differential equations.
    """

    names: tuple[str, ...]
    X_train: NDArray[np.float64]
    y_train: NDArray[np.float64]
    X_test: NDArray[np.float64]
    y_test: NDArray[np.float64]
    X_ood: NDArray[np.float64]
    y_ood: NDArray[np.float64]
    y_train_score: NDArray[np.float64]
    scaling: Scaling | None = None
    noise_std: float = 0.0
    domain: Domain | None = None
    note: str = ""
    trajectory: tuple[NDArray[np.float64], NDArray[np.int64]] | None = field(default=None, compare=False)

    def original_X(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns on the original scale."""
        s = self.scaling
        return X if s is None else X * s.x_scale + s.x_mean

    def scaled_X(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns as the method sees them."""
        s = self.scaling
        return X if s is None else (X - s.x_mean) / s.x_scale

    def original_y(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predictions on the original scale."""
        return y if self.scaling is None else y * self.scaling.y_scale + self.scaling.y_mean


def prepare(entry: Entry, protocol: str, seed: int, noise: float = 0.0, rows: int | None = None) -> Prepared:
    """Rows of a problem under a protocol.

    Parameters
    ----------
    entry : Entry
    protocol : {"symnum", "srbench-2021", "srbench-2025"}
    seed : int
        Decides everything that is drawn.
    noise : float
        Standard deviation of the noise on the training target, relative to its root mean square.
    rows : int, optional
        Training rows (symnum) or the cap on them (SRBench).

    Raises
    ------
    InvalidInput
        When the protocol is unknown or the problem has too few rows.
    DataNotFound
        When a table is missing.
    """
    if protocol == "symnum":
        return _ours(entry, seed, noise, rows)
    if protocol in ("srbench-2021", "srbench-2025"):
        return _srbench(entry, protocol, seed, noise, rows)
    raise InvalidInput(f"protocol {protocol!r} is unknown; use symnum, srbench-2021 or srbench-2025")


# -------------------------------------------------------------------------------------------------- SRBench
def _srbench(entry: Entry, protocol: str, seed: int, noise: float, rows: int | None) -> Prepared:
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    newer = protocol == "srbench-2025"
    features, labels, names, note = _srbench_table(entry)
    # 2021 worked on arrays, 2025 on frames, and the layout of memory decides the last bits of a mean.
    columns = features if newer else features.to_numpy().astype(float)
    rng = np.random.RandomState(seed)
    parts: list[Any] = train_test_split(columns, labels, train_size=0.75, test_size=0.25, random_state=seed)
    X_train, X_test, y_train, y_test = parts
    cap = rows or (CAP_2025 if newer else TABLE_CAP)
    if newer and len(y_train) > cap:
        picked = rng.choice(np.arange(len(X_train)), size=cap, replace=False)
        X_train, y_train = X_train.iloc[picked], y_train[picked]
    elif not newer and len(labels) > cap:
        picked = rng.choice(np.arange(len(X_train)), size=cap)
        X_train, y_train = X_train[picked], y_train[picked]
    scaling = None
    if newer or entry.truth is None:
        x_scaler, y_scaler = StandardScaler(), StandardScaler()
        X_train = x_scaler.fit_transform(X_train)
        X_test = x_scaler.transform(X_test)
        y_seen = y_scaler.fit_transform(y_train.reshape(-1, 1)).flatten()
        x_mean, x_scale, y_mean, y_scale = (
            np.asarray(a, dtype=np.float64) for s in (x_scaler, y_scaler) for a in (s.mean_, s.scale_)
        )
        scaling = Scaling(x_mean, x_scale, float(y_mean[0]), float(y_scale[0]))
    else:
        # Without scaling SRBench's two names are one array: its training score sees the noise.
        y_seen = y_train
    std = 0.0
    if noise > 0:
        std = float(noise * np.sqrt(np.mean(np.square(y_seen))))
        y_seen += rng.normal(0, noise * np.sqrt(np.mean(np.square(y_seen))), size=len(y_seen))
    d = features.shape[1]
    prepared = Prepared(
        names, _rows(X_train), _column(y_seen), _rows(X_test), _column(y_test), np.empty((0, d)), np.empty(0),
        _column(y_train), scaling, std, note=note,
    )  # fmt: skip
    if entry.truth is None:
        return prepared
    domain = entry.domain or Domain.around(features.to_numpy(dtype=float))
    largest = float(np.max(np.abs(labels)))
    X_ood, y_ood = draw_outside(entry.truth, domain, OUTSIDE_ROWS, _generator(entry, seed, 2), largest)
    return replace(prepared, X_ood=prepared.scaled_X(X_ood), y_ood=y_ood, domain=domain)


def _srbench_table(entry: Entry) -> tuple[pd.DataFrame, NDArray[Any], tuple[str, ...], str]:
    """Whole table that SRBench splits: PMLB's where it is at hand, else drawn or simulated here."""
    import pandas as pd

    if entry.table and (entry.truth is None or find_table(entry.table)):
        table = load_table(entry.table)
        names = tuple(map(str, table.features.columns))
        if entry.truth is not None and names != entry.names:
            raise InvalidInput(f"the table {entry.table} has columns {names}, its formula {entry.names}")
        return table.features, np.array(table.target), names, ""
    if entry.truth is None:
        raise DataNotFound(f"{entry.id} has no table")
    if entry.system:
        runs = trajectories(*entry.system[:2])
        X = np.concatenate([u for _, u in runs])
        y = entry.truth.evaluate(X)
        note = "rows simulated here, not PMLB's"
    elif entry.domain is not None:
        grid = entry.domain.grid()
        rng = _generator(entry, 0, 9)
        X, y = draw_real(entry.truth, entry.domain, _PMLB_ROWS, rng) if grid is None else (grid, None)
        y = entry.truth.evaluate(X) if y is None else y
        note = "rows drawn here, not PMLB's" if entry.table else "no problem of SRBench"
    else:
        raise DataNotFound(f"{entry.id} has neither a table nor a domain")
    return pd.DataFrame(X, columns=list(entry.names)), y, entry.names, note


# -------------------------------------------------------------------------------------------------- ours
def _ours(entry: Entry, seed: int, noise: float, rows: int | None) -> Prepared:
    if entry.truth is None:
        return _our_table(entry, seed, noise, rows)
    truth, trajectory, note = entry.truth, None, ""
    if entry.system:
        X, trajectory, X_test, note = _our_trajectories(entry, seed, rows)
        y, y_test, domain = truth.evaluate(X), truth.evaluate(X_test), Domain.around(X)
    else:
        if entry.domain is None:
            raise InvalidInput(f"{entry.id} has no domain to draw rows from")
        domain = entry.domain
        X, y = _draw(entry, domain, rows, _generator(entry, seed, 0))
        X_test, y_test = _draw_test(entry, _generator(entry, seed, 1))
    largest = float(np.max(np.abs(y)))
    X_ood, y_ood = draw_outside(truth, domain, OUTSIDE_ROWS, _generator(entry, seed, 2), largest)
    seen, std = _noisy(y, noise, _generator(entry, seed, 3))
    return Prepared(
        entry.names, X, seen, X_test, y_test, X_ood, y_ood, seen, None, std, domain, note, trajectory
    )  # fmt: skip


def _draw(entry: Entry, domain: Domain, rows: int | None, rng: np.random.Generator):  # noqa: ANN202
    """Training rows: the literature's grid or number of rows where there is one, unless told otherwise."""
    grid = domain.grid()
    if grid is not None:
        X = grid if rows is None or rows >= len(grid) else grid[np.sort(rng.permutation(len(grid))[:rows])]
        y = entry.truth.evaluate(X)  # type: ignore[union-attr]
        real = np.isfinite(y)
        return X[real], y[real]
    return draw_real(entry.truth, domain, rows or int(domain.rules[0].last) or ROWS, rng)  # type: ignore[arg-type]


def _draw_test(entry: Entry, rng: np.random.Generator):  # noqa: ANN202
    """Independent test rows, from the literature's test domain where it has its own."""
    domain = entry.test_domain or entry.domain
    grid = entry.test_domain.grid() if entry.test_domain else None
    if grid is not None:
        X = grid[rng.permutation(len(grid))[:TEST_ROWS]]
        y = entry.truth.evaluate(X)  # type: ignore[union-attr]
        real = np.isfinite(y)
        return X[real], y[real]
    return draw_real(entry.truth, domain, TEST_ROWS, rng)  # type: ignore[arg-type]


def _our_trajectories(entry: Entry, seed: int, rows: int | None):  # noqa: ANN202
    """Training states of all trajectories but one, test states of that one."""
    kind, name, _ = entry.system  # type: ignore[misc]
    runs = trajectories(kind, name)
    held_out = seed % len(runs) if kind == "strogatz" else 1  # ODEBench's second start is its test
    kept = [k for k in range(len(runs)) if k != held_out]
    X = np.concatenate([runs[k][1] for k in kept])
    t = np.concatenate([runs[k][0] for k in kept])
    group = np.concatenate([np.full(len(runs[k][0]), k) for k in kept])
    if rows is not None and rows < len(X):
        picked = np.sort(_generator(entry, seed, 0).permutation(len(X))[:rows])
        X, t, group = X[picked], t[picked], group[picked]
    real = np.isfinite(entry.truth.evaluate(X))  # type: ignore[union-attr]
    X_test = runs[held_out][1]
    X_test = X_test[np.isfinite(entry.truth.evaluate(X_test))]  # type: ignore[union-attr]
    return X[real], (t[real], group[real]), X_test, f"trajectory {held_out} held out"


def _our_table(entry: Entry, seed: int, noise: float, rows: int | None) -> Prepared:
    """Three quarters of a table to train on, at most 10,000 rows, unscaled; one quarter to test on."""
    table = load_table(entry.table)
    X = table.features.to_numpy(dtype=np.float64)
    y = np.asarray(table.target, dtype=np.float64)
    names = tuple(map(str, table.features.columns))
    order = _generator(entry, seed, 0).permutation(len(y))
    if len(order) < 4:
        raise InvalidInput(f"{entry.id} has {len(order)} rows, at least 4 are needed to split it")
    cut = int(np.ceil(0.75 * len(order)))
    train, test = order[:cut][: rows or TABLE_CAP], order[cut:]
    seen, std = _noisy(y[train], noise, _generator(entry, seed, 3))
    none = np.empty((0, X.shape[1]))
    return Prepared(names, X[train], seen, X[test], y[test], none, np.empty(0), seen, None, std)


def _noisy(
    y: NDArray[np.float64], noise: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    std = float(noise * np.sqrt(np.mean(np.square(y))))
    return (y + rng.normal(0.0, std, len(y)) if std > 0 else y.copy()), std


def _generator(entry: Entry, seed: int, stream: int) -> np.random.Generator:
    """Stream of random numbers of a problem: the same for every method, another one for each purpose."""
    return np.random.default_rng([zlib.crc32(entry.id.encode()), seed, stream])


def _rows(X: object) -> NDArray[np.float64]:
    return np.ascontiguousarray(X, dtype=np.float64)


def _column(y: object) -> NDArray[np.float64]:
    return np.ascontiguousarray(y, dtype=np.float64)
