"""`cuttle-data pieces`: what texts are made of, learned from the training split alone."""

import json

import pytest
from tokenizers import Tokenizer

SPLITS = {"train": ("where the cuttlefish goes", "the cuttlefish changes"), "test": ("xylophone xylophone", )}


@pytest.fixture(name="shards")
def text_shards(run, tmp_path):
    for split, texts in SPLITS.items():
        for kind in ("one", "two"):
            folder = tmp_path / "texts" / split / f"{split} {kind}"
            folder.mkdir(parents=True)
            for number, text in enumerate(texts * 3):
                (folder / f"{number}.txt").write_text(f"{text} {kind} é", encoding="utf-8")
    code, _, error = run("folder", tmp_path / "texts", "--out", tmp_path / "shards", "--shards", "1")
    assert code == 0, error
    return tmp_path / "shards"


def test_training_texts_alone_make_pieces(run, shards, tmp_path):
    out = tmp_path / "pieces.json"
    code, said, _ = run("pieces", shards, "--size", "280", "--out", out)
    assert code == 0 and "pieces: " + str(out) in said and "280 pieces of 12 texts" in said
    known = Tokenizer.from_file(str(out))
    assert len(known.encode(" cuttlefish").ids) == 1 and len(known.encode(" xylophone").ids) > 5
    assert known.decode(known.encode("any É text \U0010ffff").ids) == "any É text \U0010ffff"
    assert sorted(known.get_vocab().values()) == list(range(280))
    first = out.read_bytes()
    assert run("pieces", shards, "--size", "280", "--out", out, "--overwrite")[0] == 0 and out.read_bytes() == first
    code, said, _ = run("pieces", shards, "--out", tmp_path / "few.json")
    pieces = json.loads((tmp_path / "few.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert code == 0 and f"{len(pieces)} pieces (not 4,096" in said


def test_what_is_refused(run, shards, tree, tmp_path):
    out, images = tmp_path / "x.json", tmp_path / "images"
    assert run("folder", tree, "--out", images, "--shards", "1")[0] == 0
    out.write_text("mine")
    for words, message in (((shards, "--out", out), "exists"),
                           ((shards, "--out", tmp_path / "x.txt"), "call it NAME.json"),
                           ((shards, "--out", tmp_path / "no/x.json"), "no such folder"),
                           ((shards, "--out", tmp_path / "y.json", "--size", "255"), "from 256"),
                           ((shards, "--out", tmp_path / "y.json", "--modality", "speech"), "no text of this name"),
                           ((images, "--out", tmp_path / "y.json"), "have no text"),
                           ((tmp_path / "none", "--out", tmp_path / "y.json"), "no such file")):
        code, _, error = run("pieces", *words)
        assert code == 2 and message in error, error
    assert out.read_text() == "mine" and not (tmp_path / "y.json").exists()
