"""Reads the raw formats: images by Pillow, UTF-8 text, PCM16 WAV, .npy. Everything unusable is a
BadInput."""

import contextlib
import functools
import io
import math
import warnings
import wave
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .errors import BadInput, UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
                  ".pbm")
MIN_RATE, MAX_RATE = 1000, 384000  # Hz
ZEROS = 32  # zero crossings of the resampling kernel on either side


def file_fingerprint(path):
    """Name, size and time of a file: what tells the plan of a conversion that its content
    changed."""
    status = path.stat()
    return f"{path.name}:{status.st_size}:{status.st_mtime_ns}"


def load_image(source, size, channels):
    """uint8 [height, width, channels] of a path or binary file. size: (height, width), reached by
    Lanczos resampling without keeping the aspect ratio. channels: 1 (grey) or 3 (RGB). Transparency
    is laid over white, the EXIF orientation is applied, 16-bit values are shifted to 8, of an
    animation the first picture is taken."""
    with _as_bad_input("broken image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        data = source.read_bytes() if isinstance(source, Path) else source.read()
        with Image.open(io.BytesIO(data)) as opened:
            opened.verify()  # checksums, which decoding ignores; useless afterwards
        with Image.open(io.BytesIO(data)) as opened:
            picture = ImageOps.exif_transpose(opened)
            picture.load()
        return image_array(picture, size, channels)


def image_array(picture, size, channels):
    """The same for a Pillow image."""
    if picture.mode == "F":
        raise BadInput("floating-point image")
    if picture.mode.startswith("I"):
        pixels = np.asarray(picture).astype(np.int64) >> 8
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (size[1], size[0]):
        picture = picture.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(size[0], size[1], channels)


def load_text(path):
    """The UTF-8 bytes of a text file, without byte-order mark and surrounding white space; not
    empty."""
    with _as_bad_input("broken text"):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise BadInput("text is not UTF-8") from None
    if not text:
        raise BadInput("text is empty")
    return text.encode()


def load_wav(source, sample_rate):
    """int16 [n] of a PCM16 WAV path or binary file, channels averaged, resampled to sample_rate."""
    opened = str(source) if isinstance(source, Path) else source
    with _as_bad_input("not a PCM16 .wav file"), wave.open(opened) as file:
        channels, width, rate, frames = file.getparams()[:4]
        if width != 2:
            raise BadInput(f".wav holds {8 * width}-bit samples, not PCM16")
        data = np.frombuffer(file.readframes(frames), "<i2")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise BadInput(f".wav has {rate} samples per second, not {MIN_RATE} to {MAX_RATE}")
    if len(data) != frames * channels:
        raise BadInput(".wav is truncated")
    if not len(data):
        raise BadInput(".wav is empty")
    if channels > 1:
        data = np.round(data.reshape(-1, channels).mean(axis=1)).astype("<i2")
    return resample(data, rate, sample_rate)


def resample(samples, old_rate, new_rate):
    """int16 at another rate: each output sample is a sum of input samples weighted by a
    Hann-windowed sinc with 32 zero crossings on either side, cut off at the lower of the two
    Nyquist frequencies; the ends are padded with zeros."""
    if old_rate == new_rate:
        return samples
    divisor = math.gcd(old_rate, new_rate)
    # Output k lies at input position k * down / up.
    up, down = new_rate // divisor, old_rate // divisor
    count = max(1, round(len(samples) * new_rate / old_rate))
    kernels = _kernels(up, down, min(up, count))  # output k + up has the same weights as output k
    reach = kernels.shape[1] // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples.astype(float), reach),
                                                       2 * reach)
    result = np.empty(count)
    for first in range(0, count, 256):
        outputs = np.arange(first, min(first + 256, count))
        result[outputs] = np.einsum("kt,kt->k", windows[outputs * down // up + 1],
                                    kernels[outputs % up])
    return np.clip(np.round(result), -32768, 32767).astype("<i2")


@functools.lru_cache(maxsize=2)
def _kernels(up, down, rows):
    """float64 [rows, 2 * reach]: the weights of the input samples around each of the first `rows`
    output samples."""
    cutoff = min(1.0, up / down)
    reach = int(np.ceil(ZEROS / cutoff))
    x = ((np.arange(rows) * down % up / up)[:, None] - np.arange(-reach + 1, reach + 1)) * cutoff
    window = np.where(np.abs(x) < ZEROS, 0.5 + 0.5 * np.cos(np.pi * x / ZEROS), 0)
    return cutoff * np.sinc(x) * window


def load_npy(path):
    """The numbers of a .npy file with one (vector) or two (series: steps x channels) dimensions.
    Never unpickles."""
    with _as_bad_input("broken .npy"):
        return _checked(np.load(path, allow_pickle=False))


def npy_shape(path):
    """The shape that load_npy will give, from the file's head only."""
    with _as_bad_input("broken .npy"):
        return _checked(np.load(path, mmap_mode="r", allow_pickle=False)).shape


def parse_size(text):
    """"64" -> (64, 64), "28x32" -> (28, 32): height x width."""
    sides = text.lower().split("x")
    if len(sides) in (1, 2) and all(side.isdecimal() and 1 <= int(side) <= 4096 for side in sides):
        return int(sides[0]), int(sides[-1])
    raise UserError(
        f"--size {text} is no image size; give one number, or height x width such as 28x32")


def _checked(array):
    if array.dtype.kind not in "fiu":
        raise BadInput(f".npy holds {array.dtype}, not numbers")
    if array.ndim not in (1, 2):
        raise BadInput(
            f".npy has {array.ndim} dimensions, not 1 (vector) or 2 (series: steps x channels)")
    return array


@contextlib.contextmanager
def _as_bad_input(problem):
    """Whatever a decoder throws at a broken file (Pillow alone: OSError, SyntaxError, ValueError,
    struct.error, zlib.error, ...) is a BadInput; the first line of its message says enough."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        detail = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise BadInput(f"{problem}: {detail}") from None
