"""A few labelled or unlabelled samples into one shard, for `cuttle adapt` and `cuttle predict`.

INPUT is a file, a folder or a table, or LABEL=INPUT. Files of one folder with the same stem are one
sample: pictures, videos, sounds, .txt, .npy, and views as `folder` has them. Files right in a folder have
no label; files in its sub-folders are labelled with the sub-folder's name, at any depth. A row of a
table (CSV, Parquet, JSON lines, SQLite; as `frame` reads them) is a sample: its columns are found
by the names that they had in the model's data set, or in the table that it was adapted to, else by
what they hold, with a warning.

Shapes, sample rate and statistics are those that the model of --like takes; senses that no sample
has are left out. If the model predicts values, --targets gives them; `predict` does without. A
sample is called as its file was given, without ending if several files are one sample, or by the
table's id or line. Everything that is said goes to standard error.
"""

from .. import media
from ..files import path_of
from ..frame import opening
from ..packing.layout import layout_of
from ..packing.packer import pack

SINGLE_FILE = True


def add_arguments(parser):
    parser.add_argument("inputs",
                        nargs="+",
                        metavar="INPUT",
                        help="FILE, FOLDER or TABLE, or LABEL=FILE, ...")
    parser.add_argument("--like",
                        type=path_of,
                        required=True,
                        metavar="MODEL",
                        help="a run, one of its checkpoints, a file of cuttle adapt, or a shard of "
                        "the data set that the model was trained on")
    parser.add_argument("--no-labels",
                        action="store_true",
                        help="leave out all labels and targets of tables (for predict)")
    parser.add_argument("--targets",
                        type=_table_or_columns,
                        metavar="FILE|COLUMNS",
                        help="CSV table: the first column has the files' path as given, the others "
                        "are the targets of --like; for tables the columns' names")
    parser.add_argument("--quiet",
                        action="store_true",
                        help="say only what could not be used, or looks wrong")
    media.add_read_arguments(parser)
    _add_table_arguments(parser.add_argument_group("of tables"))


def _add_table_arguments(group):
    group.add_argument("--class", dest="class_column", metavar="COLUMN",
                       help="the labels; none: rows have none (default: as frame guesses)")
    group.add_argument("--values", metavar="COLUMNS",
                       help="what samples consist of, in the order of the model's data set, where "
                       "columns are not called as there")
    group.add_argument("--pad", action="store_true",
                       help="a table of fewer numbers than the model takes: zeros fill its rows "
                       "(for models of tables of any width, encoder `table`)")
    group.add_argument("--id", metavar="COLUMN",
                       help="names of the samples; rows of one are one sample for a series")
    group.add_argument("--order", metavar="COLUMN", help="the order of the rows of one sample")
    group.add_argument("--type", action="append", default=[], metavar="COLUMN=TYPE",
                       help="what a column holds; may be given several times")
    opening.add_table_arguments(group)


def _table_or_columns(text):
    path = path_of(text)
    return path if path.suffix or path.exists() else text


def convert(args, report):
    pack(args, layout_of(args.like), report)
    if args.quiet:
        report.notes.clear()
