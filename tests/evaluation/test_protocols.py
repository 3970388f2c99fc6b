"""The protocols: SRBench's two editions against literal copies of their procedures, ours against its word."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from symnum.evaluation.catalogue import entry, find
from symnum.evaluation.domain import Domain
from symnum.evaluation.protocols import CAP_2025, ROWS, SEEDS_2021, SEEDS_2025, prepare
from symnum.evaluation.systems import trajectories
from symnum.evaluation.tables import DataNotFound
from symnum.exceptions import InvalidInput


# ------------------------------------------------------------------------------- SRBench, literally
# The two procedures with the global generator, as in evaluate_model.py (v2.0) and optimize_model.py (2025).
def literal_2021(path: Path, seed: int, target_noise: float, scaled: bool, n_samples: int = 10_000):
    np.random.seed(seed)  # noqa: NPY002
    frame = pd.read_csv(path, sep=None, compression="gzip", engine="python")
    features = frame.drop("target", axis=1).values.astype(float)
    labels = frame["target"].values
    X_train, X_test, y_train, y_test = train_test_split(
        features, labels, train_size=0.75, test_size=0.25, random_state=seed
    )
    if n_samples > 0 and len(labels) > n_samples:
        sample_idx = np.random.choice(np.arange(len(X_train)), size=n_samples)  # noqa: NPY002
        X_train = X_train[sample_idx]
        y_train = y_train[sample_idx]
    if scaled:
        scaler = StandardScaler()
        X_train = scaler.fit_transform(X_train)
        X_test = scaler.transform(X_test)
        y_scaled = StandardScaler().fit_transform(y_train.reshape(-1, 1)).flatten()
    else:
        y_scaled = y_train
    if target_noise > 0:
        y_scaled += np.random.normal(  # noqa: NPY002
            0, target_noise * np.sqrt(np.mean(np.square(y_scaled))), size=len(y_scaled)
        )
    return X_train, y_scaled, X_test, y_test, y_train


def literal_2025(path: Path, seed: int, target_noise: float, max_train_samples: int):
    np.random.seed(seed)  # noqa: NPY002
    frame = pd.read_csv(path, sep=None, compression="gzip", engine="python")
    frame = frame.rename(columns={k: k.strip().replace(".", "_") for k in frame.columns})
    features, labels = frame.drop("target", axis=1), frame["target"].values
    X_train, X_test, y_train, y_test = train_test_split(
        features, labels, train_size=0.75, test_size=0.25, random_state=seed
    )
    if max_train_samples > 0 and len(y_train) > max_train_samples:
        sample_idx = np.random.choice(  # noqa: NPY002
            np.arange(len(X_train)), size=max_train_samples, replace=False
        )
        y_train = y_train[sample_idx]
        X_train = X_train.iloc[sample_idx]
    sc_X, sc_y = StandardScaler(), StandardScaler()
    X_scaled = sc_X.fit_transform(X_train)
    y_scaled = sc_y.fit_transform(y_train.reshape(-1, 1)).flatten()
    if target_noise > 0:
        y_scaled += np.random.normal(  # noqa: NPY002
            0, target_noise * np.sqrt(np.mean(np.square(y_scaled))), size=len(y_scaled)
        )
    return X_scaled, y_scaled, sc_X.transform(X_test), y_test, sc_y


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Write a table as PMLB does and make it known."""
    monkeypatch.setenv("SYMNUM_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write_table(name: str, columns: dict) -> Path:
        path = tmp_path / name / f"{name}.tsv.gz"
        path.parent.mkdir()
        with gzip.open(path, "wt") as handle:
            pd.DataFrame(columns).to_csv(handle, sep="\t", index=False)
        return path

    return write_table


def feynman_table(n: int) -> dict:
    e = entry("feynman/I.6.2")
    X = e.domain.draw(n, np.random.default_rng(n))
    return {**dict(zip(e.names, X.T, strict=True)), "target": e.truth.evaluate(X)}


def blackbox_table(n: int) -> dict:
    rng = np.random.default_rng(n)
    y = rng.integers(0, 10, n)
    return {"a.b": rng.normal(5, 2, n), "c": rng.integers(0, 5, n), "d": rng.uniform(size=n), "target": y}


@pytest.mark.parametrize("rows", [400, 12_000])  # 12,000 are "capped" upwards: 9,000 rows, 10,000 draws
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("seed", SEEDS_2021[:2])
def test_2021_ground_truth_bit_by_bit(write, rows, noise, seed):
    path = write("feynman_I_6_2", feynman_table(rows))
    X, y, X_test, y_test, y_train = literal_2021(path, seed, noise, scaled=False)
    got = prepare(entry("feynman/I.6.2"), "srbench-2021", seed, noise)
    np.testing.assert_array_equal(got.X_train, X)
    np.testing.assert_array_equal(got.y_train, y)
    np.testing.assert_array_equal(got.X_test, X_test)
    np.testing.assert_array_equal(got.y_test, y_test)
    np.testing.assert_array_equal(got.y_train_score, y_train)  # with the noise, as in SRBench
    assert got.scaling is None
    assert len(got.y_train) == (10_000 if rows > 10_000 else 300)
    if rows > 10_000:
        assert len(np.unique(got.X_train, axis=0)) < 7_000  # with replacement
    assert got.note == ""
    assert got.names == ("sigma", "theta")


@pytest.mark.parametrize("rows", [500, 10_400])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_2021_black_box_bit_by_bit(write, rows, noise):
    path = write("1027_ESL", blackbox_table(rows))
    X, y, X_test, y_test, y_train = literal_2021(path, 860, noise, scaled=True)
    got = prepare(entry("blackbox/1027_ESL"), "srbench-2021", 860, noise)
    for mine, theirs in (
        (got.X_train, X), (got.y_train, y), (got.X_test, X_test), (got.y_test, y_test),
        (got.y_train_score, y_train),
    ):  # fmt: skip
        np.testing.assert_array_equal(mine, theirs)
    assert got.names == ("a_b", "c", "d")


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("cap", [None, 700])
@pytest.mark.parametrize("problem", ["blackbox/1028_SWD", "feynman/I.6.2"])
def test_2025_bit_by_bit(write, noise, cap, problem):
    e = entry(problem)
    path = write(e.table, feynman_table(1_200) if e.truth else blackbox_table(1_200))
    X, y, X_test, y_test, sc_y = literal_2025(path, SEEDS_2025[17], noise, cap or CAP_2025)
    got = prepare(e, "srbench-2025", SEEDS_2025[17], noise, cap)
    for mine, theirs in ((got.X_train, X), (got.y_train, y), (got.X_test, X_test), (got.y_test, y_test)):
        np.testing.assert_array_equal(mine, theirs)
    guess = np.linspace(-1, 1, len(y_test))
    back = sc_y.inverse_transform(guess.reshape(-1, 1)).ravel()
    assert r2_score(y_test, got.original_y(guess)) == pytest.approx(r2_score(y_test, back), rel=1e-12)
    np.testing.assert_allclose(got.scaled_X(got.original_X(got.X_test)), got.X_test, rtol=0, atol=1e-12)


def test_the_global_generator_is_left_alone(write):
    write("feynman_I_6_2", feynman_table(12_000))
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for protocol in ("srbench-2021", "srbench-2025", "symnum"):
        prepare(entry("feynman/I.6.2"), protocol, 3, 0.1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_seed_lists():
    assert len(SEEDS_2021) == 10
    assert len(set(SEEDS_2025)) == len(SEEDS_2025) == 30
    assert SEEDS_2025[:10] == SEEDS_2021
    assert (SEEDS_2021[0], SEEDS_2025[-1]) == (23654, 5051)


def test_absent_tables(write):
    drawn = prepare(entry("feynman/I.6.2"), "srbench-2021", 1)
    assert "not PMLB's" in drawn.note
    assert (len(drawn.y_train), len(drawn.y_test)) == (10_000, 25_000)
    assert "not PMLB's" in prepare(entry("strogatz/vdp1"), "srbench-2021", 1).note
    for protocol in ("symnum", "srbench-2021", "srbench-2025"):
        with pytest.raises(DataNotFound, match="1027_ESL"):
            prepare(entry("blackbox/1027_ESL"), protocol, 1)


def test_a_table_of_another_formula_is_refused(write):
    write("feynman_I_6_2", {"wrong": [1.0, 2, 3, 4], "target": [1.0, 2, 3, 4]})
    with pytest.raises(InvalidInput, match="has columns"):
        prepare(entry("feynman/I.6.2"), "srbench-2021", 1)


# ------------------------------------------------------------------------------- ours
def test_our_rows_are_independent_clean_and_repeatable():
    e = entry("feynman/I.6.2")
    a, b, other = (prepare(e, "symnum", seed, 0.1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.X_train, b.X_train)
    np.testing.assert_array_equal(a.y_train, b.y_train)
    assert not np.isin(a.X_train, other.X_train).any()
    assert not np.isin(a.X_train, a.X_test).any()
    assert len(a.y_train) == ROWS
    low, high = e.domain.bounds()
    for X in (a.X_train, a.X_test):
        assert ((low <= X) & (high >= X)).all()
    assert not ((a.X_ood >= low) & (a.X_ood <= high)).all(axis=1).any()
    # Noise on the training target alone, relative to its root mean square.
    clean = e.truth.evaluate(a.X_train)
    assert np.std(a.y_train - clean) == pytest.approx(0.1 * np.sqrt(np.mean(clean**2)), rel=0.1)
    assert a.noise_std == pytest.approx(0.1 * np.sqrt(np.mean(clean**2)))
    np.testing.assert_array_equal(a.y_test, e.truth.evaluate(a.X_test))
    np.testing.assert_array_equal(a.y_ood, e.truth.evaluate(a.X_ood))


def test_noise_does_not_change_the_rows():
    e = entry("feynman/I.8.14")
    np.testing.assert_array_equal(prepare(e, "symnum", 4, 0.1).X_train, prepare(e, "symnum", 4, 0.0).X_train)


def test_number_of_rows():
    assert len(prepare(entry("feynman/I.6.2"), "symnum", 0, rows=37).y_train) == 37
    assert len(prepare(entry("classic/Nguyen-1"), "symnum", 0).y_train) == 20  # as published
    assert len(prepare(entry("classic/Nguyen-1"), "symnum", 0, rows=200).y_train) == 200
    assert len(prepare(entry("classic/Keijzer-4"), "symnum", 0).y_train) == 101  # a grid
    assert len(prepare(entry("classic/Keijzer-4"), "symnum", 0, rows=30).y_train) == 30
    assert len(prepare(entry("strogatz/lv1"), "symnum", 0, rows=50).y_train) == 50
    assert len(prepare(entry("feynman/I.6.2"), "srbench-2021", 1, rows=500).y_train) == 500


@pytest.mark.parametrize("seed", range(5))
def test_strogatz_holds_out_a_whole_trajectory(seed):
    got = prepare(entry("strogatz/glider2"), "symnum", seed)
    runs = [u for _, u in trajectories("strogatz", "glider")]
    np.testing.assert_array_equal(got.X_test, runs[seed % 4])
    t, group = got.trajectory
    assert set(group) == {0, 1, 2, 3} - {seed % 4}
    assert len(t) == len(got.y_train) == 300
    for k in set(group):
        np.testing.assert_array_equal(got.X_train[group == k], runs[k])
        assert (np.diff(t[group == k]) > 0).all()
    box = Domain.around(got.X_train)
    assert not box.inside(got.X_ood).any()
    assert box.widened().inside(got.X_ood).all()


def test_odebench_trains_on_the_first_start():
    got = prepare(entry("odebench/24.1"), "symnum", 3)
    runs = [u for _, u in trajectories("odebench", "24")]
    np.testing.assert_array_equal(got.X_train, runs[0])
    np.testing.assert_array_equal(got.X_test, runs[1])


def test_our_tables_are_split_without_overlap(write):
    write("1027_ESL", {"a": np.arange(20_000.0), "target": np.arange(20_000.0) * 2})
    got = prepare(entry("blackbox/1027_ESL"), "symnum", 5)
    assert (len(got.y_train), len(got.y_test)) == (10_000, 5_000)
    assert not np.isin(got.X_train, got.X_test).any()
    assert len(np.unique(got.X_train)) == 10_000  # without replacement
    assert got.scaling is None
    assert len(got.y_ood) == 0
    np.testing.assert_array_equal(got.y_train, 2 * got.X_train[:, 0])


def test_every_sampled_problem_can_be_prepared():
    problems = [
        *find("feynman/*")[::9], *find("feynman-srsd/*")[::9], *find("classic/*")[::5], *find("strogatz/*"),
        "feynman-srsd/II.24.17", "feynman-srsd/test_4", "classic/Korns-15", "hidden/1/0",
    ]  # fmt: skip
    for problem in problems:
        got = prepare(entry(problem), "symnum", 0, 0.01)
        for values in (got.X_train, got.y_train, got.X_test, got.y_test, got.X_ood, got.y_ood):
            assert np.isfinite(values).all(), problem
        assert len(got.y_train) >= 10, problem
        assert len(got.y_test) >= 10, problem
        assert len(got.y_ood) >= 1000, problem


def test_unknown_protocol():
    with pytest.raises(InvalidInput, match="srbench-2021"):
        prepare(entry("feynman/I.6.2"), "srbench", 0)
