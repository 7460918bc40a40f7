"""Tables of targets beside files: CSV in UTF-8, commas, the first line names the columns. Cells are
trimmed and compared in Unicode's composed form (NFC)."""

import csv
import math

from .errors import BadInput, UserError
from .schema import check_target_names, target_row
from .splits import unified


class Table:
    """columns: [str]; rows: [(line number, {column: cell})]."""
    def __init__(self, path):
        """UserError naming the file and the line if it is no table."""
        self.path = path
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                self._read(csv.reader(file, strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path}: not a table ({error}); give a CSV file in UTF-8") from None

    def _read(self, reader):
        self.columns = list(map(unified, next(reader, [])))
        if not all(self.columns) or len(set(self.columns)) != max(1, len(self.columns)):
            raise UserError(f"{self.path}: the first line does not name every column once (cells "
                            "are found by these names); write a line of different names")
        self.rows = []
        for cells in reader:
            if not cells:
                continue  # an empty line
            if len(cells) != len(self.columns):
                raise UserError(f"{self.path}:{reader.line_num}: {len(cells)} cells under "
                                f"{len(self.columns)} columns (nobody knows which are missing); "
                                "correct the line")
            self.rows.append((reader.line_num, dict(zip(self.columns, map(unified, cells)))))

    def check_columns(self, wanted):
        """UserError unless the table has all of these columns."""
        for name in wanted:
            if name not in self.columns:
                raise UserError(f"{self.path}: no column {name!r}; it has "
                                f"{', '.join(self.columns)}")


def numbers(cells, columns):
    """[float] of the named cells of one row; BadInput if one holds no finite number."""
    values = []
    for name in columns:
        try:
            values.append(math.nan if "_" in cells[name] else float(cells[name]))
        except ValueError:
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            raise BadInput(f"column {name} holds {cells[name]!r}, not a number")
    return values


class TargetTable:
    """Targets by sample: the first column has the samples' names, the others are targets."""
    def __init__(self, path):
        table = Table(path)
        self.path_ = path
        self.names = tuple(table.columns[1:])
        if not self.names:
            raise UserError(f"{path}: no column beside {table.columns[0]!r} (targets are in the "
                            "others); add one, and separate cells by commas")
        check_target_names(self.names)
        self.rows_ = {}
        for line, cells in table.rows:
            name = cells[table.columns[0]]
            if name in self.rows_:
                raise UserError(f"{path}:{line}: sample {name!r} is there twice; keep one line")
            self.rows_[name] = cells

    def give(self, samples, report, names_of=lambda sample: (sample.name, )):
        """The samples that have targets, with them; the others, and lines without a sample, are
        reported as skipped. names_of(sample): those that its line may have."""
        kept, known = [], set()
        for sample in samples:
            try:
                names = set(map(unified, names_of(sample)))
                lines = sorted(names & self.rows_.keys())
                known |= names
                if not lines:
                    raise BadInput(f"no line in {self.path_}")
                sample.targets = tuple(numbers(self.rows_[lines[-1]], self.names))
                target_row(sample.targets, self.names)
                kept.append(sample)
            except BadInput as problem:
                report.skipped(sample.name, f"sample without usable targets: {problem}")
        for name in self.rows_:
            if name not in known:
                report.skipped(f"{self.path_}: {name}", "targets of no sample")
        return kept
