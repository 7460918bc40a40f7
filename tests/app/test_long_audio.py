"""Steady spectra are learned: 150 steps give what raw features do or more, however the sound goes on in time."""

import json
import subprocess

import driver
import harmonics
import pytest

CONFIG = """
name: harmonics
data: {shards: [SHARD], in_memory: true}
episode: {way: 5, shot: 1, query: 5, meta_batch_size: 8}
model: {encoders: {audio: {type: mel_conv, width: 32, depth: 2}}}
adapt: ADAPT
step: {outer_lr: 3.0e-3}
train: {steps: 150, validate_every: 0, checkpoint_every: 150}
evaluation: {episodes: 600}
"""
# The last step's parameters: validation is at its ceiling long before, so the best step would be one by chance.
LEARNERS = {"protonet": "{algorithm: protonet}", "maml": "{algorithm: maml, inner_steps: 5, inner_lr: 0.1}"}
FLOOR = ("--way", "5", "--shot", "1", "--query", "5", "--episodes", "600", "--json")


def floor(shard):
    told = subprocess.run([driver.ROOT / "data_tools/cuttle-data", "floor", shard, *FLOOR], env=driver.ENVIRONMENT,
                          check=True, capture_output=True, text=True).stdout
    return json.loads(told)["results"]["audio"]["accuracy"]


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("kind", harmonics.KINDS)
def test_the_raw_floor_is_reached(kind, learner, tmp_path):
    shard = harmonics.make(tmp_path / "sounds.h5", kind, 20)
    config = driver.write_config(tmp_path / "config.yaml", "", CONFIG.replace("SHARD", str(shard)).replace(
        "ADAPT", LEARNERS[learner]))
    driver.train(config, tmp_path / "run")
    told = driver.cuttle_json("eval", tmp_path / "run")
    assert told["accuracy"] + told["ci95"] >= floor(shard), told
