"""Reads pictures with Pillow, drawings with librsvg. Everything unusable is a BadInput."""

import contextlib
import io
import warnings

import numpy as np
from PIL import Image, ImageFile, ImageOps

from . import deep_pictures, drawings, png_chunks
from .decoding import ReadOptions, as_bad_input, bytes_of
from .errors import BadInput

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".avif",
                  ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".apng", ".svg")
ANIMATED_SUFFIXES = (".gif", ".webp", ".png", ".apng")
UNREAD = "which Pillow does not read; convert it to PNG"
OTHER_CONTENTS = ((b"<", "a page of HTML or XML, not a picture"),
                  (b"%PDF", "a PDF document, not a picture"),
                  (b"PK\x03\x04", "a ZIP archive, not a picture"),
                  (b"\x1f\x8b", "a gzip archive, not a picture"),
                  (b"version https://git-lfs", "a pointer of Git LFS, not a picture"),
                  (b"II*\0", f"a TIFF file of a kind {UNREAD}"),
                  (b"MM\0*", f"a TIFF file of a kind {UNREAD}"))


def load_image(source, size, channels, options=ReadOptions()):
    """uint8 [height, width, channels] of a path or binary file. size: (height, width), reached by
    Lanczos resampling without keeping the aspect ratio. channels: 1 (grey) or 3 (RGB). Transparency
    is laid over white, the EXIF orientation is applied, values of more than 8 bits are brought to 8
    as the options say, of an animation the first picture is taken, an SVG is drawn at the size."""
    return read_image(source, size, channels, options)[0]


def read_image(source, size, channels, options=ReadOptions()):
    """(the same, why it is doubtful or "")."""
    with as_bad_input("broken image"), _own_limits(options), _cut_off():
        data = _checked(drawings.as_picture(bytes_of(source), size), options)
        with _opened(data) as opened:
            check_pixels(opened.size, options)
            deep = deep_pictures.is_deep(opened)
            if not deep:
                picture = ImageOps.exif_transpose(_with_right_transparency(opened, data))
                picture.load()
        doubt = ""
        if deep:
            picture, doubt = deep_pictures.eight_bits(_opened, data, options.value_range)
        return image_array(picture, size, channels), doubt


def is_animated(path):
    """Whether a file holds several pictures, by its head; one that cannot be read does not."""
    if path.suffix.lower() not in ANIMATED_SUFFIXES:
        return False
    try:
        with _own_limits(ReadOptions()), Image.open(path) as opened:
            return getattr(opened, "is_animated", False)
    except Exception:  # as_bad_input says what these may be
        return False


def read_animation(source, size, channels, chosen, options=ReadOptions()):
    """(uint8 [pictures, height, width, channels], as read_image), of the pictures that `chosen`
    names when it is told how many there are. A still one is the only one."""
    with as_bad_input("broken image"), _own_limits(options), _cut_off():
        data = bytes_of(source)
        with _opened(_checked(data, options)) as opened:
            count = getattr(opened, "n_frames", 1)
            if count > 1:
                check_pixels(opened.size, options)
                if deep_pictures.is_deep(opened):
                    raise BadInput("animation of more than 8 bits a value; convert it to 8")
                return np.stack([_picture_at(opened, place, size, channels)
                                 for place in chosen(count)]), ""
    picture, doubt = read_image(io.BytesIO(data), size, channels, options)
    return picture[None], doubt


def _picture_at(opened, place, size, channels):
    opened.seek(place)
    return image_array(ImageOps.exif_transpose(opened), size, channels)


def image_array(picture, size, channels):
    """The same for a Pillow image of 8 bits."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (size[1], size[0]):
        picture = picture.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(size[0], size[1], channels)


@contextlib.contextmanager
def _own_limits(options):
    """Pillow's limits are variables of its modules: sizes are checked here instead."""
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, options.truncated
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextlib.contextmanager
def _cut_off():
    try:
        yield
    except OSError as error:
        if "truncated" in str(error):
            raise BadInput("broken image: cut off; what there is of it is read with "
                           "--truncated") from None
        raise
    except IndexError:  # Pillow, of a GIF between two blocks
        raise BadInput("broken image: cut off") from None


def _checked(data, options):
    """The bytes for Pillow; BadInput if they are damaged in a way that decoding ignores."""
    if not data:
        raise BadInput("broken image: the file is empty")
    if data.startswith(png_chunks.SIGNATURE):
        return png_chunks.mended(data, options.truncated)
    if not options.truncated:
        with _opened(data) as opened:
            opened.verify()  # useless afterwards
    return data


def _opened(data):
    try:
        return Image.open(io.BytesIO(data))
    except Image.UnidentifiedImageError:
        start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
        other = [name for head, name in OTHER_CONTENTS if start.startswith(head)]
        if data[4:8] == b"ftyp":
            other = [f"a file of the family of HEIC, {UNREAD}"]
        raise BadInput("broken image: " + (other or ["no picture that Pillow knows"])[0]) from None


def check_pixels(size, options):
    """BadInput if a picture of this size is too large."""
    megapixels = size[0] * size[1] / 1e6
    if megapixels > options.max_megapixels:
        raise BadInput(f"picture of {megapixels:.1f} megapixels, above the limit of "
                       f"{options.max_megapixels:g} (it could be a decompression bomb); allow it "
                       f"with --max-megapixels {int(megapixels) + 1}")


def _with_right_transparency(picture, data):
    """A grey PNG of 1, 2 or 4 bits names its transparent value in these; Pillow gives 8 bits."""
    depth = data[24] if picture.format == "PNG" else 8
    value = picture.info.get("transparency")
    if depth < 8 and picture.mode in ("1", "L") and isinstance(value, int):
        picture.load()
        picture = picture.convert("L")
        picture.info["transparency"] = value * 255 // (2**depth - 1)
    return picture
