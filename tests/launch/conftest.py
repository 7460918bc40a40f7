"""Shared by the tests of launch/simulate.py: its modules, and how it is called."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "launch/lib"), str(ROOT / "tests/app")]


@pytest.fixture(scope="session", name="simulate")
def simulate_command():
    """Runs launch/simulate.py; its exit code must be `code`, and there must be no traceback."""
    def run(*words, code=0):
        result = subprocess.run([sys.executable, ROOT / "launch/simulate.py", *map(str, words)], capture_output=True,
                                text=True, timeout=250, check=False)
        shown = f"{result.stdout}\n{result.stderr}"
        assert result.returncode == code and "Traceback" not in result.stderr, shown
        return result
    return run
