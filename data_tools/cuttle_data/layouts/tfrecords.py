"""TFRecord files and the tf.Example in each record, without TensorFlow.

A record: u64 length, u32 checksum of these 8 bytes, the bytes, u32 checksum of them; little-endian,
checksums CRC-32C, turned by 15 bits plus a constant. A tf.Example is a protocol buffer: a map of
names to lists of bytes, floats or integers (tensorflow/core/example/feature.proto).
"""

import crc32c
import numpy as np

from ..decoding import as_bad_input
from ..errors import BadInput

HEAD, FOOT = 12, 4  # bytes around a record's
MASK = 0xa282ead8
VARINT, EIGHT, LENGTH, FOUR = 0, 1, 2, 5  # wire types
BYTES, FLOATS, INTEGERS = 1, 2, 3  # fields of Feature


def index(path):
    """([(where a record's bytes begin, how many they are)], what is wrong behind them or "")."""
    places, size = [], path.stat().st_size
    with open(path, "rb") as file:
        place = 0
        while place < size:
            file.seek(place)
            head = file.read(HEAD)
            if len(head) < HEAD:
                return places, f"cut off after {len(places)} records"
            if not _fits(head[:8], head[8:]):
                return places, f"wrong CRC-32C of a length after {len(places)} records"
            length = int.from_bytes(head[:8], "little")
            if place + HEAD + length + FOOT > size:
                return places, f"cut off after {len(places)} records"
            places.append((place + HEAD, length))
            place += HEAD + length + FOOT
    return places, ""


def read(path, place, length):
    """{name: list of bytes, float32 array or int64 array} of a record; BadInput if it is damaged."""
    with as_bad_input("broken record"):
        with open(path, "rb") as file:
            file.seek(place)
            data = file.read(length + FOOT)
        if not _fits(data[:length], data[length:]):
            raise BadInput("broken record: wrong CRC-32C")
        return _example(data[:length])


def _fits(data, checksum):
    crc = crc32c.crc32c(data)
    turned = (crc >> 15 | crc << 17) + MASK & 0xffffffff
    return checksum == turned.to_bytes(4, "little")


def _example(data):
    found = {}
    for features in _of_field(data, 1):
        for entry in _of_field(features, 1):
            name, feature = (list(_of_field(entry, field))[-1] for field in (1, 2))
            found[name.decode()] = _feature(feature)
    return found


def _feature(data):
    for kind, lists in _fields(data):
        if kind == BYTES:
            return list(_of_field(lists, 1))
        if kind == FLOATS:  # packed, or one by one
            return np.frombuffer(b"".join(_of_field(lists, 1)), "<f4")
        if kind == INTEGERS:
            values = [number for own in _of_field(lists, 1)
                      for number in ([own] if isinstance(own, int) else _varints(own))]
            return np.array(values, np.uint64).astype(np.int64)
    return []


def _of_field(data, wanted):
    return (value for field, value in _fields(data) if field == wanted)


def _fields(data):
    """(number, bytes or, of varints, int) of each field of a protocol buffer."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _varint(data, place)
        else:
            size = {EIGHT: 8, FOUR: 4}.get(kind)
            if kind == LENGTH:
                size, place = _varint(data, place)
            if size is None or place + size > len(data):
                raise ValueError("no tf.Example")
            value, place = data[place:place + size], place + size
        yield key >> 3, value


def _varints(data):
    place = 0
    while place < len(data):
        value, place = _varint(data, place)
        yield value


def _varint(data, place):
    """(the number, where it ends)."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        value |= (byte & 127) << shift
        place += 1
        if byte < 128:
            return value, place
    raise ValueError("no tf.Example")
