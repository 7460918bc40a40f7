"""Digits that are written and spoken, as shards: what tests/benchmark/fusions.py hears and sees of av_digits.

A sample is a recording of FSDD and a picture of MNIST of the same digit, each used once. Digits 0 to 3 are to learn
from, as four speakers say them, 4 to 6 to validate, by the same speakers, and 7 to 9 to test, by the other two; the
speaker is the group. Four digits are few, so that each is a class four times: as it is, turned by 90 degrees and heard
backwards, turned by 180 and slower by a third, and both. Unpacks the archive of ../shared/data, or CUTTLE_DATA.
"""

import csv
import gzip
import shutil
import subprocess
import wave

import numpy as np
from augment import ARCHIVES, convert
from PIL import Image

SPEAKERS = {"george": False, "jackson": False, "lucas": False, "nicolas": False, "theo": True, "yweweler": True}
LEARNED, TAKES = 4, 20


def _idx(path, offset):
    return np.frombuffer(gzip.decompress(path.read_bytes())[offset:], np.uint8)


def _classes(digit, picture, sound):
    """(class, picture, sound, samples a second) of a digit: one to validate or to test, four to learn from."""
    for turns in range(4 if digit < LEARNED else 1):
        name = f"{digit} turned by {90 * turns}" if turns else str(digit)
        yield name, np.rot90(picture, turns), sound[::-1] if turns % 2 else sound, 8000 if turns < 2 else 6000


def _write_sound(path, sound, rate):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(sound).tobytes())


def _table(source, folder):
    labels = _idx(source / "mnist/t10k-labels-idx1-ubyte.gz", 8)
    pictures = _idx(source / "mnist/t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    unused = {digit: iter(pictures[labels == digit]) for digit in range(10)}
    for path in sorted((source / "fsdd/recordings").glob("*.wav")):
        digit, speaker, take = path.stem.split("_")
        split = "train" if int(digit) < LEARNED else "validation" if int(digit) < 7 else "test"
        if SPEAKERS[speaker] != (split == "test") or (split != "test" and int(take) >= TAKES):
            continue
        with wave.open(str(path)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        for name, drawn, heard, rate in _classes(int(digit), next(unused[int(digit)]), sound):
            stem = f"{name}_{speaker}_{take}".replace(" ", "_")
            Image.fromarray(np.ascontiguousarray(drawn)).save(folder / f"{stem}.png")
            _write_sound(folder / f"{stem}.wav", heard, rate)
            yield [f"{stem}.png", f"{stem}.wav", name, speaker, split]


def shards_of_digits(out):
    """The pattern of the shards, which are made if they are not there."""
    shards, source = out / "data/digits", out / "data/raw/av_digits"
    if not (shards / "dataset.json").exists():
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir(parents=True)
        subprocess.run(["tar", "--zstd", "-xf", ARCHIVES / "av_digits.tar.zst", "-C", source.parent], check=True)
        folder = source / "paired"
        folder.mkdir()
        with open(folder / "digits.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["image", "audio", "digit", "speaker", "split"], *_table(source, folder)])
        convert("frame", folder / "digits.csv", "--class", "digit", "--group", "speaker", "--split", "split",
                "--sample-rate", "8000", "--out", shards, "--overwrite")
    return str(shards / "*.h5")
