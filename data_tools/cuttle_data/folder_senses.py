"""Which senses the files of a folder tree are: kinds, views of one kind, widths of numbers."""

import os
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from . import media, names
from .errors import BadInput, UserError
from .schema import PICTURE_KINDS
from .splits import unified

RARE = 4  # a shape of .npy that another is at least as many times as frequent as is a mistake
MOST_VIEWS = 8
VIEW = re.compile(r"[a-z][a-z0-9_]{0,31}")
WIDTHS = {names.KIND_VECTOR: "features", names.KIND_SERIES: "channels"}  # of .npy


@dataclass(slots=True)  # there may be millions
class File:
    """One file that can be read. key: what it shares with the other senses of its sample; view:
    "" or what of; shape: of a .npy; of a graph the names of its features, or how many these are."""

    folder: str
    file_name: str
    class_name: str
    group: str
    kind: str
    shape: tuple
    stem: str
    view: str = ""

    @property
    def path(self):
        return Path(self.folder, self.file_name)

    @property
    def key(self):
        return self.class_name, self.folder, self.stem

    @property
    def sense(self):
        return f"{self.kind}_{self.view}" if self.view else self.kind


def described(path, class_name, group, report):
    """The File, or None (and reported) if it cannot be used."""
    try:
        kind = next(iter(media.kinds_of(path)), None)
        shape = media.npy_shape(path) if kind in WIDTHS else ()
        if kind == names.KIND_GRAPH:
            shape = (media.graph_columns(path), )
        if kind is None:
            raise BadInput(f"unknown file type {path.suffix.lower() or '(none)'}")
        if 0 in shape:
            raise BadInput("empty .npy")
    except BadInput as problem:
        report.skipped(path, problem)
        return None
    folder = sys.intern(str(path.parent))  # one string for all files in it
    return File(folder, path.name, class_name, group, kind, shape, unified(path.stem))


def settle_animations(files, report):
    """Pictures of one ending are all videos, or all still: as most of them are."""
    by_suffix = defaultdict(list)
    for file in files:
        if file.kind in PICTURE_KINDS:
            by_suffix[os.path.splitext(file.file_name)[1].lower()].append(file)
    for suffix in media.ANIMATED_SUFFIXES:
        pictures = by_suffix[suffix]
        count = sum(file.kind == names.KIND_VIDEO for file in pictures)
        most = 2 * count > len(pictures)
        for file in pictures:
            file.kind = names.KIND_VIDEO if most else names.KIND_IMAGE
        if 0 < count < len(pictures):
            report.note(f"{count} of {len(pictures)} {suffix} files are animated: " + (
                "the others are videos of one frame" if most else "their first pictures are taken"))


def find_views(files, wanted, report):
    """Gives the files their views. wanted: "auto", "none", or names separated by commas."""
    tagged = {}
    for file in files:
        stem, dot, view = file.stem.rpartition(".")
        view = view.lower().replace("-", "_")
        if dot and stem and VIEW.fullmatch(view):
            tagged[id(file)] = (stem, view)
    views = _paired_views(files, tagged) if wanted == "auto" else _named_views(wanted)
    for file in files:
        stem, view = tagged.get(id(file), ("", ""))
        if view in views:
            file.stem, file.view = stem, view
    if views & {file.view for file in files}:
        report.note(f"views of one sample by the ends of stems: {', '.join(sorted(views))} "
                    "(see --views)")


def _named_views(wanted):
    views = set() if wanted == "none" else set(wanted.split(","))
    for view in views:
        if not VIEW.fullmatch(view):
            raise UserError(f"--views {wanted}: {view!r} cannot be the end of a sense's name; use "
                            "lower-case letters, digits and _")
    return views


def _paired_views(files, tagged):
    """Ends of stems that more often than not come with another file of the same kind, with another
    end or without one."""
    together = defaultdict(set)
    for file in files:
        stem, view = tagged.get(id(file), (file.stem, ""))
        together[file.class_name, file.folder, stem, file.kind].add(view)
    seen, paired = Counter(), Counter()
    for found in together.values():
        seen.update(found)
        paired.update(found if len(found) > 1 else ())
    views = {view for view in seen if view and paired[view] > 1 and 2 * paired[view] > seen[view]}
    return views if len(views) <= MOST_VIEWS else set()


def of_usual_shapes(files, report):
    """The files without the .npy of an odd number of dimensions or width, and the graphs of other
    features than most; the others tell the width. Gives (files, {sense: width})."""
    dimensions, widths = defaultdict(Counter), defaultdict(Counter)
    for file in files:
        if file.kind in WIDTHS:
            dimensions[file.view][file.kind] += 1
    files = [file for file in files if not _is_rare(file, dimensions[file.view], report)]
    for file in files:
        if file.shape:
            widths[file.sense][file.shape[-1]] += 1
    usual = {sense: _usual(sense, counts, report) for sense, counts in widths.items()}
    kept = []
    for file in files:
        if file.shape and file.shape[-1] != usual[file.sense]:
            what = f".npy with {file.shape[-1]} {WIDTHS[file.kind]}" if file.kind in WIDTHS else (
                f"graph with the features {_listed(file.shape[-1])}")
            report.skipped(file.path, f"{what}, while most {file.sense} files have "
                           f"{_listed(usual[file.sense])}")
        else:
            kept.append(file)
    return kept, usual


def _is_rare(file, counts, report):
    rare = file.kind in WIDTHS and counts[file.kind] * RARE <= max(counts.values())
    if rare:
        report.skipped(file.path, f".npy with {len(file.shape)} dimensions, while most have "
                       f"{3 - len(file.shape)}")
    return rare


def _usual(sense, counts, report):
    (width, count), *others = counts.most_common()
    if others and others[0][1] == count:
        report.warn(f"{count} {sense} files have the width {_listed(width)}, and as many have "
                    f"{_listed(others[0][0])}: the first are kept; sort out which are right")
    return width


def _listed(width):
    return ", ".join(width) if isinstance(width, tuple) else str(width)
