"""The command line, the launcher, and the synthetic data set."""

import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from cuttle_data import cli, splits, verify
from cuttle_data.converters import converter_names
from cuttle_data.errors import UserError
from cuttle_data.files import shard_paths
from cuttle_data.reader import Shard
from cuttle_data.report import format_table, readable_bytes

LAUNCHER = ROOT / "data_tools/cuttle-data"


def commands():
    return [*converter_names(), *cli.TOOLS]


def test_all_commands_are_listed(run):
    code, out, _ = run("--help")
    assert code == 0 and {"folder", "pack", "make_synthetic", "verify", "floor"} <= set(
        commands())
    assert all(name in out for name in [*commands(), "image_folder"])


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0 and "usage: cuttle-data " + command in out
    if command in converter_names() and command != "pack":
        assert all(option in out for option in ("--out", "--shards", "--seed", "--dry-run",
                                                "--overwrite", "--name", "--sheet"))


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["verify"],
                                       ["make_synthetic", "--out", "x", "--shards", "0"],
                                       ["make_synthetic", "--out", "x", "--colour", "red"]])
def test_wrong_arguments(run, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert code == 2 and "usage:" in err and not list(tmp_path.iterdir())


def test_paths_have_the_home_folder_and_variables(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DRAWN", str(tmp_path / "drawn"))
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run("make_synthetic", "--out", "~/drawn", "--shards", "1")[0] == 0
    for path in ("$DRAWN", "${DRAWN}", "~/drawn"):
        assert run("verify", path)[0] == 0
    code, _, err = run("verify", "$NOWHERE/drawn")
    assert code == 2 and "the variable NOWHERE is not set" in err
    code, _, err = run("make_synthetic", "--out", "${NOWHERE}/x")
    assert code == 2 and "the variable NOWHERE is not set" in err
    (tmp_path / "drawn").rename(tmp_path / "$NOWHERE")  # as it is written
    assert run("verify", "$NOWHERE")[0] == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["$NOWHERE"]


def test_a_defect_is_one_line(run, monkeypatch, tmp_path):
    monkeypatch.setattr(verify, "run", lambda *_: 1 / 0)
    code, _, err = run("verify", tmp_path)
    assert code == 1 and "internal error: ZeroDivisionError" in err and err.count("\n") == 1


def test_the_launcher_works_from_anywhere_and_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(LAUNCHER)
    for program in (LAUNCHER, tmp_path / "link"):
        result = subprocess.run([program, "make_synthetic", "--out", "here", "--dry-run"],
                                cwd=tmp_path,
                                capture_output=True,
                                text=True)
        assert (result.returncode, result.stderr) == (0, "")
        assert "would write 4 shards to here" in result.stdout
    assert subprocess.run([LAUNCHER, "verify", "none"], cwd=tmp_path,
                          capture_output=True).returncode == 2


def test_no_bar_and_no_control_characters_without_a_terminal(tmp_path):
    result = subprocess.run([LAUNCHER, "make_synthetic", "--out", tmp_path / "x"],
                            capture_output=True)
    assert result.stderr == b"" and b"\r" not in result.stdout and b"\x1b" not in result.stdout


def test_missing_libraries_are_named(tmp_path):
    (tmp_path / "h5py.py").write_text("raise ModuleNotFoundError('x', name='h5py')")
    result = subprocess.run([sys.executable, "-m", "cuttle_data", "--help"],
                            capture_output=True,
                            text=True,
                            env={"PYTHONPATH": f"{tmp_path}:{ROOT / 'data_tools'}"})
    assert result.returncode != 0 and "lacks h5py" in result.stderr
    assert "Traceback" not in result.stderr


def synthetic(run, out, *options):
    code, text, err = run("make_synthetic", "--out", out, *options)
    assert (code, err) == (0, "")
    return shard_paths([out])


def test_synthetic_is_deterministic_and_complete(run, tmp_path):
    first, second = (synthetic(run, tmp_path / name, "--shards", "2") for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    other = synthetic(run, tmp_path / "c", "--shards", "2", "--seed", "1")
    assert first[0].read_bytes() != other[0].read_bytes()
    assert run("verify", tmp_path / "a")[0] == 0
    with Shard(first[0]) as a, Shard(first[1]) as b:
        assert [m.kind for m in a.modalities] == ["image", "text", "audio", "series", "vector"]
        assert set(a.class_names) == set(
            b.class_names) and len(a.class_names) == 20  # classes span shards
        assert np.bincount(a.sample_split).tolist() == [40, 20, 20]


def test_synthetic_missing_rate(run, tmp_path):
    path = synthetic(run, tmp_path / "a", "--shards", "1", "--missing", "0.3", "--classes", "50")[0]
    with Shard(path) as shard:
        present = np.array([rows >= 0 for rows in shard.rows.values()])
        assert present.any(axis=0).all()
        assert 1 - present.mean() == pytest.approx(0.3, abs=0.03)
    path = synthetic(run, tmp_path / "b", "--shards", "1", "--missing", "0")[0]
    with Shard(path) as shard:
        assert all((rows >= 0).all() for rows in shard.rows.values())


def test_synthetic_can_be_learned_and_is_not_trivial(run, tmp_path):
    import json
    synthetic(run, tmp_path, "--classes", "30")
    found = json.loads(run("floor", tmp_path, "--episodes", "100", "--groups-apart",
                           "--json")[1])["results"]
    assert all(result["accuracy"] > 0.3 for result in found.values())
    assert found["text"]["accuracy"] < 0.9 and found["vector"]["accuracy"] < 0.9


def test_synthetic_refusals(run, tmp_path):
    for option, value in (("--classes", "0"), ("--samples-per-class", "1"), ("--missing", "1"),
                          ("--seed", "-1")):
        assert run("make_synthetic", "--out", tmp_path / "x", option, value)[0] == 2


def test_splits():
    names = [f"c{i}" for i in range(100)]
    split_of = splits.split_classes(names, (0.64, 0.16, 0.2), 0)
    counts = {
        split: list(split_of.values()).count(split)
        for split in ("train", "validation", "test")
    }
    assert counts == {"train": 64, "validation": 16, "test": 20}
    assert split_of == splits.split_classes(names[::-1], (0.64, 0.16, 0.2), 0)
    assert split_of != splits.split_classes(names, (0.64, 0.16, 0.2), 1)
    assert set(splits.split_classes(names, (0, 0, 1), 0).values()) == {"test"}
    for text in ("1", "a,b,c", "0.5,0.5,0.5", "1.5,-0.5,0"):
        with pytest.raises(UserError):
            splits.parse_fractions(text)


def test_tables_and_sizes():
    assert format_table(["a", "b"],
                        [["long", 1], ["x", 22]]) == ["  a      b", "  long   1", "  x     22"]
    assert [readable_bytes(n)
            for n in (5, 2048, 3 * 2**20, 5 * 2**30)] == ["5 B", "2.0 KiB", "3.0 MiB", "5.0 GiB"]
