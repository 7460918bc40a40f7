"""WebDataset's tars as one table: a row for each key, a column for each ending. By its reader,
webdataset/tariterators.py."""

import json
import re
import tarfile
from array import array

import numpy as np
import pyarrow as pa

from ..errors import UserError
from ..folder_tree import files_below
from . import cells
from .guesses import SUFFIXES, TEXT
from .opening import add_split_of_files
from .source import BATCH, Builder, Frame
from .stored import StoredColumn

KEY = "__key__"
MEMBER = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)
META = re.compile(r"__[^/]*__")
TEXTS = ("txt", "text", "transcript")
WORDS = ("cls", "cls2", "class", "count", "index", "inx", "id")
JSON = "json"
LARGEST = 1 << 26  # bytes of a text: larger ones are none
BLOCK = tarfile.BLOCKSIZE
ROWS = 256  # whose bytes are in memory at the same time


class Tar:
    """Where the members of a tar lie. keys: those of its rows, in order."""

    def __init__(self, path):
        self.path, self.keys = path, []
        self.known_ = set()
        self.places_ = {}  # {ending: offset and size for each row up to its last, -1 where it has none}

    def __len__(self):
        return len(self.keys)

    def endings(self):
        return self.places_.keys()

    def place(self, row, ending):
        """(offset, size) of a member, None if the row has none of this ending."""
        held = self.places_.get(ending, ())[2 * row:2 * row + 2]
        return tuple(held) if len(held) and held[0] >= 0 else None

    def add(self, key, ending, place):
        """UserError if the row has such a member, or lies further above."""
        if not self.keys or key != self.keys[-1]:
            if key in self.known_:
                raise UserError(f"{self.path}: the members of {key} do not follow each other (nobody "
                                "knows whether they are one sample); write the tar in order of names")
            self.keys.append(key)
            self.known_.add(key)
        held = self.places_.setdefault(ending, array("q"))
        missing = 2 * len(self) - 2 - len(held)
        if missing < 0:
            raise UserError(f"{self.path}: {key}.{ending} is there twice (which one is meant?); write "
                            "the tar with one of them")
        held.extend([-1] * missing)
        held.extend(place)


class TarColumn(StoredColumn):
    """A column of bytes that stay in their tars. The group of a part: a Tar and its first row."""

    def read(self, path, group, name, rows):
        tar, first = group
        with open(path, "rb") as file:
            places = [tar.place(row, name) for row in range(first, first + rows)]
            return pa.array([place and _bytes_at(file, place) for place in places], self.type)


def read(places, args, report):
    """The Frame of tars and folders of these. UserError if one is no tar, or is cut off and
    args.truncated is not given."""
    paths = [path for place in places for path in _tars_of(place, report)]
    found = [_scan(path, args.truncated, report) for path in report.progress(paths, len(paths),
                                                                             "tars")]
    found = [tar for tar in found if len(tar)]
    if not found:
        raise UserError(f"{places[0]}: no sample, such as 000.jpg with 000.cls (nothing to learn "
                        "from); name tars of WebDataset")
    numbers = np.concatenate([np.arange(1, len(tar) + 1, dtype=np.int32) for tar in found])
    columns, meanings = _columns(found, args.encoding or "utf-8", report)
    frame = Frame(found[0].path, columns, numbers, meanings=meanings,
                  paths=[tar.path for tar in found],
                  ends=np.cumsum([len(tar) for tar in found]).tolist())
    add_split_of_files(frame)
    return frame


def name_numbers(frame, name, path, report):
    """The numbers of a column become the lines of a file, from 0; a number without one is empty."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error}; classes get their names from it); rewrite "
                        "it") from None
    known = {str(number): line.strip() for number, line in enumerate(lines)}
    words = cells.names_of(frame.columns[name]).to_pylist()
    named = [known.get(word) for word in words]
    lost = [word for word, found in zip(words, named) if word is not None and not found]
    if len(lost) == len(words):
        raise UserError(f"{path}: names none of the numbers of {name}, such as {lost[0]}; give a "
                        "name a line, the first that of 0")
    if lost:
        report.note(f"{len(lost)} samples have a {name} that {path.name} does not name, such as "
                    f"{lost[0]}, and count as empty")
    frame.columns[name] = pa.chunked_array([pa.array(named, pa.string())])


def _tars_of(place, report):
    if not place.is_dir():
        return [place]
    found = [path for path in files_below(place, report) if path.suffix.lower() == ".tar"]
    if not found:
        raise UserError(f"{place}: no .tar in this folder; name one")
    return found


def _scan(path, truncated, report):
    """Where the members of a tar lie."""
    tar, size = Tar(path), path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                archive.members.clear()  # else a million of them stay in memory
                name = _name_of(info, path, report)
                match = MEMBER.fullmatch(name) if name else None
                if name and not match:
                    report.skipped(f"{path.name}: {name}", "member without a key or an ending")
                if match and info.offset_data + info.size <= size:
                    tar.add(match[1], match[2].lower(), (info.offset_data, info.size))
            whole = _ends_at(path, archive.offset)
    except tarfile.ReadError as error:
        if not len(tar):
            raise UserError(f"{path}: not a tar that can be read ({error}); fetch it again, or "
                            "uncompress it") from None
        whole = False
    last = tar.keys[-1] if len(tar) else "its first head"
    if not whole and not truncated:
        raise UserError(f"{path}: cut off or damaged after {last} (what follows would be missing); "
                        "fetch it again, or take what there is with --truncated")
    if not whole:
        report.warn(f"{path} is cut off or damaged after {last}: what there is of it is taken")
    return tar


def _name_of(info, path, report):
    """The member's name, None if it is not used."""
    name = info.name.encode("utf-8", "replace").decode()
    if info.isdir() or META.fullmatch(name):
        return None
    if not info.isreg() or info.issparse():
        report.skipped(f"{path.name}: {name}", "member that is no plain file")
        return None
    return name


def _ends_at(path, offset):
    """Whether a block of zeros, the mark of the end, is there."""
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(BLOCK) == bytes(BLOCK)


def _columns(found, encoding, report):
    """({name: column}, {name: what it holds}); keys that several tars have begin with the tar's
    name."""
    columns, meanings = {KEY: _strings(_keys(found))}, {}
    for ending in sorted({ending for tar in found for ending in tar.endings()}):
        end = ending.rpartition(".")[2]
        if end == JSON:
            columns.update(_of_json(found, ending, report))
        elif end in TEXTS + WORDS:
            texts = _texts(found, ending, encoding, report)
            columns[ending] = _strings([text and text.strip() for _, text in texts])
            meanings[ending] = TEXT if end in TEXTS else ""
        else:
            columns[ending] = _stored(found, ending)
            meanings[ending] = next((kind for kind, suffixes in SUFFIXES.items()
                                     if "." + end in suffixes), "")
    return columns, meanings


def _keys(found):
    plain = [key for tar in found for key in tar.keys]
    if len(set(plain)) == len(plain):
        return plain
    stems = [tar.path.stem for tar in found]
    before = stems if len(set(stems)) == len(stems) else [str(tar.path) for tar in found]
    return [f"{name}/{key}" for name, tar in zip(before, found) for key in tar.keys]


def _strings(words):
    return pa.chunked_array([pa.array(words, pa.string())])


def _stored(found, ending):
    return TarColumn([(tar.path, (tar, first), ending, min(ROWS, len(tar) - first))
                      for tar in found for first in range(0, len(tar), ROWS)], pa.large_binary())


def _texts(found, ending, encoding, report):
    """(where it is, text or None if there is none) of each row."""
    for tar in found:
        with open(tar.path, "rb") as file:
            for row, key in enumerate(tar.keys):
                where, place, text = f"{tar.path.name}: {key}.{ending}", tar.place(row, ending), None
                try:
                    if place and place[1] > LARGEST:
                        raise ValueError(f"it has more than {LARGEST} bytes")
                    text = _bytes_at(file, place).decode(encoding) if place else None
                except ValueError as error:
                    report.skipped(where, f"member that is no text: {error}")
                yield where, text


def _of_json(found, ending, report):
    """A column for each key of the objects, of numbers and words or lists of these."""
    builder, batch = Builder(()), []
    for where, text in _texts(found, ending, "utf-8-sig", report):
        try:
            held = json.loads(text) if text else {}
            if not isinstance(held, dict):
                raise ValueError("it is no object")
        except (ValueError, RecursionError) as error:
            report.skipped(where, f"member that is no JSON object: {error}")
            held = {}
        batch.append({f"{ending}.{key}": value for key, value in held.items() if _is_flat(value)})
        if len(batch) == BATCH:
            builder.add_records(batch)
            batch = []
    builder.add_records(batch)
    return builder.finish()


def _is_flat(value):
    return not isinstance(value, dict) and not (
        isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value))


def _bytes_at(file, place):
    file.seek(place[0])
    return file.read(place[1])
