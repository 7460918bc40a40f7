"""The chunks of a PNG file: what Pillow needs of them, each with its checksum checked."""

import struct
import zlib

from .errors import BadInput

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
ORIENTATIONS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # texts that can turn a picture
LONGEST_TEXT = 65536


def mended(data, truncated=False):
    """The file without comments and without ancillary chunks whose checksum is wrong. BadInput
    naming the chunk if one that decides pixels is damaged or cut off; truncated: the rest is
    passed on as it is."""
    kept, at = [SIGNATURE], len(SIGNATURE)
    while at < len(data):
        name, end = data[at + 4:at + 8], at + 12
        if len(data) >= end:
            end += struct.unpack_from(">I", data, at)[0]
        if end > len(data) or len(name) < 4:
            if not truncated:
                raise BadInput(f"broken image: cut off in chunk {_text(name)}; what there is of it "
                               "is read with --truncated")
            kept.append(data[at:])
            break
        if _is_whole(data, at, end, name, truncated) and not _is_comment(data, at, end, name):
            kept.append(data[at:end])
        if name == b"IEND":
            break
        at = end
    else:
        if not truncated:
            raise BadInput("broken image: cut off before chunk IEND; what there is of it is read "
                           "with --truncated")
    return b"".join(kept)


def with_kind(data, bits, colour):
    """The file with another bit depth and colour type in its head."""
    head = data[12:24] + bytes([bits, colour]) + data[26:29]
    return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]


def _is_whole(data, at, end, name, truncated):
    """False if the chunk is damaged and can be done without."""
    if zlib.crc32(data[at + 4:end - 4]) == struct.unpack_from(">I", data, end - 4)[0]:
        return True
    ancillary = bool(name[0] & 32) and name != b"tRNS"
    if not ancillary and not (truncated and name == b"IDAT"):
        raise BadInput(f"broken image: wrong checksum of chunk {_text(name)}")
    return not ancillary


def _is_comment(data, at, end, name):
    body = data[at + 8:at + 8 + 32]
    return name in TEXTS and (end - at > LONGEST_TEXT or not body.startswith(ORIENTATIONS))


def _text(name):
    return name.decode("latin-1") if name.isalpha() else "(unreadable)"
