"""wav2vec 2.0 with small made-up weights computes what the papers say, whatever order its norms have."""

import numpy as np
import pytest
import torch
import weights_reference as reference
import weights_sources as sources
from made_weights import changed, compare_derivatives, derivatives, record_of
from safetensors.torch import load_file

# By feat_extract_norm, do_stable_layer_norm, conv_bias, num_conv_pos_embeddings.
KINDS = [("group", False, False, 4), ("layer", True, True, 5), ("layer", False, True, 4)]
STRIDES, LEAST = [5, 3, 2], 35


def wave(length, seed=0):
    return (np.random.default_rng(seed).normal(100, 2000, length)).astype("i2")


@pytest.fixture(name="made", params=KINDS)
def made_file(request, weights, tmp_path):
    """(file of weights, whether norms stand before)."""
    norm, pre_norm, bias, places = request.param
    tensors, config = sources.wav2vec2(norm, bias, places)
    config["do_stable_layer_norm"] = pre_norm
    return weights(sources.save_folder(tmp_path / "wave", tensors, config)), pre_norm


def test_a_wav2vec2(made, encode):
    file, pre_norm = made
    sounds = {str(length): wave(length) for length in (4001, 1000, 73, LEAST, 20, 0)}
    found, held = encode("wav2vec2", file, sounds), load_file(file)
    for name, sound in sounds.items():
        x = sound.astype("f8") / 32768
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-7) if len(x) else x
        x = np.pad(x, (0, max(0, LEAST - len(x))))
        assert np.abs(found[f"{name}.input"][0] - x).max() < 1e-6
        wanted = reference.wav2vec2_states(held, torch.tensor(x), STRIDES, 2, pre_norm)
        assert np.abs(found[f"{name}.tokens"][0] - wanted.numpy()).max() < 2e-5 * wanted.abs().max(), name
        assert np.abs(found[name][0] - wanted.mean(0).numpy()).max() < 1e-5 * wanted.abs().max(), name


def test_derivatives_of_a_wav2vec2(made, encode):
    file, pre_norm = made
    sounds = {str(length): wave(length, length) for length in (400, 90)}
    ready = encode("wav2vec2", file, sounds, "input")
    wanted = derivatives(load_file(file), lambda w: [
        reference.wav2vec2_states(w, torch.tensor(ready[f"{name}.input"][0]), STRIDES, 2, pre_norm).mean(0)
        for name in sounds])
    compare_derivatives(encode("wav2vec2", file, sounds, "derivatives"), wanted)


def test_wrong_files_of_waves_are_refused(weights, refusal, tmp_path):
    tensors, config = sources.wav2vec2("group", False, 4)
    file = weights(sources.save_folder(tmp_path / "wave", tensors, config))
    told = record_of(file)
    for entry, value, said in (("strides", [5, 3], "3 convolutions have 3 kernels and 2 strides"),
                               ("strides", [4000] * 3, "a frame of"), ("groups", 3, "3 groups"),
                               ("kernels", [10, 3, 0], "each convolution has one"), ("step_norms", True, "has no"),
                               ("step_norms", 5, "neither true nor false"),
                               ("heads", 3, "3 heads do not divide")):
        wrong = changed(file, tmp_path / "wrong.safetensors", sizes={**told["sizes"], entry: value})
        assert said in refusal("wav2vec2", wrong, wave(100)), entry
    wrong = changed(file, tmp_path / "wrong.safetensors", preprocessing={**told["preprocessing"], "rate": 8000})
    assert "convert the data with --sample-rate 8000" in refusal("wav2vec2", wrong, wave(100))
