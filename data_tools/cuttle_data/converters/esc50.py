"""ESC-50: 2,000 sounds of 50 kinds, five seconds each, with their folds.

ROOT holds meta/esc50.csv (filename, fold, target, category, esc10, src_file, take) and audio/. A
class is a category, and a group the fold: support and query never share a fold, hence no original
recording. The folds cut through classes: categories are split by --splits and --seed, or with
--published by fold, as train/dog, validation/dog and test/dog.
"""

from .. import media, names
from ..errors import BadInput, UserError
from ..files import below
from ..layouts import common
from ..shards import Sample
from ..tables import Table

SOURCE = "ESC-50, github.com/karolpiczak/ESC-50 (Piczak 2015)"
COLUMNS = ("filename", "fold", "category", "esc10", "src_file")
FOLDS = 5


def add_arguments(parser):
    common.add_arguments(parser, by_class=True)
    parser.add_argument("--test-fold", type=int, choices=range(1, FOLDS + 1), default=FOLDS,
                        help="with --published: this fold is for testing, the one before it (of the "
                        f"first the last) for validation (default: {FOLDS})")
    parser.add_argument("--esc10", action="store_true", help="only the ten categories of ESC-10")
    parser.add_argument("--group", choices=("fold", "src_file"), default="fold",
                        help="what must not straddle support and query (default: fold)")
    common.add_sound_arguments(parser)


def convert(args, report):
    common.check_root(args)
    modality = common.sound(args)
    options = media.read_options(args)
    path, samples = args.root / "meta" / "esc50.csv", []
    if not path.is_file():
        raise UserError(f"{path}: no such file (it names the sounds); name the folder that the "
                        "archive unpacks to")
    table = Table(path)
    table.check_columns(COLUMNS)
    for _, row in table.rows:
        if args.esc10 and row["esc10"] != "True":
            continue
        try:
            path = below(args.root / "audio", row["filename"])
            if not path.is_file():
                raise BadInput("no such file")
            samples.append(Sample(row["filename"].rpartition(".")[0], row["category"],
                                  f"{args.group} {row[args.group]}", _split(row, args.test_fold),
                                  {common.AUDIO: media.loader(modality, path, options)},
                                  media.file_fingerprint(path)))
        except BadInput as problem:
            report.skipped(row["filename"], problem)
    common.write(args, report, SOURCE, samples, [modality], settings={"read": repr(options)})


def _split(row, test):
    """BadInput unless the fold is one."""
    if row["fold"] not in map(str, range(1, FOLDS + 1)):
        raise BadInput(f"fold {row['fold']!r}, not 1 to {FOLDS}")
    before = (test - int(row["fold"])) % FOLDS
    return (names.SPLIT_TEST, names.SPLIT_VALIDATION)[before] if before < 2 else names.SPLIT_TRAIN
