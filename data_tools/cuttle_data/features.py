"""Raw features for the floor: one float32 vector of fixed length per value, nothing learned."""

import zlib

import numpy as np
from PIL import Image

from . import names
from .graphs import parts_of

IMAGE_SIDE = 32
TEXT_BUCKETS = 2048
MEL_BANDS = 40
SERIES_STEPS = 32
DEGREES = 9


def feature_of(modality, array):
    """The raw feature of one stored value."""
    if modality.kind == names.KIND_IMAGE:
        return image_feature(array)
    if modality.kind == names.KIND_VIDEO:
        return np.mean([image_feature(frame) for frame in array], axis=0, dtype=np.float32)
    if modality.kind == names.KIND_TEXT:
        return text_feature(array.tobytes().decode())
    if modality.kind == names.KIND_AUDIO:
        return audio_feature(array, modality.sample_rate)
    if modality.kind == names.KIND_GRAPH:
        return graph_feature(*parts_of(array, modality.shape[0], modality.directed))
    array = _without_holes(modality, np.asarray(array, np.float32))
    return series_feature(array) if modality.kind == names.KIND_SERIES else array


def _without_holes(modality, array):
    """Holes become the mean of the training split; categories a feature of 0 and 1 each."""
    if not modality.holes:
        return array
    filled = np.where(np.isnan(array), np.float32(modality.mean or 0), array)
    if not modality.categories:
        return filled
    return np.concatenate([
        np.float32(np.arange(len(found)) == value) if found else [one]
        for value, one, found in zip(array, filled, modality.categories)], dtype=np.float32)


def image_feature(array):
    """Pixels / 255, area-averaged down to at most 32 x 32."""
    height, width = (min(side, IMAGE_SIDE) for side in array.shape[:2])
    if (height, width) != array.shape[:2]:
        planes = [
            np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BOX))
            for plane in np.moveaxis(array, 2, 0)
        ]
        array = np.stack(planes, axis=2)
    return array.astype(np.float32).ravel() / 255


def text_feature(text):
    """Counts of the 1-, 2- and 3-grams of characters (lower case, a space before and after), hashed
    by CRC-32."""
    text = f" {text.lower()} "
    counts = np.zeros(TEXT_BUCKETS, np.float32)
    for size in (1, 2, 3):
        for first in range(len(text) - size + 1):
            counts[zlib.crc32(text[first:first + size].encode()) % TEXT_BUCKETS] += 1
    return counts


def audio_feature(samples, sample_rate):
    """Mean and standard deviation over time of 40 log-mel bands (25 ms Hann windows every 10
    ms)."""
    window, step = int(0.025 * sample_rate), int(0.010 * sample_rate)
    samples = samples.astype(np.float32) / 32768
    if len(samples) < window:
        samples = np.pad(samples, (0, window - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::step] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1))**2
    bands = np.log(power @ mel_bank(window, sample_rate).T + 1e-6)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)]).astype(np.float32)


def mel_bank(window, sample_rate):
    """[bands, window // 2 + 1] triangles, equally spaced on the mel scale from 0 to the Nyquist
    frequency."""
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    centres = 700 * (10**(np.linspace(0, top, MEL_BANDS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(window, 1 / sample_rate)
    rising = (frequencies - centres[:-2, None]) / (centres[1:-1] - centres[:-2])[:, None]
    falling = (centres[2:, None] - frequencies) / (centres[2:] - centres[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


def series_feature(array):
    """Each channel interpolated linearly to 32 steps."""
    old, new = np.linspace(0, 1, len(array)), np.linspace(0, 1, SERIES_STEPS)
    return np.concatenate([np.interp(new, old, channel) for channel in array.T]).astype(np.float32)


def graph_feature(features, edges):
    """Mean and standard deviation of the nodes' features, and the shares of nodes that are the end of
    0, 1, .. edges, 8 or more in the last place."""
    ends = np.bincount(edges.ravel(), minlength=len(features))
    shares = np.bincount(np.minimum(ends, DEGREES - 1), minlength=DEGREES) / len(features)
    return np.concatenate([features.mean(axis=0), features.std(axis=0), shares]).astype(np.float32)
