"""A tree with one folder per class: pictures, videos, sounds, texts, graphs, series and vectors in any mixture.

ROOT/CLASS/x.png is one sample, and so is any file at any depth below a class folder (where folders
of classes lie in others, see --class-depth). Files with the
same stem in the same folder are further senses of it: x.png (any ending Pillow reads), x.wav (or
.flac, .ogg, .mp3 ...: mono after averaging), x.txt, x.npy (1-D numbers: vector; 2-D, steps x
channels: series), x.mp4 (or .webm, .avi ...), x.json (a graph as networkx's
node_link_data gives it: the features of a node are its x, or its attributes that are numbers) or x.npz
(one as PyTorch Geometric has it: x and edge_index). Pictures of an ending of
which most are animated (.gif, .webp, .png) are videos, and so is a .npy of uint8 [frames, height,
width, channels]. The sense that most samples have comes first, pictures before others; a file
without one of it is left out. x.left.png and x.right.png are two views of one sample: the senses
image_left and image_right.

With ROOT/train, ROOT/val (valid, validation, dev) and ROOT/test, in any case and any of them, the
classes lie one level deeper and keep these splits; otherwise classes are split by --splits and
--seed. For regression --targets gives each sample numbers to predict; a class is then what a task
is drawn from, such as a patient.
"""

from collections import Counter

from .. import folder_tree, media, splits
from ..errors import UserError
from ..files import path_of
from ..folder_samples import Gatherer
from ..licenses import add_origin_arguments
from ..shards import DatasetInfo, drop_small_classes, write_converted
from ..tables import TargetTable

ALIASES = ("image_folder", )
MIN_PER_CLASS = 2


def add_arguments(parser):
    parser.add_argument("root", type=path_of, metavar="ROOT", help="the tree of classes")
    media.add_layout_arguments(parser)
    parser.add_argument("--class-depth",
                        type=int,
                        default=1,
                        metavar="N",
                        help="2 where ROOT/A/B is the class A/B, and so on (default: 1)")
    splits.add_split_arguments(parser, unused="; not used with split folders")
    parser.add_argument(
        "--group-from",
        choices=("none", "subfolder", "prefix"),
        default="none",
        help="where the group (what must not straddle support and query: style, speaker) comes "
        "from: CLASS/GROUP/x.png, or CLASS/GROUP_x.png; default: all samples share one group")
    parser.add_argument("--views",
                        default="auto",
                        metavar="LEFT,RIGHT",
                        help="which endings of stems are views (x.left.png); auto: those that "
                        "share their stem with others, none: no ending (default: auto)")
    parser.add_argument("--keep-unpaired",
                        action="store_true",
                        help="a side file without a file of the first sense is a sample without "
                        "that sense (default: it is skipped)")
    parser.add_argument("--holes",
                        action="store_true",
                        help="NaN in a .npy file is a number that is not known (default: such files "
                        "are left out); needs a model that takes holes")
    parser.add_argument("--targets",
                        type=path_of,
                        metavar="FILE",
                        help="CSV table: the first column has CLASS/x (the files' path in ROOT "
                        "without ending), the others are targets")
    media.add_read_arguments(parser)
    add_origin_arguments(parser)


def convert(args, report):
    gatherer = Gatherer(args, report)
    fractions = splits.chosen_fractions(args)
    if not args.root.is_dir():
        raise UserError(
            f"{args.root}: no such folder; give the folder that holds the class folders")
    targets = TargetTable(args.targets) if args.targets else None
    if not 1 <= args.class_depth <= folder_tree.DEEPEST:
        raise UserError(f"--class-depth {args.class_depth} is no number of folders; give 1 or more")
    tree = folder_tree.ClassTree(args.root, args.class_depth, args.all_test, report)
    samples = gatherer.samples(tree.classes)
    if not samples:
        raise UserError(f"{args.root}: no class folder holds an image, a sound, a text or a .npy "
                        f"file (nothing to convert); expected {args.root}/CLASS/x.png")
    if targets:
        samples = targets.give(samples, report)
    samples = drop_small_classes(samples, MIN_PER_CLASS, report.skipped)
    if not samples:
        raise UserError(f"{args.root}: no class has {MIN_PER_CLASS} samples (a class of fewer gives no "
                        "task); see what was skipped")
    _split(args, samples, fractions, tree, report)
    root_name = args.root.resolve().name
    info = DatasetInfo(args.name or root_name.replace(" ", "_"), args.source or root_name,
                       args.license, "cuttle-data folder", gatherer.settings(),
                       targets.names if targets else ())
    present = {sense for sample in samples for sense in sample.values}
    modalities = [modality for modality in gatherer.modalities() if modality.name in present]
    _warn_of_rare_senses(samples, modalities, report)
    write_converted(args, report, info, modalities, samples, min_per_class=MIN_PER_CLASS)


def _split(args, samples, fractions, tree, report):
    """Gives the samples the splits of their classes."""
    if tree.split_folders:
        report.note("splits by folders: " + ", ".join(tree.split_folders))
        split_of = {name: place.split for name, place in tree.classes.items()}
    else:
        report.note("splits: all classes are for testing" if args.all_test else
                    f"splits by fractions {args.splits}, seed {args.seed}")
        split_of = splits.split_classes({sample.class_name for sample in samples}, fractions,
                                        args.seed)
    for sample in samples:
        sample.split = split_of[sample.class_name]


def _warn_of_rare_senses(samples, modalities, report):
    counts = Counter(sense for sample in samples for sense in sample.values)
    for modality in modalities:
        if counts[modality.name] * 10 < len(samples):
            report.warn(f"only {counts[modality.name]} of {len(samples)} samples have the sense "
                        f"{modality.name} (models would be trained with it); remove its files if "
                        "that is not meant")
