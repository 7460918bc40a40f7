"""Archives of series in files: .ts (aeon, sktime), .arff (UEA and UCR, Weka) and .tsv (UCR 2018).

A file is a Problem: cases with a class or a number to predict. Numbers that are not there are holes
(NaN), channels that end early have holes at their end."""

import re
from dataclasses import dataclass, field

import numpy as np

from ..errors import BadInput, UserError
from .common import text_of

SUFFIXES = (".ts", ".arff", ".tsv")
PART = re.compile(r"(.+)_(TRAIN|TEST)", re.IGNORECASE)
LARGEST = float(np.finfo(np.float32).max)
MISSING = ("", "?", "nan")
PAIR = re.compile(r"\(\s*([^(),]*?)\s*,\s*([^(),]*?)\s*\)")
OUTSIDE = re.compile(r":(?![^()]*\))")  # a colon that is not inside of brackets
DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?")


@dataclass
class Case:
    """steps: float32 [steps, channels], of a timed problem the first channel the time since the
    first step; label: str, or None; target: a float, or None."""

    line: int
    steps: np.ndarray
    label: str = None
    target: float = None


@dataclass
class Problem:
    """name: without _TRAIN and _TEST; part: "train", "test" or None. labels: those that the file
    names, None if it names none; timed: steps have times; regression: cases have a target."""

    path: object
    name: str
    part: str
    cases: list = field(default_factory=list)
    labels: tuple = None
    timed: bool = False
    regression: bool = False

    def add(self, line, text, parse, report):
        """Adds the case of a line; one that cannot be used is reported."""
        try:
            self.cases.append(parse(self, line, text))
        except BadInput as problem:
            report.skipped(f"{self.path}:{line}", problem)

    def case(self, line, steps, last):
        """The Case of [steps, channels] and what stands last: its class or target."""
        if np.isnan(steps[:, self.timed:]).all():
            raise BadInput("case without any number")
        if self.regression:
            return Case(line, steps, target=_number(last, False))
        if last is not None and self.labels and last not in self.labels:
            raise BadInput(f"class {last!r}, which the header does not name")
        if last in MISSING:
            raise BadInput("case without a class")
        return Case(line, steps, last)


def read(path, report):
    """The Problem of a file. UserError if it has none of these layouts or nothing usable."""
    match = PART.fullmatch(path.stem)
    problem = Problem(path, match[1] if match else path.stem, match[2].lower() if match else None)
    readers = {".ts": _read_ts, ".arff": _read_arff, ".tsv": _read_tsv}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: the ending is none of {', '.join(readers)}; rename it as what it "
                        "is")
    readers[path.suffix.lower()](problem, text_of(path).splitlines(), report)
    if not problem.cases:
        raise UserError(f"{path}: no case that can be used (nothing to learn from); see what a file "
                        "of this ending looks like in cuttle-data series_archive --help")
    widths = {case.steps.shape[1] for case in problem.cases}
    if len(widths) > 1:
        raise UserError(f"{path}: cases have {' and '.join(map(str, sorted(widths)))} channels "
                        "(all need the same); correct the file")
    return problem


# .ts


def _read_ts(problem, lines, report):
    header, data = {}, False
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#") and not data:
            continue
        if data:
            problem.add(number, line, _ts_case, report)
        elif line.startswith("@"):
            word, *rest = line.split()
            data = word.lower() == "@data"
            header[word.lower()] = rest
            if data:
                _take_header(problem, header)
        else:
            raise UserError(f"{problem.path}:{number}: neither @..., # nor below @data (no .ts "
                            "file); give one")
    if not data:
        raise UserError(f"{problem.path}: no @data (no .ts file, or cut off); fetch it again")


def _take_header(problem, header):
    def is_true(word):
        return [said.lower() for said in header.get(word, ())[:1]] == ["true"]

    problem.timed, problem.regression = is_true("@timestamps"), is_true("@targetlabel")
    if is_true("@classlabel"):
        problem.labels = tuple(header["@classlabel"][1:])


def _ts_case(problem, line, text):
    *channels, last = OUTSIDE.split(text) if problem.timed else text.split(":")
    if problem.labels is None and not problem.regression:
        channels, last = [*channels, last], None
    if not channels:
        raise BadInput("line without a series before its class or target")
    parse = _timed if problem.timed else _plain
    return problem.case(line, parse(channels), last and last.strip())


def _plain(channels):
    values = [_values(channel) for channel in channels]
    steps = np.full((max(map(len, values)), len(values)), np.nan, np.float32)
    for place, channel in enumerate(values):
        steps[:len(channel), place] = channel
    return steps


def _values(channel):
    """float32 of cells between commas."""
    cells = channel.split(",")
    try:  # as most are
        values = np.array(cells, np.str_).astype(np.float64)
        if not (np.abs(values) > LARGEST).any() and "_" not in channel:
            return values.astype(np.float32)
    except ValueError:
        pass
    return np.array([_number(cell) for cell in cells], np.float32)


def _timed(channels):
    """Steps at the times of any channel."""
    found = []
    for channel in channels:
        if PAIR.sub("", channel).strip(", \t"):
            raise BadInput(f"channel that is no list of (time,value): {channel[:40]!r}")
        pairs = [(_time(time), _number(value)) for time, value in PAIR.findall(channel)]
        if len({time for time, _ in pairs}) < len(pairs):
            raise BadInput("channel with two values at one time")
        found.append(dict(pairs))
    times = sorted({time for channel in found for time in channel})
    if not times:
        raise BadInput("case without any number")
    return np.array([[time - times[0], *[channel.get(time, np.nan) for channel in found]]
                     for time in times], np.float32)


def _time(text):
    """A number, or days since 1970 of a date."""
    date = text.replace("/", "-").replace(" ", "T")
    if not DATE.fullmatch(date):
        return _number(text, False)
    try:
        return np.datetime64(date, "us").astype(np.int64) / 86400e6
    except ValueError:
        raise BadInput(f"{text!r} is no date") from None


def _number(text, may_miss=True):
    """float, NaN where it is missing, if it may be."""
    text = text.strip()
    if text.lower() in MISSING and may_miss:
        return np.nan
    try:
        value = np.nan if "_" in text else float(text)
    except ValueError:
        value = np.nan
    if not abs(value) <= LARGEST:
        raise BadInput(f"{text!r} is not a number")
    return value


# .arff


def _read_arff(problem, lines, report):
    """Attributes of one value a step, or relational ones: text of a line of values a channel."""
    kinds, inside = [], False
    data = False
    for number, line in enumerate(map(str.strip, lines), 1):
        word = line.split(None, 1)[0].lower() if line else ""
        if not line or line.startswith("%"):
            continue
        if data:
            problem.add(number, line, _arff_case if "relational" in kinds else _flat_arff_case,
                        report)
        elif word == "@attribute":
            if not inside:
                kinds.append(_arff_kind(problem, number, line))
            inside |= kinds[-1] == "relational"
        elif word == "@end":
            inside = False
        elif word == "@data":
            data = True
            if len(kinds) < 2:
                raise UserError(f"{problem.path}: {len(kinds)} attributes (series and a class or "
                                "target make two at least); give a file of series")
            problem.regression = kinds[-1] == "numeric"
            problem.labels = kinds[-1] if isinstance(kinds[-1], tuple) else None
        elif word != "@relation":
            raise UserError(f"{problem.path}:{number}: {word!r} above @data (no .arff file); give "
                            "one")
    if not data:
        raise UserError(f"{problem.path}: no @data (no .arff file, or cut off); fetch it again")


def _arff_kind(problem, number, line):
    """"numeric", "relational" or a tuple of labels."""
    match = re.fullmatch(r"(?i)@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", line)
    kind = match[2].strip() if match else ""
    if kind.startswith("{") and kind.endswith("}"):
        return tuple(_cells(kind[1:-1]))
    if kind.lower() in ("numeric", "real", "integer"):
        return "numeric"
    if kind.lower() in ("relational", "string"):
        return kind.lower()
    raise UserError(f"{problem.path}:{number}: unknown attribute {line[:60]!r} (numeric, relational "
                    "and {labels} are read); correct it")


def _cells(line):
    """Cells between commas; quotes of either kind, with backslashes before what is meant as it is."""
    parts = re.findall(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^,]*?)\s*(?:,|$)""", line)
    parts = parts[:-1] if parts and parts[-1] == "" and not line.endswith(",") else parts
    return [part[1:-1] if part[:1] in "\"'" and len(part) > 1 else part for part in parts]


def _arff_case(problem, line, text):
    cells = _cells(text)
    if len(cells) != 2:
        raise BadInput(f"{len(cells)} cells, not a quoted series and its class or target")
    channels = [channel for channel in cells[0].split("\\n") if channel.strip()]
    if not channels:
        raise BadInput("case without any number")
    return problem.case(line, _plain(channels), cells[1])


def _flat_arff_case(problem, line, text):
    if text.startswith("{"):
        raise BadInput("sparse case, which is not read")
    *values, last = _cells(text)
    if not values:
        raise BadInput("line without a series before its class or target")
    return problem.case(line, _trimmed(values), last)


# .tsv


def _read_tsv(problem, lines, report):
    """A label, then the values, padded by NaN at the end where lengths differ."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            problem.add(number, line, _tsv_case, report)


def _tsv_case(problem, line, text):
    label, *values = text.split("\t")
    if not values:
        raise BadInput("line without a tab (the label stands before the first)")
    return problem.case(line, _trimmed(values), label.strip())


def _trimmed(values):
    """[steps, 1] of cells, without missing ones at the end."""
    steps = _plain([",".join(values)])
    last = np.flatnonzero(~np.isnan(steps[:, 0]))
    return steps[:last[-1] + 1] if len(last) else steps
