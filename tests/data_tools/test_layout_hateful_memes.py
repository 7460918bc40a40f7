"""hateful_memes on a miniature."""

import json

import pytest
from layouts import converted, is_of, picture_bytes, refused

LONG = {"dev": "validation", "dev_seen": "validation", "dev_unseen": "validation", "test_seen": "test"}


@pytest.fixture
def memes(tmp_path):
    root = tmp_path / "data"
    (root / "img").mkdir(parents=True)
    number = 10000
    for name, count in (("train", 4), ("dev_seen", 3), ("dev_unseen", 2), ("test_seen", 3)):
        lines = []
        for place in range(count):
            number += 1
            lines.append({"id": number, "img": f"img/{number}.png", "label": place % 2,
                          "text": f" words of {number}\n"})
            (root / f"img/{number}.png").write_bytes(picture_bytes((60 * (place % 2), 50, number % 100)))
        (root / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    return root


def test_memes(run, memes, tmp_path):
    samples, _ = converted(run, "hateful_memes", memes, tmp_path / "out")
    assert len(samples) == 12
    for path in memes.glob("*.jsonl"):
        for line in filter(None, path.read_text().splitlines()):
            said = json.loads(line)
            sample = samples[str(said["id"])]
            split = LONG.get(path.stem, path.stem)
            assert (sample.split, sample.class_name) == (split, f"{split}/all")
            assert sample.targets == {"hateful": said["label"]} and sample.values["text"] == f"words of {said['id']}"
            assert is_of(sample.values["image"], (60 * said["label"], 50, said["id"] % 100))


def test_labels_as_classes_and_damaged_lines(run, memes, tmp_path):
    lines = (memes / "train.jsonl").read_text().splitlines()
    extra = [lines[0], "{", "[]", '{"id": 1}', '{"id": 2, "img": "img/2.png", "text": "only text", "label": 1}',
             '{"id": 3, "img": "img/3.png", "text": "no label"}',
             '{"id": 4, "img": "img/10001.png", "text": "", "label": 0}',
             '{"id": 5, "img": "img/none.png", "text": " ", "label": 0}',
             '{"id": 6, "img": "x", "text": "a", "label": "1"}']
    (memes / "train.jsonl").write_text("\n".join(lines + extra))
    (memes / "other.jsonl").write_text("{}")
    (memes / "img/10002.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    samples, text = converted(run, "hateful_memes", memes, tmp_path / "out", "--class", "label")
    assert len(samples) == 14 and {sample.class_name for sample in samples.values()} == {
        f"{split}/{label}" for split in ("train", "validation", "test") for label in ("hateful", "not hateful")}
    assert samples["2"].values.keys() == {"text"} and samples["4"].values.keys() == {"image"}
    assert samples["10002"].values.keys() == {"text"} and samples["10002"].class_name == "train/hateful"
    for words in ("other.jsonl: neither", "train.jsonl:6: is there twice", "3 x line is no meme",
                  "2 x line without a label", "5: sample without any value"):
        assert words in text, words


def test_what_is_no_layout(run, tmp_path):
    assert "--help" in refused(run, "hateful_memes", tmp_path, tmp_path / "out")
