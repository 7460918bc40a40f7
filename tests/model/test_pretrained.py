"""Encoders with weights of others: small made-up ones compute what the papers say, and wrong files are refused."""

import json
import shutil

import numpy as np
import pytest
import torch
import weights_reference as reference
import weights_sources as sources
from cuttle_data.weights import architectures
from made_weights import changed, compare_derivatives, derivatives, record_of
from safetensors.torch import load_file, save_file

TEXTS = ["the a", "ab, thing", "", "the " * 30, "É中 a", "[SEP] the", "a\x00b\x07 \xe9"]
WORD = sources.VOCABULARY


def bytes_of(text):
    return np.frombuffer(text.encode(), "u1").copy()


@pytest.mark.parametrize("types", [2, 0])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_bert(weights, encode, tmp_path, types, pooling):
    tensors = sources.bert(types=types)
    tensors["embeddings.word_embeddings.weight"] = tensors["embeddings.word_embeddings.weight"][:len(WORD)]
    config = sources.BERT
    if types == 0:
        tensors = sources.distilbert(tensors)
        config = {"model_type": "distilbert", "n_heads": 2, "n_layers": 2, "dim": 8, "hidden_dim": 12,
                  "activation": "gelu", "sinusoidal_pos_embds": False}
    file = weights(sources.save_bert(tmp_path / "bert", tensors, config))
    told = record_of(file)["output"]
    file = changed(file, tmp_path / "changed.safetensors", output={**told, "pooling": pooling, "unit": True})
    most = record_of(file)["preprocessing"]["max_tokens"]
    made = encode("bert", file, {f"{i}": bytes_of(text) for i, text in enumerate(TEXTS)})
    held = load_file(file)
    held.pop("tokenizer.bytes")
    for i, text in enumerate(TEXTS):
        ids = made[f"{i}.input"][0]
        assert ids[0] == WORD.index("[CLS]") and ids[-1] == WORD.index("[SEP]") and len(ids) <= most
        states = reference.bert_states(held, torch.tensor(ids), 2)
        pooled = states.mean(0) if pooling == "mean" else states[0]
        wanted = torch.nn.functional.normalize(pooled, dim=0).numpy()
        assert np.abs(made[f"{i}"][0] - wanted).max() < 2e-6, text


def test_bert_on_own_kernels(weights, encode, tmp_path):
    config = {**sources.BERT, "hidden_size": 32, "intermediate_size": 48}
    tensors = sources.bert(width=32, inner=48, vocabulary=len(WORD))
    tensors = {name: tensor / tensor.shape[-1]**0.5 if tensor.dim() > 1 else tensor for name, tensor in tensors.items()}
    file = weights(sources.save_bert(tmp_path / "bert", tensors, config))
    made = encode("bert", file, {f"{i}": bytes_of(text) for i, text in enumerate(TEXTS)})
    for i, text in enumerate(TEXTS):
        states = reference.bert_states(tensors, torch.tensor(made[f"{i}.input"][0]), 2)
        assert np.abs(made[f"{i}"][0] - states.mean(0).numpy()).max() < 1e-5, text


def test_word_pieces(weights, encode, tmp_path):
    file = weights(sources.save_bert(tmp_path / "bert", sources.bert(vocabulary=len(WORD))))
    made = encode("bert", file, {f"{i}": bytes_of(text) for i, text in enumerate(TEXTS)}, "input")
    words = [[WORD[place] for place in made[f"{i}.input"][0][1:-1]] for i in range(len(TEXTS))]
    assert words[0] == ["the", "a"]
    assert words[1] == ["a", "##b", ",", "[UNK]"]  # there is no piece for "th"
    assert words[2] == [] and set(words[3]) == {"the"}
    assert words[4] == ["[UNK]", "中", "a"]  # lower case, no accent, and e is no piece
    assert words[5] == ["[SEP]", "the"]
    assert words[6] == ["a", "##b", "[UNK]"]  # control characters are no part of words


def test_a_speaker_encoder(weights, encode, tmp_path):
    tensors = sources.lstm(mels=40, width=6)
    torch.save({"model_state": tensors}, tmp_path / "voice.pt")
    file = weights(tmp_path / "voice.pt")
    draw = np.random.default_rng(1)
    sounds = {"short": draw.normal(0, 3000, 7000), "quiet": draw.normal(0, 30, 41000), "none": np.zeros(30000),
              "long": draw.normal(0, 9000, 60000), "one": np.array([5.0])}
    sounds = {name: sound.astype("i2") for name, sound in sounds.items()}
    made = encode("lstm_speaker", file, sounds)
    for name, sound in sounds.items():
        assert np.abs(made[name][0] - reference.speaker(tensors, sound).numpy()).max() < 2e-6, name


EFFICIENTNET = {"stem": 8, "head": 12, "stages": [[1, 3, 1, 1, 6], [2, 5, 2, 2, 4]], "eps": 1e-3}


def efficientnet():
    """Random tensors under the names of the package, of few channels."""
    tensors = sources.Random(5).of(architectures.load("efficientnet_lite").shapes(EFFICIENTNET))
    return {name: tensor.abs() + 0.1 if name.endswith("var") else tensor for name, tensor in tensors.items()}


def efficientnet_file(path, size=33, **sizes):
    told = {"format": 1, "name": "small", "architecture": "efficientnet_lite", "sense": "image",
            "sizes": {**EFFICIENTNET, **sizes},
            "preprocessing": {"size": size, "mean": [127] * 3, "deviation": [128] * 3, "crop": "centre",
                              "interpolation": "bicubic"}, "output": {"width": 12}}
    save_file(efficientnet(), path, metadata={"cuttle.weights": json.dumps(told)})
    return path


@pytest.mark.parametrize("size", [33, 32])  # padded alike at both ends, and not
def test_an_efficientnet(encode, tmp_path, size):
    file = efficientnet_file(tmp_path / "weights.safetensors", size=size)
    picture = np.random.default_rng(2).integers(0, 256, (size, size, 3), "u1")
    made = encode("efficientnet_lite", file, {"0": picture})
    ready = torch.tensor((picture.astype("f8") - 127) / 128).permute(2, 0, 1)[None]
    wanted = reference.efficientnet_lite_features(efficientnet(), ready, record_of(file)["sizes"]["stages"])
    assert np.abs(made["0.input"] - ready.numpy()).max() < 1e-6
    assert np.abs(made["0"] - wanted.numpy()).max() < 1e-5 * wanted.abs().max()


def test_derivatives_of_bert(weights, encode, tmp_path):
    file = weights(sources.save_bert(tmp_path / "bert", sources.bert(vocabulary=len(WORD))))
    texts = {f"{i}": bytes_of(text) for i, text in enumerate(TEXTS[:3])}
    ids = encode("bert", file, texts, "input")
    held = load_file(file)
    held.pop("tokenizer.bytes")
    wanted = derivatives(held, lambda w: [reference.bert_states(w, torch.tensor(ids[f"{name}.input"][0]), 2).mean(0)
                                          for name in texts])
    compare_derivatives(encode("bert", file, texts, "derivatives"), wanted)


def test_derivatives_of_an_efficientnet(encode, tmp_path):
    file = efficientnet_file(tmp_path / "weights.safetensors")
    pictures = {f"{i}": np.random.default_rng(i).integers(0, 256, (33, 33, 3), "u1") for i in range(2)}
    ready = [torch.tensor(encode("efficientnet_lite", file, {"0": picture}, "input")["0.input"]).double()
             for picture in pictures.values()]
    wanted = derivatives(efficientnet(), lambda w: [reference.efficientnet_lite_features(
        w, picture, record_of(file)["sizes"]["stages"]) for picture in ready])
    compare_derivatives(encode("efficientnet_lite", file, pictures, "derivatives"), wanted)


def test_wrong_files_are_refused(weights, refusal, tmp_path):
    file = weights(sources.save_bert(tmp_path / "bert", sources.bert(vocabulary=len(WORD))))
    text, picture = bytes_of("a"), np.zeros((8, 8, 3), "u1")
    assert "is no file; make it with cuttle-data weights" in refusal("bert", tmp_path / "nowhere", text)
    assert "holds weights of bert and not of efficientnet_lite" in refusal("efficientnet_lite", file, picture)
    assert "bert needs a modality of kind text" in refusal("bert", file, picture)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(file.read_bytes()[:-10])
    assert str(cut) in refusal("bert", cut, text)
    save_file({"x": torch.zeros(2)}, tmp_path / "plain.safetensors")
    assert "says not what it is the weights of" in refusal("bert", tmp_path / "plain.safetensors", text)
    sizes = record_of(file)["sizes"]
    for entry, value, said in [("layers", 3, "has no encoder.layer.2"), ("layers", -1, "which is no size"),
                               ("width", 12, "and its sizes ask for"), ("heads", 3, "do not fit each other"),
                               ("positions", 4, "do not fit each other"), ("vocabulary", 10**18, "is no size"),
                               ("eps", "small", "is no number"), ("activation", 5, "is no word"),
                               ("activation", "selu", "sizes.activation is selu (known")]:
        wrong = changed(file, tmp_path / "wrong.safetensors", sizes={**sizes, entry: value})
        assert said in refusal("bert", wrong, text), entry
    no_words = changed(file, tmp_path / "wrong.safetensors", {"tokenizer.bytes": torch.zeros(3, dtype=torch.uint8)})
    assert "has not [UNK], [CLS] and [SEP]" in refusal("bert", no_words, text)
    half = changed(file, tmp_path / "wrong.safetensors", {"embeddings.LayerNorm.bias": torch.zeros(8).half()})
    assert "make it again" in refusal("bert", half, text)
    picture_file = efficientnet_file(tmp_path / "picture.safetensors", stages=[[1, 3, 1, 1]])
    assert "a stage is [repeats, kernel, stride, expansion, channels]" in refusal(
        "efficientnet_lite", picture_file, picture)
    shutil.copy(picture_file, tmp_path / "two.safetensors")
    assert "sees grey or RGB pictures" in refusal("efficientnet_lite", efficientnet_file(picture_file),
                                                  np.zeros((8, 8, 2), "u1"))
