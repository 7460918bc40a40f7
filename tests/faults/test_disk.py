"""Every call by which a checkpoint changes the disk: killed there, or refused there, a resume gives the bits of the run
that nothing happened to."""

from concurrent.futures import ThreadPoolExecutor

import driver
import pytest
from conftest import attempt, interposed, recovers, train

FIRST, LAST = 2, 4  # the checkpoint after step 4 replaces that after step 2, which is removed then


@pytest.fixture(name="calls", scope="module")
def calls_of_a_checkpoint(config, tmp_path_factory):
    """[(number, function, path below the checkpoints)] of the checkpoint after step LAST."""
    run, log = tmp_path_factory.mktemp("counted") / "run", tmp_path_factory.mktemp("log") / "calls"
    train(config, run, environment=interposed(calls=run / "checkpoints", log=log))
    lines = [line.split(" ", 2) for line in log.read_text(encoding="utf-8").splitlines()]
    found = [(int(number), function, path.removeprefix(f"{run}/checkpoints")) for number, function, path in lines]
    renames = [at for at, (_, function, path) in enumerate(found) if function == "rename" and "/step-" in path
               and path.count("/") == 1]
    begin, end = (next(at for at in renames if found[at][2].endswith(f"{step:08}")) for step in (FIRST, LAST))
    after = next(at for at in renames if found[at][2].endswith(f"{LAST + 2:08}"))
    first = next(at for at in range(begin + 1, end) if found[at][1] == "mkdir")
    return found[first:next((at for at in range(end, after) if found[at][1] == "mkdir"), after)]


def in_pairs(check, cases):
    """Two at a time, one for each core; the first failure is raised."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check, cases))


def test_the_calls_of_a_checkpoint(calls):
    """If this changes, so has the protocol: files first, each synced, the manifest last, then the folder's name."""
    functions = [function for _, function, _ in calls]
    assert {"mkdir", "open", "write", "fsync", "rename", "unlinkat"} <= set(functions) and len(calls) > 35
    names = [path.rsplit("/", 1)[1] for _, function, path in calls if function == "rename"]
    assert names[names.index("manifest.json") + 1] == f"step-{LAST:08}"


def test_killed_at_every_call(calls, config, gold, tmp_path):
    def check(call):
        number, function, path = call
        run = tmp_path / f"kill-{number}"
        what = "short" if function == "write" else "kill"
        environment = interposed(calls=run / "checkpoints", at=f"{number}:{what}")
        result = attempt(config, run, environment=environment)
        assert result.returncode in (-9, 137), f"{call}: {result.returncode} {result.stderr}"
        assert driver.inspect(run)["step"] in (FIRST, LAST), call
        recovers(config, run, gold)

    in_pairs(check, calls)


def refused_at(cases, error, words, config, gold, folder):
    """`error`, told in those words, at each of the calls."""

    def check(call):
        number, function, path = call
        run = folder / f"{error}-{number}"
        result = attempt(config, run, environment=interposed(calls=run / "checkpoints", at=f"{number}:{error}"))
        if "cannot remove the old checkpoint" in result.stderr:  # which need not end the run
            assert result.returncode == driver.DONE and words in result.stderr, f"{call}: {result.stderr}"
            return recovers(config, run, gold)
        assert result.returncode == driver.FAILURE, f"{call}: {result.returncode} {result.stderr}"
        assert result.stderr.count(" error: ") == 1 and words in result.stderr, f"{call}: {result.stderr}"
        assert not driver.leftovers(run), call
        assert driver.inspect(run)["step"] in (FIRST, LAST), call
        return recovers(config, run, gold)

    in_pairs(check, cases)


def test_a_full_disk_at_every_call_that_needs_room(calls, config, gold, tmp_path):
    cases = [call for call in calls if call[1] in ("open", "mkdir", "write", "fsync")]
    refused_at(cases, "ENOSPC", "No space left", config, gold, tmp_path)


def test_a_broken_disk_at_every_third_call(calls, config, gold, tmp_path):
    refused_at(calls[::3], "EIO", "Input/output error", config, gold, tmp_path)


def test_a_run_folder_that_became_read_only(config, gold, tmp_path):
    run = tmp_path / "run"
    result = attempt(config, run, ranks=2, environment=interposed(calls=run / "checkpoints", at="40:EROFS"))
    assert result.returncode == driver.FAILURE and "Read-only file system" in result.stderr
    assert "rank 0" in result.stderr
    recovers(config, run, gold)


@pytest.mark.parametrize("seconds", [-86400, 86400])
def test_a_clock_that_jumps(seconds, config, gold, tmp_path):
    """Nothing that is computed or kept depends on the time of day; the lock and the heartbeat live through it."""
    train(config, tmp_path / "run", ranks=2, environment=interposed(clock=seconds))
    recovers(config, tmp_path / "run", gold)
