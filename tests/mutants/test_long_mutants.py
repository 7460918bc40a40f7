"""Every mutant of the list is noticed by its test."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def test_every_mutant_is_caught():
    work = Path(os.environ.get("CUTTLE_BINARY_DIR", HERE.parents[1] / "build/release")) / "mutants"
    told = subprocess.run([sys.executable, HERE / "run.py", work], capture_output=True, text=True, check=False)
    assert told.returncode == 0, f"{told.stdout}\n{told.stderr}"
