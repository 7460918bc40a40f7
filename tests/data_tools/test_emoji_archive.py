"""emoji_archive on a small folder of its layout."""

import h5py
import pytest
from PIL import Image

STYLES = ("alpha", "beta", "gamma")
LANGUAGES = ("en", "de", "fr")
CLASSES = [f"1f6{index:02x}" for index in range(12)]


@pytest.fixture
def archive(tmp_path):
    """12 classes in 6 subgroups of two, 3 styles, 3 languages; class k of style s has the red value
    20 * k + s."""
    root = tmp_path / "archive"
    (root / "annotations").mkdir(parents=True)
    for style_id, style in enumerate(STYLES):
        (root / "images" / style).mkdir(parents=True)
        for index, points in enumerate(CLASSES):
            Image.new("RGBA", (16, 16), (20 * index + style_id, 0, 0, 255)).save(
                root / "images" / style / f"{points}.png"
            )
    for language in LANGUAGES:
        lines = [
            f"{points}\t{language} name {index}\tkey|words" for index, points in enumerate(CLASSES)
        ]
        write(root / "annotations" / f"{language}.tsv", "codepoints\tname\tkeywords", lines)
    lines = [
        f"{points}\tlabel {index}\tgroup\tsub {index // 2}" for index, points in enumerate(CLASSES)
    ]
    write(root / "classes.tsv", "codepoints\tlabel\tgroup\tsubgroup", lines)
    (root / "LICENSE.test.txt").write_text("free")
    return root


def write(path, head, lines):
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def strings(shard, folder):
    data, ends = shard[f"{folder}/names"][:].tobytes(), shard[f"{folder}/offsets"][:]
    return [data[a:b].decode() for a, b in zip(ends, ends[1:])]


def test_pairs_styles_with_languages(run, archive, tmp_path):
    out = tmp_path / "out"
    code, text, error = run(
        "emoji_archive",
        archive,
        "--out",
        out,
        "--shards",
        1,
        "--size",
        8,
        "--languages",
        "en,de,fr",
    )
    assert code == 0, error
    assert "alpha en, beta de, gamma fr" in text
    assert run("verify", out)[0] == 0
    assert (out / "licenses" / "LICENSE.test.txt").read_text() == "free"
    with h5py.File(next(out.glob("*.h5"))) as shard:
        assert strings(shard, "samples")[:3] == [
            "1f600/alpha/en",
            "1f600/beta/de",
            "1f600/gamma/fr",
        ]
        assert strings(shard, "groups") == list(STYLES)
        assert strings(shard, "classes")[0] == "1f600 label 0"
        images = shard["modalities/image/data"][:]
        assert images.shape == (36, 8, 8, 3)
        assert [int(image[0, 0, 0]) for image in images[:6]] == [0, 1, 2, 20, 21, 22]
        ends = shard["modalities/text/offsets"][:]
        assert shard["modalities/text/data"][ends[4] : ends[5]].tobytes() == b"de name 1"
        # Subgroups (two classes of three samples each) are never cut.
        splits = shard["samples/split"][:].reshape(6, 6)
        assert (splits == splits[:, :1]).all() and set(splits[:, 0]) == {0, 1, 2}


def test_text_may_be_missing_and_styles_left_out(run, archive, tmp_path):
    table = archive / "annotations" / "de.tsv"
    table.write_text(table.read_text().replace("1f603\tde name 3\tkey|words\n", ""))
    out = tmp_path / "out"
    code, text, _ = run(
        "emoji_archive", archive, "--out", out, "--shards", 1, "--languages", "en,de"
    )
    assert code == 0
    assert "gamma: style without a language" in text
    with h5py.File(next(out.glob("*.h5"))) as shard:
        assert shard["modalities/image/present"][:].sum() == 24
        absent = [
            name
            for name, there in zip(strings(shard, "samples"), shard["modalities/text/present"][:])
            if not there
        ]
        assert absent == ["1f603/beta/de"]


def test_bad_parts_are_named(run, archive, tmp_path):
    (archive / "images" / "alpha" / "1f601.png").write_bytes(b"\x89PNG no more")
    (archive / "images" / "alpha" / "abcd.png").write_bytes(b"x")
    (archive / "images" / "beta" / "note (1).txt").write_text("x")
    with open(archive / "classes.tsv", "a") as file:
        file.write("1f600\tagain\tgroup\tsub 0\nshort line\n")
    for style in STYLES[1:]:
        (archive / "images" / style / "1f602.png").unlink()
    out = tmp_path / "out"
    code, text, _ = run(
        "emoji_archive", archive, "--out", out, "--languages", "en,de,fr", "--shards", 1
    )
    assert code == 0
    log = (out / "conversion.log").read_text()
    for part in (
        "1f601/alpha/en [image]: broken image",
        "abcd.png: drawing of no class",
        "note (1).txt: not a .png file",
        "classes.tsv:14: second line",
        "classes.tsv:15: line lacks one of",
        "class 1f602 label 2: class with 1 usable sample(s)",
    ):
        assert part in text + log, part


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda root: (root / "classes.tsv").unlink(), "classes.tsv: No such file"),
        (
            lambda root: (root / "classes.tsv").write_text("a\tb\n"),
            "lacks codepoints, label, subgroup",
        ),
        (
            lambda root: (root / "classes.tsv").write_bytes(b"\xff\xfe\x00"),
            "classes.tsv: not UTF-8",
        ),
        (lambda root: (root / "annotations" / "de.tsv").unlink(), "de.tsv: No such file"),
        (lambda root: (root / "images").rename(root / "pictures"), "no folders of drawings"),
    ],
)
def test_unusable_folders_are_refused(run, archive, tmp_path, harm, message):
    harm(archive)
    out = tmp_path / "out"
    code, _, error = run("emoji_archive", archive, "--out", out, "--languages", "en,de,fr")
    assert code == 2 and message in error
    assert not out.exists()


def test_one_language_twice_is_refused(run, archive, tmp_path):
    code, _, error = run(
        "emoji_archive", archive, "--out", tmp_path / "out", "--languages", "en,de,en"
    )
    assert code == 2 and "names one twice" in error
