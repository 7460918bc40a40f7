"""What the converters of published layouts share: options, splits, and the writing."""

import contextlib
import json

from PIL import Image

from .. import media, names, splits
from ..decoding import as_bad_input, reason_of
from ..errors import UserError
from ..files import path_of
from ..licenses import add_origin_arguments
from ..pictures import image_array
from ..shards import DatasetInfo, Modality, drop_small_classes, write_converted

IMAGE = "image"
TEXT = "text"
AUDIO = "audio"


def add_arguments(parser, by_class, split=None):
    """ROOT, splits and origin. by_class: the published split cuts through classes, so it is kept on
    request only (--published); otherwise it is kept unless fractions are given. split: words for
    what is done without either."""
    parser.add_argument("root", type=path_of, metavar="ROOT", help="the folder described above")
    if by_class:
        splits.add_split_arguments(parser, split or splits.FRACTIONS, "; not used with --published")
        parser.add_argument("--published", action="store_true", help="keep the published split of "
                            "the samples; a class in several is train/CLASS, test/CLASS and so on")
    else:
        splits.add_split_arguments(parser, split or "the published split")
    add_origin_arguments(parser)


def add_picture_arguments(parser, size="84"):
    """--size, --gray and how pictures are read. size: the default, or words for it."""
    parser.add_argument("--size", default=size if size.isdecimal() else None, help="image size, "
                        "one number or HEIGHTxWIDTH; reached by Lanczos resampling without keeping "
                        f"the aspect ratio (default: {size})")
    parser.add_argument("--gray", action="store_true", help="one channel instead of RGB")
    media.add_read_arguments(parser)


def add_sound_arguments(parser):
    """--sample-rate and how sounds are read."""
    media.add_rate_argument(parser)
    media.add_decoding_arguments(parser)


def sound(args):
    """The modality of sounds by these arguments."""
    return Modality(AUDIO, names.KIND_AUDIO, sample_rate=media.checked_rate(args.sample_rate))


def check_root(args):
    """UserError unless ROOT is a folder."""
    if not args.root.is_dir():
        raise UserError(f"{args.root}: no such folder; name the folder that holds the data set")


def picture(args, name=IMAGE, own=None):
    """The modality of pictures by these arguments; own: (height, width) without --size."""
    size = own if args.size is None else media.parse_size(args.size)
    return Modality(name, names.KIND_IMAGE, (*size, 1 if args.gray else 3))


def array_loader(modality, array, index):
    """A function that gives row `index` of uint8 [pictures, height, width(, 3)] as the modality."""
    return lambda: picture_of(modality, array[index])


def picture_of(modality, array):
    """uint8 [height, width(, 3)] as a value of the modality."""
    with as_bad_input("broken image"):
        return image_array(Image.fromarray(array), modality.shape[:2], modality.shape[2])


def mark_of(path):
    """What tells a conversion's plan that the file changed, or came."""
    return media.file_fingerprint(path) if path.is_file() else f"no {path.name}"


@contextlib.contextmanager
def as_laid_out(path, layout):
    """Whatever goes wrong in taking apart what a file holds is a UserError: it holds something
    else."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.strerror:  # not h5py's of a broken file
            raise
        raise UserError(f"{path}: does not hold what {layout} has there ({reason_of(error)}); name "
                        "the right data set, or fetch it again") from None


def text_of(path):
    """What a file of text holds: UTF-8, or else the Latin-1 of older data sets."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_json(path):
    """What a JSON file says; UserError if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {error} (no whole JSON file); fetch it again") from None


def settle_splits(args, samples, report):
    """Gives the samples their splits. They come with the published ones (None: there are none); a
    class that is in several becomes a class of each, train/CLASS and so on."""
    fractions = splits.chosen_fractions(args)
    if not fractions and any(sample.split is None for sample in samples):
        fractions = splits.parse_fractions(splits.FRACTIONS)
    if fractions and not getattr(args, "published", False):
        report.note("splits: all classes are for testing" if args.all_test else
                    f"splits: classes by fractions {args.splits or splits.FRACTIONS}, seed "
                    f"{args.seed}")
        split_of = splits.split_classes({sample.class_name for sample in samples}, fractions,
                                        args.seed)
        for sample in samples:
            sample.split = split_of[sample.class_name]
        return
    report.note("splits: as published")
    homes = {}
    for sample in samples:
        homes.setdefault(sample.class_name, set()).add(sample.split)
    shared = {name for name, found in homes.items() if len(found) > 1}
    if shared:
        report.note(f"{len(shared)} classes are in several splits: they are train/CLASS and so on")
    for sample in samples:
        if sample.class_name in shared:
            sample.class_name = f"{sample.split}/{sample.class_name}"


def write(args, report, source, samples, modalities, targets=(), settings=None):
    """Settles the splits and writes what there is; modalities that no sample has are left out.
    source: what the header says without --source; settings: as DatasetInfo's."""
    if not samples:
        raise UserError(f"{args.root}: no sample of {args.command} (nothing to convert); see "
                        f"cuttle-data {args.command} --help for what is expected there")
    settle_splits(args, samples, report)
    minimum = 1 if targets else 2
    samples = drop_small_classes(samples, minimum, report.skipped)
    present = {name for sample in samples for name in sample.values}
    info = DatasetInfo(args.name or args.command, args.source or source, args.license,
                       f"cuttle-data {args.command}", settings or {}, tuple(targets))
    write_converted(args, report, info, [m for m in modalities if m.name in present], samples,
                    min_per_class=minimum)
