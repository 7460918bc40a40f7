"""The sets of real.py: how each is made, and the rows of its table. The first row is the config as it is."""

from dataclasses import dataclass

import made_up_mosi

PACKAGE = ("--package", )
RIDGE = ("adapt.algorithm=r2d2", "model.fusion=concat",
         "model.encoders.vector={type: raw, fitted: [impute, standardise]}")
MOVES = {"moves": "type: raw"}
CONVOLVED = ("model.encoders.moves={type: series_conv, width: 32, depth: 2, norm: layer}", )


@dataclass
class Row:
    """A run: what it is called, its senses (none: the config's), what else differs from the config."""
    name: str
    senses: tuple = ()
    words: tuple = ()


@dataclass
class Set:
    """folders: {folder of .data: converter and its words}, the first that of the training data; package: what Debian
    calls what they read; write: what writes a file that they read; given_by: the word before that file or package."""
    folders: dict
    rows: list
    package: str = ""
    write: object = None
    given_by: tuple = ()


def floor(name, senses=(), encoders=None):
    """Nothing learned, on the config's features or those of other encoders."""
    types = (f"model.encoders.{sense}={{{kind}}}" for sense, kind in (encoders or {}).items())
    return Row(name, senses, ("adapt.algorithm=floor", "adapt.head=cosine", *types))


def alone(*senses, words=()):
    return [Row(sense, (sense, ), words) for sense in senses]


def fusion(kind, *words):
    return Row(kind, (), (f"model.fusion={kind}", *(f"model.{word}" for word in words)))


SETS = {
    "wesnoth": Set({"wesnoth": ("wesnoth", )}, [
        Row("image, text, vector and audio"), Row("image, text and vector", ("image", "text", "vector")),
        Row("image and text", ("image", "text")), Row("image and vector", ("image", "vector")),
        *alone("image", "text", "vector", "audio"),
        Row("image and text, at a tenth of the rate", ("image", "text"),
            ("step.outer_lr=1.0e-4", "train.steps=100", "train.validate_every=25")),
        floor("image and text, nothing learned", ("image", "text")), floor("image, nothing learned", ("image", )),
        floor("text, nothing learned", ("text", )),
        floor("raw image, nothing learned", ("image", ), encoders={"image": "type: raw"}),
    ], "wesnoth-1.16-data", given_by=PACKAGE),
    "cost": Set({"cost": ("wesnoth", "--targets", "cost", "--least", "6")}, [
        Row("image, text and vector"), *alone("image", "text", "vector"),
        Row("ridge regression on the table as it is", ("vector", ), RIDGE),
    ], "wesnoth-1.16-data", given_by=PACKAGE),
    "motion": Set({"wesnoth_motion": ("wesnoth", "--class", "motion")}, [
        Row("video and moves"), *alone("video", "moves"),
        Row("moves by series_conv", ("moves", ), CONVOLVED),
        floor("both, nothing learned", encoders=MOVES), floor("mean picture, nothing learned", ("video", )),
        floor("moves, nothing learned", ("moves", ), encoders=MOVES),
    ], "wesnoth-1.16-data", given_by=PACKAGE),
    "keywords": Set({"keywords": ("openclipart", "--keywords", "50")}, [
        Row("image and text"), *alone("image", "text"),
        Row("ridge regression on both, as they are", (), ("model.fusion=concat", )),
        Row("ridge regression on the text as it is", ("text", ), ("model.fusion=concat", )),
    ], "openclipart-svg", given_by=PACKAGE),
    "reviews": Set({"reviews": ("r_dataset", "training_data", "--values", "review", "--splits", "1,0,0"),
                    "reviews_test": ("r_dataset", "testing_data", "--values", "review", "--all-test")}, [
        Row("table of pieces, a layer learned"), floor("table of pieces, nothing learned"),
        Row("letters", (), ("model.encoders.text={type: char_conv, width: 32, depth: 2, max_length: 300, norm: layer}",
                            "model.adapter=0")),
        floor("counted letters, nothing learned", encoders={"text": "type: raw"}),
    ], "r-cran-modeldata"),
    "sentiment": Set({"sentiment": ("mosi", )}, [
        Row("low_rank"), fusion("tensor", "tensor_width=2"),
        *(fusion(name, "embedding=16") for name in ("bilinear", "film", "deep_sets", "gated", "product_of_experts",
                                                    "sense_graph")),
        *(fusion(name, "fusion_width=16") for name in ("self_attention", "cross_attention", "co_attention",
                                                       "bottleneck")),
        fusion("concat"), fusion("late"), *alone("text", "audio", "vision", words=("model.fusion=concat", )),
    ], write=made_up_mosi.write),
}
