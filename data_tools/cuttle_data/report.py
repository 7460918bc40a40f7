"""What a command has to say: skipped inputs with reasons, notes, counts; shown at the end and kept
in a log."""

import json
import re
import sys

# What differs between reasons of one kind: numbers and what is quoted.
VARIABLE = re.compile(r"(?<![\w.])-?\d[\d.e+-]*\b|'[^']*'|\"[^\"]*\"")


class Report:
    """Collects during a command; the command line prints summary() at the end. Nothing else
    prints."""
    def __init__(self):
        self.skips = []
        self.doubts = []
        self.kinds = []
        self.notes = []
        self.warnings = []
        self.tables = []
        self.texts = []
        self.json = None  # set: the whole output, for programs

    def skipped(self, what, reason):
        self.skips.append((str(what), str(reason)))

    def doubted(self, what, reason):
        """Something that is used although it looks wrong."""
        self.doubts.append((str(what), str(reason)))

    def left_out(self, count, reason, example):
        """Many inputs with one reason: how many, and where one of them is."""
        self.kinds.append((count, reason, example))

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    def say(self, text):
        """Lines for people to use as they are, after everything else."""
        self.texts.append(text)

    def table(self, title, head, rows):
        self.tables.append((title, head, rows))

    def progress(self, iterable, total=None, label=""):
        if not sys.stderr.isatty():
            return iterable
        from tqdm import tqdm  # which takes as long to load as all of data_tools
        return tqdm(iterable, desc=label, total=total, leave=False)

    def summary(self, every=False):
        """The text for people: what was skipped by kind of reason, with an example; every: all of
        it by name, too, as the log has it."""
        if self.json is not None:
            return json.dumps(self.json, indent=1) + "\n"
        lines = [f"note: {text}" for text in self.notes]
        lines += [f"warning: {text}" for text in self.warnings]
        for title, head, rows in self.tables:
            lines += [title, *format_table(head, rows)]
        lines += [f"left out: {count:,} x {reason}; such as {example}"
                  for count, reason, example in self.kinds]
        sections = ("warning, used all the same", self.doubts), ("skipped", self.skips)
        for title, entries in sections:
            if entries:
                lines += [f"{title}: {len(entries)}", *kinds_of(entries)]
                lines += [f"  {what}: {reason}" for what, reason in entries if every]
        lines += self.texts
        text = "".join(line + "\n" for line in lines)
        return text.encode("utf-8", "backslashreplace").decode()


def kinds_of(entries):
    """A line for each kind of reason among [(what, reason)], the most frequent first: how many,
    the first reason and its example."""
    kinds = {}
    for what, reason in entries:
        kinds.setdefault(VARIABLE.sub("#", reason), []).append((what, reason))
    return [f"  {len(found)} x {found[0][1]}, e.g. {found[0][0]}" if len(found) > 1 else
            f"  1 x {found[0][0]}: {found[0][1]}"
            for found in sorted(kinds.values(), key=len, reverse=True)]


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
