"""How pictures are made ready for an encoder: as the files beside the tensors say, else as is usual."""

import math

from ..errors import UserError

# Mean and deviation of pixels from 0 to 255.
IMAGENET = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
CLIP = [122.7709383, 116.7460125, 104.09373615], [68.5005327, 66.6321579, 70.32316305]
HALVES = [127.5] * 3, [127.5] * 3
FILTERS = {"bilinear": "bilinear", "bicubic": "bicubic", 2: "bilinear", 3: "bicubic"}
CROPS = {"center": "centre", "squash": "none"}


def preprocessing(opened, size, resize, interpolation, mean, deviation, report=None):
    """The record's `preprocessing`, of Hugging Face's preprocessor_config.json or timm's config.json. What is given
    stands where neither says anything; then `report` notes it."""
    usual = {"size": size, "resize": resize, "crop": "centre", "interpolation": interpolation, "mean": mean,
             "deviation": deviation}
    said = opened.config("preprocessor_config.json")
    timm = opened.config().get("pretrained_cfg")
    try:
        found = _of_hugging_face(said, size) if said else _of_timm(timm, size) if isinstance(timm, dict) else {}
        if any(value is None for value in found.values()):
            raise ValueError
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError, OverflowError):
        name = "preprocessor_config.json" if said else "config.json"
        raise UserError(f"{opened.tensors}: {name} beside it makes pictures ready in a way that is not "
                        f"known (known: {', '.join(CROPS)} crops, {', '.join(list(FILTERS)[:2])} "
                        "resizing); name another model") from None
    if not found and report:
        report.note(f"nothing says how pictures are made ready: {size} x {size}, {interpolation}, mean {mean}, "
                    f"deviation {deviation}; --set preprocessing.mean=[...] and so on say otherwise")
    return {**usual, **found}


def _of_hugging_face(said, size):
    """Sizes are a number, {"shortest_edge": number} or {"height": number, "width": number}."""
    wanted, cropped = said.get("size", size), bool(said.get("do_center_crop"))
    resize = (wanted["shortest_edge"] if cropped else _side(wanted)) if isinstance(wanted, dict) else wanted
    side = _side(said.get("crop_size", size)) if cropped else resize
    scale = 255 if said.get("do_rescale", True) else 1
    mean, deviation = (said["image_mean"], said["image_std"]) if said.get("do_normalize", True) else ([0] * 3, [1] * 3)
    return {"size": int(side), "resize": int(resize), "crop": "centre" if cropped else "none",
            "interpolation": FILTERS.get(said.get("resample", 2)), "mean": _triple(mean, scale),
            "deviation": _triple(deviation, scale)}


def _of_timm(said, size):
    side = int(said.get("input_size", [3, size, size])[-1])
    crop = CROPS.get(said.get("crop_mode", "center"))
    resize = math.floor(side / said.get("crop_pct", 1)) if crop == "centre" else side
    return {"size": side, "resize": resize, "crop": crop, "interpolation": FILTERS.get(said.get("interpolation")),
            "mean": _triple(said["mean"], 255), "deviation": _triple(said["std"], 255)}


def _side(size):
    """The side of a square."""
    if isinstance(size, dict):
        if size["height"] != size["width"]:
            raise ValueError
        return size["height"]
    return size


def _triple(values, scale):
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise ValueError
    return [round(value * scale, 8) for value in values]
