"""EfficientNet-Lite 0 to 4 (names of EfficientNet-PyTorch)."""

import math

from ...errors import UserError
from .. import pictures
from ..architecture import Architecture, are_whole, batch_norm, count

EPS = 1e-3
STEM, HEAD = 32, 1280
MEAN_DEVIATION = [127.0] * 3, [128.0] * 3  # of pixels; not ImageNet's, which the package's README shows
# Repeats, kernel, stride, expansion and channels of each stage, before a variant scales them.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))
# Width and depth in tenths, and the side of the pictures: Lite 0 to 4.
VARIANTS = ((10, 10, 224), (10, 11, 240), (11, 12, 260), (12, 14, 280), (14, 18, 300))


def stages_of(width, depth):
    """The first and last stage are not repeated more often; channels are multiples of 8."""
    result = [[math.ceil(repeats * depth / 10), kernel, stride, expansion, _channels(channels * width / 10)]
              for repeats, kernel, stride, expansion, channels in STAGES]
    result[0][0], result[-1][0] = STAGES[0][0], STAGES[-1][0]
    return result


def _channels(wanted):
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * wanted else nearest


class Model(Architecture):
    NAME, SENSE = "efficientnet_lite", "image"
    NEEDS = {"_conv_stem.weight": 4, "_blocks.0._depthwise_conv.weight": 4, "_conv_head.weight": 4}
    SIZES = {"stem": int, "head": int, "stages": list, "eps": float}
    DROPPED = ((r"^_fc\.", "the classifier _fc"), )

    def describe(self, tensors, opened, report):
        projections = [f"_blocks.{block}._project_conv.weight" for block in range(count(tensors, r"_blocks\.(\d+)\."))]
        channels = [tensors[name].shape[0] for name in projections if name in tensors and tensors[name].dim() == 4]
        for width, depth, size in VARIANTS:
            stages = stages_of(width, depth)
            if channels == [stage[-1] for stage in stages for _ in range(stage[0])]:
                return {"sizes": {"stem": STEM, "head": HEAD, "stages": stages, "eps": EPS},
                        "preprocessing": pictures.preprocessing(opened, size, size, "bicubic", *MEAN_DEVIATION),
                        "output": {"width": HEAD}}
        raise UserError(f"{opened.tensors}: blocks of {channels} channels (no EfficientNet-Lite from 0 to 4 has "
                        "these); name one of them")

    def check_sizes(self, sizes, path):
        super().check_sizes(sizes, path)
        if not are_whole(sizes["stages"], (len(sizes["stages"]), 5)):
            raise UserError(f"{path}: sizes.stages is {sizes['stages']} (each stage has repeats, kernel, stride, "
                            "expansion and channels); make the file again")

    def shapes(self, sizes):
        yield "_conv_stem.weight", (sizes["stem"], 3, 3, 3)
        yield from batch_norm("_bn0", sizes["stem"])
        inputs, block = sizes["stem"], 0
        for repeats, kernel, _, expansion, channels in sizes["stages"]:
            for _ in range(repeats):
                at, inner = f"_blocks.{block}", inputs * expansion
                if expansion != 1:
                    yield f"{at}._expand_conv.weight", (inner, inputs, 1, 1)
                    yield from batch_norm(f"{at}._bn0", inner)
                yield f"{at}._depthwise_conv.weight", (inner, 1, kernel, kernel)
                yield from batch_norm(f"{at}._bn1", inner)
                yield f"{at}._project_conv.weight", (channels, inner, 1, 1)
                yield from batch_norm(f"{at}._bn2", channels)
                inputs, block = channels, block + 1
        yield "_conv_head.weight", (sizes["head"], inputs, 1, 1)
        yield from batch_norm("_bn1", sizes["head"])
