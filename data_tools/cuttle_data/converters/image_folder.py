"""A tree with one folder of images per class, and side files as further modalities.

ROOT/CLASS/x.png is one sample. Files with the same stem in the same folder are its further
modalities: x.txt (text, UTF-8), x.wav (audio, PCM16, mono after averaging), x.npy (1-D numbers:
vector; 2-D, steps x channels: series). With ROOT/train, ROOT/validation and ROOT/test (any of them,
nothing else) the classes lie one level deeper and keep these splits; otherwise classes are split by
--splits and --seed. For regression --targets gives each sample numbers to predict; a class is then
what a task is drawn from, such as a patient.
"""

from .. import media, names, splits
from ..errors import BadInput, UserError
from ..files import path_of
from ..licenses import add_origin_arguments
from ..schema import KINDS as KINDS_IN_ORDER
from ..shards import DatasetInfo, Modality, Sample, write_converted
from ..tables import TargetTable

KINDS = {".txt": names.KIND_TEXT, ".wav": names.KIND_AUDIO,
         **{suffix: names.KIND_IMAGE for suffix in media.IMAGE_SUFFIXES}}
NO_GROUP = "all"


def add_arguments(parser):
    parser.add_argument("root", type=path_of, metavar="ROOT", help="the tree of classes")
    parser.add_argument("--size",
                        default="84",
                        help="image size, one number or HEIGHTxWIDTH; reached by Lanczos "
                        "resampling without keeping the aspect ratio (default: 84)")
    parser.add_argument("--gray", action="store_true", help="one channel instead of RGB")
    parser.add_argument("--sample-rate",
                        type=int,
                        default=16000,
                        help="of the audio, Hz; other rates are "
                        "resampled with a windowed sinc (default: 16000)")
    parser.add_argument("--splits",
                        default="0.64,0.16,0.2",
                        help="fractions of the classes for train, validation, "
                        "test (default: 0.64,0.16,0.2); not used with split folders")
    parser.add_argument(
        "--group-from",
        choices=("none", "subfolder", "prefix"),
        default="none",
        help="where the group (what must not straddle support and query: style, speaker) comes "
        "from: CLASS/GROUP/x.png, or CLASS/GROUP_x.png; default: all samples share one group")
    parser.add_argument("--keep-unpaired",
                        action="store_true",
                        help="a side file without image is a sample without "
                        "that modality (default: it is skipped)")
    parser.add_argument("--targets",
                        type=path_of,
                        metavar="FILE",
                        help="CSV table: the first column has CLASS/x (the files' path in ROOT "
                        "without ending), the others are targets")
    add_origin_arguments(parser)


def convert(args, report):
    size = media.parse_size(args.size)
    if not media.MIN_RATE <= args.sample_rate <= media.MAX_RATE:
        raise UserError(
            f"--sample-rate {args.sample_rate} is not possible; give {media.MIN_RATE} to "
            f"{media.MAX_RATE} Hz")
    fractions = splits.parse_fractions(args.splits)
    if not args.root.is_dir():
        raise UserError(
            f"{args.root}: no such folder; give the folder that holds the class folders")
    targets = TargetTable(args.targets) if args.targets else None
    class_folders = _class_folders(args, fractions, report)
    gatherer = Gatherer(args, size, report)
    samples = []
    bar = report.progress(class_folders.items(), len(class_folders), "classes")
    for class_name, (folder, split) in bar:
        samples += gatherer.class_samples(class_name, folder, split)
    if not samples:
        hint = "" if args.keep_unpaired else " (side files alone count only with --keep-unpaired)"
        raise UserError(
            f"{args.root}: no class folder holds an image{hint}; expected {args.root}/CLASS/x.png")
    if targets:
        samples = targets.give(samples, report)
    root_name = args.root.resolve().name
    info = DatasetInfo(args.name or root_name.replace(" ", "_"), args.source or root_name,
                       args.license, "cuttle-data image_folder",
                       targets=targets.names if targets else ())
    write_converted(args, report, info, gatherer.modalities(), samples)


def _class_folders(args, fractions, report):
    """{class: (folder, split)} in order of names."""
    folders = _folders(args.root, report)
    if splits.folder_splits([folder.name for folder in folders]):
        report.note("splits by folders: " + ", ".join(folder.name for folder in folders))
        found = {}
        for split_folder in folders:
            for folder in _folders(split_folder, report):
                if folder.name in found:
                    raise UserError(
                        f"class {folder.name} is in the folders {found[folder.name][1]} and "
                        f"{split_folder.name} (test classes must be unseen); keep one of them")
                found[folder.name] = (folder, split_folder.name)
        return dict(sorted(found.items()))
    report.note(f"splits by fractions {args.splits}, seed {args.seed}")
    usable = [folder for folder in folders if any(path.is_file() for path in folder.rglob("*"))]
    for folder in sorted(set(folders) - set(usable)):
        report.skipped(folder, "empty folder")
    split_of = splits.split_classes([folder.name for folder in usable], fractions, args.seed)
    return {folder.name: (folder, split_of[folder.name]) for folder in usable}


def _folders(root, report):
    found = []
    for path in sorted(root.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            report.skipped(path, "not a folder, where one is expected")
        elif not _is_utf8(path.name):
            report.skipped(path, "name is not UTF-8")
        else:
            found.append(path)
    return found


def _is_utf8(name):
    return not any("\ud800" <= character <= "\udfff" for character in name)


class Gatherer:
    """Makes samples of class folders and learns on the way which modalities there are."""
    def __init__(self, args, size, report):
        self.args_, self.size_, self.report_ = args, size, report
        self.channels_ = 1 if args.gray else 3
        self.found_ = set()  # kinds
        self.shapes_ = {}  # kind -> shape of the first .npy of that kind, binding for the others

    def modalities(self):
        shapes = {names.KIND_IMAGE: (*self.size_, self.channels_), **self.shapes_}
        rates = {names.KIND_AUDIO: self.args_.sample_rate}
        return [Modality(kind, kind, shapes.get(kind, ()), rates.get(kind, 0))
                for kind in KINDS_IN_ORDER if kind in self.found_]

    def class_samples(self, class_name, folder, split):
        """The samples of one class folder, in order of their names."""
        samples = []
        for place, group in self._places(folder):
            for stem, files in self._files_by_stem(place).items():
                sample = self._sample(class_name, place, stem, files, group, split)
                if sample:
                    samples.append(sample)
        if not samples:
            self.report_.skipped(folder, "class folder without a usable file")
        return samples

    def _places(self, folder):
        """(folder with files, group or None) below a class folder."""
        if self.args_.group_from != "subfolder":
            return [(folder, None)]
        return [(path, path.name) for path in _folders(folder, self.report_)]

    def _files_by_stem(self, place):
        """{stem: {kind: path}} of one folder."""
        stems = {}
        for path in sorted(place.iterdir()):
            if path.name.startswith("."):
                continue
            if not path.is_file():
                self.report_.skipped(path,
                                     "not a file (for group folders see --group-from subfolder)")
                continue
            kind = self._kind(path)
            if kind is None:
                continue
            files = stems.setdefault(path.stem, {})
            if kind in files:
                self.report_.skipped(path, f"second {kind} of one stem")
            else:
                files[kind] = path
        return stems

    def _kind(self, path):
        """The modality kind of a file; None (and reported) if it cannot be used."""
        suffix = path.suffix.lower()
        if not _is_utf8(path.name):
            self.report_.skipped(path, "name is not UTF-8")
        elif suffix == ".npy":
            return self._npy_kind(path)
        elif suffix in KINDS:
            return KINDS[suffix]
        else:
            self.report_.skipped(path, f"unknown file type {suffix or '(none)'}")
        return None

    def _npy_kind(self, path):
        try:
            shape = media.npy_shape(path)
        except BadInput as problem:
            self.report_.skipped(path, problem)
            return None
        kind = names.KIND_VECTOR if len(shape) == 1 else names.KIND_SERIES
        if 0 in shape:
            self.report_.skipped(path, "empty .npy")
            return None
        expected = self.shapes_.setdefault(kind, shape[-1:])
        if shape[-1:] != expected:
            what = "features" if kind == names.KIND_VECTOR else "channels"
            self.report_.skipped(path, f".npy with {shape[-1]} {what}, while the first {kind} has "
                                 f"{expected[0]}")
            return None
        return kind

    def _sample(self, class_name, place, stem, files, group, split):
        if names.KIND_IMAGE not in files and not self.args_.keep_unpaired:
            for path in files.values():
                self.report_.skipped(path, "side file without an image of that stem")
            return None
        if group is None:
            prefix = stem.split("_")[0] if self.args_.group_from == "prefix" else ""
            group = prefix or NO_GROUP
        self.found_ |= set(files)
        return Sample(str((place / stem).relative_to(self.args_.root)), class_name, group, split,
                      {kind: self._loader(kind, path) for kind, path in files.items()},
                      " ".join(media.file_fingerprint(path) for path in files.values()))

    def _loader(self, kind, path):
        if kind == names.KIND_IMAGE:
            return lambda: media.load_image(path, self.size_, self.channels_)
        if kind == names.KIND_TEXT:
            return lambda: media.load_text(path)
        if kind == names.KIND_AUDIO:
            return lambda: media.load_wav(path, self.args_.sample_rate)
        return lambda: media.load_npy(path)
