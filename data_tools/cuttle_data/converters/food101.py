"""UPMC Food-101: pictures of dishes with the titles of the pages that they were on.

ROOT holds

    images/{train,test}/CLASS/NAME.jpg
    texts/{train,test}_titles.csv    NAME.jpg,title,CLASS without a header; or text.json: {NAME.jpg: title}
    split.json                       {train, val, test: [NAME.jpg]} if there is one

The published split has all 101 classes on both sides, so classes are split by --splits; --published
keeps it (by split.json, else by the folders). A picture without a title, or a title without a
picture, is a sample without that sense.
"""

import csv

from .. import media, names, splits
from ..layouts import common
from ..shards import Modality, Sample
from ..texts import plain_bytes

SOURCE = "UPMC Food-101 (Wang et al. 2015)"
SPLITS = ("train", "test")  # of the folders


def add_arguments(parser):
    common.add_arguments(parser, by_class=True)
    common.add_picture_arguments(parser)


def convert(args, report):
    common.check_root(args)
    pictures, titles = _pictures(args.root), _titles(args.root, report)
    listed = {}
    if (args.root / "split.json").is_file():
        with common.as_laid_out(args.root / "split.json", args.command):
            listed = {str(name): splits.split_of_folder(split)
                      for split, held in common.read_json(args.root / "split.json").items()
                      for name in held}
    picture, options = common.picture(args), media.read_options(args)
    samples = []
    for name in sorted(pictures.keys() | titles.keys()):
        class_name, split, path = pictures.get(name) or (*titles[name][1:], None)
        words, values = plain_bytes(titles[name][0]) if name in titles else b"", {}
        if path:
            values[picture.name] = media.loader(picture, path, options)
        if words:
            values[common.TEXT] = words.decode()
        split = listed.get(name, split)
        if split is None:
            report.skipped(name, "is in no split")
            continue
        samples.append(Sample(name, class_name, "all", split, values, common.mark_of(path) if path else ""))
    samples.sort(key=lambda sample: sample.class_name)
    common.write(args, report, SOURCE, samples, [picture, Modality(common.TEXT, names.KIND_TEXT)])


def _pictures(root):
    """{name: (class, split, path)}."""
    return {path.name: (path.parent.name, split, path) for split in SPLITS
            for path in sorted((root / "images" / split).glob("*/*"))
            if path.suffix.lower() in media.IMAGE_SUFFIXES}


def _titles(root, report):
    """{name: (title, class, split)}; split: None where only split.json says it."""
    if (root / "text.json").is_file():
        with common.as_laid_out(root / "text.json", "food101"):
            return {str(name): (title, name.rpartition("_")[0], None)
                    for name, title in common.read_json(root / "text.json").items()}
    found = {}
    for split in SPLITS:
        path = root / "texts" / f"{split}_titles.csv"
        if not path.is_file():
            continue
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            for number, cells in enumerate(csv.reader(file), 1):
                if len(cells) < 3:
                    report.skipped(f"{path.name}:{number}", "line is no NAME,title,CLASS")
                else:  # a title with commas may stand without quotes
                    found[cells[0]] = ",".join(cells[1:-1]), cells[-1], split
    return found
