"""r_dataset: R's own format, packages that are made up in it, and real ones where they are."""

import gzip
import math
import random

import numpy as np
import pytest

import r_files as r
import real_debs
from cuttle_data.errors import BadInput, UserError
from cuttle_data.r_data import library, serialization, table
from cuttle_data.report import Report
from frames import columns, modalities, read

FORMULA = r.integers(6) + r.symbol("~") + r.integers(2) + r.symbol("y") + r.integers(2) + r.symbol("t") + r.NULL
FRAME = r.data_frame(
    6, id=r.factor([1, 1, 2, 2, 3, None], ["10", "20", "30"]), y=r.reals([1.5, 2, None, 4, math.nan, math.inf]),
    n=r.whole([1, None, 3, 4, 5, 6]), yes=r.truths([1, 0, None, 1, 0, 1]),
    word=r.words(["a", None, "ü", "d", "e", "f"]),
    day=r.reals([0, 1, None, 19000.25, 4, 5], **{"class": r.words(["Date"])}),
    at=r.reals([0, 86400, None, 3, 4, 1e300], **{"class": r.words(["POSIXct", "POSIXt"])}),
    dose=r.factor([2, 1, 1, 2, 1, 1], ["5", "7"], ordered=True),
    m=r.reals(range(12), dim=r.whole([6, 2]), dimnames=r.listed([r.NULL, r.words(["u", "v"])])),
    k=r.whole(range(6), dim=r.whole([6, 1])), f=r.listed([FORMULA] * 6))


def table_of(value, name="t"):
    report = Report()
    frame = table.table_of(serialization.read(r.file_of(value)), name, report)
    return {own: cells.to_pylist() for own, cells in frame.columns.items()}, frame, report


def test_a_data_frame_with_columns_of_every_kind():
    cells, frame, report = table_of(FRAME)
    assert cells["id"] == ["10", "10", "20", "20", "30", None] and frame.meanings == {"id": "category"}
    assert cells["y"] == [1.5, 2, None, 4, None, math.inf] and cells["n"] == [1, None, 3, 4, 5, 6]
    assert cells["yes"] == [True, False, None, True, False, True] and cells["word"] == ["a", None, "ü", "d", "e", "f"]
    assert [str(day) for day in cells["day"][:4]] == ["1970-01-01 00:00:00", "1970-01-02 00:00:00", "None",
                                                      "2022-01-08 06:00:00"]
    assert str(cells["at"][1]) == "1970-01-02 00:00:00" and cells["at"][5] is None
    assert cells["dose"] == ["7", "5", "5", "7", "5", "5"]
    assert cells["m.u"] == list(range(6)) and cells["m.v"] == list(range(6, 12)) and cells["k.1"] == list(range(6))
    assert "f" not in cells and report.notes == ["column f is not used: neither numbers nor words"]


@pytest.mark.parametrize("value, wanted", [
    (r.reals(range(6), dim=r.whole([3, 2])), {"1": [0, 1, 2], "2": [3, 4, 5]}),
    (r.listed([r.reals(range(4), dim=r.whole([2, 2])), r.factor([1, 2], ["a", "b"])], names=r.words(["x", "y"])),
     {"x.1": [0, 1], "x.2": [2, 3], "y": ["a", "b"]}),
    (r.data_frame(3, a=r.short_form("compact_intseq", r.reals([3, 5, 1])), b=r.short_form(
        "compact_realseq", r.reals([3, 1, -0.5]))), {"a": [5, 6, 7], "b": [1, 0.5, 0]}),
    (r.data_frame(2, a=r.short_form("wrap_real", r.listed([r.reals([1, None]), r.whole([0, 0])]))), {"a": [1, None]}),
    (r.data_frame(3, a=r.short_form("deferred_string", r.integers(2) + r.reals([1, 2.5, None]) + r.whole([0]))),
     {"a": ["1", "2.5", None]}),
    # the same symbol by reference, a name of a namespace, an environment, a function, latin-1
    (r.data_frame(1, a=r.vector(13, 1, r.integers(7), {"e": r.integers(4, 0) + r.NULL * 3 + r.NULL, "s": r.integers(
        249, 0, 1) + r.word("stats"), "g": r.integers(253), "c": r.integers(0x403) + r.NULL * 3,
                   "b": r.integers(8, 1) + b"c"}), b=r.words([b"\xe4"])), {"a": [7], "b": ["ä"]}),
    (r.listed([r.whole([1])], names=r.words(["x"])) + b"what follows is not read", {"x": [1]})])
def test_other_forms(value, wanted):
    assert table_of(value)[0] == wanted


def test_references_stand_for_what_was_there_before():
    first = r.integers(0x402) + r.symbol("class") + r.words(["factor"])
    again = r.integers(0x402, 255 | 1 << 8) + r.words(["factor"]) + r.integers(0x402) + r.symbol("levels")
    value = r.data_frame(1, a=r.integers(13 | 0x300, 1, 1) + first + r.integers(0x402) + r.symbol("levels") + r.words(
        ["x"]) + r.NULL)
    assert table_of(value)[0] == {"a": ["x"]}
    other = r.listed([r.integers(13 | 0x200, 1, 1) + first + r.NULL, r.integers(13 | 0x200, 1, 1) + again + r.words(
        ["y"]) + r.NULL])
    parts = serialization.read(r.file_of(other)).data
    assert parts[1].is_a("factor") and parts[1].names("levels") == ["y"]


@pytest.mark.parametrize("data, message", [
    (b"A\n3\n", "no R data in XDR"), (r.file_of(r.NULL)[:5], "cut off"), (r.file_of(r.integers(13, 9, 1)), "cut off"),
    (b"X\n" + r.integers(9, 0, 0), "version 9"), (r.file_of(r.integers(13, -1, 1, 0)), "cut off"),
    (r.file_of(r.integers(21)), "a type that is not read"), (r.file_of(r.integers(19, 1) * 300), "too deep"),
    (r.file_of(r.short_form("compact_intseq", r.reals([1e15, 1, 1]))), "too large"),
    (r.file_of(r.short_form("mmap_real", r.NULL)), "form of vectors that is not read"),
    (r.file_of(r.integers(255 | 7 << 8)), "broken R data"), (r.file_of(r.integers(16, 1, 13, 1)), "among strings")])
def test_broken_data(data, message):
    with pytest.raises(BadInput, match=message):
        serialization.read(data)


def test_long_chains_are_no_depth():
    value = b"".join(r.integers(0x402) + r.symbol("x") + r.whole([i]) for i in range(5000)) + r.NULL
    assert len(serialization.read(r.file_of(value)).data) == 5000


def test_damaged_bytes_never_crash():
    dice, whole = random.Random(1), r.file_of(FRAME)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 2, 9, 13, 16, 19, 127, 238, 239, 254, 255))
        data = bytes(data[:dice.randrange(len(data))] if dice.random() < 0.2 else data)
        try:
            table.table_of(serialization.read(data), "t", Report())
        except (BadInput, UserError):
            pass


@pytest.mark.parametrize("value, message", [
    (r.whole([1]), "t is no data frame"), (r.NULL, "t is no data frame"), (r.listed([r.NULL]), "t is no data frame"),
    (r.data_frame(0, a=r.whole([])), "no rows"), (r.data_frame(1, f=FORMULA), "no rows"),
    (r.listed([r.whole([1]), r.whole([1, 2])], names=r.words(["a", "b"])), "column b has 2 cells, not 1"),
    (r.listed([r.whole([1])] * 2, names=r.words(["a", "a"])), "is there twice"),
    (r.whole([1, 2], dim=r.whole([3, 2])), "t is no data frame"),
    (r.whole([1, 2], dim=r.reals([2, 1])), "t is no data frame")])
def test_what_is_no_table(value, message):
    with pytest.raises(UserError, match=message):
        table_of(value)


def test_every_compression_of_packages(tmp_path):
    sets = {f"set{place}": r.data_frame(2, a=r.whole([place, 7])) for place in range(5)}
    folder = r.package(tmp_path / "made", sets)
    for version in (2, 3):
        (folder / f"data/alone{version}.rds").write_bytes(gzip.compress(r.file_of(r.whole([5]), version)))
    (folder / "data/saved.rda").write_bytes(r.workspace(one=r.whole([1]), two=r.whole([2])))
    with library.opened(str(folder)) as package:
        assert (package.name, package.version(), package.license()) == ("made", "1.2-3", "GPL (>= 2)")
        for place in range(5):
            assert package.data_set(f"set{place}").data[0].data.tolist() == [place, 7]
        assert package.data_set("alone2").data.tolist() == package.data_set("alone3").data.tolist() == [5]
        assert package.data_set("two").data.tolist() == [2]
        with pytest.raises(UserError, match="made has no data set 'no'; it has alone2, alone3, one, set0, .*, two"):
            package.data_set("no")


@pytest.mark.parametrize("break_it, message", [
    (lambda data: data.joinpath("Rdata.rdb").write_bytes(b"\0\0\0\x10"), "broken compression|is cut off"),
    (lambda data: data.joinpath("Rdata.rdb").write_bytes(b"\xff\xff\xff\xff2"), "unpacks to more than"),
    (lambda data: data.joinpath("Rdata.rdb").write_bytes(r.stored(bytes(9), b"")), "no R data"),
    (lambda data: data.joinpath("Rdata.rdb").write_bytes(b"\0\0\0\1" + r.stored(bytes(9**6), b"")[4:]),
     "unpacks to more"),
    (lambda data: data.joinpath("Rdata.rdx").write_bytes(gzip.compress(r.file_of(r.NULL))), "no index of R data"),
    (lambda data: data.joinpath("Rdata.rdx").write_bytes(gzip.compress(b"X")[:-9]), "cut off|broken compression"),
    (lambda data: data.joinpath("Rdata.rdb").unlink(), "No such file")])
def test_damaged_packages(tmp_path, break_it, message):
    folder = r.package(tmp_path / "made", {"t": FRAME})
    break_it(folder / "data")
    with library.opened(str(folder)) as package, pytest.raises((UserError, OSError), match=message):
        package.data_set("t")


def test_goes_through_what_frame_does(run, tmp_path, monkeypatch):
    rows = range(24)
    value = r.data_frame(24, Subject=r.factor([i % 4 + 1 for i in rows], ["308", "309", "310", "330"]),
                         y=r.reals(list(rows)), Days=r.whole([i // 4 if i else None for i in rows]),
                         kind=r.factor([i % 2 + 1 for i in rows], ["1", "2"]))
    r.package(tmp_path / "lib/made", {"curves": value})
    monkeypatch.setenv("R_LIBS", str(tmp_path / "lib"))
    options = ("r_dataset", "made", "curves", "--class", "Subject", "--targets", "y", "--splits", "1,0,0", "--out",
               tmp_path / "out")
    code, text, err = run(*options)
    assert (code, err) == (0, "") and "kind     category   value" in text and "Days 1" in text, text
    assert run("verify", tmp_path / "out")[0] == 0 and "nothing to do" in run(*options)[1]
    assert columns(tmp_path / "out")["vector"] == ("Days", "kind=1", "kind=2")
    found = read(tmp_path / "out")
    assert len(found) == 24 and found["row 6"][0] == "309" and found["row 6"][4] == [5]
    assert found["row 6"][3]["vector"].tolist() == [1, 0, 1] and np.isnan(found["row 1"][3]["vector"][0])
    code, _, err = run("r_dataset", "nope", "curves", "--out", tmp_path / "x")
    assert code == 2 and "apt-get install r-cran-nope" in err
    code, _, err = run("r_dataset", tmp_path / "lib", "curves", "--out", tmp_path / "x")
    assert code == 2 and "0 R packages in it" in err


@real_debs.needs("r-cran-nlme", "usr/lib/R/*/nlme/DESCRIPTION")
def test_real_curves(run, tmp_path):
    package = real_debs.deb("r-cran-nlme") or "nlme"
    options = ("--class", "Cow", "--targets", "protein", "--out", tmp_path / "out")
    code, _, err = run("r_dataset", package, "Milk", *options)
    assert (code, err) == (0, "") and (tmp_path / "out/licenses/r-cran-nlme.copyright.txt").is_file()
    found = read(tmp_path / "out")
    assert len(found) == 1337 and len({sample[0] for sample in found.values()}) == 79
    assert modalities(tmp_path / "out") == {"vector": ("vector", (4, ))}
    assert found["row 1"][0] == "B01" and found["row 1"][4] == [pytest.approx(3.63)]


@real_debs.needs("r-cran-survival", "usr/lib/R/*/survival/DESCRIPTION")
def test_real_laboratory_values():
    with library.opened(str(real_debs.deb("r-cran-survival") or "survival")) as package:
        frame = table.table_of(package.data_set("nafld1"), "nafld1", Report())
        assert len(frame) == 17549 and sum(cells.null_count for cells in frame.columns.values()) == 12946
        assert len(table.table_of(package.data_set("nafld2"), "nafld2", Report())) == 400123
