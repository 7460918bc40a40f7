"""series_archive on miniatures of .ts, relational and flat .arff and UCR .tsv."""

import numpy as np
import pytest
from cuttle_data.files import shard_paths
from cuttle_data.reader import Shard
from layouts import converted, refused

ALONE = ("--splits", "1,0,0")
NAN = np.nan
HEAD = """# about the problem
@PROBLEMNAME Toy
@timeStamps {times}
@missing true
@Univariate false
@dimension 2
@equalLength false
@classLabel {labels}
@DATA
"""
FIRST = HEAD.count("\n") + 1  # line of a case
# Series by line below @data: channels of unequal length, holes of three kinds.
CASES = [("1,2.5,-3e1:4,?,6", "A b", [[1, 4], [2.5, NAN], [-30, 6]]),
         ("1,2,:NaN,5", "B", [[1, NAN], [2, 5], [NAN, NAN]]),
         ("7:8", "A b", [[7, 8]]), (" 1, 2:3 ,4", "B", [[1, 3], [2, 4]])]


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def ts(path, cases, labels="true B A_b", times="false"):
    return write(path, HEAD.format(labels=labels, times=times) + "".join(
        f"{series}:{label.replace(' ', '_')}\n" for series, label, *_ in cases))


def same(sample, expected):
    np.testing.assert_array_equal(sample.values["series"], np.array(expected, np.float32))
    return True


def columns(out):
    with Shard(shard_paths([out])[0]) as shard:
        return shard.modalities[0].columns


def test_ts(run, tmp_path):
    ts(tmp_path / "Toy/Toy_TRAIN.ts", CASES)
    ts(tmp_path / "Toy/Toy_TEST.ts", CASES[::-1])
    samples, text = converted(run, "series_archive", tmp_path / "Toy", tmp_path / "out", *ALONE)
    assert len(samples) == 8 and "skipped" not in text and columns(tmp_path / "out") == ()
    for part, cases in (("TRAIN", CASES), ("TEST", CASES[::-1])):
        for place, (_, label, steps) in enumerate(cases):
            sample = samples[f"Toy_{part}.ts:{FIRST + place}"]
            assert sample.class_name == label.replace(" ", "_") and same(sample, steps)
    samples, _ = converted(run, "series_archive", tmp_path / "Toy", tmp_path / "published", "--published")
    assert {(s.split, s.class_name) for s in samples.values()} == {
        (part, f"{part}/{label}") for part in ("train", "test") for label in ("B", "A_b")}
    samples, _ = converted(run, "series_archive", tmp_path / "Toy/Toy_TEST.ts", tmp_path / "one", *ALONE)
    assert len(samples) == 4 and sorted((tmp_path / "one").glob("*.h5"))[0].name.startswith("Toy-")


def test_time_stamps(run, tmp_path):
    cases = [("(3,1),(5.5,2):(3,9),(4,?)", "B", [[0, 1, 9], [1, NAN, NAN], [2.5, 2, NAN]]),
             ("(1,NaN):(0,4)", "B", [[0, NAN, 4], [1, NAN, NAN]])]
    samples, _ = converted(run, "series_archive", ts(tmp_path / "T.ts", cases, times="true"), tmp_path / "out", *ALONE)
    assert all(same(samples[f"T.ts:{FIRST + i}"], steps) for i, (_, _, steps) in enumerate(cases))
    assert columns(tmp_path / "out") == ("time:elapsed", "channel_0", "channel_1")
    dates = [("(2024-02-28 12:00:00,1),(2024-03-01 00:00:00,2):(2024-02-28 12:00:00,7)", "B",
              [[0, 1, 7], [1.5, 2, NAN]]),
             ("(2024/02/28,1):(2024/02/29,2)", "B", [[0, 1, NAN], [1, NAN, 2]])]
    samples, _ = converted(run, "series_archive", ts(tmp_path / "D.ts", dates, times="true"), tmp_path / "dates",
                           *ALONE)
    assert all(same(samples[f"D.ts:{FIRST + i}"], steps) for i, (_, _, steps) in enumerate(dates))
    odd = ts(tmp_path / "O.ts", cases + [("1,2:(3,4)", "B"), ("(1,2),(1,3):(1,1)", "B"), ("(noon,2):(1,1)", "B"),
                                         (":", "B"), ("(now,2):(1,1)", "B"), ("(inf,2):(1,1)", "B"),
                                         ("(2024-02-30,2):(1,1)", "B")], times="true")
    samples, text = converted(run, "series_archive", odd, tmp_path / "odd", *ALONE)
    assert len(samples) == 2
    for said in ("no list of (time,value): '1,2'", "two values at one time",
                 "'noon' is not a number", "without any number",
                 "'2024-02-30' is no date", "skipped: 7"):
        assert said in text, text


def test_targets(run, tmp_path):
    head = "@targetlabel true\n@data\n"
    for problem, shift in (("Floods", 0), ("Heat", 100)):
        write(tmp_path / f"in/{problem}_TRAIN.ts", head + f"1,2,3:{shift + 1.5}\n4,5,6:{shift - 2}\n1,2,3:?\n")
        write(tmp_path / f"in/{problem}_TEST.ts", head + f"7,8,9:{shift + 3e-2}\n")
    samples, text = converted(run, "series_archive", tmp_path / "in", tmp_path / "out", *ALONE)
    assert {name: (s.class_name, s.targets["target"]) for name, s in samples.items()} == {
        f"{problem}_{part}:{line}": (problem, pytest.approx(shift + value))
        for problem, shift in (("Floods", 0), ("Heat", 100))
        for part, line, value in (("TRAIN.ts", 3, 1.5), ("TRAIN.ts", 4, -2), ("TEST.ts", 3, 0.03))}
    assert "2 x '?' is not a number, e.g." in text or "2 x" in text
    samples, _ = converted(run, "series_archive", tmp_path / "in", tmp_path / "published", "--published")
    assert {(s.class_name, s.split) for s in samples.values()} == {
        (f"{part}/{problem}", part) for problem in ("Floods", "Heat") for part in ("train", "test")}


RELATIONAL = """% comment
@relation Toy
@ATTRIBUTE Toy relational
  @attribute 'att 0' numeric
  @attribute att1 numeric
@end Toy
@attribute class {Standing,'Walking, fast'}
@data
'1,2\\n3,?',Standing
"5,6\\n7,8","Walking, fast"
"9,1\\n2,3",Standing
'1,1\\n1,1','Walking, fast'
"""
FLAT = """@relation F
@attribute att1 numeric
@attribute att2 REAL
@attribute att3 integer
@attribute target {-1,1}
@data
1,?,3,-1
4,5,?,1
6,7,8,-1
9,1,2,1
"""


def test_arff(run, tmp_path):
    samples, text = converted(run, "series_archive", write(tmp_path / "R.arff", RELATIONAL), tmp_path / "r", *ALONE)
    assert {name: s.class_name for name, s in samples.items()} == {
        "R.arff:9": "Standing", "R.arff:10": "Walking, fast", "R.arff:11": "Standing", "R.arff:12": "Walking, fast"}
    assert same(samples["R.arff:9"], [[1, 3], [2, NAN]]) and same(samples["R.arff:10"], [[5, 7], [6, 8]])
    samples, text = converted(run, "series_archive", write(tmp_path / "F.arff", FLAT.replace("\n", "\r\n")),
                              tmp_path / "f", *ALONE)
    assert {name: s.class_name for name, s in samples.items()} == {
        "F.arff:7": "-1", "F.arff:8": "1", "F.arff:9": "-1", "F.arff:10": "1"}
    assert same(samples["F.arff:7"], [[1], [NAN], [3]]) and same(samples["F.arff:8"], [[4], [5]])
    regression = FLAT.replace("{-1,1}", "numeric").replace("9,1,2,1", "9,1,2,0.25")
    samples, _ = converted(run, "series_archive", write(tmp_path / "T.arff", regression), tmp_path / "t", *ALONE)
    assert samples["T.arff:10"].targets == {"target": 0.25} and samples["T.arff:10"].class_name == "T"


def test_tsv(run, tmp_path):
    write(tmp_path / "U/U_TRAIN.tsv", "1\t0.5\t1.5\tNaN\n-1\t2\tNaN\t3\n1\t4\t5\t6\n-1\t1\t1\t1\n")
    write(tmp_path / "U/U_TEST.tsv", "1\tNaN\tNaN\tNaN\n1\t7\t8\tx\n2\n1\t1e39\t2\t3\n-1\t1_0\t2\t3\n")
    code, _, error = run("series_archive", tmp_path / "U", "--out", tmp_path / "x")
    assert code == 2 and "U_TEST.tsv: no case that can be used" in error and not (tmp_path / "x").exists()
    with open(tmp_path / "U/U_TEST.tsv", "a") as file:
        file.write("1\t7\t8\t9\n")
    samples, text = converted(run, "series_archive", tmp_path / "U", tmp_path / "out", *ALONE)
    assert len(samples) == 5 and same(samples["U_TRAIN.tsv:1"], [[0.5], [1.5]])
    assert same(samples["U_TRAIN.tsv:2"], [[2], [NAN], [3]]) and same(samples["U_TEST.tsv:6"], [[7], [8], [9]])
    for said in ("without any number", "'x' is not a number", "without a tab", "skipped: 5"):
        assert said in text, text


def test_one_format_of_a_problem_is_read_and_several_problems_are_classes_of_their_own(run, tmp_path):
    for problem in ("Gun", "Ham"):
        ts(tmp_path / f"in/{problem}/{problem}_TRAIN.ts", CASES)
        write(tmp_path / f"in/{problem}/{problem}_TRAIN.arff", RELATIONAL)
        write(tmp_path / f"in/{problem}/{problem}Dimension1_TRAIN.arff", FLAT)
    samples, text = converted(run, "series_archive", tmp_path / "in", tmp_path / "out", *ALONE)
    assert {s.class_name for s in samples.values()} == {f"{p}/{c}" for p in ("Gun", "Ham") for c in ("B", "A_b")}
    assert len(samples) == 8 and "2 files are others' problems in another format, and 2 one channel" in text
    write(tmp_path / "in/Odd/Odd_TRAIN.tsv", "1\t2\t3\n1\t2\t3\n")
    assert "differ in the number of channels" in refused(run, "series_archive", tmp_path / "in", tmp_path / "x")


@pytest.mark.parametrize("name, text, said", [
    ("a.ts", "@classLabel false\n@data\n1,2\n3,4\n", "neither @classLabel nor @targetLabel"),
    ("a.ts", "@classLabel true\n1,2:a\n", "a.ts:2: neither @..., #"), ("a.ts", "@classLabel true a b\n", "no @data"),
    ("a.ts", "@classLabel true a\n@data\n1:2:a\n1:a\n", "cases have 1 and 2 channels"),
    ("a.ts", "@classLabel true a\n@data\n1:b\n", "no case that can be used"), ("a.ts", "", "no @data"),
    ("a.ts", "@\n@classLabel true a\n", "no @data"),
    ("a.arff", "@attribute a date\n@data\n", "unknown attribute"), ("a.arff", "x\n", "'x' above @data"),
    ("a.arff", "@attribute c {a}\n@data\n1,a\n", "1 attributes"), ("a.arff", "@relation a\n", "no @data"),
    ("a.arff", "@attribute a numeric\n@attribute c {a,b}\n@data\n{0 1},a\n", "no case that can be used"),
    ("a.csv", "1,2\n", "the ending is none of")])
def test_files_that_are_refused(run, tmp_path, name, text, said):
    error = refused(run, "series_archive", write(tmp_path / "in" / name, text), tmp_path / "out")
    assert said in error and name in error, error
    if name != "a.csv":
        (tmp_path / "none").mkdir()
        assert "no .ts, .arff, .tsv file in it" in refused(run, "series_archive", tmp_path / "none", tmp_path / "out")


def test_cases_that_do_not_fit_are_named_by_line(run, tmp_path):
    path = ts(tmp_path / "Toy.ts", CASES + [("1:2", "C"), ("x:2", "B")])
    write(path, path.read_text().replace("about", "Überblick") + "just text\n", "latin-1")
    samples, text = converted(run, "series_archive", path, tmp_path / "out", *ALONE)
    assert len(samples) == 4
    for said in ("class 'C', which the header does not name", f"Toy.ts:{FIRST + 5}: 'x' is not a number",
                 "without a series before its class"):
        assert said in text, text
