"""Several hosts for real: network namespaces with addresses and names of their own, mpirun between them over TCP."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "launch/lib"), str(ROOT / "tests/app")]

import delayed_link  # noqa: E402
import driver  # noqa: E402
from interruption import outcome  # noqa: E402

STEPS = ("train.steps=60", "train.checkpoint_every=5", "train.validate_every=20", "train.validation_episodes=6",
         "comm.deadline_s=6")
BOUND_S = 60
# mpirun asks a silent host's daemon whether it is there after so many seconds (300 by default, 20 in Slurm jobs). It
# must ask before the ranks give up: their end is a message that waits for an answer too.
ASKS_SOON = {"OMPI_MCA_oob_tcp_keepalive_time": "2", "OMPI_MCA_oob_tcp_keepalive_intvl": "1",
             "OMPI_MCA_oob_tcp_keepalive_probes": "2"}

pytestmark = pytest.mark.skipif(bool(delayed_link.obstacle()), reason=f"no hosts here: {delayed_link.obstacle()}")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return driver.write_config(folder / "tiny.yaml", driver.make_shards(folder / "shards"))


@pytest.fixture(scope="module")
def gold(config, tmp_path_factory):
    run = tmp_path_factory.mktemp("gold") / "run"
    driver.train(config, run, *STEPS)
    return outcome(run)


@pytest.fixture
def link(request):
    with delayed_link.DelayedLink(0.001, ends=getattr(request, "param", 2)) as made:
        yield made


three_hosts = pytest.mark.parametrize("link", [3], indirect=True, ids=["three_hosts"])


def everywhere(link):
    """Ids of the processes of all hosts."""
    return [pid for end in range(len(link.names)) for pid in link.processes(end)]


class Training:
    """A run with `ranks` ranks on each host, in the background."""

    def __init__(self, link, config, run, log, ranks=1, environment=()):
        self.link, self.run, self.log = link, run, log
        words = link.mpirun(driver.command("train", config, *STEPS, "--run-dir", run, "--resume"), ranks)
        environment = {**driver.ENVIRONMENT, **dict(environment)}
        with open(log, "ab") as out:
            self.process = subprocess.Popen(words, env=environment, stdout=out, stderr=out)

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_steps(self, count):
        end = time.monotonic() + BOUND_S
        while not (self.run / "metrics.jsonl").exists() or len(driver.metrics(self.run)) < count:
            assert self.process.poll() is None and time.monotonic() < end, self.text()
            time.sleep(0.01)

    def end(self, seconds=BOUND_S):
        """(exit code, seconds until all processes of all hosts are gone)."""
        start = time.monotonic()
        code = self.process.wait(seconds)
        while processes := everywhere(self.link):
            assert time.monotonic() - start < seconds, processes
            time.sleep(0.05)
        return code, time.monotonic() - start


@pytest.mark.parametrize("link, ranks", [(2, 2), (3, 1)], indirect=["link"], ids=["two_hosts", "three_hosts"])
def test_several_hosts_give_the_bits_of_one(link, ranks, config, gold, tmp_path):
    training = Training(link, config, tmp_path / "run", tmp_path / "log", ranks)
    assert training.end()[0] == driver.DONE, training.text()
    assert outcome(tmp_path / "run") == gold
    assert driver.inspect(tmp_path / "run")["world_sizes"] == [ranks * len(link.names)]
    # The log says where ranks are.
    assert all(f"{name} ({ranks} rank{'s' if ranks > 1 else ''})" in training.text() for name in link.names)


def recovers(link, config, gold, tmp_path):
    again = Training(link, config, tmp_path / "run", tmp_path / "log2")
    assert again.end()[0] == driver.DONE, again.text()
    assert outcome(tmp_path / "run") == gold and not driver.leftovers(tmp_path / "run")


def test_a_host_that_is_cut_off_ends_the_job_on_all_sides(link, config, gold, tmp_path):
    training = Training(link, config, tmp_path / "run", tmp_path / "log", environment=ASKS_SOON)
    training.wait_for_steps(8)
    link.cut.add(len(link.names) - 1)
    code, seconds = training.end()
    said = training.text()
    assert code != driver.DONE and seconds < 20, said
    assert "lost communication with a remote daemon" in said and delayed_link.ADDRESSES[1] in said, said
    link.cut.clear()
    recovers(link, config, gold, tmp_path)


def cuttles(link):
    found = []
    for pid in everywhere(link):
        try:
            found += [pid] if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "cuttle\n" else []
        except OSError:
            pass  # gone meanwhile
    return found


@three_hosts
def test_a_host_that_is_cut_off_is_named_and_all_ranks_leave_by_themselves(link, config, gold, tmp_path):
    """Where mpirun asks late. It then waits for that host's daemon, though no rank is left."""
    training = Training(link, config, tmp_path / "run", tmp_path / "log")
    training.wait_for_steps(8)
    link.cut.add(len(link.names) - 1)
    start = time.monotonic()
    while cuttles(link):
        assert time.monotonic() - start < 25, training.text()  # 6, then half of it to ask who is there
        time.sleep(0.1)
    said = training.text()
    # The first to give up may end the other before it has said so too.
    lines = [line for line in said.splitlines() if "rank 2 did not arrive at collective" in line]
    who = tuple(f"[rank {rank} on {link.names[rank]}, step " for rank in (0, 1))
    assert lines, said
    assert all(any(word in line for word in who) and f"rank 2: on {link.names[2]}, " in line for line in lines), said
    for end in range(len(link.names)):
        link.kill(end)
    training.end()
    link.cut.clear()
    recovers(link, config, gold, tmp_path)


def test_a_host_that_dies(link, config, gold, tmp_path):
    training = Training(link, config, tmp_path / "run", tmp_path / "log")
    training.wait_for_steps(8)
    link.kill(1)
    code, seconds = training.end()
    assert code != driver.DONE and seconds < 30, training.text()
    recovers(link, config, gold, tmp_path)
