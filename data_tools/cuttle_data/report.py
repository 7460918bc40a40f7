"""What a command has to say: skipped inputs with reasons, notes, counts; shown at the end and kept
in a log."""

import json
import sys
from collections import Counter

from tqdm import tqdm

SHOWN = 10  # skipped inputs named in the summary; the log names all


class Report:
    """Collects during a command; the command line prints summary() at the end. Nothing else
    prints."""
    def __init__(self):
        self.skips = []
        self.notes = []
        self.tables = []
        self.json = None  # set: the whole output, for programs

    def skipped(self, what, reason):
        self.skips.append((str(what), str(reason)))

    def note(self, text):
        self.notes.append(text)

    def table(self, title, head, rows):
        self.tables.append((title, head, rows))

    def progress(self, iterable, total=None, label=""):
        return tqdm(iterable, desc=label, total=total, leave=False, disable=not sys.stderr.isatty())

    def summary(self, limit=SHOWN):
        """The text for people; limit: how many skipped inputs to name, None for all."""
        if self.json is not None:
            return json.dumps(self.json, indent=1) + "\n"
        lines = [f"note: {text}" for text in self.notes]
        for title, head, rows in self.tables:
            lines += [title, *format_table(head, rows)]
        if self.skips:
            lines.append(f"skipped: {len(self.skips)}")
            lines += [
                f"  {count} x {reason}"
                for reason, count in Counter(r for _, r in self.skips).most_common()
            ]
            lines += [f"  {what}: {reason}" for what, reason in self.skips[:limit]]
            if limit is not None and len(self.skips) > limit:
                lines.append(f"  ... and {len(self.skips) - limit} more")
        text = "".join(line + "\n" for line in lines)
        return text.encode("utf-8", "backslashreplace").decode()


def format_table(head, rows):
    """Lines of a plain table; the first column left-aligned, the others right-aligned."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return [
        "  " +
        "  ".join([row[0].ljust(widths[0])] + [c.rjust(w)
                                               for c, w in zip(row[1:], widths[1:])]).rstrip()
        for row in cells
    ]


def readable_bytes(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
