"""Sound and picture files as other programs write them, drawn byte by byte."""

import struct
import zlib

import numpy as np

RATE = 8000


def tone(rate=RATE, seconds=0.25):
    """float64: 440 Hz at half level."""
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)


def chunk(name, body, order="<", size=None):
    head = name + struct.pack(order + "I", len(body) if size is None else size)
    return head + body + b"\0" * (len(body) % 2)


def wav_format(tag, bits, channels=1, rate=RATE, order="<", extensible=False):
    """The body of a fmt chunk."""
    block = channels * ((bits + 7) // 8)
    head = struct.pack(order + "HHIIHH", 0xFFFE if extensible else tag, channels, rate,
                       rate * block, block, bits)
    if not extensible:
        return head
    return head + struct.pack(order + "HHIH", 22, bits, 0, tag) + bytes.fromhex(
        "000000001000800000aa00389b71")


def wav(data, tag=1, bits=16, order="<", outer=None, size=None, before=b"", **how):
    """A WAV file; outer and size: what the header says instead of the right sizes."""
    body = b"WAVE" + before + chunk(b"fmt ", wav_format(tag, bits, order=order, **how), order)
    body += chunk(b"data", data, order, size)
    outer = len(body) if outer is None else outer
    return (b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", outer) + body


def rf64(data, long_size):
    """An RF64 file of PCM16 whose ds64 chunk says that the data have long_size bytes."""
    body = b"WAVE" + chunk(b"ds64", struct.pack("<QQQI", 0, long_size, 0, 0))
    body += chunk(b"fmt ", wav_format(1, 16)) + chunk(b"data", data, size=0xFFFFFFFF)
    return b"RF64" + b"\xff" * 4 + body


def png(rows, bits, colour, *chunks):
    """A PNG file of rows of bytes; chunks: (name, body), or (name, body, checksum), before IDAT."""
    width = len(rows[0]) * 8 // bits // {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    head = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", head), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*part) for part in parts)


def _png_chunk(name, body, checksum=None):
    checksum = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def tiff(array, white_is_zero=False):
    """An uncompressed grey TIFF file of a two-dimensional array of any type of number."""
    array = np.ascontiguousarray(array)
    height, width = array.shape
    sample_format = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    tags = {256: width, 257: height, 258: 8 * array.itemsize, 259: 1, 262: 0 if white_is_zero else 1,
            273: 8, 277: 1, 278: height, 279: array.nbytes, 339: sample_format}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = array.tobytes()
    return (b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) +
            entries + struct.pack("<I", 0))
