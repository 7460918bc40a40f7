"""Reads sounds with libsndfile and resamples them with libsoxr. Everything unusable is a
BadInput."""

import importlib
import io
import sys

import numpy as np

from . import wav_chunks
from .decoding import ReadOptions, as_bad_input, bytes_of
from .errors import BadInput, UserError

SOUND_SUFFIXES = (".wav", ".wave", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3",
                  ".aif", ".aiff", ".aifc", ".au", ".caf")
MIN_RATE, MAX_RATE = 1000, 384000  # Hz
LOUDEST = 8  # times full scale: louder numbers are no sound in units of full scale
OTHER_CONTENTS = ((b"ftyp", "MPEG-4 (AAC)"), (b"\x1aE\xdf\xa3", "Matroska or WebM"),
                  (b"0&\xb2u", "Windows Media Audio"), (b"#!AMR", "AMR"), (b"<", "HTML or XML"),
                  (b"RIFF", "a RIFF file that is no WAV"))
COMPRESSED = ("MP3", "OGG")  # their heads only estimate the length


def load_wav(source, sample_rate, options=ReadOptions()):
    """int16 [n] of a sound's path or binary file, channels averaged, resampled to sample_rate."""
    return read_sound(source, sample_rate, options)[0]


def read_sound(source, sample_rate, options=ReadOptions()):
    """(the same, why it is doubtful or "")."""
    with as_bad_input("broken sound"):
        data = bytes_of(source)
        if not data:
            raise BadInput("broken sound: the file is empty")
        samples, rate = _decoded(data, options)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise BadInput(f"sound has {rate} samples per second, not {MIN_RATE} to {MAX_RATE}")
    if not len(samples):
        raise BadInput("sound is empty")
    if not np.isfinite(samples).all():
        raise BadInput("sound has samples that are not finite")
    mono = resample(samples.mean(axis=1), rate, sample_rate)
    peak = float(np.abs(samples).max())
    if peak > LOUDEST:
        raise BadInput(f"sound reaches {peak:g} where 1 is full scale; scale it to [-1, 1]")
    doubt = "sound is louder than full scale: cut" if peak > 1 else ""
    return sixteen_bits(mono), doubt


def sixteen_bits(samples):
    """int16 of floats, of which 1 is full scale; louder ones are cut."""
    return np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2")


def resample(samples, old_rate, new_rate):
    """float64 at another rate, at least one sample."""
    if old_rate == new_rate:
        return samples
    count = max(1, round(len(samples) * new_rate / old_rate))
    result = _library("soxr").resample(samples, old_rate, new_rate, quality="HQ")
    return np.pad(result, (0, max(0, count - len(result))))[:count]


def _decoded(data, options):
    """(float64 [n, channels], sample rate)."""
    soundfile, named = _library("soundfile"), ""
    if wav_chunks.is_wav(data):
        named = ": " + wav_chunks.format_name(data)
        data = wav_chunks.mended(data, options.truncated)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            samples = file.read(dtype="float64", always_2d=True)
            frames, rate, container = file.frames, file.samplerate, file.format
    except soundfile.SoundFileError as error:
        other = [f": {name}" for head, name in OTHER_CONTENTS if head in data[:12]]
        detail = getattr(error, "error_string", "").rstrip(".") or "no sound"
        raise BadInput("broken sound, or of a format that libsndfile does not read"
                       f"{named or ''.join(other[:1])} ({detail}); convert it to PCM WAV or FLAC"
                       ) from None
    if len(samples) < frames and container not in COMPRESSED and not options.truncated:
        raise BadInput(f"sound is truncated: {len(samples)} of {frames} samples are there; what "
                       "there is of it is read with --truncated")
    return samples, rate


def _library(name):
    """The module, which data without sound do not need. UserError if it is not there."""
    try:
        return importlib.import_module(name)
    except (ModuleNotFoundError, OSError) as error:
        raise UserError(f"{sys.executable} cannot load {name} ({error}; sounds are read with it); "
                        "run launch/quickstart.sh") from None
