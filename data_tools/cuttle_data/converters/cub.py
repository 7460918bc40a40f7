"""CUB-200-2011: birds of 200 species as pictures, attributes and captions.

ROOT is CUB_200_2011, or the folder that holds it:

    images.txt, image_class_labels.txt, classes.txt, images/SPECIES/NAME.jpg
    attributes/image_attribute_labels.txt    IMAGE ATTRIBUTE 0|1 CERTAINTY SECONDS: the vector
                       attributes, with the names of attributes.txt (in attributes, or beside ROOT);
                       further fields in a line are not looked at
    text_c10/SPECIES/NAME.txt                captions (Reed et al. 2016) in ROOT or beside it: text
    bounding_boxes.txt                       --crop cuts pictures to them
    train_test_split.txt                     cuts through the species: kept with --published

The species are split as in few-shot learning (Chen et al. 2019): of each four in order, the first and
the third train, the second is for validation, the fourth for testing. What is missing is a missing
sense.
"""

import functools
import math
from pathlib import Path

import numpy as np
from PIL import Image

from .. import media, names
from ..decoding import as_bad_input
from ..errors import BadInput, UserError
from ..layouts import common
from ..shards import Modality, Sample
from ..texts import load_text

SOURCE = "CUB-200-2011 (Wah et al. 2011)"
FEW_SHOT = (names.SPLIT_TRAIN, names.SPLIT_VALIDATION, names.SPLIT_TRAIN, names.SPLIT_TEST)
NOT_VISIBLE = 1  # a certainty
ATTRIBUTES = "attributes"


def add_arguments(parser):
    common.add_arguments(parser, by_class=True, split="that of Chen et al.")
    parser.add_argument("--crop", action="store_true", help="cut pictures to their bounding boxes")
    parser.add_argument("--captions", choices=("all", "first"), default="all",
                        help="all ten of a picture, a line each, or the first (default: all)")
    parser.add_argument("--holes", action="store_true", help="attributes that were not visible are "
                        "not known (default: 0, not present)")
    common.add_picture_arguments(parser)


def convert(args, report):
    common.check_root(args)
    root = next((folder for folder in (args.root, args.root / "CUB_200_2011")
                 if (folder / "images.txt").is_file()), None)
    if not root:
        raise UserError(f"{args.root}: no images.txt (it lists the pictures); name CUB_200_2011")
    paths, species, classes, boxes, training = (
        _table(root / f"{name}.txt", report)
        for name in ("images", "image_class_labels", "classes", "bounding_boxes", "train_test_split"))
    attributes, modality = _attributes(args, root, report)
    captions = next((folder for folder in (root / "text_c10", root.parent / "text_c10")
                     if folder.is_dir()), root / "text_c10")
    picture, options = common.picture(args), media.read_options(args)
    split_of = {number: FEW_SHOT[place % 4] for place, number in enumerate(sorted(classes, key=int))}
    samples = []
    for number, (name, *_) in paths.items():
        if species.get(number, [None])[0] not in classes:
            report.skipped(name, "has no species in image_class_labels.txt and classes.txt")
            continue
        own = species[number][0]
        split = split_of[own]
        if args.published:
            split = names.SPLIT_TRAIN if training.get(number) == ["1"] else names.SPLIT_TEST
        image, text = root / "images" / name, captions / Path(name).with_suffix(".txt")
        values = {}
        if image.is_file():
            values[picture.name] = media.loader(picture, image, options) if not args.crop else (
                functools.partial(_cropped, picture, image, options, boxes.get(number)))
        if number in attributes:
            values[ATTRIBUTES] = attributes[number]
        if text.is_file():
            values[common.TEXT] = functools.partial(_captions, text, args.captions, options)
        samples.append(Sample(name, classes[own][0], "all", split, values,
                              f"{common.mark_of(image)} {common.mark_of(text)}"))
    samples.sort(key=lambda sample: sample.class_name)
    common.write(args, report, SOURCE, samples,
                 [picture, Modality(common.TEXT, names.KIND_TEXT), *modality],
                 settings={"crop": args.crop, "captions": args.captions})


def _table(path, report):
    """{first cell: the others} of lines with blanks between cells; {} without the file."""
    found = {}
    if path.is_file():
        for place, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            number, *cells = line.split() or [""]
            if not number.isdecimal() or not cells:
                report.skipped(f"{path.name}:{place}", "line is no number with what it has")
            else:
                found[number] = cells
    return found


def _attributes(args, root, report):
    """({picture's number: float32 [attributes]}, [the modality]); ({}, []) without the files."""
    path = root / "attributes" / "image_attribute_labels.txt"
    listed = next((folder / "attributes.txt" for folder in (path.parent, root, root.parent)
                   if (folder / "attributes.txt").is_file()), None)
    if not path.is_file() or not listed:
        return {}, []
    called = _table(listed, report)
    place_of = {number: place for place, number in enumerate(called)}
    found, broken = {}, 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            number, attribute, present, certainty = (*line.split()[:4], "", "", "", "")[:4]
            if attribute not in place_of or present not in ("0", "1") or not certainty.isdecimal():
                broken += 1
                continue
            own = found.setdefault(number, np.full(len(called), np.nan, np.float32))
            hidden = args.holes and int(certainty) == NOT_VISIBLE
            own[place_of[attribute]] = np.nan if hidden else int(present)
    if broken:
        report.left_out(broken, "lines that are not IMAGE ATTRIBUTE 0|1 CERTAINTY", path.name)
    for number in [number for number, own in found.items() if np.isnan(own).any()] * (not args.holes):
        report.skipped(f"picture {number}", f"lacks some of its {len(called)} attributes")
        del found[number]
    columns = tuple(" ".join(cells) for cells in called.values())
    return found, [Modality(ATTRIBUTES, names.KIND_VECTOR, (len(called), ), columns=columns,
                            holes=args.holes)]


def _cropped(modality, path, options, box):
    """The picture inside (x, y, width, height)."""
    with as_bad_input("broken bounding box"):
        x, y, width, height = map(float, box or ())
        with Image.open(path) as opened:
            size = opened.size
    whole = media.load_image(path, size[::-1], 3, options)
    inside = whole[max(0, math.floor(y)):max(0, math.ceil(y + height)),
                   max(0, math.floor(x)):max(0, math.ceil(x + width))]
    if not inside.size:
        raise BadInput(f"broken bounding box: {box} is outside of the picture")
    return common.picture_of(modality, inside)


def _captions(path, which, options):
    data = load_text(path, options)
    return data.split(b"\n")[0] if which == "first" else data
