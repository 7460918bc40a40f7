"""ResNet-18, 34, 50 and deeper ones of the same blocks (torchvision's names, which timm shares)."""

from ...errors import UserError
from .. import pictures
from ..architecture import Architecture, are_whole, batch_norm, count

WIDENING = {"basic": 1, "bottleneck": 4}
STAGES = 4


class Model(Architecture):
    NAME, SENSE = "resnet", "image"
    NEEDS = {"conv1.weight": 4, "bn1.weight": 1, "layer1.0.conv1.weight": 4, "layer4.0.conv1.weight": 4}
    SIZES = {"block": tuple(WIDENING), "layers": list, "width": int}
    DROPPED = ((r"^fc\.", "the classifier fc"), )

    def describe(self, tensors, opened, report):
        block = "bottleneck" if "layer1.0.conv3.weight" in tensors else "basic"
        layers = [count(tensors, rf"layer{stage + 1}\.(\d+)\.") for stage in range(STAGES)]
        width = len(tensors["conv1.weight"])
        return {"sizes": {"block": block, "layers": layers, "width": width},
                "preprocessing": pictures.preprocessing(opened, 224, 256, "bilinear", *pictures.IMAGENET),
                "output": {"width": width * 2**(STAGES - 1) * WIDENING[block]}}

    def check_sizes(self, sizes, path):
        super().check_sizes(sizes, path)
        if not are_whole(sizes["layers"], (STAGES, )):
            raise UserError(f"{path}: sizes.layers is {sizes['layers']} (four stages have blocks); make the file again")

    def shapes(self, sizes):
        wider, inputs = WIDENING[sizes["block"]], sizes["width"]
        yield "conv1.weight", (inputs, 3, 7, 7)
        yield from batch_norm("bn1", inputs)
        for stage, blocks in enumerate(sizes["layers"]):
            width = sizes["width"] * 2**stage
            for block in range(blocks):
                at = f"layer{stage + 1}.{block}"
                kernels = ((width, inputs, 3), (width, width, 3)) if wider == 1 else (
                    (width, inputs, 1), (width, width, 3), (wider * width, width, 1))
                for number, (outputs, channels, side) in enumerate(kernels, 1):
                    yield f"{at}.conv{number}.weight", (outputs, channels, side, side)
                    yield from batch_norm(f"{at}.bn{number}", outputs)
                if block == 0 and (stage or inputs != wider * width):
                    yield f"{at}.downsample.0.weight", (wider * width, inputs, 1, 1)
                    yield from batch_norm(f"{at}.downsample.1", wider * width)
                inputs = wider * width
