"""CUTTLE_INSTRUCTION_SET: ranks on different processors agree on one, a run tells its own, and P1 holds with each."""

from pathlib import Path

import driver
import pytest

FLAGS = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split()
NEEDS = {"generic": set(), "avx2": {"avx2", "fma"},
         "avx512": {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}}
SETS = [name for name, flags in NEEDS.items() if flags <= set(FLAGS)]
LACKING = [name for name in NEEDS if name not in SETS]


def with_set(name, *words):
    return ["env", f"CUTTLE_INSTRUCTION_SET={name}", *driver.command(*words)]


def train_words(config, folder, *words):
    return "train", config, "--run-dir", folder, "train.validate_every=0", "train.steps=5", *words


def outcome(config, folder, name, ranks):
    """Hash of the parameters and the facts of a short run with this set."""
    driver.run(driver.mpirun(ranks, with_set(name, *train_words(config, folder))))
    told = driver.inspect(folder)
    return told["parameters_sha256"], told["facts"]


def test_every_set_computes_the_same_at_every_world_size(config, tmp_path):
    hashes = {}
    for name in SETS:
        hashes[name], facts = outcome(config, tmp_path / name, name, 1)
        assert facts["kernels"] == name
        assert outcome(config, tmp_path / f"{name}-3", name, 3) == (hashes[name], facts)
    assert len(SETS) == 1 or len(set(hashes.values())) > 1, "another set, and yet the same bits: was it used?"


def test_libtorch_is_held_to_the_set_too(config, tmp_path):
    facts = outcome(config, tmp_path / "run", "generic", 1)[1]
    assert facts["instruction_set"] in ("DEFAULT", "NO AVX")


@pytest.mark.skipif(len(SETS) == 1, reason="this processor has one set")
def test_ranks_with_different_kernels_are_refused(config, tmp_path):
    """LibTorch's set is the same on both."""
    words = ["env", "ATEN_CPU_CAPABILITY=default", *with_set("generic", *train_words(config, tmp_path / "run"))]
    other = [word.replace("SET=generic", f"SET={SETS[-1]}") for word in words]
    refused = driver.run([*driver.mpirun(1, words), ":", "-n", "1", *other], driver.USER_ERROR).stderr
    assert f"kernels (rank 1: '{SETS[-1]}'" in refused and "instruction_set (" not in refused
    assert "set CUTTLE_INSTRUCTION_SET on all hosts" in refused and not (tmp_path / "run/checkpoints").exists()


@pytest.mark.skipif(len(SETS) == 1, reason="this processor has one set")
def test_a_resume_with_another_set_warns(config, tmp_path):
    run = tmp_path / "run"
    driver.run(with_set("generic", *train_words(config, run)))
    same = driver.run(with_set("generic", *train_words(config, run, "train.steps=6", "--resume"))).stderr
    assert "bits may differ" not in same
    other = driver.run(with_set(SETS[-1], *train_words(config, run, "train.steps=7", "--resume"))).stderr
    assert "kernels" in other and "bits may differ" in other


@pytest.mark.parametrize("name", ["avx3", *LACKING])
def test_a_set_that_cannot_be_is_refused(name, config, tmp_path):
    alone = driver.run(with_set(name, *train_words(config, tmp_path / "run")), driver.USER_ERROR).stderr
    assert f"CUTTLE_INSTRUCTION_SET is {name if name in NEEDS else repr(name)}" in alone and "; use " in alone
    many = driver.run(driver.mpirun(2, with_set(name, *train_words(config, tmp_path / "run"))), driver.USER_ERROR)
    assert many.stderr.count("CUTTLE_INSTRUCTION_SET is") == 1 and not (tmp_path / "run").exists()
    told = driver.run(with_set(name, "validate", config), driver.USER_ERROR).stderr
    assert "CUTTLE_INSTRUCTION_SET is" in told
