"""Bad input (P7): one clear message that names file and rank, the right exit code, no hang, nothing half-written."""

import shutil
import subprocess

import driver
import h5py
import numpy as np
import pytest
from driver import FAILURE, USER_ERROR, cuttle, train

TIMEOUT_S = 60  # a hang would take as long as comm.deadline_s


def refused(result, *words):
    """The one line (of one rank) that says all of this."""
    lines = [line for line in result.stderr.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1 and result.stderr.count(" error: ") <= 1, f"{words}\n{result.stderr}"
    return lines[0]


@pytest.fixture
def copies(shards, tmp_path):
    """(config, shard): a config for copies of the shards, one of which may be damaged."""
    shutil.copytree(shards, tmp_path / "shards")
    shard = sorted((tmp_path / "shards").glob("*.h5"))[1]
    return driver.write_config(tmp_path / "config.yaml", tmp_path / "shards"), shard


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_truncated_shard(ranks, copies, tmp_path):
    config, shard = copies
    shard.write_bytes(shard.read_bytes()[:shard.stat().st_size // 2])
    result = train(config, tmp_path / "run", ranks=ranks, code=USER_ERROR, timeout=TIMEOUT_S)
    refused(result, shard.name, *(["ranks 0, 1"] if ranks else []))
    assert not (tmp_path / "run").exists()


def test_a_shard_of_another_version(copies, tmp_path):
    config, shard = copies
    with h5py.File(shard, "r+") as file:
        file.attrs["version"] = np.int64(2)
    refused(train(config, tmp_path / "run", ranks=2, code=USER_ERROR, timeout=TIMEOUT_S), shard.name, "version 2")
    refused(cuttle("inspect", shard, code=USER_ERROR), shard.name, "version 2")


def test_flipped_bits_in_the_data(copies, tmp_path):
    config, shard = copies
    with h5py.File(shard, "r+") as file:
        file["modalities/image/data"][:, 3, 3, 1] ^= 16
    said = refused(train(config, tmp_path / "run", ranks=2, code=USER_ERROR, timeout=TIMEOUT_S), shard.name, "image")
    assert "rank 1" in said and "sample" in said and not driver.leftovers(tmp_path / "run")


def test_a_gpu_where_there_is_none(config, tmp_path):
    if shutil.which("nvidia-smi"):
        pytest.skip("there may be one")
    result = train(config, tmp_path / "run", "device=cuda", ranks=2, code=USER_ERROR, timeout=TIMEOUT_S)
    refused(result, "device: cuda", "no GPU can be used here", "set device: cpu")
    assert not (tmp_path / "run").exists()


def test_a_typo_in_the_config(config, tmp_path):
    result = train(config, tmp_path / "run", "adapt.iner_lr=1", ranks=3, code=USER_ERROR, timeout=TIMEOUT_S)
    refused(result, "adapt.iner_lr", "adapt.inner_lr")
    assert not (tmp_path / "run").exists()
    refused(train(tmp_path / "none.yaml", tmp_path / "run", ranks=2, code=USER_ERROR), "none.yaml")


def test_a_checkpoint_of_another_model(config, trained, tmp_path):
    words = [f"train.init_from={trained}", "model.encoders.image.width=4", "--strict-init"]
    result = train(config, tmp_path / "run", *words, ranks=2, code=USER_ERROR, timeout=TIMEOUT_S)
    refused(result, "encoder.image.0.conv.weight [8, 3, 3, 3] there, [4, 3, 3, 3] here", str(trained), "--strict-init")
    # The folder can be used once the mistake is mended.
    train(config, tmp_path / "run", words[0], "train.steps=1")
    gone = train(config, tmp_path / "run2", f"train.init_from={tmp_path / 'gone'}", code=USER_ERROR)
    refused(gone, str(tmp_path / "gone"))


def test_a_split_without_classes(config, trained, tmp_path):
    poor = driver.make_shards(tmp_path / "poor", "--classes", "6", "--splits", "1,0,0")
    config = driver.write_config(tmp_path / "config.yaml", poor)
    refused(train(config, tmp_path / "run", ranks=2, code=USER_ERROR, timeout=TIMEOUT_S), "validation")
    train(config, tmp_path / "run", "train.validate_every=0", "train.steps=1")
    refused(cuttle("eval", trained, f"data.shards=[{poor}/*.h5]", ranks=2, code=USER_ERROR), "test")


def test_more_way_than_classes(config, tmp_path):
    result = train(config, tmp_path / "run", "episode.way=11", "train.validate_every=0", ranks=2, code=USER_ERROR,
                   timeout=TIMEOUT_S)
    refused(result, "need 11", "has 10 classes")  # not bare numbers, which a time of day may hold
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_cannot_be_made(config, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = train(config, tmp_path / "file/run", ranks=2, code=USER_ERROR, timeout=TIMEOUT_S)
    refused(result, "Not a directory", str(tmp_path / "file/run"), "rank 0")


def test_a_full_disk(config, tmp_path):
    """On a file system of its own with room for one checkpoint."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = driver.command("train", config, "--run-dir", disk / "run", "train.checkpoint_every=1", ranks=2)
    run = " ".join(driver.bounded(words, TIMEOUT_S))
    look = f"cd {disk}/run && find . | sort && {' '.join(driver.command('inspect', '.'))}"
    script = f"mount -t tmpfs -o size=420k tmpfs {disk} || exit 77; {run}; code=$?; {look}; exit $code"
    result = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], text=True,
                            env=driver.ENVIRONMENT, capture_output=True, check=False)
    if result.returncode == 77 or "unshare" in result.stderr:
        pytest.skip("this system lets nobody mount a small disk")
    assert result.returncode == FAILURE, result.stderr
    refused(result, "No space left on device", "rank 0", "disk/run/checkpoints")
    files = [line for line in result.stdout.splitlines() if line.startswith("./")]
    assert "./checkpoints/step-00000001/manifest.json" in files and not any(".tmp" in name for name in files)
    assert "parameters_sha256" in result.stdout  # what was there before can still be read


def test_one_rank_with_another_config(config, shards, tmp_path):
    other = driver.write_config(tmp_path / "other.yaml", shards, driver.CONFIG.replace("lr: 0.1", "lr: 0.2"))
    run = ["--run-dir", tmp_path / "run"]
    words = driver.mpirun(2, driver.command("train", config, *run))
    words += [":", "-n", "1", *driver.command("train", other, *run)]
    refused(driver.run(words, USER_ERROR, TIMEOUT_S), "adapt.inner_lr", "rank 2", "0.1", "0.2")
    assert not (tmp_path / "run").exists()


def test_one_rank_with_a_broken_config(config, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("adapt: [", encoding="utf-8")
    words = driver.mpirun(1, driver.command("train", config)) + [":", "-n", "1", *driver.command("train", broken)]
    refused(driver.run(words, USER_ERROR, TIMEOUT_S), "broken.yaml", "rank 1")


def test_a_corrupt_newest_checkpoint_is_named_and_passed_over(config, trained, tmp_path):
    run = tmp_path / "run"
    words = ["train.checkpoint_every=5"]
    train(config, run, *words)
    file = run / "checkpoints/step-00000020/parameters.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    assert driver.inspect(run)["step"] == 15
    assert "step-00000020" in driver.inspect(run)["refused_checkpoints"][0]
    refused(cuttle("eval", run, "--last", "--episodes", "2"), "step-00000020")
    result = train(config, run, *words, "--resume", ranks=2)
    assert "not used" in refused(result, "step-00000020") and refused(result, "resuming from", "step 15")
    assert driver.inspect(run)["parameters_sha256"] == driver.inspect(trained)["parameters_sha256"]
    assert (run / "metrics.jsonl").read_bytes() == (trained / "metrics.jsonl").read_bytes()


def test_a_run_folder_in_use(config, tmp_path):
    run = tmp_path / "run"
    words = driver.command("train", config, "--run-dir", run, "train.steps=1000000", "train.validate_every=0")
    with subprocess.Popen(words, env=driver.ENVIRONMENT, stderr=subprocess.DEVNULL) as first:
        try:
            while not (run / "metrics.jsonl").exists():
                assert first.poll() is None
            result = train(config, run, "--resume", ranks=2, code=USER_ERROR, timeout=TIMEOUT_S)
            refused(result, str(first.pid), str(run))
            assert first.poll() is None
        finally:
            first.terminate()
            assert first.wait(TIMEOUT_S) == driver.STOPPED_EARLY


def test_a_folder_that_holds_a_run_is_not_overwritten(config, trained):
    before = (trained / "metrics.jsonl").read_bytes()
    refused(train(config, trained, "seed=2", code=USER_ERROR), "--resume", str(trained))
    assert (trained / "metrics.jsonl").read_bytes() == before
    refused(train(config, trained, "--resume", "seed=2", ranks=2, code=USER_ERROR), "seed: was 1, is 2")
    assert (trained / "metrics.jsonl").read_bytes() == before
    assert "seed: 1\n" in (trained / "config.yaml").read_text(encoding="utf-8")
    refused(cuttle("train", config, "--resume", code=USER_ERROR), "--run-dir")


def test_a_resumed_run_may_change_what_has_no_part_in_its_bits(config, copies, tmp_path):
    run, moved = tmp_path / "run", copies[0]
    train(config, run)
    train(moved, run, "train.steps=24", "data.in_memory=true", "train.keep_checkpoints=1", "--resume", ranks=2)
    told = driver.inspect(run)
    assert told["step"] == 24 and told["world_sizes"] == [1, 2]
    train(config, tmp_path / "gold", "train.steps=24", "train.validate_every=0")
    assert told["parameters_sha256"] == driver.inspect(tmp_path / "gold")["parameters_sha256"]


def test_a_resumed_run_needs_the_same_data(config, tmp_path):
    train(config, tmp_path / "run", "train.steps=1")
    other = driver.make_shards(tmp_path / "other", "--seed", "5")
    result = train(config, tmp_path / "run", f"data.shards=[{other}/*.h5]", "--resume", code=USER_ERROR)
    refused(result, "fingerprint", str(tmp_path / "run"))
    refused(cuttle("inspect", tmp_path / "nothing", code=USER_ERROR), str(tmp_path / "nothing"))


def test_an_inner_loop_that_blows_up(config, tmp_path):
    result = train(config, tmp_path / "run", "adapt.inner_lr=1.0e+30", ranks=2, code=FAILURE, timeout=TIMEOUT_S)
    said = refused(result, "not finite")
    assert "rank 0" in said and "slot 0" in said and not driver.leftovers(tmp_path / "run")
