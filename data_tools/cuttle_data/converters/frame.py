"""One table, whatever its columns: CSV, TSV, Parquet, JSON lines, SQLite.

What the columns hold and what they are for is guessed, printed, and can be corrected; where several
readings are possible the command says which and writes nothing. --dry-run shows the guess with
three rows. Types: number, category, text, date, labels (a list: a|b), and image, audio, array
(.npy): paths relative to the table's folder, or bytes inside Parquet. A row is one sample, unless
--id names a column whose values repeat: then its rows, in the order of --order, are one sample with
a series of the numbers that change and a vector of those that do not. Classes are split by --splits
and --seed, or by --split. Rows that cannot be used are left out and counted by kind; one of each
kind is named.
"""

from .. import media
from ..errors import UserError
from ..files import path_of
from ..licenses import add_origin_arguments
from ..shards import DatasetInfo
from ..splits import add_split_arguments

VECTOR = "vector"


def add_arguments(parser):
    parser.add_argument("file", type=path_of, metavar="FILE", help="the table")
    _add_role_arguments(parser)
    _add_reading_arguments(parser)
    _add_sense_arguments(parser)
    add_split_arguments(parser, "by a split column or else 0.64/0.16/0.2")
    add_origin_arguments(parser)


def _add_role_arguments(parser):
    roles = parser.add_argument_group("what columns are for (none: no column is)")
    roles.add_argument("--class",
                       dest="class_column",
                       metavar="COLUMN",
                       help="which rows are of one class, or of one source of tasks with --targets")
    roles.add_argument("--targets",
                       metavar="COLUMNS",
                       help="numbers to predict, separated by commas")
    roles.add_argument("--labels",
                       metavar="COLUMN",
                       help="lists of labels to predict: a target of 0 or 1 for each label")
    roles.add_argument("--group",
                       metavar="COLUMN",
                       help="what must not straddle support and query: a session, a speaker")
    roles.add_argument("--split", metavar="COLUMN", help="train, validation (val, dev) or test")
    roles.add_argument("--id",
                       metavar="COLUMN",
                       help="names of the samples; rows with the same one are one sample")
    roles.add_argument("--order", metavar="COLUMN", help="the order of the rows of one sample")
    roles.add_argument("--values",
                       metavar="COLUMNS",
                       help="what samples consist of (default: all columns that are nothing else)")
    roles.add_argument("--ignore", metavar="COLUMNS", help="columns that are not used")
    roles.add_argument("--type",
                       action="append",
                       default=[],
                       metavar="COLUMN=TYPE",
                       help="what a column holds; may be given several times")


def _add_reading_arguments(parser):
    reading = parser.add_argument_group("how the file is read")
    reading.add_argument("--format",
                         choices=("csv", "parquet", "json", "sqlite"),
                         help="default: by the file's first bytes and its ending")
    reading.add_argument("--separator", help="between cells of CSV (default: found out)")
    reading.add_argument("--decimal", choices=(".", ","), help="default: found out")
    reading.add_argument("--encoding", help="of CSV (default: by the byte-order mark, else UTF-8)")
    reading.add_argument("--query", help="SQL, for SQLite")
    reading.add_argument("--sqlite-table", metavar="TABLE", help="which table of a SQLite file")


def _add_sense_arguments(parser):
    senses = parser.add_argument_group("how values are stored")
    senses.add_argument("--root",
                        type=path_of,
                        metavar="FOLDER",
                        help="where paths of files begin (default: the table's folder)")
    media.add_layout_arguments(senses)
    media.add_decoding_arguments(senses)
    senses.add_argument("--fill",
                        type=float,
                        metavar="NUMBER",
                        help="stands for empty cells of numbers (default: such rows are left out)")
    senses.add_argument("--modality",
                        default=VECTOR,
                        help="name of the vector of numbers (default: vector)")


def convert(args, report):
    # pyarrow takes long to load, and the other commands do without.
    from ..frame import guesses, role_guesses, show
    frame = _open(args, report)
    types = guesses.guess_types(frame, guesses.parse_types(args.type, frame))
    try:
        decided = role_guesses.decide(args, frame, types)
    except UserError:
        show.show(report, frame, types, examples=args.dry_run)
        raise
    show.show(report, frame, types, decided, examples=args.dry_run)
    write(args, report, frame, types, decided, 1 if decided.targets or decided.labels else 2,
          "cuttle-data frame", {"read": repr(media.read_options(args))})


def write(args, report, frame, types, decided, minimum, created_by, settings):
    """Plans and writes; minimum: the samples that a class needs."""
    from ..columnar import write_columns
    from ..frame.plan import plan
    modalities, columns, targets = plan(args, frame, types, decided, report, minimum)
    info = DatasetInfo(args.name or args.file.stem.replace(" ", "_"), args.source or args.file.name,
                       args.license, created_by, settings, targets)
    write_columns(args, report, info, modalities, columns, minimum)


def _open(args, report):
    from ..frame import delimited, records
    kind = args.format or _format(args.file)
    if (args.query or args.sqlite_table) and kind != "sqlite":
        raise UserError(
            f"{args.file}: --query and --sqlite-table are for SQLite (this is {kind}); leave "
            "them out")
    if kind == "parquet":
        return records.read_parquet(args.file, report)
    if kind == "json":
        return records.read_json(args.file, report)
    if kind == "sqlite":
        return records.read_sqlite(args.file, report, args.query, args.sqlite_table)
    return delimited.read(args.file, report, args.separator, args.decimal, args.encoding)


def _format(path):
    with open(path, "rb") as file:
        head = file.read(16)
    if head[:4] == b"PAR1":
        return "parquet"
    if head.startswith(b"SQLite format 3"):
        return "sqlite"
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return "json" if endings and endings[-1] in (".json", ".jsonl", ".ndjson") else "csv"
