"""Pictures of more than 8 bits a value: which of their values are black and white."""

import re

import numpy as np
from PIL import Image, ImageOps

from . import png_chunks
from .errors import BadInput, UserError

NEARLY_BLACK = 16  # of 256: a picture that never gets brighter is doubted
BITS_TAG, PHOTOMETRIC_TAG, SIGN_TAG = 258, 262, 339  # of TIFF
OTHER_BYTE = {"B": "L", "L": "B", "N": "B"}  # rawmodes that give the low bytes of 16-bit colours


def parse_range(text):
    """"type" -> None, "max" -> "max", "12" -> 12 (bits), "0..4095" -> (0.0, 4095.0)."""
    if text in (None, "type"):
        return None
    if text == "max":
        return text
    if re.fullmatch(r"\d+", text) and 8 <= int(text) <= 32:
        return int(text)
    number = r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    ends = re.fullmatch(number + r"\.\." + number, text)
    if ends and float(ends[1]) < float(ends[2]):
        return float(ends[1]), float(ends[2])
    raise UserError(f"--range {text} is no range of pixel values; give type, max, a number of bits "
                    "from 8 to 32 such as 12, or LOW..HIGH such as 0..4095")


def is_deep(picture):
    """True if a Pillow image, not yet loaded, has values that 8 bits do not hold."""
    return (picture.mode[0] in "IF" or _is_signed(picture) or _has_grey_alpha(picture)
            or bool(_colour_tiles(picture)))


def eight_bits(opener, data, value_range):
    """(8-bit image, doubt or "") of the bytes of a file, which opener opens."""
    with opener(data) as opened:
        bits, signed, inverted = _depth(opened)
        transparent = opened.info.get("transparency") if opened.format == "PNG" else None
        pixels = _pixels(opener, data, opened, bits, signed)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    colours = pixels[..., :3] if channels == 4 else pixels
    values, doubt = _scaled(colours, value_range, bits, signed)
    if inverted:
        values = 255 - values
    if channels == 4:
        alpha = np.clip(pixels[..., 3:] >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(np.concatenate([values, alpha], axis=2), "RGBA"), doubt
    if transparent is not None:
        clear = pixels == np.asarray(transparent)
        values[clear.all(axis=2) if channels == 3 else clear] = 255
    return Image.fromarray(values), doubt


def _is_signed(picture):
    return _tag(picture, SIGN_TAG) == 2


def _tag(picture, number):
    value = getattr(picture, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) else value


def _depth(picture):
    """(bits, signed, white is zero) of the stored values."""
    bits = (_tag(picture, BITS_TAG) if hasattr(picture, "tag_v2") else None) or 16
    return bits, _is_signed(picture), _tag(picture, PHOTOMETRIC_TAG) == 0


def _pixels(opener, data, opened, bits, signed):
    """The stored numbers, upright: int64, or float64 of floating-point pictures."""
    if _has_grey_alpha(opened):
        return _grey_alpha(opener, data)
    if _colour_tiles(opened):
        return _sixteen_bit_colours(opener, data)
    shown = ImageOps.exif_transpose(opened)
    pixels = np.asarray(shown)
    if pixels.dtype.kind == "f":
        return pixels.astype(float)
    if bits == 8 and signed:
        inverted = _tag(opened, PHOTOMETRIC_TAG) == 0  # which Pillow has undone for 8 bits
        pixels = (255 - pixels if inverted else pixels).astype(np.int8)
    if bits == 32 and not signed:
        pixels = pixels.astype(np.uint32)
    return pixels.astype(np.int64)


def _colour_tiles(picture):
    """The tiles that give the low bytes of 16-bit colours; Pillow reads the high ones."""
    tiles = []
    for tile in getattr(picture, "tile", []):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3], )
        found = re.fullmatch(r"(RGBA?;16)([BLN])", str(args[0])) if args else None
        if not found:
            return []
        args = (found[1] + OTHER_BYTE[found[2]], *args[1:])
        tiles.append(tile._replace(args=args if isinstance(tile[3], tuple) else args[0]))
    return tiles


def _has_grey_alpha(picture):
    return picture.format == "PNG" and picture.tile and picture.tile[0][3] == "LA;16B"


def _grey_alpha(opener, data):
    """Grey and alpha of 16 bits lie in the file as four bytes: those of an 8-bit RGBA picture."""
    with opener(png_chunks.with_kind(data, 8, 6)) as opened:
        parts = np.asarray(ImageOps.exif_transpose(opened)).astype(np.int64)
    grey, alpha = (parts[..., first] << 8 | parts[..., first + 1] for first in (0, 2))
    return np.stack([grey, grey, grey, alpha], axis=2)


def _sixteen_bit_colours(opener, data):
    with opener(data) as high:
        upper = np.asarray(ImageOps.exif_transpose(high))
    with opener(data) as low:
        low.tile = _colour_tiles(low)
        lower = np.asarray(ImageOps.exif_transpose(low))
    return upper.astype(np.int64) << 8 | lower


def _scaled(pixels, value_range, bits, signed):
    """(uint8 array, doubt or "")."""
    if isinstance(value_range, tuple):
        low, high = value_range
        return _rounded((pixels - low) / (high - low)), ""
    if pixels.min() < 0:
        raise BadInput("picture has values below 0; say which are black and white with "
                       "--range LOW..HIGH")
    if value_range == "max":
        return _rounded(pixels / max(pixels.max(), np.finfo(float).tiny)), ""
    if pixels.dtype.kind == "f":
        raise BadInput("floating-point image; say which values are black and white with "
                       "--range LOW..HIGH, or --range max")
    own = value_range is None
    bits = bits - signed if own else value_range
    top = int(pixels.max())
    values = np.clip(pixels, 0, 2**bits - 1)
    values = values >> bits - 8 if bits >= 8 else values << 8 - bits
    if not own and top >= 2**bits:
        return values.astype(np.uint8), (f"picture has values up to {top}, above --range "
                                         f"{value_range}: they are white")
    if not own or not top or values.max() >= NEARLY_BLACK:
        return values.astype(np.uint8), ""
    problem = (f"picture comes out nearly black: its values reach {top} of {2**bits - 1}; say what "
               "is white with --range (bits, max or LOW..HIGH)")
    if bits > 16:
        raise BadInput(problem)
    return values.astype(np.uint8), problem


def _rounded(shares):
    if not np.isfinite(shares).all():
        raise BadInput("picture has values that are not finite")
    return np.round(np.clip(shares, 0, 1) * 255).astype(np.uint8)
