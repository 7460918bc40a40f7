"""The chunks of a WAV file (RIFF, RIFX, RF64, BW64): a header that is wrong about sizes is mended
in memory, because programs that write into a pipe cannot go back to fill them in."""

import struct

import numpy as np

from .errors import BadInput

FORMS = (b"RIFF", b"RIFX", b"RF64", b"BW64")
UNKNOWN_FROM = 0x7F000000  # sizes that writers into pipes leave: 0x7ffff000, 0x7fffffff, 0xffffffff
AFTER_DATA = (b"LIST", b"id3 ", b"ID3 ", b"JUNK", b"bext", b"cue ", b"fact", b"smpl", b"_PMX")
NAMES = {1: "PCM", 2: "Microsoft ADPCM", 3: "floating point", 6: "A-law", 7: "mu-law",
         0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x55: "MP3", 0x92: "AC-3", 0xff: "AAC",
         0x161: "Windows Media Audio", 0xfffe: "WAVE_FORMAT_EXTENSIBLE"}


def is_wav(data):
    return data[:4] in FORMS and data[8:12] == b"WAVE"


def mended(data, truncated=False):
    """A WAV file of the same sound with the chunks fmt, fact and data and right sizes. BadInput if
    it lacks one of them, or ends before its data do unless truncated."""
    order = ">" if data[:4] == b"RIFX" else "<"
    chunks = _chunks(data, order, truncated)
    for name in (b"fmt ", b"data"):
        if name not in chunks:
            raise BadInput(f"broken sound: a .wav file without the chunk {name.decode().strip()}")
    if _kind(chunks[b"fmt "], order) == (1, 64):
        chunks = _as_floats(chunks, order)
    body = b"WAVE" + b"".join(_chunk(name, chunks[name], order)
                              for name in (b"fmt ", b"fact", b"data") if name in chunks)
    return (b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", len(body)) + body


def format_name(data):
    """What a WAV file says that its samples are: "MP3 (format 0x55)"."""
    order = ">" if data[:4] == b"RIFX" else "<"
    tag, bits = _kind(_chunks(data, order, True).get(b"fmt ", b""), order)
    return f"{bits}-bit {NAMES.get(tag, 'unknown samples')} (format {tag:#x})"


def _chunks(data, order, truncated):
    """{name: bytes} of the first chunk of each name."""
    found, sizes, at = {}, {}, 12
    while at + 8 <= len(data):
        name, size = data[at:at + 4], struct.unpack_from(order + "I", data, at + 4)[0]
        start = at + 8
        if name == b"ds64" and len(data) >= start + 16:
            sizes[b"data"] = struct.unpack_from("<Q", data, start + 8)[0]
        if name == b"data":
            size = _data_size(data, start, size, sizes.get(name), order, truncated)
        found.setdefault(name, data[start:start + size])
        at = start + size + size % 2
    return found


def _data_size(data, start, size, long_size, order, truncated):
    rest = len(data) - start
    if size == 0xFFFFFFFF and long_size:
        size = long_size if long_size < 2**63 else 0xFFFFFFFF
    outer = struct.unpack_from(order + "I", data, 4)[0]
    if size == 0 and outer + 8 <= start and data[start:start + 4] not in AFTER_DATA:
        return rest  # neither size was filled in
    if size > rest and not (size >= UNKNOWN_FROM or truncated):
        raise BadInput(f"sound is truncated: {rest} of {size} bytes are there; what there is of it "
                       "is read with --truncated")
    return min(size, rest)


def _chunk(name, body, order):
    return name + struct.pack(order + "I", len(body)) + body + b"\0" * (len(body) % 2)


def _kind(head, order):
    """(format tag, bits) of a fmt chunk; of WAVE_FORMAT_EXTENSIBLE that of its sub-format."""
    if len(head) < 16:
        return 0, 0
    tag, bits = (struct.unpack_from(order + "H", head, at)[0] for at in (0, 14))
    if tag == 0xFFFE and len(head) >= 26:
        tag = struct.unpack_from(order + "H", head, 24)[0]
    return tag, bits


def _as_floats(chunks, order):
    """64-bit whole numbers, which libsndfile lacks, as 64-bit floating point."""
    whole = chunks[b"data"][:len(chunks[b"data"]) // 8 * 8]
    values = np.frombuffer(whole, order + "i8") / 2.0**63
    head = struct.pack(order + "H", 3) + chunks[b"fmt "][2:16]
    return {b"fmt ": head, b"data": values.astype(order + "f8").tobytes()}
