"""MIMIC-CXR-JPG: chest radiographs with their reports and 14 findings.

ROOT holds files/p10/p10000032/s50414267/DICOM.jpg and beside files/, as .csv or .csv.gz,

    mimic-cxr-2.0.0-metadata      dicom_id, subject_id, study_id, ViewPosition
    mimic-cxr-2.0.0-split         dicom_id, study_id, subject_id, split
    mimic-cxr-2.0.0-chexpert      subject_id, study_id and a column for each finding: 1, 0, -1 (not
                                  certain) or empty (not mentioned: 0); or ...-negbio, or, of the
                                  test split alone, mimic-cxr-2.1.0-test-set-labeled

A sample is a study:

    image_frontal    its first picture from the front (AP, PA)
    image_lateral    its first from the side (LATERAL, LL)
    findings, ...    the --sections of its report, files/p10/p10000032/s50414267.txt below ROOT or
                     --reports

Targets are the findings, 0 or 1. The group is the patient. A class is a patient, too, in the
published split; with --class finding it is the only finding of the study, which is then no target.
chexpert and negbio read the findings out of the reports: who predicts them from the texts learns
how these programs read.
"""

from .. import media, names
from ..errors import UserError
from ..files import path_of
from ..layouts import common
from ..layouts.mimic_cxr import FINDINGS, VIEWS, Tables, report_of
from ..shards import Modality, Sample

SOURCE = "MIMIC-CXR-JPG, physionet.org (Johnson et al. 2019)"
UNCERTAIN = {"zeros": 0.0, "ones": 1.0, "drop": None}


def add_arguments(parser):
    common.add_arguments(parser, by_class=False)
    parser.add_argument("--class", dest="class_from", choices=("subject", "finding"),
                        default="subject", help="what a task is drawn from: a patient, or a "
                        "finding of studies that have no other (default: subject)")
    parser.add_argument("--labels", choices=("chexpert", "negbio", "test-set-labeled"),
                        default="chexpert", help="which table of findings (default: chexpert)")
    parser.add_argument("--findings", metavar="NAMES", default=",".join(FINDINGS),
                        help="those that are used, separated by commas (default: all 14)")
    parser.add_argument("--uncertain", choices=tuple(UNCERTAIN), default="zeros",
                        help="what findings that are not certain become; drop: studies with one are "
                        "left out (default: zeros)")
    parser.add_argument("--reports", type=path_of, metavar="FOLDER",
                        help="where the reports' files/ lies (default: ROOT)")
    parser.add_argument("--sections", default="findings,impression", metavar="NAMES",
                        help="of reports, separated by commas; none: no text (default: "
                        "findings,impression)")
    common.add_picture_arguments(parser)


def convert(args, report):
    common.check_root(args)
    findings = args.findings.split(",")
    unknown = sorted(set(findings) - set(FINDINGS))
    if unknown:
        raise UserError(f"--findings: {', '.join(unknown)} is no finding; use some of "
                        f"{', '.join(FINDINGS)}")
    sections = [] if args.sections == "none" else args.sections.lower().split(",")
    options = media.read_options(args)
    views = {view: common.picture(args, f"image_{view}") for view in VIEWS}
    texts = {section: Modality(section.replace(" ", "_"), names.KIND_TEXT) for section in sections}
    tables = Tables(args.root, args.labels, findings, UNCERTAIN[args.uncertain], report)
    samples = []
    for study in report.progress(tables.studies, len(tables.studies), "studies"):
        values = {views[view].name: media.loader(views[view], path, options)
                  for view, path in study.pictures.items()}
        marks = [media.file_fingerprint(path) for path in study.pictures.values()]
        if sections:
            said = report_of(args.reports or args.root, study, report)
            values.update({texts[section].name: said[section] for section in sections
                           if section in said})
        class_name = f"p{study.subject}"
        if args.class_from == "finding":
            class_name = _only(findings, study.findings)
            if class_name is None:
                report.skipped(f"s{study.name}", "study with no finding or several")
                continue
        samples.append(Sample(f"s{study.name}", class_name, f"p{study.subject}", study.split, values,
                              " ".join(marks),
                              None if args.class_from == "finding" else study.findings))
    common.write(args, report, SOURCE, samples, [*views.values(), *texts.values()],
                 () if args.class_from == "finding" else findings, {"read": repr(options)})


def _only(findings, values):
    """The finding that is 1, None if there is another number of these."""
    found = [name for name, value in zip(findings, values) if value == 1]
    return found[0] if len(found) == 1 else None
