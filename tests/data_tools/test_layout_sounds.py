"""esc50 and speech_commands on miniatures."""

import numpy as np
import pytest
from conftest import save_wav
from cuttle_data.converters.speech_commands import hashed_split
from layouts import converted, refused

ALONE = ("--splits", "1,0,0")
PARTS = {1: "train", 2: "train", 3: "train", 4: "validation", 5: "test"}
WORDS = ("yes", "no", "left")
SPEAKERS = ("00f0204f", "0a7c2a8d", "c9b5ff26", "c93d5e22")


@pytest.fixture
def esc(tmp_path):
    """Two categories with two sounds in every fold, each constant."""
    root, rows = tmp_path / "ESC-50", ["filename,fold,target,category,esc10,src_file,take"]
    (root / "audio").mkdir(parents=True)
    (root / "meta").mkdir()
    for fold in PARTS:
        for target, category in enumerate(("dog", "rain")):
            for take in "AB":
                name = f"{fold}-10{fold}-{take}-{target}.wav"
                save_wav(root / "audio" / name, np.full(160, 1000 * fold + target, np.int16))
                rows.append(f"{name},{fold},{target},{category},{category == 'dog'},10{fold},{take}")
    (root / "meta/esc50.csv").write_text("\r\n".join(rows) + "\r\n")
    return root


def test_esc50(run, esc, tmp_path):
    samples, text = converted(run, "esc50", esc, tmp_path / "out", *ALONE)
    assert len(samples) == 20 and "skipped" not in text
    for name, sample in samples.items():
        fold, _, _, target = name.split("-")
        assert (sample.class_name, sample.group) == (("dog", "rain")[int(target)], f"fold {fold}")
        assert sample.values["audio"].tolist() == [1000 * int(fold) + int(target)] * 160
    samples, _ = converted(run, "esc50", esc, tmp_path / "group", *ALONE, "--group", "src_file", "--esc10")
    assert {(s.class_name, s.group) for s in samples.values()} == {("dog", f"src_file 10{fold}") for fold in PARTS}


@pytest.mark.parametrize("test", [5, 1])
def test_folds_as_published(run, esc, tmp_path, test):
    samples, _ = converted(run, "esc50", esc, tmp_path / "out", "--published", "--test-fold", test)
    for name, sample in samples.items():
        split = PARTS[(int(name[0]) - test - 1) % 5 + 1]
        assert (sample.split, sample.class_name[:-4].rstrip("/")) == (split, split), name


def test_esc50_that_does_not_fit(run, esc, tmp_path):
    table = esc / "meta/esc50.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace("1-101", "../../1-101")
    lines[2] = lines[2].replace(",1,0", ",7,0")
    table.write_text("\n".join(lines))
    (esc / "audio/1-101-A-1.wav").unlink()
    (esc / "audio/1-101-B-1.wav").write_bytes(b"RIFF no sound")
    samples, text = converted(run, "esc50", esc, tmp_path / "out", *ALONE)
    assert len(samples) == 16
    for said in ("is no path of a file in", "fold '7', not 1 to 5", "no such file", "broken sound"):
        assert said in text, text
    table.write_text("filename,fold\n")
    assert "no column 'category'" in refused(run, "esc50", esc, tmp_path / "x")
    table.unlink()
    assert "esc50.csv: no such file" in refused(run, "esc50", esc, tmp_path / "x")


@pytest.fixture
def speech(tmp_path):
    """Each speaker says each word twice; the lists give one speaker to each of validation and testing."""
    root = tmp_path / "speech"
    for place, word in enumerate(WORDS):
        (root / word).mkdir(parents=True)
        for index, speaker in enumerate(SPEAKERS):
            for take in range(2):
                save_wav(root / word / f"{speaker}_nohash_{take}.wav", np.full(80, 100 * place + index, np.int16))
    (root / "_background_noise_").mkdir()
    save_wav(root / "_background_noise_/pink_noise.wav", np.zeros(80, np.int16))
    (root / "README.md").write_text("about")
    return root


def write_lists(root):
    for name, speaker in (("validation", SPEAKERS[2]), ("testing", SPEAKERS[3])):
        (root / f"{name}_list.txt").write_text("".join(
            f"{word}/{speaker}_nohash_{take}.wav\n" for word in WORDS for take in range(2)))


def test_speech_commands(run, speech, tmp_path):
    samples, text = converted(run, "speech_commands", speech, tmp_path / "out", *ALONE)
    assert len(samples) == 24 and "skipped" not in text and "hash of the speaker" in text
    for name, sample in samples.items():
        word, speaker = name.partition("_nohash_")[0].split("/")
        assert (sample.class_name, sample.group) == (word, speaker)
        assert sample.values["audio"].tolist() == [100 * WORDS.index(word) + SPEAKERS.index(speaker)] * 80


def test_the_hash_decides_where_there_are_no_lists(run, speech, tmp_path):
    samples, _ = converted(run, "speech_commands", speech, tmp_path / "out", "--published")
    assert {(s.split, s.group) for s in samples.values()} == {
        ("test" if speaker == SPEAKERS[2] else "train", speaker) for speaker in SPEAKERS}


def test_the_lists_decide_where_they_are(run, speech, tmp_path):
    write_lists(speech)
    with open(speech / "testing_list.txt", "a") as file:
        file.write("yes/gone_nohash_0.wav\n")
    wanted = dict(zip(SPEAKERS, ("train", "train", "validation", "test")))
    samples, text = converted(run, "speech_commands", speech, tmp_path / "out", "--published")
    assert "in a list of the published split, but not there, e.g." in text or "yes/gone_nohash_0.wav: in a list" in text
    assert {(s.class_name, s.group, s.split) for s in samples.values()} == {
        (f"{split}/{word}", speaker, split) for word in WORDS for speaker, split in wanted.items()}
    samples, _ = converted(run, "speech_commands", speech, tmp_path / "speakers", "--published", "--class", "speaker")
    assert {(s.class_name, s.split) for s in samples.values()} == set(wanted.items())
    for name, sample in samples.items():
        assert sample.targets == {word: float(name.startswith(word + "/")) for word in sorted(WORDS)}
    (speech / "testing_list.txt").unlink()
    assert "validation_list.txt is there without the other" in refused(run, "speech_commands", speech, tmp_path / "x")


def test_the_hash_is_that_of_the_makers():
    """Speakers that the lists of the published versions have at their heads."""
    assert {hashed_split(name) for name in ("026290a7", "060cd039", "099d52ad")} == {"validation"}
    assert {hashed_split(name) for name in ("0c40e715", "0ea0e2f4", "bb05582b")} == {"test"}
    assert [hashed_split(name) for name in SPEAKERS] == ["train", "train", "test", "train"]


def test_speech_that_does_not_fit(run, speech, tmp_path):
    (speech / "yes/note.txt").write_text("x")
    (speech / "no" / f"{SPEAKERS[0]}_nohash_0.wav").write_bytes(b"")
    samples, text = converted(run, "speech_commands", speech, tmp_path / "out", *ALONE)
    assert len(samples) == 23 and "not of the form SPEAKER_nohash_N.wav" in text and "the file is empty" in text
    (tmp_path / "none").mkdir()
    assert "no sample of speech_commands" in refused(run, "speech_commands", tmp_path / "none", tmp_path / "x")
