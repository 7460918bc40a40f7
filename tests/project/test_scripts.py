"""Shell scripts parse, and what is written down twice agrees."""

import os
import re
import shutil
import subprocess

import pytest
import tree

SCRIPTS = sorted([*tree.files("*.sh", "*.sbatch"), tree.ROOT / ".ci/run"])


@pytest.mark.parametrize("script", SCRIPTS, ids=tree.name)
def test_bash_can_parse_it(script):
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_is_content():
    result = subprocess.run(["shellcheck", "-x", "-P", tree.ROOT / "launch", "-S", "warning", *SCRIPTS],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=tree.name)
def test_scripts_that_people_call_are_executable(script):
    assert os.access(script, os.X_OK) == (script.parent.name != "lib")


def test_ci_calls_the_tests_as_a_person_does():
    commands = [line for line in tree.text(tree.ROOT / ".ci/run").splitlines() if line and line[0] != "#"]
    assert len(commands) == 1 and commands[0].startswith("exec ") and commands[0].endswith('/launch/test.sh"')


def test_torch_is_pinned_once():
    wanted = re.search(r"set\(_wanted ([\d.]+)\)", tree.text(tree.ROOT / "src/cmake/FindLibTorch.cmake")).group(1)
    assert f"torch=={wanted}\n" in tree.text(tree.ROOT / "launch/requirements.txt")


def test_all_python_packages_are_pinned():
    lines = tree.text(tree.ROOT / "launch/requirements.txt").splitlines()
    assert all(re.fullmatch(r"#.*|\w+==[\d.]+", line) for line in lines)
