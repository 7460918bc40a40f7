"""Reads R's serialization in XDR (R Internals, "Serialization Formats"): vectors, lists and their
attributes. What else there may be (functions, formulas, environments) is passed over: nothing is run."""

import bz2
import lzma
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from ..decoding import as_bad_input
from ..errors import BadInput

DEEPEST = 100
MOST_BYTES = 1 << 30  # of a set when it is unpacked, and of a vector that is written as a rule
NA_INTEGER = -2**31
# Numbers of types, as R calls them.
SYM, PAIRS, CLOSURE, ENVIRONMENT, PROMISE, LANGUAGE, SPECIAL, BUILTIN = 1, 2, 3, 4, 5, 6, 7, 8
CHAR, LOGICAL, INTEGER, REAL, COMPLEX, STRINGS, DOTS = 9, 10, 13, 14, 15, 16, 17
LIST, EXPRESSIONS, POINTER, WEAK, RAW, OBJECT = 19, 20, 22, 23, 24, 25
ALTERNATIVE, LANGUAGE_WITH, PAIRS_WITH = 238, 240, 239
PERSISTENT, PACKAGE, NAMESPACE, REFERENCE = 247, 250, 249, 255
CONSTANTS = (254, 253, 252, 251, 242, 241)  # NULL, three environments, missing, base
NUMBERS = {LOGICAL: ">i4", INTEGER: ">i4", REAL: ">f8", COMPLEX: ">c16", RAW: ">u1"}
HAS_OBJECT, HAS_ATTRIBUTES, HAS_TAG = 0x100, 0x200, 0x400


@dataclass
class Value:
    """kind: its type; data: an array of numbers, a list of strings and None, a list of Values, [(tag,
    Value)] of a pair list, or None of what is passed over."""

    kind: int
    data: object = None
    attributes: dict = field(default_factory=dict)

    def names(self, attribute="names"):
        """The strings of an attribute, [] where there is none."""
        found = self.attributes.get(attribute)
        return found.data if found and found.kind == STRINGS else []

    def named(self, name):
        """A value of a list by its name, or None."""
        places = self.names()
        return self.data[places.index(name)] if self.kind == LIST and name in places else None

    def is_a(self, name):
        return name in self.names("class")


NULL = Value(254)


def unpacked(data, most=MOST_BYTES):
    """The bytes of a file that may be compressed; BadInput if it is cut off or unpacks to too much."""
    for magic, opened in ((b"\x1f\x8b", lambda: zlib.decompressobj(31)), (b"BZh", bz2.BZ2Decompressor),
                          (b"\xfd7zXZ", lzma.LZMADecompressor)):
        if data.startswith(magic):
            return decompressed(opened(), data, most)
    return data


def decompressed(decompressor, data, most):
    try:
        made = decompressor.decompress(data, most + 1)
    except (zlib.error, OSError, ValueError, EOFError, lzma.LZMAError) as error:
        raise BadInput(f"broken compression: {error}") from None
    if len(made) > most:
        raise BadInput(f"unpacks to more than {most} bytes")
    if not decompressor.eof:
        raise BadInput("is cut off")
    return made


def read(data):
    """The Value that the bytes hold; BadInput if they hold none."""
    with as_bad_input("broken R data"):
        return _Reader(data).value_of_file()


class _Reader:

    def __init__(self, data):
        self.data_, self.place_, self.references_, self.depth_ = memoryview(data), 0, [], 0

    def value_of_file(self):
        if bytes(self.data_[:2]) != b"X\n":
            raise BadInput("no R data in XDR (written with ascii = TRUE?)")
        self.place_ = 2
        version = self._integer()
        self._integers(2)  # of R
        if version not in (2, 3):
            raise BadInput(f"R data of version {version}, not 2 or 3")
        if version == 3:
            self._bytes(self._integer())  # what strings without a mark are in
        return self._value()

    def _bytes(self, count):
        if not 0 <= count <= len(self.data_) - self.place_:
            raise BadInput("R data are cut off")
        self.place_ += count
        return self.data_[self.place_ - count:self.place_]

    def _integers(self, count):
        return struct.unpack(f">{count}i", self._bytes(4 * count))

    def _integer(self):
        return self._integers(1)[0]

    def _length(self, least_bytes):
        """Of a vector whose values take so many bytes or more."""
        length = self._integer()
        if length == -1:
            high, low = self._integers(2)
            length = (high << 32) + (low & 0xFFFFFFFF)
        if not 0 <= length * least_bytes <= len(self.data_) - self.place_:
            raise BadInput("R data are cut off")
        return length

    def _value(self):
        self.depth_ += 1
        if self.depth_ > DEEPEST:
            raise BadInput("R data are too deep")
        value = self._value_of(self._integer())
        self.depth_ -= 1
        return value

    def _value_of(self, flags):
        kind = flags & 0xFF
        if kind in CONSTANTS:
            return NULL
        if kind == REFERENCE:
            place = flags >> 8 or self._integer()
            return self.references_[place - 1]
        if kind == SYM:
            return self._kept(Value(SYM, self._value().data))
        if kind in (PERSISTENT, PACKAGE, NAMESPACE):
            self._integer()
            for _ in range(self._integer()):
                self._value()
            return self._kept(Value(kind))
        if kind == ENVIRONMENT:
            return self._environment()
        if kind in (PAIRS, LANGUAGE, CLOSURE, PROMISE, DOTS, PAIRS_WITH, LANGUAGE_WITH):
            return self._pairs(kind, flags)
        if kind == ALTERNATIVE:
            return self._alternative()
        value = self._kept(Value(kind)) if kind in (POINTER, WEAK) else Value(kind)
        self._fill(value)
        if kind == CHAR:  # its attributes are the interpreter's
            return value
        if flags & HAS_ATTRIBUTES:
            value.attributes = self._attributes()
        return value

    def _kept(self, value):
        self.references_.append(value)
        return value

    def _fill(self, value):
        kind = value.kind
        if kind == CHAR:
            value.data = self._characters()
        elif kind in NUMBERS:
            width = np.dtype(NUMBERS[kind]).itemsize
            length = self._length(width)
            value.data = np.frombuffer(self._bytes(length * width), NUMBERS[kind])
        elif kind == STRINGS:
            value.data = [self._string() for _ in range(self._length(4))]
        elif kind in (LIST, EXPRESSIONS):
            value.data = [self._value() for _ in range(self._length(4))]
        elif kind in (SPECIAL, BUILTIN):
            self._bytes(self._integer())
        elif kind == POINTER:
            self._value()
            self._value()
        elif kind not in (WEAK, OBJECT):
            raise BadInput(f"R data hold a type that is not read ({kind})")

    def _string(self):
        """One of a vector, of which there may be many: without a Value."""
        if self._integer() & 0xFF != CHAR:
            raise BadInput("R data hold something else among strings")
        return self._characters()

    def _characters(self):
        length = self._integer()
        return None if length == -1 else _text(bytes(self._bytes(length)))

    def _environment(self):
        value = self._kept(Value(ENVIRONMENT))
        self._integer()
        for _ in range(4):  # enclosure, frame, table of names, attributes
            self._value()
        return value

    def _pairs(self, kind, flags):
        """A chain of pairs: in a loop, as chains may be long."""
        value = Value(PAIRS if kind in (PAIRS, PAIRS_WITH) else kind, [])
        with_attributes = (PAIRS_WITH, LANGUAGE_WITH)
        while True:
            if flags & HAS_ATTRIBUTES or kind in with_attributes:
                value.attributes = self._attributes()
            tag = self._value() if flags & HAS_TAG else NULL
            value.data.append((tag.data, self._value()))
            flags = self._integer()
            kind = flags & 0xFF
            if kind not in (PAIRS, PAIRS_WITH, LANGUAGE, LANGUAGE_WITH):
                self._value_of(flags)  # the end, which for a function is its body
                return value

    def _attributes(self):
        found = self._value()
        return dict(found.data) if found.kind == PAIRS else {}

    def _alternative(self):
        """R's short forms of vectors, by the names of their classes."""
        info, state = self._value(), self._value()
        attributes = self._attributes()
        name = info.data[0][1].data if info.kind == PAIRS else None
        if name in ("compact_intseq", "compact_realseq"):
            count, first, step = (float(number) for number in state.data[:3])
            if not 0 <= count * 8 <= MOST_BYTES:
                raise BadInput("R data are too large")
            kind, dtype = (INTEGER, np.int64) if name == "compact_intseq" else (REAL, np.float64)
            return Value(kind, (first + step * np.arange(int(count))).astype(dtype), attributes)
        if name and name.startswith("wrap_"):
            wrapped = (state.data[0][1] if state.kind == PAIRS else state.data[0])
            return Value(wrapped.kind, wrapped.data, {**wrapped.attributes, **attributes})
        if name == "deferred_string":
            numbers = state.data[0][1]
            return Value(STRINGS, [_written(number) for number in numbers.data.tolist()], attributes)
        raise BadInput(f"R data hold a form of vectors that is not read ({name})")


def _text(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _written(number):
    if number == NA_INTEGER or number != number:
        return None
    return str(int(number)) if number == int(number) else repr(number)
