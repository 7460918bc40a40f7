"""Omniglot: handwritten characters as images and pen strokes.

ROOT holds the official zips (images_background.zip, images_evaluation.zip, strokes_background.zip,
strokes_evaluation.zip) or the same folders unpacked. Stroke files may be missing;
strokes_recovered.ndjson stands in for those it has (one JSON object a line: id, class, strokes).
--download fetches the official zips and their license into ROOT first and checks their SHA-256.
ATTRIBUTION* and LICENSE* of ROOT are copied to OUT/licenses.

    image    28 x 28, grey, by Lanczos from 105 x 105, inverted: ink is 255
    strokes  series of (dx, dy, pen_up), y downward; the drawing is scaled to 25 units and cut into
             steps of about one unit along the pen's path

A class is a character (ALPHABET/CHARACTER), a group a drawer (01 to 20). All characters of both
sets, ordered by the SHA-256 of --seed and name, are cut into 1,100 training, 100 validation and 423
test classes (a part of Omniglot: in the same proportions), whatever their alphabet, as MAML does.
--rotations adds each training class turned by 90, 180 and 270 degrees counter-clockwise as three
further training classes (ALPHABET/CHARACTER/rot90 ...).
"""

import functools
import io

import numpy as np

from .. import media, names, omniglot_download, splits
from ..errors import UserError
from ..files import path_of
from ..licenses import copy_notices, notices_in
from ..omniglot_files import IMAGE_SETS, RECOVERED, STROKE_SETS, list_entries, read_recovered
from ..shards import DatasetInfo, Modality, Sample, write_converted
from ..strokes import parse_strokes, rotate_series, stroke_series

SOURCE = "Omniglot, github.com/brendenlake/omniglot (Lake, Salakhutdinov, Tenenbaum 2015)"
SIDE = 28
CLASSES = (1100, 100, 423)  # train, validation, test of all 1,623
KEPT = 64  # drawings: those of a class serve its turned classes too


def add_arguments(parser):
    parser.add_argument("root", type=path_of, metavar="ROOT", help="folder with the zips or "
                        "the unpacked folders")
    parser.add_argument("--rotations", action="store_true", help="training classes turned by "
                        "90, 180 and 270 degrees are new training classes")
    parser.add_argument("--download", action="store_true", help="fetch the official files that "
                        "ROOT lacks and check them")
    splits.add_split_arguments(parser, "the counts above")


def convert(args, report):
    if args.download and not _download(args, report):
        return
    if not args.root.is_dir():
        raise UserError(f"{args.root}: no such folder; name the folder with Omniglot, or fetch it "
                        "with --download")
    images = list_entries(args.root, IMAGE_SETS, ".png", report)
    if not images:
        raise UserError(f"{args.root}: neither images_background nor images_evaluation, as folder "
                        "or .zip, holds a drawing (nothing to convert); name the folder with "
                        "Omniglot, or fetch it with --download")
    strokes = _stroke_loaders(args.root, images, report)
    class_names = {entry.class_name for entry in images.values()}
    fractions = (splits.chosen_fractions(args)
                 or [count / sum(CLASSES) for count in CLASSES])
    split_of = splits.split_classes(class_names, fractions, args.seed)
    samples, by_class = [], {}
    for key, entry in images.items():
        by_class.setdefault(entry.class_name, []).append(key)
    for class_name, keys in by_class.items():
        split = split_of[class_name]
        turns = range(4) if args.rotations and split == names.SPLIT_TRAIN else (0,)
        samples += [_sample(images[key], strokes.get(key), turn, split)
                    for turn in turns for key in keys]
    modalities = [Modality("image", names.KIND_IMAGE, (SIDE, SIDE, 1)),
                  Modality("strokes", names.KIND_SERIES, (3,))]
    info = DatasetInfo(args.name or "omniglot", SOURCE, "MIT (c) 2015 Brenden Lake",
                       "cuttle-data omniglot")
    write_converted(args, report, info, modalities, samples)
    if not args.dry_run:
        copy_notices(args.out, notices_in(args.root))


def _download(args, report):
    """False if there is nothing to convert, in a dry run."""
    missing = omniglot_download.missing_files(args.root)
    if args.dry_run and missing:
        report.note(f"dry run: nothing fetched; would fetch {', '.join(missing)} into {args.root}")
        return False
    omniglot_download.download(args.root, report)
    return True


def _stroke_loaders(root, images, report):
    """{key: (function that gives the series, fingerprint)}."""
    loaders = {}
    if (root / RECOVERED).is_file():
        mark = media.file_fingerprint(root / RECOVERED)
        for key, drawing in read_recovered(root / RECOVERED, report).items():
            loaders[key] = (functools.partial(stroke_series, drawing), mark)
    for key, entry in list_entries(root, STROKE_SETS, ".txt", report).items():
        loaders[key] = (functools.partial(_read_series, entry), entry.fingerprint)
    for key in sorted(set(loaders) - set(images)):
        report.skipped("/".join(key), "strokes without an image")
    return loaders


def _sample(entry, strokes, turn, split):
    suffix = f"/rot{90 * turn}" if turn else ""
    values = {"image": functools.partial(_image, entry, turn)}
    fingerprint = entry.fingerprint
    if strokes:
        load, mark = strokes
        values["strokes"] = functools.partial(_series, entry, load, turn)
        fingerprint += " " + mark
    return Sample(entry.stem + suffix, entry.class_name + suffix, entry.drawer, split, values,
                  fingerprint)


def _image(entry, turn):
    return np.ascontiguousarray(np.rot90(_upright_image(entry), turn))


def _series(entry, load, turn):
    return rotate_series(_upright_series(entry, load), turn)


@functools.lru_cache(maxsize=KEPT)
def _upright_image(entry):
    return 255 - media.load_image(io.BytesIO(entry.read()), (SIDE, SIDE), 1)


@functools.lru_cache(maxsize=KEPT)
def _upright_series(_entry, load):
    return load()


def _read_series(entry):
    return stroke_series(parse_strokes(entry.read()))
