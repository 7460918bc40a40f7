"""Speech Commands: single words by many speakers, one second each.

ROOT holds a folder for each word with SPEAKER_nohash_N.wav; folders that begin with _ (background
noise) are left out. A class is a word and a group a speaker. The published split, by
validation_list.txt and testing_list.txt or, where these are missing, by the hash of the speaker's
name, cuts through the words: they are split by --splits and --seed, or with --published become
train/yes, validation/yes and test/yes.

With --class speaker a task is one speaker's, to tell the words apart: each word is a target of 0 or
1, and as a speaker is in one part of the published split, --published keeps it as it is.
"""

import hashlib
import re

from .. import folder_tree, media, names
from ..errors import UserError
from ..layouts import common
from ..shards import Sample

SOURCE = "Speech Commands (Warden 2018)"
FILE = re.compile(r"(.+)_nohash_\d+\.wav")
LISTS = {"validation_list.txt": names.SPLIT_VALIDATION, "testing_list.txt": names.SPLIT_TEST}
# input_data.py of TensorFlow's example: the hash modulo 2^27, scaled to per cent.
MODULUS = 2**27 - 1
SHARES = ((10, names.SPLIT_VALIDATION), (20, names.SPLIT_TEST))


def add_arguments(parser):
    common.add_arguments(parser, by_class=True)
    parser.add_argument("--class", dest="class_from", choices=("word", "speaker"), default="word",
                        help="what a task is drawn from (default: word)")
    common.add_sound_arguments(parser)


def convert(args, report):
    common.check_root(args)
    modality = common.sound(args)
    options = media.read_options(args)
    split_of = _splits(args.root, report)
    words = [folder for folder in folder_tree.entries(args.root, report)
             if folder.is_dir() and not folder.name.startswith("_")]
    found = [(folder.name, path) for folder in words
             for path in folder_tree.files_below(folder, report)]
    speaking = args.class_from == "speaker"
    labels = sorted({word for word, path in found if FILE.fullmatch(path.name)}) if speaking else ()
    samples = []
    for word, path in report.progress(found, len(found), "sounds"):
        match = FILE.fullmatch(path.name)
        if not match:
            report.skipped(path, "not of the form SPEAKER_nohash_N.wav")
            continue
        name = f"{word}/{path.name}"
        samples.append(Sample(name.removesuffix(".wav"), match[1] if speaking else word, match[1],
                              split_of(name, match[1]),
                              {common.AUDIO: media.loader(modality, path, options)},
                              media.file_fingerprint(path),
                              tuple(float(word == label) for label in labels) or None))
    common.write(args, report, SOURCE, samples, [modality], labels, {"read": repr(options)})


def _splits(root, report):
    """split_of(WORD/FILE, speaker), by the lists if there are any. UserError if one is missing."""
    there = [name for name in LISTS if (root / name).is_file()]
    if not there:
        report.note("published split: by the hash of the speaker (no lists are there)")
        return lambda name, speaker: hashed_split(speaker)
    if len(there) < len(LISTS):
        raise UserError(f"{root}: {there[0]} is there without the other list (its words would be "
                        f"for training); give {' and '.join(LISTS)}, or neither")
    listed = {line.strip(): split for name, split in LISTS.items()
              for line in (root / name).read_text(encoding="utf-8", errors="replace").splitlines()
              if line.strip()}
    for name in listed:
        if not (root / name).is_file():
            report.skipped(name, "in a list of the published split, but not there")
    report.note(f"published split: by {' and '.join(LISTS)}")
    return lambda name, speaker: listed.get(name, names.SPLIT_TRAIN)


def hashed_split(speaker):
    """The split that the makers of the data give to a speaker."""
    number = int(hashlib.sha1(speaker.encode()).hexdigest(), 16)
    per_cent = number % (MODULUS + 1) * (100.0 / MODULUS)
    return next((split for end, split in SHARES if per_cent < end), names.SPLIT_TRAIN)
