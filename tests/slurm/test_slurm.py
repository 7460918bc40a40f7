"""The scripts of launch/ in a real Slurm: whatever happens to a job, the run ends with the bits of one that nothing
happened to.

How often a job began its run is read off the run, not off Slurm: with two nodes on one host Open MPI itself now and
then crashes before the program's first line, and the job starts once more, as it should."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import driver
import pytest
from conftest import Job

SHORT = ("train.steps=40", "train.checkpoint_every=5", "train.validate_every=0")
MEDIUM = ("train.steps=160", "train.checkpoint_every=5", "train.validate_every=0")
SINGLE, MULTI, SWEEP = (f"slurm_{name}.sbatch" for name in ("single_node", "multi_node", "array_sweep"))


def hash_of(run):
    return driver.inspect(run)["parameters_sha256"]


def gold(config, folder, words):
    driver.train(config, folder, *words, ranks=2)
    return hash_of(folder)


@pytest.fixture(scope="module")
def short_gold(slurm, config, tmp_path_factory):
    return gold(config, tmp_path_factory.mktemp("gold") / "run", SHORT)


@pytest.fixture(scope="module")
def medium_gold(slurm, config, tmp_path_factory):
    return gold(config, tmp_path_factory.mktemp("gold") / "run", MEDIUM)


@pytest.mark.parametrize("script, nodes, launcher", [(SINGLE, 1, "srun"), (SINGLE, 1, "mpirun"), (MULTI, 2, "srun"),
                                                     (MULTI, 2, "mpirun")])
def test_submit_and_finish(slurm, config, short_gold, tmp_path, script, nodes, launcher):
    run = tmp_path / "run"
    job = Job(slurm, script, [f"--nodes={nodes}"], [config, run, *SHORT], tmp_path / "log", LAUNCHER=launcher)
    said = job.wait("COMPLETED", "FAILED", "CANCELLED")
    assert job.told("JobState") == "COMPLETED" and job.told("ExitCode") == "0:0", said
    assert f"[job {job.number}] " in said and f"on n{'0' if nodes == 1 else '[0-1]'}: {2 * nodes} ranks" in said
    assert hash_of(run) == short_gold and driver.inspect(run)["world_sizes"] == [2 * nodes]
    assert driver.inspect(run)["last_sign_of_life"]["slurm_job"] == job.number


def asked_to_stop(process):
    """Whether SIGTERM waits for a process that is stopped."""
    pending = re.search(r"^ShdPnd:\s*(\w+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE).group(1)
    return int(pending, 16) >> signal.SIGTERM - 1 & 1


def test_a_job_whose_time_is_nearly_over_stops_and_goes_on(slurm, config, medium_gold, tmp_path):
    """Slurm looks at the clock every 30 s only and sends the signal up to 30 s early (not so early here that the job
    has not begun), so the ranks hold still until it comes: no run would last just as long on every machine."""
    run = tmp_path / "run"
    job = Job(slurm, SINGLE, ["--nodes=1", "--time=1", "--signal=B:USR1@20"], [config, run, *MEDIUM], tmp_path / "log")
    job.wait_for_checkpoint(run)
    ranks = driver.ranks_of(run)
    for rank in ranks:
        os.kill(rank, signal.SIGSTOP)
    slurm.wait_until(lambda: all(asked_to_stop(rank) for rank in ranks), 60, f"no signal\n{job.text()}")
    for rank in ranks:
        os.kill(rank, signal.SIGCONT)
    said = job.wait("COMPLETED", "FAILED", "TIMEOUT", seconds=120)
    assert job.told("JobState") == "COMPLETED" and int(job.told("Restarts")) >= 1, said
    assert "since the job's time is nearly over" in said and "stopped as asked, checkpoint written" in said
    told = driver.inspect(run)
    assert told["complete"] and told["world_sizes"] == [2] * (said.count("the job's time is nearly over") + 1)
    assert told["parameters_sha256"] == medium_gold


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_the_same_when_slurm_sends_the_signal_at_once(slurm, config, medium_gold, tmp_path, launcher):
    """On two nodes; all ranks stop after the same step, or the checkpoint of one would not be that of all."""
    run = tmp_path / "run"
    job = Job(slurm, MULTI, ["--nodes=2"], [config, run, *MEDIUM], tmp_path / "log", LAUNCHER=launcher)
    job.wait_for_checkpoint(run)
    slurm.ask("scancel", "--batch", "--signal=USR1", job.number)
    said = job.wait("COMPLETED", "FAILED", seconds=90)
    assert job.told("JobState") == "COMPLETED" and "resuming from" in said, said
    assert said.count("the job's time is nearly over") == 1 and "stopped as asked, checkpoint written" in said, said
    assert hash_of(run) == medium_gold and driver.inspect(run)["world_sizes"] == [4, 4]


def test_a_job_that_is_requeued_in_mid_run(slurm, config, medium_gold, tmp_path):
    run = tmp_path / "run"
    job = Job(slurm, SINGLE, ["--nodes=1"], [config, run, *MEDIUM], tmp_path / "log")
    job.wait_for_checkpoint(run)
    slurm.ask("scontrol", "requeue", job.number)
    said = job.wait("COMPLETED", "FAILED", seconds=90)
    assert job.told("JobState") == "COMPLETED" and int(job.told("Restarts")) >= 1, said
    assert hash_of(run) == medium_gold and driver.inspect(run)["restarts"] == 1


def test_a_cancelled_job_leaves_a_checkpoint_and_no_process(slurm, config, medium_gold, tmp_path):
    run = tmp_path / "run"
    words = [config, run, *MEDIUM, "train.checkpoint_every=100"]
    job = Job(slurm, SINGLE, ["--nodes=1"], words, tmp_path / "log")
    records = run / "metrics.jsonl"
    slurm.wait_until(lambda: records.exists() and records.stat().st_size > 500, 60, "no steps")
    slurm.ask("scancel", job.number)
    said = job.wait("CANCELLED")
    slurm.wait_until(lambda: not driver.ranks_of(run), 20, "ranks stay")
    told = driver.inspect(run)
    assert told["state"] == "stopped" and 0 < told["step"] < 100 and "back into the queue" not in said, said
    again = Job(slurm, SINGLE, ["--nodes=1"], words, tmp_path / "log2")
    again.wait("COMPLETED", "FAILED", seconds=90)
    assert hash_of(run) == medium_gold


@pytest.mark.parametrize("number, times", [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_srun_without_a_script_is_asked(slurm, config, medium_gold, tmp_path, number, times):
    """Without the scripts srun ends the ranks its own way: with SIGKILL where it is asked to terminate, and with the
    signal that its user sent where Ctrl-C comes twice. No process stays, and no step is lost for good."""
    run, log = tmp_path / "run", tmp_path / "log"
    words = ["srun", "--mpi=pmix", "--nodes=1", "--ntasks=2", "--overcommit",
             *driver.command("train", config, *MEDIUM, "--run-dir", run, "--resume")]
    with open(log, "wb") as out:
        srun = subprocess.Popen(words, env={**slurm.environment, **driver.ENVIRONMENT}, stdout=out, stderr=out)
    slurm.wait_until(lambda: list((run / "checkpoints").glob("step-*")), 60, f"no checkpoint\n{log.read_text()}")
    for _ in range(times):
        srun.send_signal(number)
        time.sleep(0.2)
    assert srun.wait(60) != driver.DONE, log.read_text()
    slurm.wait_until(lambda: not driver.ranks_of(run), 20, "ranks stay")
    driver.train(config, run, *MEDIUM, "--resume", "--take-over")
    assert hash_of(run) == medium_gold and not driver.leftovers(run)


def test_a_killed_rank_ends_the_step_and_the_job_goes_on(slurm, config, medium_gold, tmp_path):
    run = tmp_path / "run"
    job = Job(slurm, MULTI, ["--nodes=2"], [config, run, *MEDIUM], tmp_path / "log")
    job.wait_for_checkpoint(run)
    os.kill(driver.ranks_of(run)[-1], signal.SIGKILL)
    said = job.wait("COMPLETED", "FAILED", seconds=90)
    assert job.told("JobState") == "COMPLETED" and "a rank was killed" in said, said
    assert hash_of(run) == medium_gold and driver.inspect(run)["world_sizes"] == [4, 4]


def test_mistakes_end_the_job_for_good(slurm, config, tmp_path):
    job = Job(slurm, SINGLE, ["--nodes=1"], [config, tmp_path / "run", "adapt.iner_lr=1"], tmp_path / "log")
    said = job.wait("COMPLETED", "FAILED")
    assert job.told("ExitCode") == "2:0" and job.told("Restarts") == "0" and "adapt.inner_lr" in said, said
    job = Job(slurm, SINGLE, ["--nodes=1"], [config], tmp_path / "log2")
    assert "no config and run folder" in job.wait("COMPLETED", "FAILED") and job.told("ExitCode") == "2:0"


def test_a_sweep_is_collected_into_one_table(slurm, config, short_gold, tmp_path):
    sweep = tmp_path / "sweep.txt"
    lines = [" ".join(SHORT), " ".join((*SHORT, "seed=2")), " ".join((*SHORT, "seed=2", "adapt.inner_lr=0.3"))]
    sweep.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["--array=1-4%2", "--nodes=1"]
    job = Job(slurm, SWEEP, words, [config, sweep, tmp_path / "runs"], tmp_path / "log")
    slurm.wait_until(lambda: not slurm.ask("squeue", "-h", "-j", job.number, check=False), 120, "the sweep goes on")
    assert hash_of(tmp_path / "runs/1") == short_gold
    assert len({hash_of(tmp_path / f"runs/{line}") for line in (1, 2, 3)}) == 3
    assert job.told("ExitCode", f"{job.number}_4") == "2:0"  # the sweep has no such line
    collect = [driver.ROOT / "launch/collect_sweep.py", tmp_path / "runs", "--program", driver.PROGRAM]
    table = subprocess.run(collect, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(table) == 4 and all(word in table[0] for word in ("run", "seed", "adapt.inner_lr", "state", "step"))
    assert table[3].split()[:4] == ["3", "done", "40", "0.3"] and "train.steps" not in table[0]
