"""A few labelled or unlabelled files into one shard, for `cuttle adapt` and `cuttle predict`.

INPUT is a file, a folder, or LABEL=FILE or LABEL=FOLDER. Files of one folder with the same stem are
one sample: pictures, sounds, .txt, .npy, and views as `folder` has them. Files right in a folder
have no label; files in its sub-folders are labelled with the sub-folder's name. Shapes, sample rate
and statistics are those of the shard given with --like, so that a model trained on its data set
accepts the result; senses that no file is of are left out. If that has targets, --targets gives
them to the samples; `predict` does without.
"""

from .. import media, names
from ..errors import BadInput, UserError
from ..files import SHARD_SUFFIX, path_of
from ..folder_tree import entries
from ..reader import Shard
from ..schema import check_samples
from ..shards import DatasetInfo, Sample, load_samples, write_shard
from ..splits import unified
from ..tables import TargetTable

SINGLE_FILE = True
GROUP = "all"


def add_arguments(parser):
    parser.add_argument("inputs",
                        nargs="+",
                        metavar="INPUT",
                        help="FILE, FOLDER, LABEL=FILE or LABEL=FOLDER")
    parser.add_argument("--like",
                        type=path_of,
                        required=True,
                        metavar="SHARD",
                        help="a shard of the data set that the model was trained on")
    parser.add_argument("--no-labels",
                        action="store_true",
                        help="leave out all labels (for predict)")
    parser.add_argument("--targets",
                        type=path_of,
                        metavar="FILE",
                        help="CSV table: the first column has the files' path as given, without "
                        "ending, the others are the targets of --like")
    media.add_read_arguments(parser)


def convert(args, report):
    options = media.read_options(args)
    with Shard(args.like) as like:
        modalities, header = like.modalities, like.header
        targets = _targets(args, like.target_names, report)
    if args.out.suffix != SHARD_SUFFIX:
        raise UserError(f"--out {args.out} must end with {SHARD_SUFFIX}")
    by_name = {}
    for argument in args.inputs:
        for path, label in _labelled_files(argument, report):
            label = None if args.no_labels else label
            _add(by_name, path, label, modalities, options, report)
    samples = list(by_name.values())
    if not samples:
        raise UserError(
            f"no input is a file that {args.like} has a modality for; see what was skipped"
        )
    target_names = targets.names if targets else ()
    if targets:
        samples = targets.give(samples, report)
    check_samples(samples, modalities, target_names)
    loaded = load_samples(samples, modalities, 1, report.skipped, target_names,
                          report.doubted)
    if not loaded:
        raise UserError("no usable sample (every file was skipped); see what was skipped")
    modalities = _of_some_sample(modalities, loaded, report)
    labels = {sample.class_name for sample in loaded} - {None}
    report.note(
        f"{len(loaded)} samples, {sum(s.class_name is not None for s in loaded)} of them labelled, "
        f"{len(labels)} classes, laid out like {header[names.DATASET_KEY]}")
    if args.dry_run:
        report.note("dry run: nothing written")
        return
    info = DatasetInfo("packed", "files given to cuttle-data pack", "not stated",
                       "cuttle-data pack", targets=target_names)
    write_shard(args.out, info, modalities, loaded)
    report.note(f"wrote {args.out}")


def _of_some_sample(modalities, samples, report):
    """Those that a sample has: the shard declares no others, and the model answers without."""
    present = {name for sample in samples for name in sample.arrays}
    absent = [modality.name for modality in modalities if modality.name not in present]
    if absent:
        report.note(f"no sample has {', '.join(absent)}: the shard does without, so does the model")
    return [modality for modality in modalities if modality.name in present]


def _targets(args, wanted, report):
    """The table of targets, or None."""
    if args.targets is None:
        if wanted:
            report.note(f"without the targets of {args.like} ({', '.join(wanted)}): for predict; "
                        "adapt needs --targets")
        return None
    targets = TargetTable(args.targets)
    if targets.names != wanted:
        raise UserError(
            f"{args.targets} has the targets {', '.join(targets.names)}, but {args.like} has "
            f"{', '.join(wanted) or 'none'} (a model predicts what it was trained on); name the "
            "columns so")
    return targets


def _labelled_files(argument, report):
    """[(path, label or None)] that one argument stands for."""
    path, label = path_of(argument), None
    if not path.exists() and "=" in argument:
        label, rest = argument.split("=", 1)
        path = path_of(rest)
        if not label:
            raise UserError(f"{argument}: the label is empty; give LABEL=FILE")
    if path.is_file():
        return [(path, label)]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder; give files, folders or LABEL=FILE")
    found = []
    for entry in entries(path):
        if entry.is_file():
            found.append((entry, label))
        elif label is not None:
            report.skipped(entry, "folder inside a labelled folder")
        else:
            found += [(inner, unified(entry.name)) for inner in entries(entry)
                      if inner.is_file()]
    return found


def _add(by_name, path, label, modalities, options, report):
    """Adds a file to the sample of its folder and stem, or as a new sample."""
    name = str(path.with_suffix(""))
    try:
        modality, view = _modality_of(path, modalities)
        name = name[:len(name) - len(view)]
    except BadInput as problem:
        report.skipped(path, problem)
        return
    sample = by_name.setdefault(name, Sample(name, label, GROUP, names.SPLIT_TEST, {}))
    if modality.name in sample.values or sample.class_name != label:
        report.skipped(path, f"second {modality.name} of one stem, or under another label")
    else:
        sample.values[modality.name] = media.loader(modality, path, options)


def _modality_of(path, modalities):
    """(declared modality, end of the stem that says so or "") for a file; BadInput if there is none
    or more than one."""
    kind = media.kind_of(path)
    if kind is None:
        raise BadInput(f"unknown file type {path.suffix.lower() or '(none)'}")
    _, dot, view = path.stem.rpartition(".")
    sense = f"{kind}_{view.lower().replace('-', '_')}"
    fitting = [modality for modality in modalities if dot and modality.name == sense]
    view = dot + view if fitting else ""
    fitting = fitting or [modality for modality in modalities if modality.kind == kind]
    if len(fitting) != 1:
        raise BadInput(f"the data set has {len(fitting)} modalities of the kind {kind}, not one")
    if kind == names.KIND_IMAGE and fitting[0].shape[2] not in (1, 3):
        raise BadInput(f"the data set's images have {fitting[0].shape[2]} channels, not 1 or 3")
    return fitting[0], view
