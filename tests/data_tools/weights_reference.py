"""What pretrained networks compute, written once more from their papers and packages: forward passes in float64 on
plain tensors under the names of the original files. Shares nothing with the program."""

import math

import numpy as np
import torch
from torch.nn import functional


def double(tensors):
    return {name: tensor.double() for name, tensor in tensors.items() if tensor.is_floating_point()}


def layer_norm(x, w, name, eps):
    return functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def bert_states(w, ids, heads, eps=1e-12, prefix=""):
    """States [tokens, width] of the last layer of a BERT for one text without padding."""
    w = {name.removeprefix(prefix): tensor for name, tensor in double(w).items()}
    at = "embeddings."
    x = w[f"{at}word_embeddings.weight"][ids] + w[f"{at}position_embeddings.weight"][:len(ids)]
    if f"{at}token_type_embeddings.weight" in w:
        x = x + w[f"{at}token_type_embeddings.weight"][0]
    x = layer_norm(x, w, "embeddings.LayerNorm", eps)
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in w:
        at = f"encoder.layer.{layer}."
        q, k, v = (linear(x, w, f"{at}attention.self.{part}").unflatten(1, (heads, -1)).transpose(0, 1)
                   for part in ("query", "key", "value"))
        mixed = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1) @ v
        mixed = linear(mixed.transpose(0, 1).flatten(1), w, f"{at}attention.output.dense")
        x = layer_norm(x + mixed, w, f"{at}attention.output.LayerNorm", eps)
        inner = functional.gelu(linear(x, w, f"{at}intermediate.dense"))
        x = layer_norm(x + linear(inner, w, f"{at}output.dense"), w, f"{at}output.LayerNorm", eps)
        layer += 1
    return x


def sentence(w, ids, heads):
    """Mean over all tokens, then unit length."""
    return functional.normalize(bert_states(w, ids, heads).mean(0), dim=0)


def same_padded(x, kernel, stride):
    """TensorFlow's "SAME": what is odd goes to the bottom and right."""
    total = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:]]
    (top, left), (height, width) = [t // 2 for t in total], total
    return functional.pad(x, (left, width - left, top, height - top))


def efficientnet_lite_features(w, pictures, stages):
    """[n, 1280] of pictures [n, 3, h, w] that are (pixel - 127) / 128."""
    w = double(w)

    def norm(x, name):
        return functional.batch_norm(x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"],
                                     w[f"{name}.bias"], False, 0.0, 1e-3)

    def convolved(x, name, stride=1, depthwise=False):
        kernel = w[f"{name}.weight"]
        groups = len(kernel) if depthwise else 1
        return functional.conv2d(same_padded(x, kernel.shape[-1], stride), kernel, stride=stride, groups=groups)

    relu6 = functional.relu6
    x = relu6(norm(convolved(pictures.double(), "_conv_stem", 2), "_bn0"))
    block = 0
    for repeats, _, stride, expansion, _ in stages:
        for repeat in range(repeats):
            at, skip = f"_blocks.{block}.", x
            if expansion != 1:
                x = relu6(norm(convolved(x, f"{at}_expand_conv"), f"{at}_bn0"))
            x = relu6(norm(convolved(x, f"{at}_depthwise_conv", 1 if repeat else stride, True), f"{at}_bn1"))
            x = norm(convolved(x, f"{at}_project_conv"), f"{at}_bn2")
            x, block = x + skip if repeat else x, block + 1
    return relu6(norm(convolved(x, "_conv_head"), "_bn1")).mean((2, 3))


def resnet_map(w, pictures, block):
    """The last map [n, channels, h, w] of a ResNet of `basic` or `bottleneck` blocks."""
    w = double(w)

    def convolved(x, name, norm, stride=1):
        kernel = w[f"{name}.weight"]
        x = functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        return functional.batch_norm(x, w[f"{norm}.running_mean"], w[f"{norm}.running_var"], w[f"{norm}.weight"],
                                     w[f"{norm}.bias"], False, 0.0, 1e-5)

    x = torch.relu(convolved(pictures.double(), "conv1", "bn1", 2))
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage in range(1, 5):
        place = 0
        while f"layer{stage}.{place}.conv1.weight" in w:
            at, stride = f"layer{stage}.{place}.", 2 if stage > 1 and place == 0 else 1
            y, strides = x, (1, stride, 1) if block == "bottleneck" else (stride, 1)
            for number, step in enumerate(strides, 1):
                y = convolved(y, f"{at}conv{number}", f"{at}bn{number}", step)
                y = torch.relu(y) if number < len(strides) else y
            if f"{at}downsample.0.weight" in w:
                x = convolved(x, f"{at}downsample.0", f"{at}downsample.1", stride)
            x, place = torch.relu(x + y), place + 1
    return x


def vit_states(w, pictures, heads, eps, quick=False):
    """States [n, 1 + patches, width] of a vision transformer after its last norm."""
    w = double(w)
    width, _, patch, _ = w["patch_embed.proj.weight"].shape
    cut = functional.unfold(pictures.double(), patch, stride=patch).transpose(1, 2)
    x = cut @ w["patch_embed.proj.weight"].reshape(width, -1).T + w["patch_embed.proj.bias"]
    x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], 1) + w["pos_embed"]
    if "norm_pre.weight" in w:
        x = layer_norm(x, w, "norm_pre", eps)
    layer = 0
    while f"blocks.{layer}.mlp.fc1.weight" in w:
        at = f"blocks.{layer}."
        parts = linear(layer_norm(x, w, f"{at}norm1", eps), w, f"{at}attn.qkv")
        q, k, v = parts.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v
        x = x + linear(mixed.transpose(1, 2).flatten(2), w, f"{at}attn.proj")
        inner = linear(layer_norm(x, w, f"{at}norm2", eps), w, f"{at}mlp.fc1")
        inner = inner / (1 + torch.exp(-1.702 * inner)) if quick else functional.gelu(inner)
        x, layer = x + linear(inner, w, f"{at}mlp.fc2"), layer + 1
    return layer_norm(x, w, "norm", eps)


def wav2vec2_states(w, wave, strides, heads, pre_norm=False):
    """Frames [T, width] of the last layer for one sound; norms between convolutions go by their tensors: of each step
    where there is more than one of them, else of each channel over time."""
    w, at = double(w), "feature_extractor.conv_layers.{}.{}"
    x, each_step = wave.double()[None, None], at.format(1, "layer_norm.weight") in w
    for i, stride in enumerate(strides):
        x = functional.conv1d(x, w[at.format(i, "conv.weight")], w.get(at.format(i, "conv.bias")), stride)
        if each_step:
            x = layer_norm(x.transpose(1, 2), w, at.format(i, "layer_norm"), 1e-5).transpose(1, 2)
        elif i == 0:
            mean, over = x.mean(2, keepdim=True), (x.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
            x = (x - mean) / over * w[at.format(0, "layer_norm.weight")][:, None]
            x = x + w[at.format(0, "layer_norm.bias")][:, None]
        x = functional.gelu(x)
    x = linear(layer_norm(x[0].T, w, "feature_projection.layer_norm", 1e-5), w, "feature_projection.projection")
    kernel = w["encoder.pos_conv_embed.conv.weight"]
    padded = functional.pad(x.T, (kernel.shape[2] // 2, kernel.shape[2] // 2))[None]
    around = functional.conv1d(padded, kernel, w["encoder.pos_conv_embed.conv.bias"],
                               groups=len(x.T) // kernel.shape[1])
    x = x + functional.gelu(around[0, :, :len(x)].T)
    x = x if pre_norm else layer_norm(x, w, "encoder.layer_norm", 1e-5)
    layer = 0
    while f"encoder.layers.{layer}.layer_norm.weight" in w:
        at = f"encoder.layers.{layer}."
        seen = layer_norm(x, w, f"{at}layer_norm", 1e-5) if pre_norm else x
        q, k, v = (linear(seen, w, f"{at}attention.{part}_proj").unflatten(1, (heads, -1)).transpose(0, 1)
                   for part in "qkv")
        mixed = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1) @ v
        x = x + linear(mixed.transpose(0, 1).flatten(1), w, f"{at}attention.out_proj")
        x = x if pre_norm else layer_norm(x, w, f"{at}layer_norm", 1e-5)
        seen = layer_norm(x, w, f"{at}final_layer_norm", 1e-5) if pre_norm else x
        inner = functional.gelu(linear(seen, w, f"{at}feed_forward.intermediate_dense"))
        x = x + linear(inner, w, f"{at}feed_forward.output_dense")
        x = x if pre_norm else layer_norm(x, w, f"{at}final_layer_norm", 1e-5)
        layer += 1
    return layer_norm(x, w, "encoder.layer_norm", 1e-5) if pre_norm else x


def ready_picture(pixels, size=224, interpolation="bicubic", mean=127.0, deviation=128.0):
    """[1, 3, size, size] of uint8 pixels [h, w, 3]: the shorter side to `size`, then the centre, as torchvision does;
    nothing is rounded to bytes in between. (torch's bicubic is Pillow's with antialias=True only.)"""
    x = torch.tensor(pixels).double().permute(2, 0, 1)[None]
    height, width = x.shape[-2:]
    short = min(height, width)
    shape = [size if side == short else size * side // short for side in (height, width)]
    if shape != [height, width]:
        x = functional.interpolate(x, shape, mode=interpolation, antialias=True, align_corners=False)
    top, left = (round((side - size) / 2) for side in shape)
    return (x[..., top:top + size, left:left + size] - mean) / deviation


def mel_bank(bands=40, rate=16000, fft=400):
    """Slaney's triangles [bands, fft / 2 + 1] from 0 Hz to half the rate, each of area 1."""
    def hertz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))

    top = 15 + np.log(rate / 2 / 1000) / (np.log(6.4) / 27)
    edges = hertz(np.linspace(0, top, bands + 2))
    bins = np.arange(fft // 2 + 1) * rate / fft
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def mel_frames(wave, fft=400, hop=160):
    """Power mel [frames, 40] of float samples, centred on multiples of the hop, zeros beyond the ends."""
    padded = np.pad(wave, fft // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft) / fft)
    frames = np.stack([padded[start:start + fft] * window for start in range(0, len(padded) - fft + 1, hop)])
    return np.abs(np.fft.rfft(frames)) ** 2 @ mel_bank(fft=fft).T


def louder(samples, level=-30):
    """int16 samples as floats, raised to `level` dB of full scale; never lowered."""
    wave = samples.astype(np.float64) / 32768
    power = np.sqrt(np.mean(wave ** 2))
    return wave * max(1.0, 10 ** (level / 20) / power) if power > 0 else wave


def window_starts(samples, hop=160, frames=160, rate=1.3, coverage=0.75, hertz=16000):
    """First frames of the windows that Resemblyzer averages over: `rate` a second; the last one is left out if less
    than `coverage` of it is sound."""
    count, step = math.ceil((samples + 1) / hop), round(hertz / rate / hop)
    starts = list(range(0, max(1, count - frames + step + 1), step))
    if len(starts) > 1 and (samples - starts[-1] * hop) / (frames * hop) < coverage:
        starts.pop()
    return starts


def speaker_windows(w, samples):
    """Unit vectors [windows, 256] of an utterance, each of 160 frames."""
    w, wave = double(w), louder(samples)
    starts = window_starts(len(wave))
    mel = mel_frames(np.pad(wave, (0, max(0, (starts[-1] + 160) * 160 - len(wave)))))
    return torch.stack([_window(w, torch.from_numpy(mel[start:start + 160])) for start in starts])


def speaker(w, samples):
    return functional.normalize(speaker_windows(w, samples).mean(0), dim=0)


def _window(w, x):
    layer = 0
    while f"lstm.weight_ih_l{layer}" in w:
        width = w[f"lstm.weight_hh_l{layer}"].shape[1]
        h, c, states = torch.zeros(width).double(), torch.zeros(width).double(), []
        for row in x:
            gates = (w[f"lstm.weight_ih_l{layer}"] @ row + w[f"lstm.bias_ih_l{layer}"] +
                     w[f"lstm.weight_hh_l{layer}"] @ h + w[f"lstm.bias_hh_l{layer}"])
            i, f, g, o = gates.chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            states.append(h)
        x, layer = torch.stack(states), layer + 1
    return functional.normalize(torch.relu(linear(x[-1], w, "linear")), dim=0)
