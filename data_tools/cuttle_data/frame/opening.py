"""Which reader a table needs, and the options of reading it."""

from ..errors import UserError
from ..files import path_of

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
    parser.add_argument("--fill",
                        type=float,
                        metavar="NUMBER",
                        help="stands for empty cells of numbers (default: such rows are left out)")


def is_table(path):
    """Whether the ending is that of a table, compressed or not."""
    return _ending(path) in FORMATS


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
