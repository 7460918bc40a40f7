"""A windowed sinc in NumPy, which the speech of the emoji data is made with: its bytes depend on
nothing but these lines. Sounds of files are resampled by libsoxr (sounds.py)."""

import functools
import math

import numpy as np

ZEROS = 32  # zero crossings of the resampling kernel on either side


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
