"""wesnoth: its markup, a made-up package with its traps, and the real one where it is installed."""

import math
import shutil
import subprocess

import numpy as np
import pytest

import drawn_wesnoth
import frames
import real_debs
from cuttle_data import packages
from cuttle_data.errors import BadInput
from cuttle_data.reader import Shard
from cuttle_data.report import Report
from cuttle_data.wesnoth import wml
from cuttle_data.wesnoth.animations import names_in, pictures_in
from cuttle_data.wesnoth.moves import moves_of
from cuttle_data.wesnoth.units import read_units


def parsed(text):
    return wml.parse(wml.Preprocessor().text_of(text))


@pytest.mark.parametrize("text, value", [
    ("a=b c  \nz=1", "b c"), ('a="b" + "c"', "bc"), ('a= _ "x^b" +\n  _ "c"', "bc"), ('a="x^b"', "x^b"), ("a=", ""),
    ('a="say ""no"""', 'say "no"'), ('a="b\nc # d"', "b\nc # d"), ("a=b # c", "b"), ("a=<<{b} # \"c>>", '{b} # "c'),
    ("#define B\nc#enddef\na={B}d", "cd"), ("#define B X Y\n{Y}{X}#enddef\na={B 1 (2 3)}", "2 31"),
    ('#define B X\nx{X}y#enddef\na="{B "1 2"}"', "x1 2y"),
    ("#define B X\n{X}{X}#enddef\n#define C\n{B {B z}}#enddef\na={C}", "zzzz"),
    ("#define B X\n#arg Y\n{X}!#endarg\n{Y}#enddef\na={B 1}", "1!"), ("#define B X\n#arg Y\n0#endarg\n{X}{Y}#enddef\n"
                                                                      "a={B 1 Y=2}", "12"),
    ("#ifdef B\na=1\n#else\na=2\n#endif", "2"), ("#ifndef B\na=1\n#else\na=2\n#endif", "1"),
    ("#define B\n#enddef\n#ifdef B\n#ifdef C\na=0\n#else\na=1\n#endif\n#else\na=2\n#endif", "1"),
    ("#define B\n1#enddef\n#undef B\na={B}2", "2"), ("z,a=1,2", "2"), ("a,z=1,2", "1"), ("a={B}b\\n", "b\\n")])
def test_values(text, value):
    assert parsed(text).keys["a"] == value


def test_tags():
    tree = parsed("[a]\nx=1\n[b]\ny=2\n[/b]\n[b]\ny=3\n[/b]\n[+b]\nz=4\n[/b]\n[/a] # [c]\nnothing\n")
    assert [tag.name for tag in tree.everywhere()] == ["", "a", "b", "b"]
    assert [tag.keys for tag in tree.tags[0].all("b", "c")] == [{"y": "2"}, {"y": "3", "z": "4"}]


@pytest.mark.parametrize("text, message", [
    ("[a]\n", r"\[a\] is not closed"), ("[a]\n[/b]", r"\[/b\] closes \[a\]"), ("[/a]", r"\[/a\] closes \[\]"),
    ("#define A\n", "without #enddef"), ("#ifdef A\n", "without #endif"), ("a={B", "without }"),
    ("a={B (c}", "without"),
    ("#define A\n{A}#enddef\nx={A}", "macros without end"), ("[a]\n" * 99, "tags without end"),
    ("#define A0\n" + "x" * 4096 + "#enddef\n" + "".join(
        f"#define A{i + 1}\n{f'{{A{i}}}' * 8}#enddef\n" for i in range(8)) + "x={A8}", "macros without end")])
def test_broken_markup(text, message):
    with pytest.raises(BadInput, match=message):
        parsed(text)


def test_lists_of_files():
    assert names_in("a-[1~3,2].ogg, b.ogg") == ["a-1.ogg", "a-2.ogg", "a-3.ogg", "a-2.ogg", "b.ogg"]
    assert names_in("a[08~11]") == ["a08", "a09", "a10", "a11"] and names_in("[3~1]x[a,b]")[::3] == ["3xa", "2xb"]
    assert pictures_in("a-[1~2].png:[100*2],b.png~RC(x>y,z):5,halo,c.png~CHAN(\n if(a, (b), c))") == [
        "a-1.png", "a-2.png", "b.png", "c.png"]
    assert names_in("a*3") == ["a*3"] and names_in("[a*3]") == ["a"] * 3 and names_in(",") == []
    assert len(names_in("[a*9999]")) == len(names_in("[1~9999][1~9999][1~9999]")) == 1000


def test_units_of_a_made_up_package(tmp_path):
    report = Report()
    units = {unit.name: unit for unit in read_units(drawn_wesnoth.draw(tmp_path), report)}
    assert sorted(units) == ["Caster", "Elf0", "Elf1", "Elf2", "Old Caster", "Orc0", "Orc1", "Orc2", "Troll0", "Troll1",
                             "Troll2"]
    orc = units["Orc1"]
    assert orc.description == 'The Orc1 says "no" # always. Two\nlines, orc.' and orc.race == "orc"
    assert (orc.image, orc.sound) == ("images/units/orc/orc1.png", "sounds/blow.wav")
    assert orc.table == {"level": 1, "cost": 11, "hitpoints": 21, "movement": 5, "experience": None,
                         "alignment": "lawful", "usage": "fighter", "melee_damage": 7, "melee_strikes": 1,
                         "melee_type": "impact", "ranged_damage": None, "ranged_strikes": None, "ranged_type": None}
    assert orc.attacks == ["blade", "impact"]
    stem = "images/units/orc/orc1"
    assert orc.animations == [("attack sword", [f"{stem}-hit-{i}.png" for i in (1, 2, 3, 4)]),
                              ("death", [f"{stem}-die-{i}.png" for i in (1, 2, 3, 4, 2, 2)])]
    old = units["Old Caster"]
    assert (old.race, old.table["cost"], old.table["ranged_damage"], old.attacks) == ("elf", 30, 4, ["fire"])
    assert old.description is None and old.sound is None and old.animations == []
    assert any("UNKNOWN_TRAIT is not there" in note for note in report.notes)
    assert sum("sounds/lost.wav" in what for what, _ in report.skips) == 9


def test_broken_files_are_named(tmp_path):
    core = drawn_wesnoth.draw(tmp_path)
    (core / "units/orc/orc0.cfg").write_text("[unit_type]\n")
    (core / "units/orc/orc1.cfg").write_bytes(b"\xff")
    report = Report()
    assert "Orc0" not in [unit.name for unit in read_units(core, report)]
    assert [str(what) for what, reason in report.skips if "broken file" in reason] == ["units/orc/orc0.cfg",
                                                                                  "units/orc/orc1.cfg"]


def test_five_senses(run, tmp_path):
    drawn_wesnoth.draw(tmp_path / "root")
    options = ("wesnoth", "--package", tmp_path / "root", "--out", tmp_path / "out", "--size", "6", "--sample-rate",
               "8000", "--splits", "1,0,0")
    code, text, err = run(*options)
    assert (code, err) == (0, ""), err
    assert run("verify", tmp_path / "out")[0] == 0
    found = frames.read(tmp_path / "out")
    class_name, _, _, values, targets = found["Orc1"]
    assert class_name == "orc" and targets is None and sorted(values) == ["audio", "image", "text", "vector", "video"]
    assert values["image"][0, 0].tolist() == [10, 0, 0] and values["video"].shape == (4, 6, 6, 3) and len(
        values["audio"]) == 400
    assert sorted(found["Caster"][3]) == ["image", "vector"]
    vector = dict(zip(frames.columns(tmp_path / "out")["vector"], values["vector"]))
    assert vector["cost"] == 11 and vector["melee_type=impact"] == 1 and math.isnan(vector["ranged_damage"])
    assert math.isnan(vector["experience"])
    assert (tmp_path / "out/licenses/wesnoth-1.16-data.copyright.txt").read_text() == "GPL"
    assert "nothing to do" in run(*options)[1]


def test_motion_is_a_class_of_videos(run, tmp_path):
    drawn_wesnoth.draw(tmp_path / "root")
    arguments = ("wesnoth", "--package", tmp_path / "root", "--class", "motion")
    code, text, err = run(*arguments, "--out", tmp_path / "out", "--frames", "4", "--splits", "1,0,0")
    assert (code, err) == (0, "") and "18 animations of 9 units" in text
    class_name, group, _, values, _ = frames.read(tmp_path / "out")["Elf2 attack sword 1"]
    assert (class_name, group, sorted(values)) == ("attack sword", "Elf2", ["moves", "video"])
    assert values["video"].shape == (4, 72, 72, 3)
    assert values["moves"].shape == (4, 5) and (values["moves"][:, 0] == 1).all(), "its pictures cover all"
    code, _, err = run(*arguments, "--out", tmp_path / "x", "--targets", "cost")
    assert code == 2 and "an animation costs nothing" in err


def test_moves_are_places_sizes_and_changes():
    frames_of_it = np.full((3, 11, 21, 3), 255, np.uint8)
    frames_of_it[0, 2, 4] = frames_of_it[1, 2, 14] = 0
    covered, down, right, light, changed = moves_of(frames_of_it).T
    np.testing.assert_allclose(covered, np.array([1, 1, 0]) / 231, rtol=1e-6)
    np.testing.assert_allclose(down, [0.2, 0.2, 0], rtol=1e-6)
    np.testing.assert_allclose(right, [0.2, 0.7, 0], rtol=1e-6)
    np.testing.assert_allclose(changed, np.array([0, 2, 1]) / 231, rtol=1e-6)
    np.testing.assert_array_equal(light, 0)
    frames_of_it[0, 2, 4] = (51, 102, 255)
    assert moves_of(frames_of_it)[0, 3] == pytest.approx((0.2 + 0.4 + 1) / 3)


@pytest.mark.parametrize("targets, names, hidden, wanted", [
    ("cost", ("cost", ), "cost", [12]), ("attacks", ("blade", "impact", "fire"), "melee_type", [1, 1, 0])])
def test_targets_are_not_among_what_is_learned_from(run, tmp_path, targets, names, hidden, wanted):
    drawn_wesnoth.draw(tmp_path / "root")
    code, _, err = run("wesnoth", "--package", tmp_path / "root", "--targets", targets, "--out", tmp_path / "out",
                       "--splits", "1,0,0", "--shards", "1", "--name", "w")
    assert (code, err) == (0, "")
    assert not [name for name in frames.columns(tmp_path / "out")["vector"] if name.startswith(hidden)]
    with Shard(tmp_path / "out/w-00000-of-00001.h5") as shard:
        assert set(shard.target_names) == set(names)
        places = [shard.target_names.index(name) for name in names]
    assert np.array(frames.read(tmp_path / "out")["Troll2"][4])[places].tolist() == wanted


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_a_deb_file_is_the_same_as_its_folder(run, tmp_path):
    drawn_wesnoth.draw(tmp_path / "root")
    drawn_wesnoth.write(tmp_path / "root/DEBIAN/control", "Package: wesnoth-1.16-data\nVersion: 1:9\n"
                        "Architecture: all\nMaintainer: x\nDescription: x\n")
    subprocess.run(["dpkg-deb", "--build", tmp_path / "root", tmp_path / "w.deb"], check=True, capture_output=True)
    for given, out in ((tmp_path / "w.deb", "deb"), (tmp_path / "root", "folder")):
        assert run("wesnoth", "--package", given, "--out", tmp_path / out, "--shards", "1", "--name", "w")[0] == 0
    again = run("wesnoth", "--package", tmp_path / "w.deb", "--out", tmp_path / "deb", "--shards", "1", "--name", "w")
    assert "nothing to do" in again[1]  # unpacked elsewhere, it is the same
    deb, folder = (frames.read(tmp_path / out) for out in ("deb", "folder"))
    assert deb.keys() == folder.keys()
    for name, sample in deb.items():
        assert all(np.array_equal(sample[3][sense], folder[name][3][sense], equal_nan=sense == "vector")
                   for sense in sample[3])
    with Shard(tmp_path / "deb/w-00000-of-00001.h5") as shard:
        assert shard.header["source"] == "Debian package wesnoth-1.16-data 1:9"
    (tmp_path / "w.deb").write_bytes(b"!<arch>\nnothing")
    code, _, err = run("wesnoth", "--package", tmp_path / "w.deb", "--out", tmp_path / "x")
    assert code == 2 and "no Debian package that can be unpacked" in err and not (tmp_path / "x").exists()


def test_what_is_not_there_is_said_with_what_to_do(run, tmp_path, monkeypatch):
    for given, message in ((tmp_path / "no", "no such file or folder"), (tmp_path, "no usr/share/games/wesnoth")):
        code, _, err = run("wesnoth", "--package", given, "--out", tmp_path / "x")
        assert code == 2 and message in err, err
    monkeypatch.setattr(packages, "SYSTEM", tmp_path)
    code, _, err = run("wesnoth", "--out", tmp_path / "x")
    assert code == 2 and "is not installed" in err and "apt-get download wesnoth-1.16-data" in err


@real_debs.needs("wesnoth-1.16-data", "usr/share/games/wesnoth/1.16/data/core")
def test_real_package(run, tmp_path):
    found = real_debs.deb("wesnoth-1.16-data")
    package = ("--package", found) if found else ()
    code, text, err = run("wesnoth", *package, "--out", tmp_path / "out", "--class", "motion", "--dry-run")
    assert (code, err) == (0, "") and "519 animations of 196 units" in text
    assert run("wesnoth", *package, "--out", tmp_path / "units", "--size", "8", "--sample-rate", "1000")[0] == 0
    found = frames.read(tmp_path / "units")
    assert len(found) == 277 and len({sample[0] for sample in found.values()}) == 21
    assert sum(sample[0] == "human" for sample in found.values()) == 55
