"""emoji: the readers of package files on small inputs, and the converter on a few emoji where the
Debian packages are installed."""

import h5py
import numpy as np
import pytest
from cuttle_data import emoji_packages, emoji_plan, speech
from cuttle_data.errors import BadInput, UserError

FEW = {
    0x1F600: "face-smiling",
    0x1F603: "face-smiling",
    0x2764: "heart",
    0x1F98A: "animal-mammal",
    0x1F34E: "food-fruit",
}


def installed():
    try:
        emoji_packages.require_packages()
        return True
    except UserError:
        return False


needs_packages = pytest.mark.skipif(not installed(), reason="the Debian packages are not installed")


def test_subgroups_of_single_code_points(tmp_path):
    path = tmp_path / "emoji-test.txt"
    path.write_text(
        "# subgroup: heart\n2764 FE0F ; fully-qualified # x\n2764 ; unqualified # x\n"
        "1F468 200D 2764 ; fully-qualified # sequence\n"
        "# subgroup: sky & weather\n2600 ; unqualified # x\n",
        encoding="utf-8",
    )
    assert emoji_packages.read_subgroups(path) == {0x2764: "heart", 0x2600: "sky & weather"}
    path.write_text("nothing\n")
    with pytest.raises(UserError, match="names no emoji"):
        emoji_packages.read_subgroups(path)


def test_names_are_the_spoken_annotations(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji_packages, "ANNOTATIONS", tmp_path)
    (tmp_path / "xx.xml").write_text(
        '<ldml><annotations><annotation cp="❤">love | red</annotation>'
        '<annotation cp="❤" type="tts"> red heart </annotation>'
        '<annotation cp="ab" type="tts">two</annotation><annotation cp="☀" type="tts"/>'
        "</annotations></ldml>",
        encoding="utf-8",
    )
    assert emoji_packages.read_names("xx") == {0x2764: "red heart"}
    (tmp_path / "yy.xml").write_text("<ldml><annotations>")
    for language in ("yy", "zz"):
        with pytest.raises(UserError, match=f"{language}.xml.*reinstall unicode-cldr-core"):
            emoji_packages.read_names(language)


def test_missing_packages_are_all_named(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji_packages, "SYMBOLA_FONT", tmp_path / "none.ttf")
    monkeypatch.setattr(emoji_packages, "SPEAKER", "no-such-program")
    with pytest.raises(UserError, match="apt-get install .*fonts-symbola.*espeak-ng"):
        emoji_packages.require_packages()


def test_damaged_font_is_refused(tmp_path):
    for data in (b"", b"\0\1\0\0\0\1" + bytes(40), bytes(2000)):
        (tmp_path / "x.ttf").write_bytes(data)
        with pytest.raises(UserError, match="x.ttf"):
            emoji_packages.font_code_points(tmp_path / "x.ttf")


def test_split_keeps_subgroups_whole_and_fractions_near():
    classes = {
        f"{group}/{index}": f"group {group}"
        for group in range(40)
        for index in range(group % 7 + 1)
    }
    split_of = emoji_plan.split_subgroups(classes, 3)
    assert set(split_of) == set(classes.values())
    for split, fraction in zip(("train", "validation", "test"), emoji_plan.FRACTIONS):
        size = sum(split_of[subgroup] == split for subgroup in classes.values())
        assert abs(size / len(classes) - fraction) < 0.05
    assert split_of == emoji_plan.split_subgroups(dict(reversed(classes.items())), 3)
    assert split_of != emoji_plan.split_subgroups(classes, 4)


def test_missing_rate_is_met_and_something_stays():
    values = {"image": 1, "text": 2, "audio": 3}
    kept = [emoji_plan.leave_out(values, f"sample {index}", 0.1, 0) for index in range(4000)]
    for name in values:
        assert abs(np.mean([name not in sample for sample in kept]) - 0.1) < 0.015
    assert emoji_plan.leave_out(values, "x", 0.0, 0) == values
    assert all(len(emoji_plan.leave_out(values, f"s{i}", 0.999, 0)) >= 1 for i in range(200))
    assert kept[:50] == [
        emoji_plan.leave_out(values, f"sample {index}", 0.1, 0) for index in range(50)
    ]
    assert kept[:50] != [
        emoji_plan.leave_out(values, f"sample {index}", 0.1, 1) for index in range(50)
    ]


def test_speaker_hands_out_in_order(monkeypatch):
    monkeypatch.setattr(speech, "BATCH", 3)
    monkeypatch.setattr(
        speech,
        "speak_all",
        lambda texts, rate, longest: [
            None if text == "silent" else np.array([int(text), rate, longest]) for text, _ in texts
        ],
    )
    texts = [(str(index) if index != 7 else "silent", "en") for index in range(20)]
    with speech.Speaker(texts, 8000, 2) as speaker:
        for index in (0, 1, 2, 5, 6, 13, 14, 19):  # a resumed conversion jumps
            assert speaker.fetch(index).tolist() == [index, 8000, 2]
    with speech.Speaker(texts, 8000, 2) as speaker, pytest.raises(BadInput, match="no sound"):
        speaker.fetch(7)


@needs_packages
def test_speech_is_repeatable_and_cut():
    texts = [("grinning face", "en-us"), ("rotes Herz", "de"), ("x", "no-such-voice")]
    first, second = speech.speak_all(texts, 8000, 0.6), speech.speak_all(texts, 8000, 0.6)
    assert first[2] is None and second[2] is None
    for one, other in zip(first[:2], second[:2]):
        assert one.dtype == np.int16 and np.array_equal(one, other)
        assert 0.2 * 8000 < len(one) <= 0.6 * 8000
        assert np.sqrt(np.mean(one.astype(float) ** 2)) > 300
    assert not np.array_equal(first[0][:1000], first[1][:1000])


def test_speech_that_cannot_run(monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise OSError('libespeak-ng.so.1: cannot open')")
    monkeypatch.setattr(speech, "WORKER", broken)
    with pytest.raises(UserError, match="libespeak-ng.so.1: cannot open.*reinstall"):
        speech.speak_all([("a", "en")], 8000, 1.0)


@needs_packages
def test_emoji_end_to_end(run, tmp_path, monkeypatch):
    monkeypatch.setattr(emoji_packages, "read_subgroups", lambda: FEW)
    out = tmp_path / "emoji"
    code, _, _ = run("emoji", "--out", out, "--dry-run")
    assert code == 0 and not out.exists()
    code, text, error = run("emoji", "--out", out, "--shards", 2, "--missing-rate", 0)
    assert code == 0, error
    assert "subgroups of train" in text
    assert run("verify", out)[0] == 0
    assert len(list((out / "licenses").iterdir())) == len(emoji_packages.PACKAGES)
    shards = [h5py.File(path) for path in sorted(out.glob("*.h5"))]
    assert sum(len(shard["samples/class"]) for shard in shards) == 9 * len(FEW)
    shard = shards[0]
    images = shard["modalities/image/data"][:9]
    assert images.shape == (9, 32, 32, 3)
    # One class: noto, gemojione and symbola, each three times with another name.
    assert [int(len(np.unique(images[k : k + 3], axis=0))) for k in (0, 3, 6)] == [1, 1, 1]
    assert len(np.unique(images, axis=0)) == 3
    assert (images[6] == images[6][..., :1]).all()  # symbola is grey
    assert (images[0] != images[0][..., :1]).any()  # noto is not
    assert (images[:, 0, 0] == 255).all()  # on white
    texts = shard["modalities/text/data"][:].tobytes()
    for name in ("red heart", "rotes Herz", "rautt hjarta"):
        assert name.encode() in texts
    assert shard["groups/names"][:].tobytes() == b"notogemojionesymbola"


@needs_packages
def test_emoji_refuses_a_silly_rate(run, tmp_path):
    for rate in (1, -0.1, "nan"):
        code, _, error = run("emoji", "--out", tmp_path / "x", "--missing-rate", rate)
        assert code == 2 and "--missing-rate" in error
