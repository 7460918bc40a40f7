"""The files of Omniglot, whether unpacked or inside the official zips."""

import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from . import media
from .errors import BadInput, UserError

IMAGE_SETS = ("images_background", "images_evaluation")
STROKE_SETS = ("strokes_background", "strokes_evaluation")
RECOVERED = "strokes_recovered.ndjson"
LARGEST = 1 << 24  # bytes of a file in a zip, unpacked; a drawing has some hundred
STEM = re.compile(r"\d{4}_\d\d")


@dataclass(frozen=True)
class Entry:
    """One drawing's file. drawer: "01" to "20"."""

    alphabet: str
    character: str
    stem: str
    read: Callable[[], bytes]
    fingerprint: str

    @property
    def class_name(self):
        return f"{self.alphabet}/{self.character}"

    @property
    def drawer(self):
        return self.stem[-2:]


def list_entries(root, sets, suffix, report):
    """{(alphabet, character, stem): Entry} of the given sets below `root`: the folder
    SET, or SET.zip if there is no folder. Every other file in them is reported."""
    entries = {}
    for name in sets:
        if (root / name).is_dir():
            found = _folder_files(root, name)
        elif (root / f"{name}.zip").is_file():
            found = _zip_files(root / f"{name}.zip")
        else:
            continue
        for path, (read, fingerprint) in found.items():
            parts = path.split("/")
            stem = parts[-1].removesuffix(suffix)
            if (len(parts) != 4 or parts[0] != name or not parts[3].endswith(suffix)
                    or not STEM.fullmatch(stem)):
                report.skipped(path, f"not of the form {name}/ALPHABET/CHARACTER/0001_01{suffix}")
                continue
            key = (parts[1], parts[2], stem)
            entries[key] = Entry(*key, read, fingerprint)
    return dict(sorted(entries.items()))


def _folder_files(root, name):
    paths = sorted(path for path in (root / name).rglob("*")
                   if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): (path.read_bytes, media.file_fingerprint(path))
            for path in paths}


def _zip_files(path):
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: {error} (the drawings are read from it); fetch it again, for "
                        "example with --download") from None
    return {info.filename: (_zip_reader(archive, info), f"{info.CRC}:{info.file_size}")
            for info in archive.infolist() if not info.is_dir()
            and not info.filename.startswith("__MACOSX/")
            and not Path(info.filename).name.startswith(".")}


def _zip_reader(archive, info):
    def read():
        if info.file_size > LARGEST:  # before anything is unpacked
            raise BadInput(f"claims {info.file_size} bytes in the zip, at most {LARGEST} make sense")
        try:
            return archive.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise BadInput(f"broken in the zip: {error}") from None

    return read


def read_recovered(path, report):
    """{(alphabet, character, stem): pen strokes, float arrays [points, 2]} of
    strokes_recovered.ndjson: one JSON object a line with id, class (the folder) and strokes as
    [[x...], [y...]], y downward. Broken lines are reported."""
    recovered = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                drawing = json.loads(line)
                _, alphabet, character = drawing["class"].split("/")
                strokes = [np.array(stroke, float).T for stroke in drawing["strokes"]]
                if not strokes or any(s.shape[1:] != (2,) or not len(s) for s in strokes):
                    raise ValueError
                recovered[alphabet, character, str(drawing["id"])] = strokes
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                report.skipped(f"{path.name}:{number}", "line is no drawing (class, id, strokes)")
    return recovered
