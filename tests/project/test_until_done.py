"""launch/run_until_done.sh, and the recipes for containers."""

import re
import signal
import subprocess
import time

import pytest
import tree
from test_launch import launch, repository, write_program  # noqa: F401  a fixture among them

ATTEMPT = r"""#!/bin/bash
# Ends with the codes of the file `codes`, one a call; lasts until SIGTERM once they are used up.
echo "attempt $*" >>calls
code=$(sed -n "$(wc -l <calls)p" codes)
case $code in
  '') trap 'exit 3' TERM; for _ in {1..300}; do sleep 0.1; done ;;
  KILL) kill -9 $$ ;;
  *) exit "$code" ;;
esac
"""


@pytest.fixture
def until_done(repository):  # noqa: F811
    """Calls the script with a command that ends with these codes; (exit code, attempts, messages)."""
    def call(codes, *options):
        write_program(repository / "attempt", ATTEMPT)
        (repository / "codes").write_text("\n".join(codes) + "\n", encoding="utf-8")
        (repository / "calls").unlink(missing_ok=True)
        words = [repository / "launch/run_until_done.sh", "-p", "0", *options, "./attempt", "train", "--resume"]
        result = subprocess.run(words, cwd=repository, capture_output=True, text=True, timeout=60, check=False)
        return result.returncode, (repository / "calls").read_text(encoding="utf-8").count("attempt"), result.stderr
    return call


def test_until_done_goes_on_after_a_stop_and_a_kill(until_done):
    code, attempts, said = until_done(["3", "KILL", "3", "0"])
    assert (code, attempts) == (0, 4) and "attempt 2 of 100 ended with exit code 137" in said


@pytest.mark.parametrize("code", [1, 2])
def test_until_done_does_not_repeat_an_error(until_done, code):
    assert until_done(["3", str(code), "0"])[:2] == (code, 2)


def test_until_done_gives_up_in_the_end(until_done):
    code, attempts, said = until_done(["3"] * 9, "-a", "3")
    assert (code, attempts) == (3, 3) and "not done after 3 attempts" in said


def test_until_done_needs_a_resume(repository):  # noqa: F811
    result = launch(repository, "run_until_done.sh", "true")
    assert result.returncode == 2 and "--resume" in result.stderr
    assert launch(repository, "run_until_done.sh", "--help").stdout.startswith("usage: launch/run_until_done.sh")


def test_until_done_passes_a_stop_on_and_ends(repository):  # noqa: F811
    write_program(repository / "attempt", ATTEMPT)
    (repository / "codes").write_text("", encoding="utf-8")
    with subprocess.Popen([repository / "launch/run_until_done.sh", "./attempt", "train", "--resume"], cwd=repository,
                          stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 20
        while not (repository / "calls").exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.3)  # it has set its trap
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 3
    assert (repository / "calls").read_text(encoding="utf-8").count("attempt") == 1


@pytest.mark.parametrize("recipe, pattern", [("Dockerfile", r"^RUN (.*)$"), ("cuttle.def", r"^    (launch/.*)$")])
def test_containers_run_the_quickstarts_own_steps(recipe, pattern):
    steps = re.findall(pattern, tree.text(tree.ROOT / "launch/container" / recipe), re.MULTILINE)
    assert steps == ["launch/container/build.sh"]


def test_a_container_is_built(repository):  # noqa: F811
    result = launch(repository, "container/build.sh")
    assert result.returncode == 0, result.stdout + result.stderr
    calls = (repository / "calls").read_text(encoding="utf-8").splitlines()
    assert calls[0] == "cmake --preset release" and calls[1].endswith("--target cuttle")
    assert "System packages: present" in result.stdout
