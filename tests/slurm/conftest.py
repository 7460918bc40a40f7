"""One cluster for all tests of the session, a tiny data set, and how a job is submitted and looked at."""

import re
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "app")]

import cluster  # noqa: E402
import driver  # noqa: E402


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    if cluster.obstacle():
        pytest.skip(f"no Slurm here: {cluster.obstacle()}")
    folder = tmp_path_factory.mktemp("slurm")
    folder.parent.chmod(0o755)
    with cluster.Cluster(folder) as running:
        yield running


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return driver.write_config(folder / "tiny.yaml", driver.make_shards(folder / "shards"))


class Job:
    """One of launch/*.sbatch in the queue; its output is LOG."""

    def __init__(self, slurm, script, options, arguments, log, **environment):
        self.slurm, self.log = slurm, log
        exported = ",".join(["ALL", f"CUTTLE_ROOT={driver.ROOT}", "OVERCOMMIT=yes",
                             *(f"{key}={value}" for key, value in environment.items())])
        words = ["sbatch", "--parsable", f"--export={exported}", "--ntasks-per-node=2", f"--output={log}", *options,
                 driver.ROOT / "launch" / script, *arguments]
        self.number = slurm.ask(*words)

    def told(self, key, number=None):
        """One entry of what Slurm knows of the job, as JobState, ExitCode or Restarts."""
        text = self.slurm.ask("scontrol", "show", "job", number or self.number)
        return re.search(rf"\b{key}=(\S*)", text).group(1)

    def wait(self, *states, seconds=60):
        """Until it is in one of the states; its output so far."""
        self.slurm.wait_until(lambda: self.told("JobState") in states, seconds,
                              f"not {' or '.join(states)} but {self.told('JobState')}\n{self.text()}")
        return self.text()

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def wait_for_checkpoint(self, run, seconds=60):
        self.slurm.wait_until(lambda: list((run / "checkpoints").glob("step-*")), seconds,
                              f"no checkpoint\n{self.text()}")
