"""Files that are either whole or absent."""

import contextlib
import hashlib
import os
import re
from pathlib import Path

from .errors import BadInput, UserError

SHARD_SUFFIX = ".h5"


def path_of(text):
    """The path with `~` and $VARIABLES expanded, as the program does; what exists as it is written
    stays so. UserError naming a variable that is not set."""
    if os.path.exists(text):
        return Path(text)
    path = os.path.expandvars(os.path.expanduser(text))
    unset = re.search(r"\$([A-Za-z_]\w*|\{[A-Za-z_]\w*\})", path)
    if unset:
        raise UserError(f"'{text}': the variable {unset[0].strip('${}')} is not set, so the path is not known; "
                        "set it, or write the folder")
    return Path(path)


def below(folder, name):
    """The path of a name that a table gives of a file in `folder`; BadInput if it leads out of
    it."""
    path = Path(os.path.normpath(name))
    if path.is_absolute() or path.parts[:1] in ((), ("..", )):
        raise BadInput(f"{name!r} is no path of a file in {folder}")
    return folder / path


@contextlib.contextmanager
def atomic(path):
    """Gives a temporary path `<path>.tmp.<pid>` beside `path`; on leaving, what was written there
    is forced to disk and takes the name `path`. After an exception the temporary file is
    removed."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.tmp.{os.getpid()}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path, text):
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def shard_paths(paths):
    """The .h5 files among `paths` (files, or folders that hold some), sorted. UserError if there is
    none."""
    found = []
    for path in map(path_of, paths):
        if path.is_dir():
            shards = sorted(path.glob("*" + SHARD_SUFFIX))
            if not shards:
                unfinished = " (an unfinished conversion lies there: run it again)" if (
                    path / ".conversion").exists() else ""
                raise UserError(
                    f"{path}: no shards (*.h5) in this folder{unfinished}; name a folder of shards")
            found += shards
        elif path.is_file():
            found.append(path)
        else:
            raise UserError(f"{path}: no such file or folder; name shards or a folder of shards")
    return sorted(set(found))
