"""Reads videos: films with PyAV, animated pictures with Pillow, arrays of frames. Everything
unusable is a BadInput."""

import importlib
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from . import arrays
from .decoding import ReadOptions, as_bad_input
from .errors import BadInput, UserError
from .pictures import check_pixels, image_array, read_animation, read_image

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
FRAMES = 16  # that are kept of a longer video, where nobody says how many
CHANNELS = (1, 3, 4)  # of arrays: grey, RGB, and with transparency, which is laid over white
# What begins the boxes of MP4 and QuickTime, and the brands of these that are pictures.
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
PICTURES = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


def read_video(source, size, channels, most, options=ReadOptions()):
    """(uint8 [frames, height, width, channels] of a path or binary file, or of a list of paths of
    pictures, one for each frame; why it is doubtful or "").
    Of more than `most` frames (0: all are kept) so many are taken, evenly over the whole. size,
    channels: as of pictures; a still picture is one frame."""
    if isinstance(source, list):
        frames = [read_image(source[place], size, channels, options) for place in kept(len(source), most)]
        return np.stack([frame for frame, _ in frames]), next((doubt for _, doubt in frames if doubt), "")
    with as_bad_input("broken video"):
        head = _head_of(source)
        if head.startswith(b"\x93NUMPY"):
            return stored_frames(arrays.load_frames(source), (*size, channels), most), ""
        if is_film(head) or (isinstance(source, Path) and source.suffix.lower() in VIDEO_SUFFIXES):
            return _film(source, size, channels, most, options), ""
    return read_animation(source, size, channels, lambda count: kept(count, most), options)


def kept(count, most):
    """Which of so many frames are taken."""
    if not 0 < most < count:
        return range(count)
    return [(2 * i + 1) * count // (2 * most) for i in range(most)]


def is_film(head):
    """Whether a file that begins so is of MP4, QuickTime, Matroska, WebM or AVI."""
    box = head[4:8] in BOXES and head[8:12] not in PICTURES
    return box or head.startswith(b"\x1aE\xdf\xa3") or (head[:4], head[8:11]) == (b"RIFF", b"AVI")


def stored_frames(array, shape, most=0):
    """A video's array, [frames, height, width, channels] or without channels, with frames of this
    shape; what cannot be brought to it stays as it is."""
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or not array.size:
        return array
    array = array if array.ndim == 4 else array[..., None]
    frames = array[kept(len(array), most)]
    if frames.shape[1:] == shape or shape[2] not in (1, 3) or frames.shape[3] not in CHANNELS:
        return frames
    pictures = [Image.fromarray(np.ascontiguousarray(frame[..., 0] if frame.shape[2] == 1 else frame))
                for frame in frames]
    return np.stack([image_array(picture, shape[:2], shape[2]) for picture in pictures])


def _head_of(source):
    if isinstance(source, Path):
        with open(source, "rb") as file:
            return file.read(12)
    head = source.read(12)
    source.seek(0)
    return head


def _film(source, size, channels, most, options):
    """Packets are counted first, so that only frames that are kept are ever held."""
    av = _library()
    with _opened(av, source) as container:
        count = sum(packet.size > 0 for packet in container.demux(_track(container, options)))
    if not isinstance(source, Path):
        source.seek(0)
    frames, wanted, place = [], iter(kept(count, most)), 0
    next_one = next(wanted, None)
    with _opened(av, source) as container:
        try:
            for frame in container.decode(_track(container, options)):
                if place == next_one:
                    picture = frame.to_image().rotate(frame.rotation, expand=True)
                    frames.append(image_array(picture, size, channels))
                    next_one = next(wanted, None)
                place += 1
        except av.FFmpegError as error:
            if not options.truncated:
                raise BadInput(f"broken video: damaged after {place} frames ({error.strerror}); "
                               "what there is of it is read with --truncated") from None
    if not frames:
        raise BadInput("video is empty")
    return np.stack(frames)


def _opened(av, source):
    try:
        return av.open(str(source) if isinstance(source, Path) else source)
    except av.FFmpegError as error:
        raise BadInput(f"broken video, or of a format that FFmpeg does not read ({error.strerror})"
                       ) from None


def _track(container, options):
    if not container.streams.video:
        raise BadInput("no video: the file holds no pictures")
    track = container.streams.video[0]
    check_pixels((track.width, track.height), options)
    track.thread_type = "AUTO"
    return track


def _library():
    """PyAV, which only films need. UserError if it is not there."""
    try:
        return importlib.import_module("av")
    except (ModuleNotFoundError, OSError) as error:
        raise UserError(f"{sys.executable} cannot load av ({error}; films are read with it); run "
                        f"{sys.executable} -m pip install av, or give frames as animated pictures "
                        "or .npy") from None
