"""The samples of a folder tree: files that share a stem, and which of them are enough."""

import os
from collections import Counter

from . import folder_senses, folder_tree, media, names
from .schema import KINDS, PICTURE_KINDS, Modality, Sample
from .splits import unified

# Which sense makes a sample where several are about as frequent.
LEADING = (names.KIND_IMAGE, names.KIND_VIDEO, names.KIND_AUDIO, names.KIND_GRAPH,
           names.KIND_SERIES, names.KIND_VECTOR, names.KIND_TEXT)
NO_GROUP = "all"


class Gatherer:
    """Makes samples of class folders and knows afterwards which modalities there are."""

    def __init__(self, args, report):
        """UserError if an argument is not possible."""
        self.args_, self.report_ = args, report
        self.options_ = media.read_options(args)
        self.size_ = media.parse_size(args.size)
        media.checked_rate(args.sample_rate)
        media.checked_frames(args.frames)
        self.modalities_ = {}

    def settings(self):
        """What decides the content besides the files, for the plan."""
        return {"read": repr(self.options_)}

    def modalities(self):
        return list(self.modalities_.values())

    def samples(self, classes):
        """The samples of {class: Place}, in order of classes and names, without their splits."""
        files = []
        for name, place in self.report_.progress(classes.items(), len(classes), "classes"):
            files += self._files(name, place)
        folder_senses.settle_animations(files, self.report_)
        folder_senses.find_views(files, self.args_.views, self.report_)
        files, widths = folder_senses.of_usual_shapes(files, self.report_)
        self._declare(files, widths)
        stems = self._by_stem(files)
        lead = _leading_kind(stems.values())
        if lead not in (None, names.KIND_IMAGE):
            self.report_.note(f"a sample is a file of the kind {lead} with its side files")
        self._note_deep_files(files, classes)
        del files
        samples, stems = [], list(stems.values())
        for place, found in enumerate(stems):
            samples += filter(None, [self._sample(found, lead)])
            stems[place] = None  # millions of both would take twice the memory
        lost = set(classes) - {sample.class_name for sample in samples}
        for name in sorted(lost):
            self.report_.skipped(classes[name].folders[0], "class folder without a usable file")
        return _with_different_names(samples)

    def _files(self, name, place):
        """The usable files of one class."""
        found = []
        for folder in place.folders:
            for path, group in self._grouped(folder):
                file = folder_senses.described(path, name, group, self.report_)
                found += [file] if file else []
        return found

    def _note_deep_files(self, files, classes):
        folders = {str(folder) for place in classes.values() for folder in place.folders}
        deep = sum(file.folder not in folders for file in files)
        if deep and self.args_.group_from != "subfolder":
            self.report_.note(f"{deep} files lie in folders below the folder of their class (for "
                              "classes inside classes see --class-depth, for groups --group-from)")

    def _grouped(self, folder):
        """[(file, group)] below a class folder."""
        if self.args_.group_from != "subfolder":
            return [(path, self._prefix(path)) for path in
                    folder_tree.files_below(folder, self.report_)]
        found = []
        for path in folder_tree.entries(folder, self.report_):
            if not path.is_dir():
                self.report_.skipped(path, "not a folder, where one is expected")
            elif not folder_tree.is_utf8(path.name):
                self.report_.skipped(path, "name is not UTF-8")
            else:
                found += [(file, unified(path.name) or NO_GROUP) for file in
                          folder_tree.files_below(path, self.report_)]
        return found

    def _prefix(self, path):
        prefix = unified(path.stem).split("_")[0] if self.args_.group_from == "prefix" else ""
        return prefix or NO_GROUP

    def _declare(self, files, widths):
        channels = 1 if self.args_.gray else 3
        senses = {file.sense: file.kind for file in files}
        for sense, kind in sorted(senses.items(), key=lambda pair: (KINDS.index(pair[1]), pair[0])):
            width = widths.get(sense)
            columns = width if isinstance(width, tuple) else ()
            shape = ((*self.size_, channels) if kind in PICTURE_KINDS else
                     (len(columns) or width, ) if width else ())
            rate = self.args_.sample_rate if kind == names.KIND_AUDIO else 0
            frames = self.args_.frames if kind == names.KIND_VIDEO else 0
            holes = self.args_.holes and kind in (names.KIND_SERIES, names.KIND_VECTOR)
            self.modalities_[sense] = Modality(
                sense, kind, shape, rate, columns=columns, most_frames=frames, holes=holes,
                directed=self.args_.directed and kind == names.KIND_GRAPH)

    def _by_stem(self, files):
        """{key: {sense: File}}, in order of the files."""
        stems = {}
        for file in files:
            senses = stems.setdefault(file.key, {})
            if file.sense in senses:
                self.report_.skipped(file.path, f"second {file.sense} of one stem")
            else:
                senses[file.sense] = file
        return stems

    def _sample(self, senses, lead):
        files = list(senses.values())
        if not self.args_.keep_unpaired and all(file.kind != lead for file in files):
            article = "an" if lead[0] in "aeiou" else "a"
            for file in files:
                self.report_.skipped(file.path, f"side file without {article} {lead} of that stem "
                                     "(see --keep-unpaired)")
            return None
        first = files[0]
        name = os.path.relpath(os.path.join(first.folder, first.stem), self.args_.root)
        values = {sense: media.loader(self.modalities_[sense], file.path, self.options_)
                  for sense, file in senses.items()}
        return Sample(unified(name), first.class_name, first.group, names.SPLIT_TEST, values,
                      " ".join(media.file_fingerprint(file.path) for file in files))


def _leading_kind(stems):
    """The kind that makes a sample: the first of LEADING that at least half as many stems have as
    the most frequent one; None without files."""
    counts = Counter(kind for senses in stems for kind in {file.kind for file in senses.values()})
    most = max(counts.values(), default=0)
    return next((kind for kind in LEADING if counts[kind] and 2 * counts[kind] >= most), None)


def _with_different_names(samples):
    seen = Counter()
    for sample in samples:
        seen[sample.name] += 1
        if seen[sample.name] > 1:
            sample.name += f"#{seen[sample.name]}"
    return samples
