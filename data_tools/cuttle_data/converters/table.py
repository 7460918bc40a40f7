"""Rows of a CSV file as samples: numbers to learn from (a vector) and numbers to predict (targets).

The first line names the columns. Rows with the same value of --class-column are one class, which for
regression is what a task is drawn from: a user, a patient, a function. Classes are split by --splits
and --seed, or by --split-column (train, validation, test). A row with an empty or unreadable number
is skipped and named. Without --class-column the rows are unlabelled, which is enough for `cuttle
adapt` and `cuttle predict` (use --shards 1). Statistics are computed for the vector, not for the
targets.
"""

from .. import names, splits
from ..errors import BadInput, UserError
from ..files import path_of
from ..licenses import add_origin_arguments
from ..schema import check_target_names, target_row
from ..shards import DatasetInfo, Modality, Sample, write_converted
from ..tables import Table, numbers

NO_GROUP = "all"


def add_arguments(parser):
    parser.add_argument("file", type=path_of, metavar="FILE", help="the table, CSV in UTF-8")
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
    parser.add_argument("--splits",
                        default="0.64,0.16,0.2",
                        help="fractions of the classes for train, validation, test (default: "
                        "0.64,0.16,0.2); not used with --split-column")
    parser.add_argument("--modality", default="x", help="name of the vector (default: x)")
    add_origin_arguments(parser)


def convert(args, report):
    fractions = splits.parse_fractions(args.splits)
    table = Table(args.file)
    targets, features = _columns(args, table)
    split_of = _splits(args, table, fractions)
    modality = Modality(args.modality, names.KIND_VECTOR, (len(features), ))
    samples = []
    for line, cells in table.rows:
        try:
            samples.append(_sample(args, line, cells, modality, features, targets, split_of))
        except BadInput as problem:
            report.skipped(f"{args.file}:{line}", problem)
    if not samples:
        raise UserError(f"{args.file}: no usable row; see what was skipped")
    info = DatasetInfo(args.name or args.file.stem.replace(" ", "_"), args.source or args.file.name,
                       args.license, "cuttle-data table", {"features": features}, targets)
    report.note(f"features of {args.modality}: {', '.join(features)}")
    write_converted(args, report, info, [modality], samples, min_per_class=1)


def _columns(args, table):
    """(targets, features): tuple and list of column names."""
    targets = tuple(args.targets.split(",")) if args.targets else ()
    check_target_names(targets)
    others = [c for c in (args.class_column, args.group_column, args.split_column) if c]
    table.check_columns([*targets, *others])
    taken = {*targets, *others}
    if args.features:
        features = args.features.split(",")
        table.check_columns(features)
        if len(set(features)) != len(features) or taken & set(features):
            raise UserError(f"--features {args.features} names a column twice, or one that is used "
                            "otherwise (a target must not be learned from); name others")
    else:
        features = [name for name in table.columns if name not in taken]
    if not features:
        raise UserError(f"{args.file}: no column is left to learn from; name --features")
    return targets, features


def _splits(args, table, fractions):
    """{class: split}, or None where each row has its own."""
    if args.split_column or not args.class_column:
        return None
    classes = dict.fromkeys(cells[args.class_column] for _, cells in table.rows)
    return splits.split_classes(classes, fractions, args.seed)


def _sample(args, line, cells, modality, features, targets, split_of):
    class_name = cells[args.class_column] if args.class_column else None
    if class_name == "":
        raise BadInput(f"column {args.class_column} is empty")
    if args.split_column:
        split = cells[args.split_column]
    else:  # unlabelled samples are in test, as pack has it: nothing may train on them
        split = split_of[class_name] if split_of else names.SPLIT_TEST
    group = cells[args.group_column] if args.group_column else NO_GROUP
    if not group:
        raise BadInput(f"column {args.group_column} is empty")
    vector = modality.convert(numbers(cells, features))
    values = tuple(numbers(cells, targets))
    target_row(values, targets)
    return Sample(f"line {line}", class_name, group, split, {modality.name: vector},
                  targets=values if targets else None)
