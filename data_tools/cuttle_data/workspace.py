"""OUT/.conversion: the unfinished state of a conversion, from which the same plan goes on."""

import fcntl
import json
import shutil

from .errors import UserError
from .files import write_text

FOLDER = ".conversion"
MANIFEST = "dataset.json"


class Workspace:
    """Holds a lock on the folder while open, so that two conversions cannot mix. Each finished part
    has a record (JSON: counts, moments, what was skipped), written after it."""
    def __init__(self, out, plan):
        self.out = out
        self.folder = out / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock_ = open(self.folder / "lock", "w")
        try:
            fcntl.flock(self.lock_, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.lock_.close()
            raise UserError(f"{out}: another conversion is writing there; wait for it") from None
        if plan_of_unfinished(out) != plan:
            for path in self.folder.iterdir():
                if path.name != "lock":
                    path.unlink()
            write_text(self.folder / "plan", plan)
        for leftover in [*out.glob("*.h5.tmp.*"), *self.folder.glob("*.tmp.*")]:
            leftover.unlink()

    def part(self, shard):
        return self.folder / f"part-{shard:05d}"

    def record(self, shard):
        """The record of a finished part, or None."""
        path = self.folder / f"part-{shard:05d}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def write_record(self, shard, record):
        write_text(self.folder / f"part-{shard:05d}.json", json.dumps(record))

    def remove(self):
        remove_leftover(self.out)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.lock_.close()


def plan_of_unfinished(out):
    """The plan hash of the unfinished conversion in `out`, or None."""
    path = out / FOLDER / "plan"
    return path.read_text(encoding="utf-8") if path.exists() else None


def remove_leftover(out):
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def manifest_of(out):
    """dataset.json of a complete data set, or None."""
    path = out / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
