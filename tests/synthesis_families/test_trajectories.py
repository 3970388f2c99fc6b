"""Trajectories again from (seed, family, index); noise; counting of what was rejected; shards on disk."""

import json
import os
from collections import Counter

import numpy as np
import pytest

from symnum.exceptions import InvalidInput
from symnum.synthesis.families import shards as module
from symnum.synthesis.families import trajectories as making
from symnum.synthesis.families.shards import MANIFEST, TrajectoryShards, write_shards
from symnum.synthesis.families.system import Coefficients, ODESystem
from symnum.synthesis.families.trajectories import (
    FAMILIES,
    SynthesisFailed,
    TrajectoryConfig,
    add_noise,
    make_equation,
    make_equations,
)

SMALL = TrajectoryConfig(seed=5, trajectories=3, points=25, frames=5, cells=32)
SOME = ("thomas", "lorenz_3d", "fabrikant", "double_pendulum", "random_2d", "heat", "diff_bistablereact")


def same(a, b):
    return (
        [str(e) for e in a.equations] == [str(e) for e in b.equations]
        and np.array_equal(a.coefficients, b.coefficients)
        and np.array_equal(a.times, b.times)
        and np.array_equal(a.values, b.values)
        and (a.family, a.index) == (b.family, b.index)
    )


# ------------------------------------------------------------ replay
@pytest.mark.parametrize("family", SOME)
def test_any_member_can_be_made_again_alone(family):
    together = make_equations(SMALL, family, range(7))
    for index in (0, 3, 6):
        assert same(make_equation(SMALL, family, index), together[index])
    assert not same(together[0], together[1])
    other = make_equation(TrajectoryConfig(**{**SMALL.__dict__, "seed": 6}), family, 0)
    assert not np.array_equal(other.values, together[0].values)


def test_families_do_not_share_their_random_numbers():
    a, b = (make_equation(SMALL, f, 0).values[0, 0] for f in ("thomas", "rossler"))
    assert not np.array_equal(a, b)


def test_default_sizes_are_those_of_the_paper():
    config = TrajectoryConfig()
    data = make_equation(config, "rossler", 0)
    assert data.values.shape == (20, 192, 3)
    assert data.values.dtype == np.float32
    np.testing.assert_allclose(data.times, np.linspace(0, 6, 192))
    field = make_equation(TrajectoryConfig(trajectories=2), "advection", 0)
    assert field.values.shape == (2, 64, 128)


def test_initial_states_are_uniform():
    data = make_equations(TrajectoryConfig(trajectories=50, points=2), "thomas", range(20))
    start = np.concatenate([d.values[:, 0] for d in data])
    assert np.abs(start).max() <= 2
    np.testing.assert_allclose(start.mean(0), 0, atol=0.12)
    np.testing.assert_allclose(start.std(0), 4 / np.sqrt(12), atol=0.06)


def test_irregular_times():
    config = TrajectoryConfig(trajectories=2, points=50, irregular=True)
    first, second = make_equations(config, "rossler", [0, 1])
    assert first.times[0] == 0
    assert np.all(np.diff(first.times) >= 0)
    assert not np.array_equal(first.times, second.times)
    system = making.ODE_FAMILIES["rossler"]
    again = system.integrate(first.coefficients, first.values[:, 0].astype(float), first.times)
    np.testing.assert_allclose(again.values, first.values, atol=1e-4)


def test_coefficients_of_the_data_are_those_of_the_text():
    for family in ("lorenz_3d", "double_pendulum"):
        data = make_equation(SMALL, family, 2)
        system = making.ODE_FAMILIES[family]
        assert [str(e) for e in data.equations] == [str(e) for e in system.target(data.coefficients)]
        assert all(np.all(e.constants == 1) for e in data.skeleton)


# ------------------------------------------------------------ noise
def test_noise_is_exactly_as_large_as_asked():
    data = make_equation(SMALL, "lorenz_3d", 0)
    noisy = data.observe(0.02)
    clean = data.values.astype(float)
    size = np.linalg.norm((noisy - clean).reshape(3, -1), axis=1)
    np.testing.assert_allclose(size / np.linalg.norm(clean.reshape(3, -1), axis=1), 0.02, rtol=1e-3)
    assert np.array_equal(noisy, data.observe(0.02))
    np.testing.assert_array_equal(data.observe(0.0), data.values)
    with pytest.raises(InvalidInput, match="noise is a share"):
        add_noise(clean, -0.1, np.random.default_rng(0))


def test_guesses_know_where_a_family_may_change():
    rng = np.random.default_rng(0)
    pendulum = make_equation(SMALL, "double_pendulum", 0)
    guesses = [pendulum.guess(rng, 0.5, 0.5) for _ in range(50)]
    assert {g.kind for g in guesses} == {"add", "delete"}
    assert {g.dimension for g in guesses} == {2, 3}
    heat = make_equation(SMALL, "heat", 0)
    names = {n for _ in range(200) for n in heat.guess(rng, 1, 0).term.to_prefix() if isinstance(n, str)}
    assert names == {"mul", "u", "ut", "ux", "uxx", "uxxx", "uxxxx"}
    assert make_equation(SMALL, "random_2d", 0).guess(rng, 1, 0).kind == "add"


def test_riemann_problems_do_not_wrap_around():
    config = TrajectoryConfig(trajectories=4, frames=9, cells=64, initial="shock")
    data = make_equation(config, "inviscid_burgers", 0)
    # The state behind the shock stays at the left end; around a circle a rarefaction would enter.
    np.testing.assert_allclose(data.values[:, :, 0], data.values[:, :1, 0] * np.ones(9), rtol=1e-6)
    with pytest.raises(InvalidInput, match="periodic interval only"):
        make_equation(config, "heat", 0)


# ------------------------------------------------------------ failures
def test_explosions_are_drawn_again_and_counted():
    found = Counter()
    for d in make_equations(TrajectoryConfig(trajectories=10, points=10), "fabrikant", range(8)):
        assert len(d.values) == 10
        assert np.abs(d.values).max() <= 1e5
        found.update(d.rejected)
    assert sum(found.values()) > 0
    assert set(found) <= {"bound", "steps", "not finite", "member"}


def test_a_hopeless_family_ends(monkeypatch):
    hopeless = ODESystem("hopeless", ("a*u_0**2 + 5",), Coefficients({"a": 1.0}), initial=(1.0, 2.0))
    monkeypatch.setattr(making, "ODE_FAMILIES", {"hopeless": hopeless})
    monkeypatch.setattr(making, "FAMILIES", ("hopeless",))
    monkeypatch.setattr(making, "REDRAWS", 3)
    with pytest.raises(SynthesisFailed, match="3 members in a row gave fewer than 3"):
        make_equations(SMALL, "hopeless", [0])


def test_a_member_with_too_few_trajectories_is_drawn_again(monkeypatch):
    # Explodes unless a is negative: half of the members.
    family = ODESystem("half", ("a*u_0**3",), Coefficients(ranges={"a": (-1.0, 1.0)}), initial=(1.0, 2.0))
    monkeypatch.setattr(making, "ODE_FAMILIES", {"half": family})
    monkeypatch.setattr(making, "FAMILIES", ("half",))
    data = make_equations(SMALL, "half", range(30))
    assert all(d.coefficients[0] < 0.05 for d in data)
    assert sum(d.rejected["member"] for d in data) > 10
    assert same(make_equation(SMALL, "half", 17), data[17])


def test_bad_input_is_named():
    with pytest.raises(InvalidInput, match="Did you mean lorenz_3d"):
        make_equation(SMALL, "lorenz3d", 0)
    with pytest.raises(InvalidInput, match="whole numbers >= 0"):
        make_equation(SMALL, "thomas", -1)
    for wrong in ({"trajectories": 0}, {"points": 1}, {"seed": -1}, {"spread": 1.0}, {"cells": 2}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            TrajectoryConfig(**wrong)


# ------------------------------------------------------------ shards
def write(folder, **settings):
    given = {"families": ["rossler", "random_1d", "heat"], "equations": 5, "per_shard": 2} | settings
    return write_shards(folder, SMALL, **given)


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.glob("*.npz")}


def test_shards_hold_what_was_made(tmp_path):
    seen = []
    state = write(tmp_path, progress=seen.append)
    assert (state.done, state.total, state.trajectories) == (9, 9, 45)
    assert [p.done for p in seen] == list(range(1, 10))
    stored = TrajectoryShards(tmp_path)
    assert len(stored) == 15
    assert [(d.family, d.index) for d in stored] == [
        (f, i) for f in ("rossler", "random_1d", "heat") for i in range(5)
    ]
    for d in stored[3:12:2]:
        assert same(d, make_equation(SMALL, d.family, d.index))
        assert np.array_equal(d.observe(0.1), make_equation(SMALL, d.family, d.index).observe(0.1))
    assert same(stored[-1], stored[14])
    assert stored.check() == []
    with pytest.raises(IndexError):
        stored[15]


def test_workers_change_nothing(tmp_path):
    write(tmp_path / "one", families=["thomas", "random_2d"])
    write(tmp_path / "two", families=["thomas", "random_2d"], workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_interrupted_run_is_finished(tmp_path, monkeypatch):
    write(tmp_path / "whole")

    def interrupt(state):
        if state.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "broken", progress=interrupt)
    assert len(contents(tmp_path / "broken")) == 4
    made = []
    original = module._make
    monkeypatch.setattr(module, "_make", lambda r, c, t: made.append(t.name) or original(r, c, t))
    state = write(tmp_path / "broken")
    assert len(made) == 5
    assert (state.done, state.trajectories) == (9, 45)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert write(tmp_path / "broken").done == 9
    assert len(made) == 5  # nothing left to do
    assert not [p for p in (tmp_path / "broken").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "deleted"])
def test_a_broken_shard_is_found_named_and_made_again(tmp_path, damage):
    write(tmp_path)
    whole = contents(tmp_path)
    path = tmp_path / "random_1d-000001.npz"
    content = bytearray(path.read_bytes())
    if damage == "deleted":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[:-10])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    stored = TrajectoryShards(tmp_path)
    assert stored[0].family == "rossler"  # the others can be read
    with pytest.raises(InvalidInput, match=r"random_1d-000001\.npz.*write_shards"):
        stored[7]
    assert len(stored.check()) == 1
    write(tmp_path)
    assert contents(tmp_path) == whole


def test_other_settings_do_not_mix(tmp_path):
    write(tmp_path)
    with pytest.raises(InvalidInput, match="begun with another equations"):
        write(tmp_path, equations=6)
    with pytest.raises(InvalidInput, match="begun with another config"):
        write_shards(tmp_path, TrajectoryConfig(), ["rossler", "random_1d", "heat"], 5, 2)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InvalidInput, match="is not empty"):
        write(tmp_path)
    with pytest.raises(InvalidInput, match=r"no readable manifest\.json"):
        TrajectoryShards(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "does not describe"),
        ('{"format": "other"}', "does not describe"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path, text, message):
    write(tmp_path, families=["thomas"])
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InvalidInput, match=message):
        TrajectoryShards(tmp_path)
    with pytest.raises(InvalidInput, match=message):
        write(tmp_path, families=["thomas"])


def test_a_later_version_is_refused(tmp_path):
    write(tmp_path, families=["thomas"])
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest | {"version": 2}))
    with pytest.raises(InvalidInput, match="version 2, expected 1"):
        TrajectoryShards(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_an_unwritable_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidInput, match="cannot"):
        write(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot make the folder"):
        write(tmp_path / "file")
    with pytest.raises(InvalidInput, match="cannot make the folder"):
        write(tmp_path / "file" / "below")


def test_unknown_or_repeated_families_are_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"different names of FAMILIES, got \['nope'\]"):
        write(tmp_path, families=["thomas", "nope"])
    with pytest.raises(InvalidInput, match="different names"):
        write(tmp_path, families=["thomas", "thomas"])
    with pytest.raises(InvalidInput, match="at least 1"):
        write(tmp_path, equations=0)
    assert len(FAMILIES) == 15 + 21 + 4


def test_no_pickle_is_read(tmp_path):
    """A shard with pickled objects is refused even when the manifest vouches for it."""
    import hashlib
    import io

    write(tmp_path, families=["thomas"])
    buffer = io.BytesIO()
    np.savez(buffer, values=np.array([{"a": 1}], dtype=object))
    content = buffer.getvalue()
    (tmp_path / "thomas-000000.npz").write_bytes(content)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    entry = manifest["shards"]["thomas-000000.npz"]
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match="is no shard of trajectories"):
        TrajectoryShards(tmp_path)[0]
