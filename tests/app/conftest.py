"""Shared by the tests of the program: a tiny data set, a config and a trained run."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import driver  # noqa: E402


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """10 training, 5 validation and 5 test classes; a tenth of the modalities is missing."""
    return driver.make_shards(tmp_path_factory.mktemp("data") / "shards", "--name", "tiny")


@pytest.fixture(scope="session")
def config(shards):
    return driver.write_config(shards.parent / "tiny.yaml", shards)


@pytest.fixture(scope="session")
def trained(config, tmp_path_factory):
    """The folder of a finished run on one rank."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    driver.train(config, folder)
    return folder
