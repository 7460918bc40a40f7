"""Hateful Memes: pictures with the words on them, hateful or not.

ROOT holds {train,dev,test}.jsonl, or dev_seen, dev_unseen, test_seen, test_unseen beside train, one
JSON object a line with id, img (a path in ROOT), text and label (0 or 1), and the folder img. What is
there twice is taken once; lines without a label (of some test files) are left out. The target
"hateful" is 0 or 1. A class, what a task is drawn from, is by --class: all memes of a split, or the
label.
"""

import json

from .. import media, names, splits
from ..layouts import common
from ..shards import Modality, Sample
from ..texts import plain_bytes

SOURCE = "Hateful Memes (Kiela et al. 2020)"
TARGET = "hateful"
LABELS = ("not hateful", "hateful")


def add_arguments(parser):
    common.add_arguments(parser, by_class=False)
    parser.add_argument("--class", dest="class_from", choices=("all", "label"), default="all",
                        help="what a task is drawn from (default: all)")
    common.add_picture_arguments(parser)


def convert(args, report):
    common.check_root(args)
    picture, options = common.picture(args), media.read_options(args)
    samples, seen = [], set()
    for path in sorted(args.root.glob("*.jsonl")):
        split = splits.split_of_folder(path.stem.partition("_")[0])
        if split is None:
            report.skipped(path.name, "neither train nor dev nor test")
            continue
        for where, name, label, image, words in _memes(path, report):
            if name in seen:
                report.skipped(where, "is there twice")
                continue
            seen.add(name)
            image = args.root / image
            values = {picture.name: media.loader(picture, image, options)} if image.is_file() else {}
            if words:
                values[common.TEXT] = words.decode()
            class_name = LABELS[label] if args.class_from == "label" else "all"
            samples.append(Sample(name, class_name, "all", split, values, common.mark_of(image),
                                  (float(label), )))
    modalities = [picture, Modality(common.TEXT, names.KIND_TEXT)]
    common.write(args, report, SOURCE, samples, modalities, (TARGET, ))


def _memes(path, report):
    """(where, id, label, picture's path, text as bytes) of each line."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            where = f"{path.name}:{number}"
            if not line.strip():
                continue
            try:
                said = json.loads(line)
                name, image, words = str(said["id"]), str(said["img"]), plain_bytes(said["text"])
                label = said.get("label")
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                report.skipped(where, "line is no meme (id, img, text)")
                continue
            if label in (0, 1):
                yield where, name, int(label), image, words
            else:
                report.skipped(where, "line without a label of 0 or 1")
