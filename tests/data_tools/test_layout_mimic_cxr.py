"""mimic_cxr on a made-up miniature: tables, pictures and reports joined, uncertain findings, what is missing."""

import gzip

import pytest
from cuttle_data.layouts.mimic_cxr import FINDINGS, sections_of
from layouts import converted, is_of, refused, save_picture

# (subject, study, split, [(dicom, view, colour)], findings other than none mentioned, sections)
FRONT, SIDE = (200, 0, 0), (0, 200, 0)
STUDIES = [
    ("10000032", "50414267", "train", [("02aa804e-bde0", "PA", FRONT), ("174413ec-4ec4", "LATERAL", SIDE)],
     {"No Finding": 1}, {"findings": "Lungs are clear. Heart size: normal.", "impression": "No acute process."}),
    ("10000032", "53189527", "train", [("2a2277a9-b0de", "AP", FRONT), ("e084de3b-be89", "AP", SIDE)],
     {"Edema": 1, "Pneumonia": 0}, {"impression": "Mild edema."}),
    ("11000764", "57375967", "validate", [("096052b7-d256", "LL", SIDE)], {"Edema": -1, "Fracture": 1}, None),
    ("11000764", "50771383", "validate", [("b79e55c3-735c", "", FRONT), ("dcfeeac4-1597", "PA", FRONT)],
     {"Atelectasis": 1}, {"findings": "Streaky opacity."}),
    ("12000898", "50771383999", "test", [("8ea6ab4d-bd99", "ap", FRONT)], {"Edema": 1}, None),
    ("12000898", "54205396", "test", [("e7bcb05c-09bd", "PA", FRONT)], {"Edema": 1.0}, None)]
REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___F with cough  // pneumonia?
"""


def cell(value):
    return "" if value is None else f"{float(value)}"


def tables_of(studies, label):
    pictures = [(d, s, n, view, split) for s, n, split, found, _, _ in studies for d, view, _ in found]
    return {
        "2.0.0-metadata": ["dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows"] + [
            f'{d},{s},{n},"CHEST (PA, LAT)",{view},3056' for d, s, n, view, _ in pictures],
        "2.0.0-split": ["dicom_id,study_id,subject_id,split"] + [
            f"{d},{n},{s},{split}" for d, s, n, _, split in pictures],
        f"2.0.0-{label}": [",".join(("subject_id", "study_id", *FINDINGS))] + [
            ",".join((s, n, *[cell(found.get(name)) for name in FINDINGS])) for s, n, _, _, found, _ in studies]}


def make(root, studies=STUDIES, packed=True, label="chexpert"):
    for name, lines in tables_of(studies, label).items():
        root.mkdir(exist_ok=True)
        data = "".join(line + "\n" for line in lines).encode()
        path = root / f"mimic-cxr-{name}.csv"
        (path.with_name(path.name + ".gz") if packed else path).write_bytes(gzip.compress(data) if packed else data)
    for subject, study, _, found, _, sections in studies:
        folder = root / f"files/p{subject[:2]}/p{subject}"
        for dicom, _, colour in found:
            save_picture(folder / f"s{study}/{dicom}.jpg", colour, (20, 16))
        if sections:
            text = REPORT + "".join(f" {name.upper()}: \n\n {body.replace('. ', '.' + chr(10) + ' ')}\n\n"
                                    for name, body in sections.items())
            (folder / f"s{study}.txt").write_text(text)
    return root


@pytest.mark.parametrize("packed", [True, False])
def test_studies(run, tmp_path, packed):
    samples, text = converted(run, "mimic_cxr", make(tmp_path / "in", packed=packed), tmp_path / "out", "--size", "8")
    assert samples.keys() == {f"s{study}" for _, study, *_ in STUDIES} and "splits: as published" in text
    for subject, study, split, found, findings, sections in STUDIES:
        sample = samples[f"s{study}"]
        assert (sample.class_name, sample.group) == (f"p{subject}", f"p{subject}")
        assert sample.split == {"validate": "validation"}.get(split, split)
        assert sample.targets == {name: float(findings.get(name) == 1) for name in FINDINGS}
        wanted = {"image_frontal": [c for _, view, c in found if view.upper() in ("AP", "PA")][:1],
                  "image_lateral": [c for _, view, c in found if view in ("LATERAL", "LL")][:1]}
        for sense, colours in wanted.items():
            assert (sense in sample.values) == bool(colours)
            assert not colours or is_of(sample.values[sense], colours[0])
        assert {k: v for k, v in sample.values.items() if not k.startswith("image")} == (sections or {})
    assert "1 further frontal pictures" in text and "picture of another view; such as b79e55c3-735c" in text
    assert "3 x " in text and "report cannot be read: No such file" in text


def test_uncertain_findings(run, tmp_path):
    make(tmp_path / "in", label="negbio")
    for how, value in (("zeros", 0.0), ("ones", 1.0)):
        samples, _ = converted(run, "mimic_cxr", tmp_path / "in", tmp_path / how, "--labels", "negbio", "--uncertain",
                               how, "--sections", "none", "--findings", "Edema,Fracture")
        assert samples["s57375967"].targets == {"Edema": value, "Fracture": 1.0}
        assert all(name.startswith("image") for sample in samples.values() for name in sample.values)
    samples, text = converted(run, "mimic_cxr", tmp_path / "in", tmp_path / "drop", "--labels", "negbio",
                              "--uncertain", "drop")
    assert samples.keys() == {f"s{study}" for _, study, *_ in STUDIES} - {"s57375967"}
    assert "1 x study with a finding that is not certain; such as s57375967" in text
    samples, _ = converted(run, "mimic_cxr", tmp_path / "in", tmp_path / "other", "--labels", "negbio",
                           "--uncertain", "drop", "--findings", "Fracture")
    assert len(samples) == len(STUDIES)


def test_findings_as_classes(run, tmp_path):
    samples, text = converted(run, "mimic_cxr", make(tmp_path / "in"), tmp_path / "out", "--class", "finding",
                              "--uncertain", "ones", "--splits", "1,0,0")
    assert {name: (s.class_name, s.group, s.targets) for name, s in samples.items()} == {
        f"s{study}": ("Edema", f"p{subject}", {}) for subject, study, _, _, findings, _ in STUDIES
        if findings.get("Edema") == 1}
    assert "s57375967: study with no finding or several" in text


def test_what_does_not_fit(run, tmp_path):
    odd = [("12000898", "../../../x", "test", [("1", "PA", FRONT)], {}, None),
           ("13000001", "50000001", "test", [("2", "PA", FRONT)], {"Edema": 7}, None),
           ("13000001", "50000002", "later", [("3", "PA", FRONT)], {"Edema": 1}, None)]
    root = make(tmp_path / "in", STUDIES + odd[1:])
    table = root / "mimic-cxr-2.0.0-metadata.csv"
    lines = tables_of(STUDIES + odd, "chexpert")["2.0.0-metadata"] + ["4,13000001,50000009,x,PA,1"]
    table.write_text("\n".join(lines))
    (root / "files/p10/p10000032/s50414267/02aa804e-bde0.jpg").write_bytes(b"\xff\xd8 cut")
    (root / "files/p10/p10000032/s50414267/174413ec-4ec4.jpg").unlink()
    (root / "files/p10/p10000032/s53189527.txt").write_bytes(b"\xff\xfe\xfa")
    samples, text = converted(run, "mimic_cxr", root, tmp_path / "out")
    assert samples.keys() == {f"s{study}" for _, study, *_ in STUDIES}
    assert samples["s50414267"].values.keys() == {"findings", "impression"}
    assert samples["s53189527"].values.keys() == {"image_frontal"}
    for said in ("picture whose names are no names of files; such as 12000898/1", "neither 1, 0, -1 nor empty; such as "
                 "s50000001 ['7']", "picture without a split; such as 3", "picture that is not there", "broken image",
                 "picture of a study without findings; such as s50000009"):
        assert said in text, text


def test_refusals(run, tmp_path):
    root, out = make(tmp_path / "in", packed=False), tmp_path / "out"
    assert "Flu is no finding" in refused(run, "mimic_cxr", root, out, "--findings", "Edema,Flu")
    assert "no mimic-cxr-2.0.0-negbio.csv" in refused(run, "mimic_cxr", root, out, "--labels", "negbio")
    (root / "mimic-cxr-2.0.0-split.csv").write_text("dicom_id,study_id\na,b\n")
    assert "no column 'split'" in refused(run, "mimic_cxr", root, out)
    (root / "mimic-cxr-2.0.0-split.csv").write_bytes(b"\x1f\x8bcut")
    assert "not a table" in refused(run, "mimic_cxr", root, out)


def test_sections():
    assert sections_of("FINDINGS: a\n b  c\n\nIMPRESSION:\n1. d: e\n FINDINGS: f\nADDENDUM:\n") == {
        "findings": "a b c f", "impression": "1. d: e"}
    assert sections_of("no section here") == {}
