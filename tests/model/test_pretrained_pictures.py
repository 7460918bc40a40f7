"""ResNets and vision transformers with weights of others, and how pictures are made ready for them."""

import numpy as np
import pytest
import torch
import weights_reference as reference
import weights_sources as sources
from cuttle_data.weights import architectures
from made_weights import changed, compare_derivatives, derivatives, record_of
from PIL import Image
from safetensors.torch import load_file

LAYERS = {"basic": [1, 2, 1, 1], "bottleneck": [2, 1, 1, 1]}
SHAPES = [(64, 64, 3), (20, 31, 3), (90, 33, 1), (33, 33, 1), (300, 257, 3), (7, 200, 3)]


def picture(seed=0, shape=(40, 40, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, "u1")


def ready(made, name="0"):
    return torch.tensor(made[f"{name}.input"]).double()


@pytest.fixture(name="resnet")
def resnet_file(weights, tmp_path):
    """resnet(BLOCK, preprocessing ...) -> a file of random weights for pictures of 40 x 40."""
    def call(block="basic", **preprocessing):
        sizes = {"block": block, "layers": LAYERS[block], "width": 4}
        tensors = sources.Random(2).of(architectures.load("resnet").shapes(sizes))
        tensors = {name: tensor.abs() + 1 if name.endswith("var") else tensor / tensor[0].numel()**0.5
                   for name, tensor in tensors.items()}
        torch.save(tensors, tmp_path / "net.pth")
        file = weights(tmp_path / "net.pth")
        given = {**record_of(file)["preprocessing"], "size": 40, "resize": 40, **preprocessing}
        return changed(file, tmp_path / "resnet.safetensors", preprocessing=given)

    return call


@pytest.fixture(name="vit")
def vit_file(weights, tmp_path):
    """vit(of CLIP?) -> a file of random weights for pictures of 12 x 12."""
    def call(clip=False):
        torch.save(sources.vit(pre_norm=clip), tmp_path / "net.pth")
        words = ["--set", "sizes.activation=quick_gelu"] if clip else []
        return weights(tmp_path / "net.pth", "--set", "sizes.heads=2", *words)

    return call


def states(file, w, pictures):
    sizes = record_of(file)["sizes"]
    return reference.vit_states(w, pictures, sizes["heads"], sizes["eps"], sizes["activation"] == "quick_gelu")


@pytest.mark.parametrize("block", LAYERS)
def test_a_resnet(resnet, encode, block):
    file = resnet(block)
    made = encode("resnet", file, {"0": picture()})
    wanted = reference.resnet_map(load_file(file), ready(made), block).numpy()
    assert np.abs(made["0"] - wanted.mean((2, 3))).max() < 1e-5 * np.abs(wanted).max()
    tokens = wanted[0].reshape(wanted.shape[1], -1).T
    assert tokens.shape[0] == 4 and np.abs(made["0.tokens"][0] - tokens).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("block", LAYERS)
def test_derivatives_of_a_resnet(resnet, encode, block):
    file = resnet(block)
    pictures = {f"{i}": picture(i) for i in range(2)}
    given = [ready(encode("resnet", file, {"0": one}, "input")) for one in pictures.values()]

    def features(w):
        return [reference.resnet_map(w, one, block).mean((2, 3)) for one in given]

    compare_derivatives(encode("resnet", file, pictures, "derivatives"), derivatives(load_file(file), features))
    compare_derivatives(encode("resnet", file, pictures, "derivatives", "2"),
                        derivatives(load_file(file), features, ["layer3.0.", "layer4.0."]), 1e-4)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("pooling, unit", [("cls", False), ("mean", True)])
def test_a_vision_transformer(vit, encode, tmp_path, clip, pooling, unit):
    file = vit(clip)
    output = {**record_of(file)["output"], "pooling": pooling, **({"unit": True} if unit else {})}
    file = changed(file, tmp_path / "changed.safetensors", output=output)
    made = encode("vit", file, {"0": picture(1)})
    wanted = states(file, load_file(file), ready(made))[0]
    pooled = wanted[0] if pooling == "cls" else wanted.mean(0)
    pooled = torch.nn.functional.normalize(pooled, dim=0) if unit else pooled
    assert np.abs(made["0"][0] - pooled.numpy()).max() < 5e-6
    assert np.abs(made["0.tokens"][0] - wanted[1:].numpy()).max() < 5e-6


@pytest.mark.parametrize("clip", [False, True])
def test_derivatives_of_a_vision_transformer(vit, encode, clip):
    file = vit(clip)
    pictures = {f"{i}": picture(i) for i in range(2)}
    given = [ready(encode("vit", file, {"0": one}, "input")) for one in pictures.values()]

    def features(w):
        return [states(file, w, one)[:, 0] for one in given]

    compare_derivatives(encode("vit", file, pictures, "derivatives"), derivatives(load_file(file), features))
    compare_derivatives(encode("vit", file, pictures, "derivatives", "1"),
                        derivatives(load_file(file), features, ["blocks.1.", "norm."]), 1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("crop, resize, interpolation", [("centre", 40, "bicubic"), ("centre", 47, "bilinear"),
                                                         ("none", 40, "bilinear")])
def test_pictures_are_resized_as_pillow_does(resnet, encode, shape, crop, resize, interpolation):
    """The whole, then the middle is taken as torchvision does. Pillow 13 stretches downwards first where a picture
    loses far more height than width, which moves some pixels by one: here it is told the order."""
    file = resnet(crop=crop, resize=resize, interpolation=interpolation, mean=[1, 2, 3], deviation=[5, 4, 3])
    pixels = picture(3, shape)
    made = encode("resnet", file, {"0": pixels}, "input")["0.input"][0]
    height, width = shape[:2]
    whole = Image.fromarray(np.broadcast_to(pixels, (height, width, 3)).copy())
    short = min(height, width)
    sides = (40, 40) if crop == "none" else (int(resize * width / short), int(resize * height / short))
    for step in ((sides[0], height), sides) if crop == "none" else (sides, ):
        whole = whole.resize(step, Image.Resampling[interpolation.upper()])
    left, top = (round((side - 40) / 2) for side in sides)
    wanted = np.asarray(whole.crop((left, top, left + 40, top + 40))).astype("f8")
    wanted = ((wanted - [1, 2, 3]) / [5, 4, 3]).transpose(2, 0, 1)
    assert np.abs(made - wanted).max() < 1e-4


def test_wrong_files_are_refused(resnet, vit, refusal, tmp_path):
    out = tmp_path / "wrong.safetensors"
    for file, kind, cases in [
            (resnet(), "resnet", [("block", "wide", "a ResNet is of basic or bottleneck blocks"),
                                  ("layers", [1, 2, 1], "a ResNet has four numbers of blocks"),
                                  ("layers", [1, 2, 1, 0], "a ResNet has four numbers of blocks"),
                                  ("layers", 7, "a ResNet has four numbers of blocks"),
                                  ("layers", [1, 2, 1, 2], "has no layer4.1.conv1.weight"),
                                  ("width", 8, "and its sizes ask for")]),
            (vit(), "vit", [("heads", 3, "do not fit each other"), ("patch", 5, "do not fit each other"),
                            ("size", 16, "do not fit each other"), ("pre_norm", True, "has no norm_pre.weight"),
                            ("pre_norm", 1, "neither true nor false"), ("layers", 3, "has no blocks.2"),
                            ("activation", "selu", "sizes.activation is selu (known")])]:
        sizes = record_of(file)["sizes"]
        for entry, value, said in cases:
            assert said in refusal(kind, changed(file, out, sizes={**sizes, entry: value}), picture()), (kind, entry)
    for entry, value, said in [("crop", "left", "preprocessing.crop is left (known: centre, none)"),
                               ("interpolation", "nearest", "preprocessing.interpolation is nearest (known"),
                               ("size", 5000, "are more than 4096"), ("resize", 30, "pictures of 30 are cut to 40"),
                               ("mean", [1, 2], "not three numbers")]:
        assert said in refusal("resnet", resnet(**{entry: value}), picture()), entry
    file = vit()
    output = {**record_of(file)["output"], "pooling": "max"}
    assert "output.pooling is max (known: mean, cls)" in refusal("vit", changed(file, out, output=output), picture())
