"""Features of pictures by frozen encoders: how many a second `cuttle features` makes, beside PyTorch on the same core.

    python3 tests/benchmark/picture_features.py --weights efficientnet_lite0.safetensors [--build build/release]
        [--pictures 240] [--batches 1,4,8,16,32] [--rounds 3] [--out runs/features]

An EfficientNet-Lite or a ResNet, one thread each, in turns. PyTorch by hand has its norms folded into the convolutions,
channels last, pictures that are ready, and batches of the size that is its best; cuttle reads, resizes and writes, too.
Times are the processor's.
"""

import json
import time

import torch
from augment import convert
from features import by_cuttle, parser_of
from safetensors import safe_open
from torch.nn import functional


class Pictures:
    """The forward pass up to the mean over places."""
    def __init__(self, path):
        with safe_open(path, "pt") as file:
            self.record = json.loads(file.metadata()["cuttle.weights"])
            self.w = {name: file.get_tensor(name) for name in file.keys()}
        self.lite = self.record["architecture"] == "efficientnet_lite"
        self.eps = self.record["sizes"]["eps"] if self.lite else 1e-5
        self.folded = {}

    def conv(self, x, name, norm, gate=None, stride=1):
        """Convolution, norm by running statistics, and what lets through."""
        if name not in self.folded:
            w = self.w
            scale = w[f"{norm}.weight"] * (w[f"{norm}.running_var"] + self.eps).rsqrt()
            weight = (w[f"{name}.weight"] * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
            self.folded[name] = (weight, w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * scale)
        weight, bias = self.folded[name]
        size, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
        padding = size // 2
        if self.lite:  # TensorFlow's
            over = max((-(-x.shape[-1] // stride) - 1) * stride + size - x.shape[-1], 0)
            x, padding = functional.pad(x, (over // 2, over - over // 2) * 2) if over else x, 0
        x = functional.conv2d(x, weight, bias, stride, padding, 1, groups)
        return gate(x, inplace=True) if gate else x

    def __call__(self, x):
        return (self.efficientnet(x) if self.lite else self.resnet(x)).mean((2, 3))

    def efficientnet(self, x):
        relu6, sizes, place = functional.relu6, self.record["sizes"], 0
        x = self.conv(x, "_conv_stem", "_bn0", relu6, 2)
        for repeats, _, stride, expansion, _ in sizes["stages"]:
            for number in range(repeats):
                name, before = f"_blocks.{place}", x
                if expansion > 1:
                    x = self.conv(x, f"{name}._expand_conv", f"{name}._bn0", relu6)
                x = self.conv(x, f"{name}._depthwise_conv", f"{name}._bn1", relu6, stride if number == 0 else 1)
                x = self.conv(x, f"{name}._project_conv", f"{name}._bn2")
                x = x + before if x.shape == before.shape else x
                place += 1
        return self.conv(x, "_conv_head", "_bn1", relu6)

    def resnet(self, x):
        relu, sizes = functional.relu, self.record["sizes"]
        x = functional.max_pool2d(self.conv(x, "conv1", "bn1", relu, 2), 3, 2, 1)
        for stage, blocks in enumerate(sizes["layers"]):
            for number in range(blocks):
                at, before, stride = f"layer{stage + 1}.{number}.", x, 2 if stage and not number else 1
                if sizes["block"] == "bottleneck":
                    x = self.conv(x, f"{at}conv1", f"{at}bn1", relu)
                    x = self.conv(x, f"{at}conv2", f"{at}bn2", relu, stride)
                    x = self.conv(x, f"{at}conv3", f"{at}bn3")
                else:
                    x = self.conv(self.conv(x, f"{at}conv1", f"{at}bn1", relu, stride), f"{at}conv2", f"{at}bn2")
                if f"{at}downsample.0.weight" in self.w:
                    before = self.conv(before, f"{at}downsample.0", f"{at}downsample.1", stride=stride)
                x = relu(x + before, inplace=True)
        return x


def by_pytorch(model, count, size):
    side = model.record["preprocessing"]["size"]
    x = torch.randn(size, 3, side, side).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        model(x)
        start = time.process_time()
        for _ in range(0, count, size):
            model(x)
        return time.process_time() - start


def main():
    parser = parser_of(__doc__, [1, 4, 8, 16, 32])
    parser.add_argument("--pictures", type=int, default=240)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = Pictures(arguments.weights)
    configs = []
    for each in (2, 42):  # so that what a start costs can be told from what a picture costs
        shards = arguments.out / f"pictures-{each}"
        if not (shards / "dataset.json").exists():
            convert("make_synthetic", "--out", shards, "--classes", 12, "--samples-per-class", each, "--missing", 0)
        configs.append(arguments.out / f"pictures-{each}.yaml")
        configs[-1].write_text(json.dumps({
            "name": "pictures", "data": {"shards": [f"{shards}/*.h5"], "modalities": ["image"]},
            "adapt": {"algorithm": "r2d2"}, "model": {"encoders": {"image": {
                "type": model.record["architecture"], "weights": str(arguments.weights)}}}}), encoding="utf-8")
    best = {size: 1e3 * by_pytorch(model, arguments.pictures, size) / arguments.pictures for size in arguments.batches}
    size = min(best, key=best.get)
    print("PyTorch, ms a picture by batch: " + ", ".join(f"{size}: {ms:.1f}" for size, ms in best.items()))
    print("| round | cuttle, ms a picture | PyTorch by hand | ratio |")
    for number in range(arguments.rounds):
        few, many = (by_cuttle(arguments, config) for config in configs)
        own = 1e3 * (many - few) / (12 * 40)
        other = 1e3 * by_pytorch(model, arguments.pictures, size) / arguments.pictures
        print(f"| {number} | {own:.1f} | {other:.1f} | {other / own:.2f} |", flush=True)


if __name__ == "__main__":
    main()
