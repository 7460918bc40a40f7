"""Rows of a CSV file as samples: numbers to learn from (a vector) and numbers to predict (targets).

A short name of `frame` for tables of numbers, where nothing is guessed. The first line names the
columns. Rows with the same value of --class-column are one class, which for regression is what a
task is drawn from: a user, a patient, a function. Classes are split by --splits and --seed, or by
--split-column (train, validation, test). An empty cell is a hole (--fill: something else); a row
with an unreadable number, or an empty target, is left out; such rows are counted by kind, and one
of each kind is named. Without --class-column the rows are
unlabelled, which is enough for `cuttle adapt` and `cuttle predict` (use --shards 1). Statistics are
computed for the vector, not for the targets.
"""

from .. import splits
from ..errors import UserError
from ..files import path_of
from ..frame import opening
from ..licenses import add_origin_arguments
from ..schema import check_target_names
from . import frame as general


def add_arguments(parser):
    parser.add_argument("file", type=path_of, metavar="FILE", help="the table, CSV")
    parser.add_argument("--class-column", metavar="COLUMN", help="which rows belong together")
    parser.add_argument("--targets",
                        metavar="COLUMNS",
                        help="what is to be predicted, separated by commas (default: nothing)")
    parser.add_argument("--features",
                        metavar="COLUMNS",
                        help="what the vector consists of, in this order (default: all other "
                        "columns)")
    parser.add_argument("--group-column",
                        metavar="COLUMN",
                        help="what must not straddle support and query: a session, a day "
                        "(default: one group)")
    parser.add_argument("--split-column", metavar="COLUMN", help="train, validation or test")
    splits.add_split_arguments(parser, unused="; not used with --split-column")
    parser.add_argument("--modality", default="x", help="name of the vector (default: x)")
    parser.add_argument("--separator", help="between cells (default: found out)")
    parser.add_argument("--decimal", choices=(".", ","), help="default: found out")
    parser.add_argument("--encoding", help="default: by the byte-order mark, else UTF-8")
    opening.add_fill_argument(parser)
    parser.set_defaults(**general.UNASKED)
    add_origin_arguments(parser)


def convert(args, report):
    # pyarrow takes long to load, and the other commands do without.
    from ..frame import delimited
    from ..frame.guesses import NUMBER
    from ..frame.roles import Roles
    splits.chosen_fractions(args)  # before the table is read
    frame = delimited.read(args.file, report, args.separator, args.decimal, args.encoding)
    targets, features = _columns(args, frame)
    args.split = args.split_column
    roles = Roles(args.class_column, targets, group=args.group_column, split=args.split_column,
                  values=tuple(features))
    general.write(args, report, frame, dict.fromkeys(frame.columns, NUMBER), roles, 1,
                  "cuttle-data table", {"features": features})


def _columns(args, frame):
    """(targets, features): tuple and list of column names."""
    targets = tuple(args.targets.split(",")) if args.targets else ()
    check_target_names(targets)
    taken = [*targets, *[c for c in (args.class_column, args.group_column, args.split_column) if c]]
    features = args.features.split(",") if args.features else [
        name for name in frame.columns if name not in taken
    ]
    for name in [*taken, *features]:
        frame.check_column(name)
    if len(set(features)) != len(features) or set(taken) & set(features):
        raise UserError(f"--features {args.features} names a column twice, or one that is used "
                        "otherwise (a target must not be learned from); name others")
    if not features:
        raise UserError(f"{args.file}: no column is left to learn from; name --features")
    return targets, features
