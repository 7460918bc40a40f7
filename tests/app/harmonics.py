"""Sounds whose class is a steady spectrum: forty sums of four harmonics, level and phases drawn for each sample.

As tones, decaying notes, clips of 40 ms and bursts; in each what tells the classes apart is the same, and nothing that
a sample loses with its mean over time.
"""

import sys

import driver
import numpy as np

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data.schema import DatasetInfo, Modality  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

RATE, SECONDS = 8000, 0.5
SPLITS = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10
AUDIO = Modality("audio", "audio", sample_rate=RATE)


def steady(_, wave):
    return wave


def decaying(draw, wave):
    return wave * np.exp(-np.arange(len(wave)) / RATE / draw.uniform(0.05, 0.2))


def clip(_, wave):
    return wave[:int(0.04 * RATE)]


def bursts(draw, wave):
    """On for half of a period, off for the other."""
    phase = np.arange(len(wave)) / RATE / draw.uniform(0.06, 0.2) + draw.uniform()
    return wave * (phase % 1 < 0.5)


KINDS = {"steady": steady, "decaying": decaying, "clip": clip, "bursts": bursts}


def spectra(draw, count):
    """[(fundamental in Hz, amplitudes of its harmonics)], in no order."""
    fundamentals = np.geomspace(100, 900, count)
    return [(fundamentals[row], 10**draw.uniform(-1.5, 0, 4)) for row in draw.permutation(count)]


def sound(draw, kind, spectrum):
    """int16; the loudest have a peak of half the range, the softest are 20 dB below."""
    time = np.arange(int(SECONDS * RATE)) / RATE
    fundamental, amplitudes = spectrum
    wave = sum(amplitude * np.sin(2 * np.pi * (order * fundamental * time + draw.uniform()))
               for order, amplitude in enumerate(amplitudes, 1))
    level = 10**draw.uniform(-1, 0) * 0.5 / amplitudes.sum()
    return np.round(32767 * level * KINDS[kind](draw, wave)).astype("<i2")


def write(path, samples):
    """A shard of [(class, split, int16 samples)]."""
    loaded = [Loaded(f"{name}/{index}", name, "all", split, {"audio": values})
              for index, (name, split, values) in enumerate(samples)]
    write_shard(path, DatasetInfo("harmonics", "made by a test", "CC0-1.0", "a test"), [AUDIO], loaded)
    return path


def make(path, kind, count=8):
    """A shard with a class for each entry of SPLITS, of `count` samples."""
    draw = np.random.default_rng(0)
    classes = list(zip(SPLITS, spectra(draw, len(SPLITS))))
    return write(path, [(f"class {number:02}", split, sound(draw, kind, spectrum))
                        for number, (split, spectrum) in enumerate(classes) for _ in range(count)])
