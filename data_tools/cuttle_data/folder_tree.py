"""Where the classes of a folder tree lie, and which splits its folders say."""

import os
from dataclasses import dataclass, field

from .decoding import UNREADABLE, reason_of
from .errors import UserError
from .splits import split_of_folder, unified

# What systems and programs leave in folders.
JUNK = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin",
        "system volume information", "lost+found", "__pycache__", "icon\r"}
DEEPEST = 32


@dataclass
class Place:
    """A class: its folders (several where names differ in their Unicode form only) and split."""

    folders: list = field(default_factory=list)
    split: str = None


class ClassTree:
    """classes: {name: Place} in order of names; split_folders: their names, empty if the tree does
    not say the splits."""

    def __init__(self, root, depth, ignore_splits, report):
        """depth: 1 where ROOT or a split folder holds the class folders, 2 for one level below
        these, and so on. UserError if folders of splits and of classes are mixed, or a class is
        in two splits."""
        self.report_, self.depth_ = report, depth
        self.split_folders = []
        folders = self._folders_of_classes(root)
        said = {folder: split_of_folder(folder.name) for folder in folders}
        found = {}
        if folders and all(said.values()):
            for folder in folders:
                for class_folder in self._usable(folder):
                    self._add(found, class_folder, None if ignore_splits else folder)
            self.split_folders = [] if ignore_splits else [folder.name for folder in folders]
        elif len({split for split in said.values() if split}) > 1:
            self._refuse_mixture(root, said)
        else:
            for folder in folders:
                self._add(found, folder, None)
        self.classes = dict(sorted(found.items()))

    def _folders_of_classes(self, root):
        """The usable folders of the root, or of the one far below it that alone holds anything."""
        folders = self._usable(root)
        if len(folders) == 1 and not split_of_folder(folders[0].name):
            deeper = _only_holder(folders[0])
            if deeper:
                self.report_.note(f"the classes are taken from {deeper}: nothing lies beside it")
                return self._usable(deeper)
        return folders

    def _usable(self, root):
        found = []
        for path in entries(root, self.report_):
            if not path.is_dir():
                self.report_.skipped(path, "not a folder, where one is expected")
            elif not is_utf8(path.name):
                self.report_.skipped(path, "name is not UTF-8")
            elif closed := why_closed(path):
                self.report_.skipped(path, closed)
            elif not has_files(path):
                self.report_.skipped(path, "empty folder")
            else:
                found.append(path)
        return found

    def _add(self, found, folder, split_folder, above=()):
        names = (*above, unified(folder.name))
        if len(names) < self.depth_:
            for inner in self._usable(folder):
                self._add(found, inner, split_folder, names)
            return
        name = "/".join(names)
        if not names[-1]:
            self.report_.skipped(folder, "class folder whose name is white space")
            return
        split = split_of_folder(split_folder.name) if split_folder else None
        place = found.setdefault(name, Place(split=split))
        if place.split != split:
            raise UserError(
                f"class {name} is in the folders {place.folders[0].parent.name} and "
                f"{split_folder.name} (test classes must be unseen); keep one of them, or put each "
                "class into one folder and leave the splits to --splits")
        if place.folders and not split_folder:
            self.report_.note(f"class {name} has {len(place.folders) + 1} folders, whose names "
                              "are the same letters")
        place.folders.append(folder)

    def _refuse_mixture(self, root, said):
        names = ", ".join(folder.name for folder, split in said.items() if split)
        other = next(folder.name for folder, split in said.items() if not split)
        raise UserError(f"{root}: the folders {names} look like splits, but {other} lies "
                        "beside them (it could be a class, or be forgotten); keep the folders "
                        "train, validation and test alone, or classes alone")


def entries(folder, report=None):
    """What lies in a folder, in order of names, without what is hidden or junk; nothing, and
    skipped, if it is closed."""
    closed = why_closed(folder)
    if closed and report:
        report.skipped(folder, closed)
    return [path for path in sorted(() if closed else folder.iterdir(), key=lambda path: path.name)
            if not path.name.startswith(".") and path.name.lower() not in JUNK]


def why_closed(folder):
    """Why the operating system does not let us look or go into a folder, or ""."""
    try:
        os.scandir(folder).close()
        os.stat(os.path.join(folder, "."))
    except OSError as error:
        return f"{UNREADABLE}: {reason_of(error)}"
    return ""


def _only_holder(folder, depth=0):
    """The first folder from this one downwards that holds several folders, or splits; None if files
    come first: it is a class then."""
    inner = [path for path in entries(folder) if path.is_dir() and has_files(path)]
    if depth == DEEPEST or not inner or any(path.is_file() for path in entries(folder)):
        return None
    if len(inner) > 1 or any(split_of_folder(path.name) for path in inner):
        return folder
    return _only_holder(inner[0], depth + 1)


def has_files(folder, depth=0):
    """True if a file lies at any depth below the folder, or may lie there as one is closed."""
    return depth < DEEPEST and (bool(why_closed(folder)) or any(
        path.is_file() or path.is_dir() and has_files(path, depth + 1) for path in entries(folder)))


def files_below(folder, report, depth=0):
    """The files at any depth below a folder, those of each folder in order of their names."""
    found, folders = [], []
    for path in entries(folder, report):
        if not is_utf8(path.name):
            report.skipped(path, "name is not UTF-8")
        elif path.is_dir():
            folders.append(path)
        elif path.is_file():
            found.append(path)
        else:
            report.skipped(path, "not a file")
    if depth == DEEPEST:
        raise UserError(f"{folder}: deeper than {DEEPEST} folders (a link to a folder above?); "
                        "remove the link")
    return found + [path for inner in folders for path in files_below(inner, report, depth + 1)]


def is_utf8(name):
    return not any("\ud800" <= character <= "\udfff" for character in name)
