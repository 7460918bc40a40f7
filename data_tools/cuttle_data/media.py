"""Reads the raw formats: pictures, videos, texts, sounds, graphs and .npy files, each in a file of its own.
Everything unusable is a BadInput."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from . import names
from .arrays import ARRAY_SUFFIXES, load_npy, npy_shape
from .decoding import MAX_MEGAPIXELS, Doubtful, ReadOptions
from .deep_pictures import parse_range
from .errors import UserError
from .graphs import GRAPH_SUFFIXES, graph_columns, is_graph, load_graph, stored_graph
from .pictures import (ANIMATED_SUFFIXES, IMAGE_SUFFIXES, image_array, is_animated, load_image,
                       read_image)
from .resampling import resample
from .sounds import MAX_RATE, MIN_RATE, SOUND_SUFFIXES, load_wav, read_sound
from .texts import TEXT_SUFFIXES, load_text, parse_encoding
from .videos import FRAMES, VIDEO_SUFFIXES, is_film, read_video

__all__ = ["ANIMATED_SUFFIXES", "ARRAY_SUFFIXES", "IMAGE_SUFFIXES", "ReadOptions", "SOUND_SUFFIXES",
           "FRAMES", "VIDEO_SUFFIXES", "add_decoding_arguments", "add_layout_arguments", "add_rate_argument",
           "add_read_arguments", "checked_frames", "checked_rate", "file_fingerprint", "graph_columns", "image_array",
           "is_film",
           "kinds_of", "load_image", "load_npy", "load_text", "load_wav", "loader", "npy_shape",
           "parse_size", "read_options", "resample"]
KINDS = {**dict.fromkeys(TEXT_SUFFIXES, names.KIND_TEXT),
         **dict.fromkeys(SOUND_SUFFIXES, names.KIND_AUDIO),
         **dict.fromkeys(IMAGE_SUFFIXES, names.KIND_IMAGE),
         **dict.fromkeys(VIDEO_SUFFIXES, names.KIND_VIDEO)}
# By the number of dimensions of a .npy.
ARRAY_KINDS = {1: names.KIND_VECTOR, 2: names.KIND_SERIES, 4: names.KIND_VIDEO}
MOST_FRAMES = 1 << 20


def add_layout_arguments(parser):
    """The options of what pictures, videos and sounds become."""
    parser.add_argument("--size", default="84",
                        help="image size, one number or HEIGHTxWIDTH; reached by Lanczos "
                        "resampling without keeping the aspect ratio (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N",
                        help="of a video with more, so many are kept, evenly over the whole "
                        f"(default: {FRAMES})")
    parser.add_argument("--directed", action="store_true",
                        help="edges of graphs lead one way (default: both ways)")
    parser.add_argument("--gray", action="store_true", help="one channel instead of RGB")
    add_rate_argument(parser)


def add_rate_argument(parser):
    parser.add_argument("--sample-rate", type=int, default=16000,
                        help="of the audio, Hz; other rates are resampled (default: 16000)")


def checked_rate(rate):
    """A --sample-rate; UserError if it is not possible."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UserError(f"--sample-rate {rate} is not possible; give {MIN_RATE} to {MAX_RATE} Hz")
    return rate


def checked_frames(frames):
    """A --frames; UserError if it is not possible."""
    if not 1 <= frames <= MOST_FRAMES:
        raise UserError(f"--frames {frames} is no number of frames; give 1 to {MOST_FRAMES}")
    return frames


def add_read_arguments(parser):
    """The options of how files are read."""
    parser.add_argument("--encoding",
                        help="of text files without a byte-order mark (default: utf-8)")
    add_decoding_arguments(parser)


def add_decoding_arguments(parser):
    """Those of pictures, videos and sounds."""
    parser.add_argument("--range", metavar="RANGE", default="type",
                        help="what is black and white in pictures of more than 8 bits: type (all "
                        "that the type holds, the default), a number of bits such as 12, max (0 to "
                        "each picture's maximum), or LOW..HIGH")
    parser.add_argument("--truncated", action="store_true",
                        help="take what there is of pictures, films and sounds that are cut off")
    parser.add_argument("--max-megapixels", type=_megapixels, default=MAX_MEGAPIXELS, metavar="N",
                        help="larger pictures are refused, as they could be decompression bombs "
                        f"(default: {MAX_MEGAPIXELS})")


def read_options(args):
    """ReadOptions of these arguments; UserError if one is not possible."""
    return ReadOptions(parse_encoding(getattr(args, "encoding", None) or "utf-8"), parse_range(args.range),
                       args.truncated, args.max_megapixels)


def file_fingerprint(path):
    """Name, size and time of a file: what tells the plan of a conversion that its content
    changed."""
    status = path.stat()
    return f"{path.name}:{status.st_size}:{status.st_mtime_ns}"


def kinds_of(path):
    """The kinds of modality that a file may be by its ending (a .npy by its shape), the likeliest
    first: a picture may be a video of one frame, and an animated one a picture by its first. A
    .json or .npz is a graph if it holds one.
    BadInput if it is a broken .npy."""
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        return (ARRAY_KINDS[len(npy_shape(path))], )
    if suffix in GRAPH_SUFFIXES:
        return (names.KIND_GRAPH, ) if is_graph(path) else ()
    kind = KINDS.get(suffix)
    if kind == names.KIND_IMAGE:
        both = (names.KIND_IMAGE, names.KIND_VIDEO)
        return both[::-1] if is_animated(path) else both
    return (kind, ) if kind else ()


@dataclass(slots=True)  # there may be millions: a string takes a third of a Path
class Loader:
    """Reads a path (a string) or a binary file as a value of the modality, Doubtful where something
    is odd."""

    modality: object
    source: object
    options: ReadOptions

    def __call__(self):
        modality, options = self.modality, self.options
        source = Path(self.source) if isinstance(self.source, str) else self.source
        if modality.kind == names.KIND_IMAGE:
            return _doubted(read_image(source, modality.shape[:2], modality.shape[2], options))
        if modality.kind == names.KIND_VIDEO:
            return _doubted(read_video(source, modality.shape[:2], modality.shape[2],
                                       modality.most_frames, options))
        if modality.kind == names.KIND_AUDIO:
            return _doubted(read_sound(source, modality.sample_rate, options))
        if modality.kind == names.KIND_GRAPH:
            return stored_graph(*load_graph(source, modality.columns), modality.shape[0], modality.directed)
        return (load_text(source, options) if modality.kind == names.KIND_TEXT else
                load_npy(source))


def loader(modality, source, options):
    """A function without arguments that reads a path or binary file as a value of the modality."""
    return Loader(modality, str(source) if isinstance(source, Path) else source, options)


def parse_size(text):
    """"64" -> (64, 64), "28x32" -> (28, 32): height x width."""
    sides = text.lower().split("x")
    if len(sides) in (1, 2) and all(side.isdecimal() and 1 <= int(side) <= 4096 for side in sides):
        return int(sides[0]), int(sides[-1])
    raise UserError(
        f"--size {text} is no image size; give one number, or height x width such as 28x32")


def _doubted(read):
    value, doubt = read
    return Doubtful(value, doubt) if doubt else value


def _megapixels(text):
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("must be above 0")
    return value
