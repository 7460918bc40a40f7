"""Opens shards in a child process first: the HDF5 library can crash or hang on a file made to hurt it, and
then only the child does.

  python -m cuttle_data.trial SHARD...    the child: a line for each that it has opened or refused
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from .errors import UserError
from .reader import Shard

SECONDS = 60  # for one shard; opening reads its index alone


def crashing(paths):
    """{path: what happened} of the shards that HDF5 does not survive."""
    found, remaining = {}, list(paths)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    while remaining:
        words = [sys.executable, "-m", "cuttle_data.trial", *map(str, remaining)]
        try:
            child = subprocess.run(words, env=environment, capture_output=True, check=False,
                                   timeout=SECONDS + len(remaining))
            if child.returncode == 0:
                break
            opened, happened = child.stdout, _describe(child.returncode)
        except subprocess.TimeoutExpired as late:
            opened, happened = late.stdout or b"", "does not come back"
        done = opened.count(b"\n")
        if done >= len(remaining):
            break
        found[remaining[done]] = happened
        remaining = remaining[done + 1:]
    return found


def _describe(code):
    return f"dies of {signal.Signals(-code).name}" if code < 0 else f"ends with exit code {code}"


def main(paths):
    for path in paths:
        try:
            Shard(Path(path)).__exit__(None, None, None)
        except UserError:
            pass  # the caller will say so
        print("opened", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
