"""The tables, pictures and reports of MIMIC-CXR-JPG."""

import re
from collections import Counter
from dataclasses import dataclass

from .. import names
from ..decoding import as_bad_input
from ..errors import BadInput, UserError
from ..texts import plain_bytes

FINDINGS = ("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity",
            "Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax",
            "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices")
VIEWS = {"frontal": ("AP", "PA"), "lateral": ("LATERAL", "LL")}
SPLITS = {"train": names.SPLIT_TRAIN, "validate": names.SPLIT_VALIDATION,
          "test": names.SPLIT_TEST}
NUMBER, DICOM = re.compile(r"\d{3,20}"), re.compile(r"[\w-]+")
# Sections begin with their name in capitals and a colon: "FINDINGS:", "FINAL REPORT" has none.
SECTION = re.compile(r"^[ \t]*([A-Z][A-Z0-9 /&,()-]*[A-Z0-9)])[ \t]*:", re.MULTILINE)


@dataclass
class Study:
    """pictures: {view: path}; findings: a 0.0 or 1.0 for each that was asked for."""

    subject: str
    name: str
    split: str
    pictures: dict
    findings: tuple

    def folder(self, root):
        return root / "files" / f"p{self.subject[:2]}" / f"p{self.subject}"


class Tables:
    """studies: [Study] that have findings and a split, in the order of the pictures' table."""

    def __init__(self, root, labels, findings, uncertain, report):
        """uncertain: what -1 is, None for studies that are left out. UserError without a table."""
        self.root_, self.report_, self.left_ = root, report, {}
        self.findings_ = self._findings(labels, findings, uncertain)
        self.splits_ = dict(zip(*self._columns("split", ("dicom_id", "split"))))
        studies, more = {}, Counter()
        for dicom, subject, name, position in zip(*self._columns(
                "metadata", ("dicom_id", "subject_id", "study_id", "ViewPosition"))):
            if not (DICOM.fullmatch(dicom) and NUMBER.fullmatch(subject) and NUMBER.fullmatch(name)):
                self._leave_out("picture whose names are no names of files", f"{subject}/{dicom}")
                continue
            study = studies.get(name) or self._study(dicom, subject, name)
            if study is None:
                continue
            studies[name] = study
            view = next((view for view, known in VIEWS.items() if position.upper() in known), None)
            path = study.folder(root) / f"s{name}" / f"{dicom}.jpg"
            if view is None:
                self._leave_out("picture of another view", f"{dicom} ({position or 'none said'})")
            elif view in study.pictures:
                more[view] += 1
            elif path.is_file():
                study.pictures[view] = path
            else:
                self._leave_out("picture that is not there", path)
        for view, count in more.items():
            report.note(f"{count} further {view} pictures of the same studies are not used")
        for reason, (count, example) in self.left_.items():
            report.left_out(count, reason, example)
        self.studies = [study for study in studies.values() if study.pictures]

    def _leave_out(self, reason, example):
        count, first = self.left_.get(reason, (0, example))
        self.left_[reason] = (count + 1, first)

    def _study(self, dicom, subject, name):
        """A Study without pictures, None if nothing is known of it."""
        split = SPLITS.get(self.splits_.get(dicom))
        if name not in self.findings_:
            self._leave_out("picture of a study without findings", f"s{name}")
        elif split is None:
            self._leave_out("picture without a split", dicom)
        elif self.findings_[name] is not None:  # else it was counted
            return Study(subject, name, split, {}, self.findings_[name])
        return None

    def _columns(self, what, wanted):
        """Lists of strings; UserError if the table or one of the columns is missing."""
        from ..frame import delimited  # pyarrow takes long to load, and --help does without
        found = sorted(path for ending in (".csv", ".csv.gz")
                       for path in self.root_.glob(f"mimic-cxr-*-{what}{ending}"))
        if not found:
            raise UserError(f"{self.root_}: no mimic-cxr-2.0.0-{what}.csv or .csv.gz (pictures are "
                            "found by it); fetch it from physionet.org")
        frame = delimited.read(found[0], self.report_, ",", ".")
        for name in wanted:
            frame.check_column(name)
        return [[cell.strip() for cell in frame.columns[name].to_pylist()] for name in wanted]

    def _findings(self, labels, findings, uncertain):
        """{study: values, None if they cannot be used}"""
        studies, *columns = self._columns(labels, ("study_id", *findings))
        known = {"": 0.0, "0": 0.0, "1": 1.0, "-1": uncertain}
        found = {}
        for study, *cells in zip(studies, *columns):
            cells = [cell.removesuffix(".0") for cell in cells]
            values = [known.get(cell) for cell in cells]
            found[study] = None if None in values else tuple(values)
            if None in values:
                odd = sorted(set(cells) - known.keys())
                self._leave_out("study with a finding that is neither 1, 0, -1 nor empty" if odd else
                                "study with a finding that is not certain", f"s{study} {odd or ''}")
        return found


def report_of(root, study, report):
    """{section in lower case: text} of its report, {} if it has none."""
    path = study.folder(root) / f"s{study.name}.txt"
    try:
        with as_bad_input("broken report"):
            return sections_of(path.read_bytes().decode("utf-8"))
    except BadInput as problem:
        report.skipped(path, f"report {problem}")
        return {}


def sections_of(text):
    """{name in lower case: text on one line}; what several have of one name is joined."""
    pieces, found = SECTION.split(text), {}
    for name, body in zip(pieces[1::2], pieces[2::2]):
        body = " ".join(plain_bytes(body).decode().split())
        if body:
            before = found.get(name.lower())
            found[name.lower()] = f"{before} {body}" if before else body
    return found
