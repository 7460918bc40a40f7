"""Which reader a table needs, and the options of reading it."""

import math
import re

from ..errors import UserError
from ..files import path_of
from ..folder_tree import files_below
from ..splits import split_of_folder

SPLIT = "split"
DROP = "drop"
FORMATS = {".csv": "csv", ".tsv": "csv", ".tab": "csv", ".psv": "csv", ".parquet": "parquet",
           ".pq": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json",
           ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite"}


def add_table_arguments(parser):
    """All but --encoding, which other commands have for texts, too."""
    parser.add_argument("--format",
                        choices=("csv", "parquet", "json", "sqlite"),
                        help="of a table (default: by the file's first bytes and its ending)")
    parser.add_argument("--separator", help="between cells of CSV (default: found out)")
    parser.add_argument("--decimal", choices=(".", ","), help="default: found out")
    parser.add_argument("--query", help="SQL, for SQLite")
    parser.add_argument("--sqlite-table", metavar="TABLE", help="which table of a SQLite file")
    parser.add_argument("--root",
                        type=path_of,
                        metavar="FOLDER",
                        help="where paths in tables begin (default: the table's folder)")
    add_fill_argument(parser)


def add_fill_argument(parser):
    parser.add_argument("--fill",
                        type=lambda text: None if text == DROP else float(text),
                        default=math.nan,
                        metavar=f"NUMBER|{DROP}",
                        help="stands for empty cells of numbers (default: they are holes, NaN, if "
                        f"the model of pack takes any); {DROP}: such rows are left out")


def is_table(path):
    """Whether the ending is that of a table, compressed or not."""
    return _ending(path) in FORMATS


def open_tables(places, args, report):
    """The Frame of files and folders of one kind of tables. If each file's name, or its folder's,
    says a split (train-00000-of-00002.parquet), the column `split` says it of its rows."""
    paths = [path for place in places for path in _tables_of(place, report)]
    kinds = {args.format or _format(path): path for path in paths}
    if len(kinds) > 1:
        raise UserError(f"{' and '.join(map(str, kinds.values()))} are of several kinds (one table "
                        "is read); name files of one kind, or give --format")
    if len(paths) == 1:
        return open_table(paths[0], args, report)
    from .source import joined
    frame = joined([open_table(path, args, report) for path in paths])
    report.note(f"{len(paths)} files, of {len(frame):,} rows together, are one table")
    add_split_of_files(frame)
    return frame


def add_split_of_files(frame):
    """The column `split` of a Frame of several files, if the name of each says one."""
    said = [_split_of(path) for path in frame.paths]
    if all(said) and len(set(said)) > 1 and SPLIT not in frame.columns:
        frame.add_by_file(SPLIT, said)


def _tables_of(place, report):
    """[place], or the tables at any depth of a folder; of one with Parquet files these."""
    if not place.is_dir():
        return [place]
    found = [path for path in files_below(place, report) if is_table(path)]
    found = [path for path in found if FORMATS[_ending(path)] == "parquet"] or found
    if not found:
        raise UserError(f"{place}: no table in this folder ({', '.join(FORMATS)}); name one")
    return found


def _split_of(path):
    words = [split_of_folder(word) for word in re.split(r"[-_.]", path.stem)]
    return next(filter(None, words), split_of_folder(path.parent.name))


def open_table(path, args, report):
    """The Frame of a file, by the arguments of add_table_arguments and args.encoding."""
    # pyarrow takes long to load, and commands without tables do without.
    from . import delimited, records
    kind = args.format or _format(path)
    if (args.query or args.sqlite_table) and kind != "sqlite":
        raise UserError(
            f"{path}: --query and --sqlite-table are for SQLite (this is {kind}); leave them out")
    if kind == "parquet":
        return records.read_parquet(path, report)
    if kind == "json":
        return records.read_json(path, report)
    if kind == "sqlite":
        return records.read_sqlite(path, report, args.query, args.sqlite_table)
    return delimited.read(path, report, args.separator, args.decimal, args.encoding)


def _ending(path):
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return endings[-1] if endings else ""


def _format(path):
    with open(path, "rb") as file:
        head = file.read(16)
    if head[:4] == b"PAR1":
        return "parquet"
    if head.startswith(b"SQLite format 3"):
        return "sqlite"
    return "json" if FORMATS.get(_ending(path)) == "json" else "csv"
