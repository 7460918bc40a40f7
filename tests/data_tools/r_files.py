"""Writes R's serialization and lazy-load files by the descriptions in R Internals and R's makeLazyLoad.R,
for tests of their readers."""

import bz2
import gzip
import lzma
import struct
import zlib

LEAST = -2**31
RAW_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


def integers(*numbers):
    return struct.pack(f">{len(numbers)}i", *numbers)


NULL = integers(254)


def symbol(name):
    return integers(1) + word(name)


def word(text, flags=9):
    if text is None:
        return integers(9, -1)
    data = text if isinstance(text, bytes) else text.encode()
    return integers(flags, len(data)) + data


def pairs(**named):
    """A pair list, as attributes are."""
    return b"".join(integers(0x402) + symbol(name.replace("_", ".")) + value for name, value in named.items()) + NULL


def vector(kind, length, data, attributes):
    flags = kind | (0x200 if attributes else 0) | (0x100 if "class" in attributes else 0)
    return integers(flags, length) + data + (pairs(**attributes) if attributes else b"")


def words(texts, **attributes):
    return vector(16, len(texts), b"".join(map(word, texts)), attributes)


def whole(numbers, **attributes):
    return vector(13, len(numbers), integers(*(LEAST if n is None else n for n in numbers)), attributes)


def truths(values, **attributes):
    return vector(10, len(values), integers(*(LEAST if v is None else v for v in values)), attributes)


def reals(numbers, **attributes):
    data = b"".join(struct.pack(">Q", 0x7FF00000000007A2) if n is None else struct.pack(">d", n) for n in numbers)
    return vector(14, len(numbers), data, attributes)


def factor(codes, levels, ordered=False):
    kinds = ["ordered", "factor"] if ordered else ["factor"]
    return whole(codes, levels=words(levels), **{"class": words(kinds)})


def listed(values, **attributes):
    return vector(19, len(values), b"".join(values), attributes)


def data_frame(rows, **columns):
    return listed(list(columns.values()), names=words(list(columns)), row_names=whole([None, -rows]),
                  **{"class": words(["data.frame"])})


def short_form(name, state, attributes=NULL):
    """An ALTREP: its class, its state, its attributes."""
    info = b"".join(integers(2) + part for part in (symbol(name), symbol("base"), whole([13]))) + NULL
    return integers(238) + info + state + attributes


def file_of(value, version=3):
    head = b"X\n" + integers(version, 0x040202, 0x030500)
    return head + (integers(5) + b"UTF-8" if version == 3 else b"") + value


def stored(data, letter):
    """An object of an .rdb file."""
    packed = {b"": zlib.compress(data), b"0": data, b"1": zlib.compress(data), b"2": bz2.compress(data),
              b"Z": lzma.compress(data, lzma.FORMAT_RAW, filters=RAW_LZMA)}[letter]
    return struct.pack(">I", len(data)) + letter + packed


def package(root, sets, letters=(b"", b"2", b"Z", b"1", b"0")):
    """Writes an R package with sets {name: value} in lazy-load files; gives its folder."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    (root / "DESCRIPTION").write_text("Package: made\nVersion: 1.2-3\nLicense: GPL\n  (>= 2)\n")
    data, places = b"", []
    for place, value in enumerate(sets.values()):
        part = stored(file_of(value), letters[place % len(letters)])
        places.append(whole([len(data), len(part)]))
        data += part
    index = listed([listed(places, names=words(list(sets))), listed([]), whole([1])],
                   names=words(["variables", "references", "compressed"]))
    (root / "data/Rdata.rdb").write_bytes(data)
    (root / "data/Rdata.rdx").write_bytes(gzip.compress(file_of(index)))
    return root


def workspace(**values):
    """A file of save()."""
    return bz2.compress(b"RDX3\n" + file_of(pairs(**values)))
