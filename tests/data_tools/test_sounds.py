"""Sounds: every kind of WAV that programs write, compressed files, and what is refused."""

import io
import struct

import numpy as np
import pytest
import soundfile

from cuttle_data import media, sounds
from cuttle_data.errors import BadInput
from drawn_files import RATE, chunk, rf64, tone, wav

PCM16 = np.round(tone() * 32768).astype("<i2")


def whole(bits):
    return np.round(tone() * 2.0**(bits - 1)).astype(f"<i{bits // 8}").tobytes()


def pcm24():
    return b"".join(struct.pack("<i", value)[:3] for value in
                    np.round(tone() * 2**23).astype(int).tolist())


def mu_law(values):
    file = io.BytesIO()
    soundfile.write(file, values, RATE, format="RAW", subtype="ULAW")
    return file.getvalue()


KINDS = {
    "pcm8": (wav((np.round(tone() * 128) + 128).astype("u1").tobytes(), bits=8), 130),
    "pcm16": (wav(PCM16.tobytes()), 0),
    "pcm24": (wav(pcm24(), bits=24), 1),
    "pcm32": (wav(whole(32), bits=32), 1),
    "pcm64": (wav(whole(64), bits=64), 1),
    "float32": (wav(tone().astype("<f4").tobytes(), 3, 32), 1),
    "float64": (wav(tone().tobytes(), 3, 64), 1),
    "stereo": (wav(np.repeat(PCM16, 2).tobytes(), channels=2), 0),
    "extensible": (wav(PCM16.tobytes(), extensible=True), 0),
    "extensible float": (wav(tone().astype("<f4").tobytes(), 3, 32, extensible=True), 1),
    "mu-law": (wav(mu_law(tone()), 7, 8), 600),
    "big-endian": (wav(PCM16.astype(">i2").tobytes(), order=">"), 0),
    "piped": (wav(PCM16.tobytes(), outer=0xFFFFFFFF, size=0xFFFFFFFF), 0),
    "piped by sox": (wav(PCM16.tobytes(), outer=0x7FFFF024, size=0x7FFFF000), 0),
    "piped, zeros": (wav(PCM16.tobytes(), outer=0, size=0), 0),
    "piped big-endian": (wav(PCM16.astype(">i2").tobytes(), order=">", size=0xFFFFFFFF), 0),
    "outer size too small": (wav(PCM16.tobytes(), outer=10), 0),
    "outer size too large": (wav(PCM16.tobytes(), outer=10**9), 0),
    "chunks before": (wav(PCM16.tobytes(), before=chunk(b"JUNK", b"abc") + chunk(b"bext", b"d")), 0),
    "bytes after": (wav(PCM16.tobytes()) + chunk(b"LIST", b"INFO") + b"tail", 0),
    "RF64": (rf64(PCM16.tobytes(), PCM16.nbytes), 0),
    "RF64, piped": (rf64(PCM16.tobytes(), 2**64 - 1), 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_wav_is_the_tone(kind):
    data, tolerance = KINDS[kind]
    samples, doubt = sounds.read_sound(io.BytesIO(data), RATE)
    assert samples.dtype == np.dtype("<i2") and len(samples) == len(PCM16) and not doubt
    assert np.abs(samples.astype(int) - PCM16).max() <= tolerance


@pytest.mark.parametrize("container, subtype, tolerance", [
    ("FLAC", "PCM_16", 0), ("OGG", "VORBIS", 2000), ("MP3", "MPEG_LAYER_III", 2000), ("AIFF", "PCM_24", 1),
    ("AU", "PCM_16", 1), ("W64", "PCM_16", 1), ("CAF", "PCM_16", 1), ("WAV", "MS_ADPCM", 600),
    ("WAV", "IMA_ADPCM", 600), ("WAV", "ALAW", 600)])
def test_other_formats(container, subtype, tolerance):
    file = io.BytesIO()
    soundfile.write(file, tone(16000), 16000, format=container, subtype=subtype)
    samples = media.load_wav(io.BytesIO(file.getvalue()), 16000)
    expected = np.round(tone(16000) * 32768)
    shared = min(len(samples), len(expected)) - 500
    assert abs(len(samples) - len(expected)) < 2400
    assert np.abs(samples[500:shared] - expected[500:shared]).max() <= tolerance


@pytest.mark.parametrize("rate", [4000, 11025, 44100, 96000])
def test_resampling_keeps_the_tone_and_removes_what_would_alias(rate):
    samples = np.repeat(np.round(tone(rate) * 2**15).astype("<i2"), 2)
    result = media.load_wav(io.BytesIO(wav(samples.tobytes(), channels=2, rate=rate)), RATE)
    assert len(result) == len(PCM16) and np.abs(result[200:-200] - PCM16[200:-200].astype(int)).max() < 40
    high = np.round(16000 * np.sin(2 * np.pi * 7000 * np.arange(8000) / 16000)).astype("<i2")
    result = media.load_wav(io.BytesIO(wav(high.tobytes(), rate=16000)), RATE)
    assert np.abs(result[200:-200]).max() < 20


def test_channels_are_averaged_and_short_sounds_stay():
    data = wav(np.array([[100, 300], [-5, -7]], "<i2").tobytes(), channels=2)
    assert media.load_wav(io.BytesIO(data), RATE).tolist() == [200, -6]
    assert len(media.load_wav(io.BytesIO(wav(b"\5\0", rate=48000)), RATE)) == 1


@pytest.mark.parametrize("data, message", [
    (b"", "the file is empty"), (b"no sound", "does not read"), (wav(b""), "sound is empty"),
    (wav(b"") + chunk(b"LIST", b"INFO"), "sound is empty"),
    (wav(PCM16.tobytes())[:-50], "truncated: 3950 of 4000 bytes are there.*--truncated"),
    (wav(PCM16.tobytes())[:30], "without the chunk"), (b"\0\0\0 ftypM4A ", "MPEG-4"),
    (wav(b"\0" * 64, 0x161, 16), "Windows Media Audio"),
    (wav(b"\0" * 64, 0x2000, 16), "unknown samples .format 0x2000"),
    (wav(PCM16.tobytes(), rate=500), "500 samples per second, not 1000 to"),
    (wav(np.array([np.nan], "<f4").tobytes(), 3, 32), "not finite"),
    (wav((1000 * tone()).astype("<f4").tobytes(), 3, 32), "where 1 is full scale")])
def test_what_is_refused_and_why(data, message):
    with pytest.raises(BadInput, match=message) as caught:
        media.load_wav(io.BytesIO(data), RATE)
    assert "0x7f" not in str(caught.value) and "object at" not in str(caught.value)


def test_truncated_sounds_by_option():
    options = media.ReadOptions(truncated=True)
    assert len(media.load_wav(io.BytesIO(wav(PCM16.tobytes())[:-50]), RATE, options)) == len(PCM16) - 25
    file = io.BytesIO()
    soundfile.write(file, tone(RATE, 4), RATE, format="FLAC", subtype="PCM_16")
    cut = file.getvalue()[:len(file.getvalue()) // 2]
    with pytest.raises(BadInput, match="truncated|does not read"):
        media.load_wav(io.BytesIO(cut), RATE)


def test_too_loud_is_said():
    samples, doubt = sounds.read_sound(io.BytesIO(wav((3 * tone()).astype("<f4").tobytes(), 3, 32)), RATE)
    assert samples.max() == 32767 and "louder than full scale" in doubt
