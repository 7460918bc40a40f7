"""What reference_dump wrote, computed anew in NumPy: outputs, embeddings, losses, and gradients by differences."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import reference

BUILD = Path(os.environ.get("CUTTLE_BINARY_DIR", Path(__file__).resolve().parents[2] / "build/release"))
PROGRAM = BUILD / "tests/reference_dump"
CASES = """char_conv char_conv_plain series_conv series_conv_plain series_conv_none mel_conv mel_conv_none
gru_text gru_series gru_audio transformer_text transformer_series transformer_steps transformer_audio
transformer_image transformer_heads concat concat_cosine concat_zeros gated late
late_cosine late_adapter cross_attention cross_attention_transformer cross_attention_gru
self_attention co_attention bottleneck product_of_experts low_rank tensor bilinear film film_text
sense_graph sense_graph_full deep_sets late_product late_vote late_sample
frames_gru frames_transformer frames_average graph_conv graph_conv_none""".split()
TASKS = [f"protonet_{fusion}_{refine}" for fusion in ("concat", "gated", "late") for refine in (0, 1, 3)]
TASKS += ["protonet_cosine_concat", "protonet_cosine_late", "protonet_sample_product", "protonet_sample_vote"]
TASKS += ["protonet_parts", *(f"protonet_{norm}" for norm in ("support", "task", "layer", "group", "instance"))]
STEP = 1e-6


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("references")
    subprocess.run([PROGRAM, out], check=True)
    return out


class Case:
    """A file: arrays under "parameter.", "batch." and so on by prefix, the others by name."""

    def __init__(self, path):
        with safe_open(path, framework="numpy") as file:
            self.words, self.arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
        self.parameters = self.under("parameter")

    def under(self, prefix):
        return {name[len(prefix) + 1:]: array for name, array in self.arrays.items() if name.startswith(prefix + ".")}


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


def check_gradient(case, value):
    """`value` of the parameters, along a random direction in each, against the gradient in the file."""
    found, noise, steep = case.under("gradient"), np.random.default_rng(5), 0
    for name, start in case.parameters.items():
        gradient = found.get(name, np.zeros_like(start))
        direction = noise.standard_normal(start.shape)
        there = [value({**case.parameters, name: start + sign * STEP * direction}) for sign in (1, -1)]
        slope = (there[0] - there[1]) / (2 * STEP)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-5, abs=1e-6), name
        steep += abs(slope) > 1e-3
    assert steep > len(case.parameters) / 2, "the differences would show nothing"


def test_every_case_is_judged(folder):
    assert sorted(path.stem for path in folder.iterdir()) == sorted(CASES + TASKS)


@pytest.mark.parametrize("name", CASES)
def test_models(name, folder):
    case = Case(folder / f"{name}.safetensors")
    batch = case.under("batch")
    logits, parts = reference.classify(case.parameters, batch, case.words)
    close(case.arrays["outputs"], logits)
    for i, part in enumerate(parts):
        close(case.arrays[f"embedding.{i}"], part)
    probe = case.arrays["probe"]
    check_gradient(case, lambda p: np.sum(probe * reference.classify(p, batch, case.words)[0]))


@pytest.mark.parametrize("name", TASKS)
def test_prototypes(name, folder):
    case = Case(folder / f"{name}.safetensors")
    support, query = case.under("support"), case.under("query")
    close(case.arrays["outputs"], reference.prototype_logits(case.parameters, support, query, case.words,
                                                             int(case.words["refine"]))[0])
    close(case.arrays["loss"], reference.prototype_loss(case.parameters, support, query, case.words)[0])
    check_gradient(case, lambda p: reference.prototype_loss(p, support, query, case.words)[1])
