"""Every test file is run by ctest: a file that nobody lists would pass for ever."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import tree

BUILD = Path(os.environ.get("CUTTLE_BINARY_DIR", tree.ROOT / "build/release"))


@pytest.fixture(scope="module")
def commands():
    """All words of all ctest commands."""
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=BUILD, capture_output=True, text=True, check=True)
    tests = json.loads(listing.stdout)["tests"]
    return {word for test in tests for word in test.get("command", [])}


def target_of(entry):
    """The CMake target of an entry of compile_commands.json: -o .../CMakeFiles/<target>.dir/..."""
    output = entry.get("output") or re.search(r" -o (\S+)", entry["command"]).group(1)
    return re.search(r"CMakeFiles/([^/]+)\.dir/", output).group(1)


def test_every_cpp_test_is_compiled_into_a_program_that_ctest_runs(commands):
    entries = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    programs = {Path(word).name for word in commands}
    run = {Path(entry["file"]).resolve() for entry in entries if target_of(entry) in programs}
    tests = tree.files("*_test.cpp", under=("tests",))
    missing = [tree.name(path) for path in tests if path.resolve() not in run]
    assert tests and not missing, "\n".join(missing)


def test_every_python_test_is_run_by_ctest(commands):
    tests = tree.files("test_*.py", under=("tests",))
    missing = [tree.name(path) for path in tests
               if not {str(path), path.name} & commands and not {str(folder) for folder in path.parents} & commands]
    assert tests and not missing, "\n".join(missing)
