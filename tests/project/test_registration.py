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


def compiled(entry, folder):
    """The files of an entry: its own and, if that is one that the build wrote, those of the tree that it includes."""
    file = Path(entry["directory"], entry["file"]).resolve()
    if folder.resolve() not in file.parents:
        return {file}
    included = re.findall(r'^#include "([^"]+)"', file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {(tree.ROOT / top / name).resolve() for name in included for top in ("src", "tests")}


def test_files_that_others_include_are_seen(tmp_path):
    united = tmp_path / "build/unity/some_test.cpp"
    united.parent.mkdir(parents=True)
    united.write_text('// #include "core/no_test.cpp"\n#include "core/log_test.cpp"\n', encoding="utf-8")
    entry = {"directory": str(tmp_path / "build"), "file": "unity/some_test.cpp"}
    tests = tree.ROOT.resolve() / "tests/core"
    assert tests / "log_test.cpp" in compiled(entry, tmp_path / "build")
    assert tests / "no_test.cpp" not in compiled(entry, tmp_path / "build")
    assert compiled(entry, tmp_path / "elsewhere") == {united.resolve()}


def test_every_cpp_test_is_compiled_into_a_program_that_ctest_runs(commands):
    entries = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    programs = {Path(word).name for word in commands}
    run = {file for entry in entries if target_of(entry) in programs for file in compiled(entry, BUILD)}
    tests = tree.files("*_test.cpp", under=("tests",))
    missing = [tree.name(path) for path in tests if path.resolve() not in run]
    assert tests and not missing, "\n".join(missing)


def test_every_python_test_is_run_by_ctest(commands):
    tests = tree.files("test_*.py", under=("tests",))
    missing = [tree.name(path) for path in tests
               if not {str(path), path.name} & commands and not {str(folder) for folder in path.parents} & commands]
    assert tests and not missing, "\n".join(missing)
