"""Files and folders as they are given to `pack` -> samples."""

from dataclasses import dataclass

from .. import folder_tree, media, names
from ..errors import BadInput, UserError
from ..files import path_of
from ..frame.opening import is_table
from ..graphs import GRAPH_SUFFIXES
from ..schema import PICTURE_KINDS, Sample
from ..splits import split_of_folder, unified

GROUP = "all"
PLURALS = {names.KIND_IMAGE: "pictures", names.KIND_TEXT: "texts", names.KIND_AUDIO: "sounds",
           names.KIND_SERIES: "series", names.KIND_VECTOR: "vectors", names.KIND_VIDEO: "videos",
           names.KIND_GRAPH: "graphs"}


@dataclass(slots=True)
class FileSample(Sample):
    """name: the path as it was given, without ending if several files are one sample; stem: that
    in any case."""

    stem: str = ""


def place_of(argument):
    """(path, label or None) of FILE, FOLDER, LABEL=FILE or LABEL=FOLDER."""
    if not argument:
        raise UserError("an INPUT is empty (a variable that is not set?); give files, folders or "
                        "LABEL=FILE")
    path, label = path_of(argument), None
    if not path.exists() and "=" in argument:
        label, rest = argument.split("=", 1)
        path, label = path_of(rest), unified(label)
        if not label:
            raise UserError(f"{argument}: the label is empty; give LABEL=FILE")
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; give files, folders or LABEL=FILE")
    if not path.is_file() and not path.is_dir():
        raise UserError(f"{path}: neither a file nor a folder; give files, folders or LABEL=FILE")
    return path, label


class FileSamples:
    """Grows by places that are given; samples: [FileSample]."""

    def __init__(self, modalities, options, report):
        self.modalities_, self.options_, self.report_ = modalities, options, report
        self.samples, self.newest_ = [], {}

    def add(self, path, label):
        """A file, or all files at any depth of a folder: without a label, those right in it have
        none, and the others that of the sub-folder of it that they are in."""
        if path.is_file():
            self._add(path, label)
            return
        deep = 0
        for file, own, folder in self._labelled(path, label):
            deep += self._add(file, own) and file.parent != folder
        if deep:
            self.report_.note(f"{deep} files lie in folders below the folder of their class in "
                              f"{path}")

    def _labelled(self, folder, label):
        """Each (file, label, the folder that gives it), those right in the folder first."""
        if label is not None:
            for file in folder_tree.files_below(folder, self.report_):
                yield file, label, folder
            return
        folders = []
        for entry in folder_tree.entries(folder, self.report_):
            if entry.is_dir():
                folders.append(entry)
            elif entry.is_file():
                yield entry, None, folder
            else:
                self.report_.skipped(entry, "not a file")
        splits = folders and all(split_of_folder(inner.name) for inner in folders)
        for inner in folders:
            yield from self._labelled(inner, None if splits else unified(inner.name))

    def _add(self, path, label):
        """Whether the file is of a kind that the model takes."""
        try:
            modality, view = self._modality_of(path)
        except BadInput as problem:
            self.report_.skipped(path, problem)
            return False
        stem = str(path.with_suffix(""))
        stem = stem[:len(stem) - len(view)]
        sample = self.newest_.get((stem, label))
        if sample is None or modality.name in sample.values:
            sample = FileSample(str(path), label, GROUP, names.SPLIT_TEST, {}, stem=stem)
            self.newest_[stem, label] = sample
            self.samples.append(sample)
        else:
            sample.name = stem
        sample.values[modality.name] = media.loader(modality, path, self.options_)
        return True

    def _modality_of(self, path):
        """(declared modality, end of the stem that says so or "") for a file; BadInput if there is
        none or more than one."""
        if not folder_tree.is_utf8(str(path)):
            raise BadInput("name is not UTF-8")
        kinds = media.kinds_of(path)
        if not kinds and path.suffix.lower() in GRAPH_SUFFIXES and any(
                modality.kind == names.KIND_GRAPH for modality in self.modalities_):
            kinds = (names.KIND_GRAPH, )  # whoever reads it says why it is none
        if not kinds and is_table(path):
            raise BadInput("table among files; give it as an INPUT of its own")
        if not kinds:
            raise BadInput(f"unknown file type {path.suffix.lower() or '(none)'}")
        taken = {modality.kind for modality in self.modalities_}
        kind = next((kind for kind in kinds if kind in taken), kinds[0])
        _, dot, view = path.stem.rpartition(".")
        sense = f"{kind}_{view.lower().replace('-', '_')}"
        fitting = [modality for modality in self.modalities_ if dot and modality.name == sense]
        view = dot + view if fitting else ""
        fitting = fitting or [modality for modality in self.modalities_ if modality.kind == kind]
        if not fitting:
            raise BadInput(f"the model has no sense for {PLURALS[kind]}")
        if len(fitting) > 1:
            raise BadInput(f"the model has {len(fitting)} senses for {PLURALS[kind]} "
                           f"({', '.join(m.name for m in fitting)}), and the file's name does not "
                           "end with which, as in a.left.png for image_left")
        if kind in PICTURE_KINDS and fitting[0].shape[2] not in (1, 3):
            raise BadInput(f"the model's {PLURALS[kind]} have {fitting[0].shape[2]} channels, not 1 or 3")
        return fitting[0], view
