"""One table, whatever its columns: CSV, TSV, Parquet, JSON lines, SQLite.

What the columns hold and what they are for is guessed, printed, and can be corrected; where several
readings are possible the command says which and writes nothing. --dry-run shows the guess with
three rows. Several files, or a folder, are read as one table if they have the same columns; names
such as train-00000-of-00002.parquet say splits. Types: number, category, text, date, labels (a
list: a|b), and image, audio, video, array (.npy): paths relative to the table's folder, or bytes
inside Parquet; of animated pictures --type COLUMN=video takes all, and a list of pictures' paths is a
video, too. A row is one sample, unless --id
names a column whose values repeat: then its rows, in the order of --order, are one sample with a
series of the numbers that change and a vector of those that do not. An empty cell of numbers is a
hole (--fill: something else); a date becomes days since 1970 and where in the year and the week it
lies. Classes are split by --splits and --seed, or by --split. Rows that cannot be used are left out
and counted by kind; one of each kind is named.
"""

from .. import media
from ..errors import UserError
from ..files import path_of
from ..frame import opening
from ..licenses import add_origin_arguments
from ..shards import DatasetInfo
from ..splits import add_split_arguments

VECTOR = "vector"
# What converters that make a table of other files do not ask for.
UNASKED = {"root": None, "encoding": None, "split": None, "codes": False, "times": False}


def add_arguments(parser):
    parser.add_argument("files", type=path_of, metavar="TABLE", nargs="+",
                        help="the table: a file, several of one kind, or a folder of such")
    add_role_arguments(parser)
    _add_reading_arguments(parser)
    add_sense_arguments(parser)
    add_origin_arguments(parser)


def add_role_arguments(parser):
    """What columns are for, and how classes are split."""
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
    roles.add_argument("--where",
                       action="append",
                       default=[],
                       metavar="COLUMN=CELL",
                       help="only the rows with this cell; may be given several times, all of which hold")
    roles.add_argument("--least",
                       type=int,
                       metavar="N",
                       help="classes with fewer samples are left out (default: 2; 1 with targets)")
    roles.add_argument("--times",
                       action="store_true",
                       help="the first channel of a series is the time since its first row, by "
                       "--order, for steps at any distance")
    add_split_arguments(parser, "by a split column or else 0.64/0.16/0.2")


def _add_reading_arguments(parser):
    reading = parser.add_argument_group("how the file is read")
    reading.add_argument("--encoding", help="of CSV (default: by the byte-order mark, else UTF-8)")
    opening.add_table_arguments(reading)


def add_sense_arguments(parser):
    """How pictures, sounds, videos and numbers are stored."""
    senses = parser.add_argument_group("how values are stored")
    media.add_layout_arguments(senses)
    media.add_decoding_arguments(senses)
    senses.add_argument("--codes",
                        action="store_true",
                        help="a column of categories is one feature, the category's number, for "
                        "encoders that learn what each means (default: a feature of 0 and 1 for "
                        "each category)")
    senses.add_argument("--modality",
                        default=VECTOR,
                        help="name of the vector of numbers (default: vector)")


def convert(args, report):
    args.file = args.files[0]
    convert_table(args, report, opening.open_tables(args.files, args, report), "cuttle-data frame")


def convert_table(args, report, frame, created_by):
    """By the arguments of add_role_arguments and add_sense_arguments."""
    # pyarrow takes long to load, and the other commands do without.
    from ..frame import guesses, role_guesses, show
    frame = frame.where_all(args.where)
    types = guesses.guess_types(frame, guesses.parse_types(args.type, frame))
    try:
        decided = role_guesses.decide(args, frame, types)
    except UserError:
        show.show(report, frame, types, examples=args.dry_run)
        raise
    show.show(report, frame, types, decided, examples=args.dry_run)
    least = args.least
    if least is None:
        least = 1 if decided.targets or decided.labels else 2
    write(args, report, frame, types, decided, least, created_by,
          {"read": repr(media.read_options(args))})


def write(args, report, frame, types, decided, minimum, created_by, settings):
    """Plans and writes; minimum: the samples that a class needs."""
    from ..columnar import write_columns
    from ..frame.plan import plan
    if minimum < 1:
        raise UserError(f"--least {minimum} is no number of samples; give 1 or more")
    modalities, columns, targets = plan(args, frame, types, decided, report, minimum)
    info = DatasetInfo(args.name or args.file.stem.replace(" ", "_"), args.source or args.file.name,
                       args.license, created_by, settings, targets)
    write_columns(args, report, info, modalities, columns, minimum)
