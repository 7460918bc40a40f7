"""openclipart: a made-up package with a stand-in of rsvg-convert, and the real one where it is installed."""

import pytest

import frames
import real_debs
from cuttle_data import openclipart_files
from cuttle_data.reader import Shard
from cuttle_data.report import Report
from drawn_wesnoth import write
from test_drawings import stand_in  # noqa: F401

SVG = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg"><metadata>
<rdf:RDF xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><cc:Work>{said}
<dc:publisher><cc:Agent><dc:title>Open Clip Art Library</dc:title></cc:Agent></dc:publisher></cc:Work></rdf:RDF>
</metadata><!-- a comment --><title>of the drawing</title></svg>"""


def svg(title="", description="", keywords=None):
    bag = "" if keywords is None else "<dc:subject><rdf:Bag>" + "".join(
        f"<rdf:li> {word} </rdf:li>" for word in keywords) + "</rdf:Bag></dc:subject>"
    return SVG.format(said=f"<dc:title>{title}</dc:title><dc:description>{description}</dc:description>{bag}")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root/usr/share/openclipart/svg"
    for number in range(4):
        write(folder / f"food/fruit/a{number}.svg",
              svg(f"apple {number}", "a fruit" * (number % 2), ["fruit", "hash", "red", "unsorted"]))
        write(folder / f"animals/b{number}.svg", svg("", "", ["animal"] + ["red"] * (number > 1)))
        write(folder / f"animals/mammals/deep/c{number}.svg",
              svg(f"cow {number}", "", None if number else ["", "x" * 65]))
        write(folder / f"shapes/stars/d{number}.svg", svg("star"))
        write(folder / f"computer/icons/e{number}.svg", svg("icon"))
    write(folder / "unsorted/f.svg", svg("nobody knows"))
    write(folder / "food/broken.svg", "<svg>")
    write(folder / "top.svg", svg("without a folder"))
    (folder / "animals/link.svg").symlink_to(folder / "food/fruit/a0.svg")
    write(tmp_path / "root/usr/share/doc/openclipart-svg/copyright", "public domain")
    return tmp_path / "root"


def convert(run, root, out, *options):
    code, text, err = run("openclipart", "--package", root, "--out", out, "--size", "4", "--splits", "1,0,0",
                          "--shards", "1", "--name", "o", *options)
    assert (code, err) == (0, ""), err
    assert run("verify", out)[0] == 0
    return text


def test_what_drawings_say(root):
    report = Report()
    found = {drawing.path: drawing for drawing in openclipart_files.read_drawings(
        root / "usr/share/openclipart/svg", report)}
    assert len(found) == 13 and report.notes == [
        "13 drawings; not used: 1 links to others, 9 in shapes, computer/icons, unsorted"]
    assert [(str(what), reason[:14]) for what, reason in report.skips] == [("food/broken.svg", "broken drawing")]
    apple = found["food/fruit/a1.svg"]
    assert (apple.folder, apple.title, apple.description, apple.keywords) == ("food/fruit", "apple 1", "a fruit",
                                                                             ["fruit", "red"])
    assert found["animals/mammals/deep/c0.svg"].folder == "animals/mammals"
    assert found["animals/mammals/deep/c0.svg"].keywords is found["animals/mammals/deep/c1.svg"].keywords is None
    assert openclipart_files.frequent_keywords(found.values(), 4) == ["animal", "fruit", "red"]
    assert openclipart_files.frequent_keywords(found.values(), 5) == ["red"]


def test_folders_are_classes(run, root, tmp_path, stand_in):  # noqa: F811
    text = convert(run, root, tmp_path / "out")
    assert "1 x column folder: empty" in text  # top.svg
    found = frames.read(tmp_path / "out")
    assert len(found) == 12 and {sample[0] for sample in found.values()} == {"food/fruit", "animals", "animals/mammals"}
    values = found["food/fruit/a1"][3]
    assert bytes(values["text"]) == b"apple 1. a fruit" and values["image"].shape == (4, 4, 3)
    assert list(found["animals/b0"][3]) == ["image"] and found["animals/b0"][4] is None
    assert (tmp_path / "out/licenses/openclipart-svg.copyright.txt").read_text() == "public domain"
    convert(run, root, tmp_path / "words", "--text", "keywords")
    assert bytes(frames.read(tmp_path / "words")["food/fruit/a1"][3]["text"]) == b"fruit, red"


def test_keywords_are_targets(run, root, tmp_path, stand_in):  # noqa: F811
    convert(run, root, tmp_path / "out", "--keywords", "4")
    found = frames.read(tmp_path / "out")
    with Shard(tmp_path / "out/o-00000-of-00001.h5") as shard:
        names = shard.target_names
    assert sorted(names) == ["animal", "fruit", "red"] and len(found) == 8  # cows say no keyword
    assert dict(zip(names, found["animals/b3"][4])) == {"animal": 1, "fruit": 0, "red": 1}
    assert dict(zip(names, found["animals/b1"][4])) == {"animal": 1, "fruit": 0, "red": 0}


@pytest.mark.parametrize("options, message", [
    (("--keywords", "0"), "--keywords 0 is no number of drawings"),
    (("--keywords", "99"), "no keyword has 99 drawings"),
    (("--text", "title,colour"), "no part 'colour'; give some of title"),
    (("--keywords", "4", "--text", "keywords"), "what is to be predicted must not be read")])
def test_wrong_options(run, root, tmp_path, options, message):
    code, _, err = run("openclipart", "--package", root, "--out", tmp_path / "x", *options)
    assert code == 2 and message in err and not (tmp_path / "x").exists(), err


@real_debs.needs("openclipart-svg", "usr/share/openclipart/svg")
def test_real_package(run, tmp_path):
    package = real_debs.deb("openclipart-svg")
    code, text, err = run("openclipart", *(("--package", package) if package else ()), "--out", tmp_path / "out",
                          "--keywords", "50", "--dry-run")
    assert (code, err) == (0, "") and "3987 drawings; not used: 663 links to others, 3471 in" in text, text
