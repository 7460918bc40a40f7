"""Shared by the tests of encoders with weights: sources of them, what they compute written once more, the encoders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "data_tools"), str(ROOT / "tests/data_tools")]

from cuttle_data import cli  # noqa: E402

PEER = Path(os.environ.get("CUTTLE_BINARY_DIR", ROOT / "build/release")) / "tests/pretrained_peer"


@pytest.fixture
def weights(tmp_path):
    """weights(SOURCE, ...) -> the file that cuttle-data weights makes of it."""
    def call(*source):
        out = tmp_path / "weights.safetensors"
        assert cli.main(["weights", *map(str, source), "--out", str(out), "--overwrite"]) == 0
        return out

    return call


@pytest.fixture
def encode(tmp_path):
    """encode(TYPE, weights file, {name: samples}) -> {name: features, name.input: what was prepared}."""
    def call(kind, weights, samples, *words):
        save_file(samples, tmp_path / "in.safetensors")
        subprocess.run([PEER, kind, weights, tmp_path / "in.safetensors", tmp_path / "out.safetensors", *words],
                       check=True)
        return load_file(tmp_path / "out.safetensors")

    return call


@pytest.fixture
def refusal(tmp_path):
    """refusal(TYPE, weights file, sample) -> what is said."""
    def call(kind, weights, sample):
        save_file({"0": sample}, tmp_path / "in.safetensors")
        done = subprocess.run([PEER, kind, weights, tmp_path / "in.safetensors", tmp_path / "out.safetensors"],
                              check=False, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        return done.stderr

    return call
