"""omniglot on small made-up characters: stroke series, input, splits, rotations, download."""

import functools
import hashlib
import http.server
import json
import threading
import zipfile

import h5py
import numpy as np
import pytest
from cuttle_data import omniglot_download, strokes
from cuttle_data.errors import BadInput
from PIL import Image

# Down 50; a dot 50 to the right.
STROKES = "START\n10,-10,0\n10,-60,5\nBREAK\n60,-60,9\n60,-60,9\nBREAK\n"


@pytest.fixture
def root(tmp_path):
    """images_background/Abc with 8 characters, images_evaluation/Xyz (a b) with 3; 4 drawings
    each: an ink bar at the top left, `drawing` pixels longer each time. Every other drawing of Abc
    has strokes."""
    root = tmp_path / "omniglot"
    number = 0
    for name, alphabet, characters in (
        ("images_background", "Abc", 8),
        ("images_evaluation", "Xyz (a b)", 3),
    ):
        for character in range(1, characters + 1):
            number += 1
            for drawing in range(1, 5):
                place = f"{alphabet}/character{character:02d}/{number:04d}_{drawing:02d}"
                save_drawing(root / name / f"{place}.png", 30 + drawing)
                if alphabet == "Abc" and drawing % 2:
                    path = root / "strokes_background" / f"{place}.txt"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(STROKES)
    return root


def save_drawing(path, length):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.ones((105, 105), bool)
    pixels[4:16, 4 : 4 + length] = False
    Image.fromarray(pixels).save(path)


def zip_up(root, folder):
    """The same files as the official zips hold them, with the junk that they hold too."""
    folder.mkdir()
    for tree in sorted(root.iterdir()):
        with zipfile.ZipFile(folder / f"{tree.name}.zip", "w") as archive:
            for path in sorted(tree.rglob("*")):
                archive.write(path, path.relative_to(root))
            archive.writestr(f"__MACOSX/{tree.name}/._junk.png", "x")
            archive.writestr(f"{tree.name}/.DS_Store", "x")
    return folder


def shards(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.h5")}


def strings(shard, folder):
    data, ends = shard[f"{folder}/names"][:].tobytes(), shard[f"{folder}/offsets"][:]
    return [data[a:b].decode() for a, b in zip(ends, ends[1:])]


def test_series_of_a_known_drawing():
    series = strokes.stroke_series(strokes.parse_strokes(STROKES.encode()))
    # The longer side is 50 pixels = 25 units: 25 unit steps downward, a jump to the right, one dot.
    expected = [[0, 1, 0]] * 25 + [[25, 0, 1], [0, 0, 0]]
    assert series.dtype == np.float32
    np.testing.assert_allclose(series, expected, atol=1e-6)


def test_series_does_not_depend_on_scale_place_or_density():
    angle = np.linspace(0, 4, 400)
    curve = np.stack([np.cos(angle) * 30, np.sin(3 * angle) * 20], axis=1)
    series = strokes.stroke_series([curve])
    np.testing.assert_allclose(series, strokes.stroke_series([curve * 3.5 + 17]), atol=1e-4)
    denser = np.insert(curve, range(1, 400), (curve[1:] + curve[:-1]) / 2, axis=0)
    np.testing.assert_allclose(series, strokes.stroke_series([denser]), atol=1e-4)
    steps = np.hypot(series[:, 0], series[:, 1])
    assert (steps > 0.85).all() and (steps < 1.05).all()
    np.testing.assert_allclose(series[:, :2].sum(axis=0) * 60 / 25, curve[-1] - curve[0], rtol=0.02)


def test_rotation_turns_strokes_as_it_turns_images():
    series = strokes.stroke_series([np.array([[2.0, 3], [12, 3], [12, 5]])])
    picture = np.zeros((30, 30), int)
    for turn in range(4):
        turned = strokes.rotate_series(series, turn)
        # From where np.rot90 moves its start, the series must lead to where the end is moved.
        marks = []
        for row, column in ((9, 2), (9 + 5, 2 + 25)):
            picture[:] = 0
            picture[row, column] = 1
            marks.append(np.argwhere(np.rot90(picture, turn))[0])
        (start_row, start_column), (end_row, end_column) = marks
        np.testing.assert_allclose(turned[:, 0].sum(), end_column - start_column, atol=0.01)
        np.testing.assert_allclose(turned[:, 1].sum(), end_row - start_row, atol=0.01)


@pytest.mark.parametrize(
    "data",
    [
        b"START\n1,2\nBREAK\n",
        b"START\nx,y,z\n",
        b"START\nBREAK\n",
        b"",
        b"\xff\xfe",
        b"START\nnan,-1,0\n2,-2,0\n",
    ],
)
def test_broken_strokes(data):
    with pytest.raises(BadInput):
        strokes.stroke_series(strokes.parse_strokes(data))


def test_folder_and_zips_give_the_same_shards(run, root, tmp_path):
    zips = zip_up(root, tmp_path / "zips")
    for source, out in ((root, tmp_path / "a"), (zips, tmp_path / "b")):
        code, text, error = run("omniglot", source, "--out", out, "--shards", 2, "--rotations")
        assert code == 0, error
        assert "skipped" not in text
        assert run("verify", out)[0] == 0
    assert shards(tmp_path / "a") == shards(tmp_path / "b")


def test_splits_rotations_and_pictures(run, root, tmp_path):
    out = tmp_path / "out"
    assert run("omniglot", root, "--out", out, "--shards", 1, "--rotations")[0] == 0
    with h5py.File(next(out.glob("*.h5"))) as shard:
        names, class_of = np.array(strings(shard, "classes")), shard["samples/class"][:]
        split_of = {names[c]: s for c, s in zip(class_of, shard["samples/split"][:])}
        upright = [name for name in split_of if "/rot" not in name]
        # 11 characters in the proportions 1100 : 100 : 423
        assert [sum(split_of[name] == split for name in upright) for split in (0, 1, 2)] == [
            7,
            1,
            3,
        ]
        assert {name for name in split_of if "/rot" in name} == {
            f"{name}/rot{angle}"
            for name in upright
            if split_of[name] == 0
            for angle in (90, 180, 270)
        }
        assert strings(shard, "groups") == ["01", "02", "03", "04"]
        assert shard["modalities/image/present"][:].all()
        images = shard["modalities/image/data"][:]
        assert images.shape[1:] == (28, 28, 1)
        base = next(name for name in upright if split_of[name] == 0 and name.startswith("Abc"))
        picture = {
            angle: images[class_of == list(names).index(base + angle)][0, :, :, 0]
            for angle in ("", "/rot90", "/rot180", "/rot270")
        }
        # Inverted: ink is bright, at the top left.
        assert picture[""][2, 4] > 200 and picture[""][20:].max() < 20
        for angle, corner in (("/rot90", (23, 2)), ("/rot180", (25, 23)), ("/rot270", (4, 25))):
            assert picture[angle][corner] > 200, angle
        present = shard["modalities/strokes/present"][:]
        assert present[class_of == list(names).index(base)].tolist() == [1, 0, 1, 0]


def test_recovered_strokes_stand_in(run, root, tmp_path):
    lines = [
        {
            "id": "0001_02",
            "class": "images_background/Abc/character01",
            "strokes": [[[0, 0], [0, 50]]],
        },
        {
            "id": "0001_01",
            "class": "images_background/Abc/character01",
            "strokes": [[[0, 9], [0, 0]]],
        },
        {
            "id": "0999_01",
            "class": "images_background/Abc/character99",
            "strokes": [[[0, 9], [0, 0]]],
        },
    ]
    broken = ["{", '{"id": 1}', '{"id": "a", "class": "x/y/z", "strokes": [[[1, 2], [3]]]}', "[]"]
    (root / "strokes_recovered.ndjson").write_text(
        "\n".join([*map(json.dumps, lines), *broken]) + "\n"
    )
    out = tmp_path / "out"
    code, text, _ = run("omniglot", root, "--out", out, "--shards", 1)
    assert code == 0
    assert (
        "4 x line is no drawing" in text
        and "Abc/character99/0999_01: strokes without an image" in text
    )
    with h5py.File(next(out.glob("*.h5"))) as shard:
        ends, steps = shard["modalities/strokes/offsets"][:], shard["modalities/strokes/data"][:]
        assert strings(shard, "samples")[:2] == ["0001_01", "0001_02"]
        np.testing.assert_allclose(
            steps[ends[0] : ends[1]], [[0, 1, 0]] * 25 + [[25, 0, 1], [0, 0, 0]], atol=1e-6
        )
        np.testing.assert_allclose(steps[ends[1] : ends[2]], [[0, 1, 0]] * 25, atol=1e-6)


def test_bad_files_are_named(run, root, tmp_path):
    folder = root / "images_background" / "Abc" / "character01"
    (folder / "0001_02.png").write_bytes(b"no png")
    (folder / "notes [1].png").write_bytes(b"x")
    (root / "strokes_background" / "Abc" / "character02" / "0002_01.txt").write_text("what?")
    out = tmp_path / "out"
    code, text, _ = run("omniglot", root, "--out", out)
    assert code == 0
    for part in (
        "0001_02 [image]: broken image",
        "notes [1].png: not of the form",
        "0002_01 [strokes]: broken stroke",
    ):
        assert part in text, part
    zips = zip_up(root, tmp_path / "zips")
    with zipfile.ZipFile(zips / "images_background.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images_background/Abc/character01/0009_01.png", bytes(1 << 25))  # 32 KB packed
    code, text, _ = run("omniglot", zips, "--out", tmp_path / "bomb")
    assert code == 0 and "claims 33554432 bytes in the zip" in text
    (zips / "images_evaluation.zip").write_bytes(b"PK torn")
    code, _, error = run("omniglot", zips, "--out", tmp_path / "other")
    assert code == 2 and "images_evaluation.zip" in error
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_no_omniglot_there(run, tmp_path, make):
    make(tmp_path / "nothing")
    code, _, error = run("omniglot", tmp_path / "nothing", "--out", tmp_path / "out")
    assert code == 2 and "--download" in error and not (tmp_path / "out").exists()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def official(root, tmp_path, monkeypatch):
    """A server with zips of the small set and a license, in the place of the official one."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "LICENSE").write_text("free")
    files = [served / "LICENSE", *sorted(zip_up(root, served / "python").iterdir())]
    hashes = {
        path.relative_to(served).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(served))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(omniglot_download, "BASE_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(omniglot_download, "SHA256", hashes)
    yield served
    server.shutdown()
    server.server_close()


def test_download_then_convert(run, official, tmp_path):
    place = tmp_path / "place"
    code, text, _ = run("omniglot", place, "--download", "--out", tmp_path / "out", "--dry-run")
    assert code == 0 and "would fetch LICENSE, python/images_background.zip" in text and not place.exists()
    code, text, error = run("omniglot", place, "--download", "--out", tmp_path / "out")
    assert code == 0, error
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        path.name: path.read_bytes() for path in official.rglob("*") if path.is_file()
    }
    assert (tmp_path / "out/licenses/LICENSE").read_text() == "free"
    (official / "python/images_background.zip").unlink()  # what is there and good is not fetched again
    assert run("omniglot", place, "--download", "--out", tmp_path / "out")[0] == 0


def test_download_refuses_wrong_bytes_and_absent_files(run, official, tmp_path):
    served = official / "python/images_evaluation.zip"
    served.write_bytes(served.read_bytes()[:-1] + b"!")
    code, _, error = run("omniglot", tmp_path / "place", "--download", "--out", tmp_path / "out")
    assert code == 2 and "images_evaluation.zip: SHA-256 is" in error
    assert sorted(path.name for path in (tmp_path / "place").iterdir()) == [
        "LICENSE",
        "images_background.zip",
    ]
    served.unlink()
    code, _, error = run("omniglot", tmp_path / "place", "--download", "--out", tmp_path / "out")
    assert code == 2 and "cannot be fetched" in error
    assert not (tmp_path / "out").exists()


def test_official_hashes_are_whole():
    assert sorted(omniglot_download.SHA256) == [
        "LICENSE",
        "python/images_background.zip",
        "python/images_evaluation.zip",
        "python/strokes_background.zip",
        "python/strokes_evaluation.zip",
    ]
    assert all(len(bytes.fromhex(digest)) == 32 for digest in omniglot_download.SHA256.values())
