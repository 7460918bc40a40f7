"""Where data sets are in R packages: in lazy-load files (data/Rdata.rdb), or in files of their own."""

import bz2
import contextlib
import lzma
import os
import zlib
from pathlib import Path

from .. import packages
from ..decoding import as_bad_input
from ..errors import BadInput, UserError
from . import serialization

PLACES = ("usr/lib/R/site-library", "usr/lib/R/library", "usr/local/lib/R/site-library")
BY_LETTER = {b"1": zlib.decompressobj, b"2": bz2.BZ2Decompressor, b"Z": lambda: lzma.LZMADecompressor(
    lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 26}])}
MAGIC = (b"RDX2\n", b"RDX3\n")
LAZY = "Rdata"  # the files of these sets
WORKSPACES = (".rda", ".rdata")


@contextlib.contextmanager
def opened(given):
    """An RPackage by its name (found as R does: in R_LIBS, then in Debian's places), or by a path: of its
    folder, of a .deb file, or of a folder that one was unpacked to. UserError if it is not there."""
    path = Path(given)
    if not path.exists():
        yield RPackage(_installed(given), given)
    elif (path / "DESCRIPTION").is_file():
        yield RPackage(path, path.resolve().name)
    else:
        with packages.unpacked(path) as root:
            found = [folder.parent for place in PLACES
                     for folder in sorted(root.glob(f"{place}/*/DESCRIPTION"))]
            if len(found) != 1:
                raise UserError(f"{given}: {len(found)} R packages in it (one is read); give one's "
                                "folder, in which its DESCRIPTION is")
            yield RPackage(found[0], found[0].name, root)


def _installed(name):
    folders = [Path(place) for variable in ("R_LIBS", "R_LIBS_USER")
               for place in os.environ.get(variable, "").split(os.pathsep) if place]
    folders += [packages.SYSTEM / place for place in PLACES]
    for folder in folders:
        if (folder / name / "DESCRIPTION").is_file():
            return folder / name
    debian = f"r-cran-{name.lower()}"
    raise UserError(f"the R package {name} is not installed; run: apt-get install {debian}, or: "
                    f"apt-get download {debian}, and give the .deb file in place of its name")


class RPackage:
    """folder: in which DESCRIPTION is; root: of what was unpacked, or /."""

    def __init__(self, folder, name, root=packages.SYSTEM):
        self.folder, self.name, self.root = folder, name, root
        self.described_ = _description(folder / "DESCRIPTION")

    def version(self):
        return self.described_.get("Version", "?")

    def license(self):
        return self.described_.get("License", "not stated")

    def data_set(self, name):
        """The serialization.Value of a data set; UserError naming those that there are."""
        try:
            with as_bad_input("broken R data"):
                found, known = self._find(name)
        except BadInput as problem:
            raise UserError(f"{self.name}: {name}: {problem}; install the package again") from None
        if found is None:
            raise UserError(f"{self.name} has no data set {name!r}; it has "
                            f"{', '.join(sorted(known)) or 'none that is read (.rdb, .rda, .rds)'}")
        return found

    def _find(self, name):
        """(the Value or None, the names of those that there are)."""
        data = self.folder / "data"
        lazy, files = data / f"{LAZY}.rdx", _files(data)
        index = _lazy_index(lazy) if lazy.is_file() else {}
        known = index.keys() | files.keys()
        if name in index:
            return _lazy_value(lazy.with_suffix(".rdb"), index[name]), known
        if name in files:
            return serialization.read(serialization.unpacked(files[name].read_bytes())), known
        for path in sorted(data.glob("*")):
            if path.suffix.lower() in WORKSPACES:
                found = _workspace(path)
                if name in found:
                    return found[name], known
                known = known | found.keys()
        return None, known


def _description(path):
    """{field: text} of a file in Debian's form."""
    fields, name = {}, None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line[:1].isspace() and name:
            fields[name] += " " + line.strip()
        else:
            name, _, text = line.partition(":")
            fields[name] = text.strip()
    return fields


def _files(folder):
    return {path.stem: path for path in sorted(folder.glob("*"))
            if path.suffix.lower() == ".rds" and path.stem != LAZY}


def _lazy_index(path):
    """{name: (offset, bytes)} of a lazy-load index."""
    index = serialization.read(serialization.unpacked(path.read_bytes()))
    variables = index.named("variables")
    if variables is None or variables.kind != serialization.LIST:
        raise BadInput(f"{path.name} is no index of R data")
    return {name: tuple(int(number) for number in value.data)
            for name, value in zip(variables.names(), variables.data)}


def _lazy_value(path, where):
    """Four bytes of its size, then zlib, or a letter and what it stands for."""
    if len(where) != 2 or min(where) < 0:
        raise BadInput("its place is unknown")
    with open(path, "rb") as file:
        file.seek(where[0])
        data = file.read(min(where[1], serialization.MOST_BYTES))
    size = int.from_bytes(data[:4], "big")
    if size > serialization.MOST_BYTES:
        raise BadInput(f"unpacks to more than {serialization.MOST_BYTES} bytes")
    letter = data[4:5]
    if letter == b"0":  # as it is
        return serialization.read(data[5:])
    if letter in BY_LETTER:
        decompressor = BY_LETTER[letter]()
        return serialization.read(serialization.decompressed(decompressor, data[5:], size))
    return serialization.read(serialization.decompressed(zlib.decompressobj(), data[4:], size))


def _workspace(path):
    """{name: Value} of what was saved together."""
    data = serialization.unpacked(path.read_bytes())
    if data[:5] not in MAGIC:
        raise BadInput(f"{path.name} is no file of R's save()")
    pairs = serialization.read(data[5:])
    return dict(pairs.data) if pairs.kind == serialization.PAIRS else {}
