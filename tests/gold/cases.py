"""What is recorded: small runs of every learner, fusion and encoder. Each config has the keys of its own types only."""

IMAGE = {"type": "conv4", "width": 8, "depth": 2, "norm": "batch"}
TEXT = {"type": "char_conv", "width": 8, "depth": 2, "norm": "batch"}
TRANSFORMER = {"type": "transformer", "width": 32, "depth": 1}
MEL = {"type": "mel_conv", "width": 8, "depth": 2, "norm": "batch", "max_length": 35}
SERIES = {"type": "series_conv", "width": 8, "depth": 2, "norm": "batch", "max_length": 12}
MLP = {"type": "mlp", "width": 8, "depth": 2}
BOTH = {"image": IMAGE, "text": TEXT}
OWN_KERNELS = ("conv4", "char_conv", "mel_conv", "series_conv", "resnet12", "mlp")

EPISODE = {"way": 3, "shot": 1, "query": 2, "meta_batch_size": 3}
TRAIN = {"steps": 20, "validate_every": 10, "validation_episodes": 6, "checkpoint_every": 10}
EVALUATION = {"episodes": 8}
# Adam takes roots, and MKL makes them of an instruction that Intel and AMD round differently.
STEP = {"portable": {"optimizer": "sgd", "momentum": 0.9, "outer_lr": 0.05}, "native": {"outer_lr": 0.005}}


def with_norm(norm, encoders):
    return {sense: {**options, "norm": norm} for sense, options in encoders.items()}


def gradient(algorithm, steps=2, rate=0.1, **more):
    """The learners that adapt by inner steps."""
    return {"algorithm": algorithm, "inner_steps": steps, "inner_lr": rate, **more}


def protonet(**more):
    return {"algorithm": "protonet", **more}


def case(adapt, model, encoders, data="sets", bases=(), episode=None, step=None, **more):
    """`bases`: {sense: case} whose best encoder is taken frozen. `step`: beside the setting's keys, or, with an
    optimizer, in their place. `more`: sections in place of the usual ones."""
    return {"data": data, "bases": dict(bases), "sections": {
        "episode": {**EPISODE, **(episode or {})}, "model": {**model, "encoders": encoders}, "adapt": adapt,
        "step": step or {}, "train": TRAIN, "evaluation": EVALUATION, **more}}


def regression(adapt, **more):
    values = {"target": "value", "way": 1, "shot": 3, "query": 4}
    return case(adapt, {"fusion": "concat"}, {"x": MLP}, data="values", episode=values, **more)


CONCAT, LATE = {"fusion": "concat"}, {"fusion": "late"}
GATED = {"fusion": "gated", "embedding": 8}
DROPOUT = {"modality_dropout": 0.2}

CASES = {
    "maml_concat": case(gradient("maml"), {**CONCAT, **DROPOUT}, BOTH),
    "maml_zeros_per_step": case(gradient("maml", 2, eval_inner_steps=4), {**CONCAT, "missing": "zeros"},
                                with_norm("batch_per_step", BOTH)),
    "maml_gated": case(gradient("maml", 3, keep="all", diagnostics=True), GATED, BOTH),
    "maml_late": case(gradient("maml", 4, keep="sqrt"), {**LATE, **DROPOUT}, BOTH),
    "maml_senses": case(gradient("maml"), GATED, {"image": IMAGE, "audio": MEL, "series": SERIES}, data="senses"),
    "maml_text": case(gradient("maml", 1), CONCAT, {"text": TRANSFORMER}),
    "maml_frozen": case(gradient("maml", 3), CONCAT, {"image": IMAGE, "text": TRANSFORMER},
                        bases={"text": "maml_text"}),
    "maml_no_steps": case(gradient("maml", 0, eval_inner_steps=2), LATE, BOTH),
    "fomaml_no_norm": case(gradient("fomaml"), CONCAT, with_norm("none", BOTH)),
    "fomaml_gated_per_step_sgd": case(
        gradient("fomaml"), {**GATED, **DROPOUT}, with_norm("batch_per_step", BOTH),
        step={"outer_lr": 0.1, "optimizer": "sgd", "momentum": 0.9, "clip": "norm", "clip_at": 0.5}),
    "fomaml_sizes": case(gradient("fomaml"), LATE, BOTH, episode={
        "way_min": 2, "shot": 2, "shot_min": 1, "groups": "apart", "complete": True, "micro_batch": 2}),
    "fomaml_resnet": case(gradient("fomaml", 1), LATE,
                          {"image": {"type": "resnet12", "width": 4, "norm": "batch"},
                           "series": {**TRANSFORMER, "max_length": 10}}, data="senses"),
    "anil_concat": case(gradient("anil", 3), CONCAT, BOTH),
    "anil_gated_no_norm": case(gradient("anil", 3), GATED, with_norm("none", BOTH)),
    "anil_late": case(gradient("anil", 3), {**LATE, **DROPOUT}, BOTH),
    "reptile_sgd": case(gradient("reptile", 3), {**CONCAT, **DROPOUT}, BOTH,
                        step={"outer_lr": 0.5, "optimizer": "sgd", "clip": "value", "clip_at": 0.05}),
    "reptile_adam": case(gradient("reptile", 3, 0.01, inner_optimizer="adam"), LATE,
                         with_norm("batch_per_step", BOTH)),
    "reptile_gated": case(gradient("reptile", 2, inner_optimizer="sgd"), GATED, BOTH),
    "protonet_concat": case(protonet(), {**CONCAT, **DROPOUT}, BOTH),
    "protonet_gated": case(protonet(refine=1), GATED, BOTH, step={
        "schedule": "cosine", "min_lr": 0.0001, "warmup": 4, "weight_decay": 0.1}),
    "protonet_late": case(protonet(part_loss=0.5, refine=2), {**LATE, **DROPOUT}, BOTH, step={
        "schedule": "step", "decay": 0.5, "decay_every": 6}),
    "protonet_late_no_norm": case(protonet(part_loss=0.5), LATE, with_norm("none", BOTH)),
    "protonet_senses": case(protonet(refine=1), LATE, {
        "image": {"type": "resnet12", "width": 4, "norm": "batch"}, "audio": MEL, "series": SERIES}, data="senses"),
    "protonet_frozen": case(protonet(part_loss=0.2), LATE, BOTH, bases={"text": "protonet_concat"}),
    "vectors_maml": case(gradient("maml", 3), CONCAT, {"x": MLP}, data="values"),
    "vectors_protonet": case(protonet(), LATE, {"x": MLP}, data="values"),
    "regression_maml": regression(gradient("maml", 3, 0.05)),
    "regression_fomaml": regression(gradient("fomaml", 3, 0.05)),
    "regression_anil": regression(gradient("anil", 3, 0.05)),
    "regression_reptile": regression(gradient("reptile", 3, 0.05)),
}


# Where own kernels compute; they choose their instructions by the processor, whatever the environment says.
NATIVE = ("maml_concat", "maml_zeros_per_step", "maml_late", "maml_senses", "fomaml_gated_per_step_sgd",
          "fomaml_resnet", "anil_concat", "reptile_adam", "protonet_concat", "protonet_gated", "protonet_late",
          "protonet_senses", "protonet_frozen", "vectors_maml", "regression_maml", "regression_fomaml",
          "regression_reptile")
NAMES = {"portable": tuple(name for name in CASES if name != "reptile_adam"), "native": NATIVE}


def config_of(name, this, setting, runs=None):
    """The config of a case as a dictionary; `runs`: {case: its run}, for those that it builds on."""
    sections = dict(this["sections"])
    encoders = {sense: dict(options) for sense, options in sections["model"]["encoders"].items()}
    for sense, options in encoders.items():
        if setting == "portable" and options["type"] in OWN_KERNELS and options.get("norm") != "none":
            options["fused"] = False
        if sense in this["bases"]:
            options["frozen_from"] = str(runs[this["bases"][sense]])
    sections["model"] = {**sections["model"], "encoders": encoders}
    if "optimizer" not in sections["step"]:
        sections["step"] = {**STEP[setting], **sections["step"]}
    return {"name": name, "data": {"shards": [shard(this)], "modalities": list(encoders)}, **sections}


def shard(this, what=""):
    """The shard of a case; `what`: _support or _query, of classes that no training has seen."""
    return f"data/{this['data']}{what}.h5"
