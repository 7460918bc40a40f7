"""A tiny run for every part that configs can name; test_parts.py says which are missing.

A case is a config: "data" (and the shards of sources) is the name of a data set (part_data.py), none where tasks come
without shards, "use" that of the samples to adapt to; "sampling_weights" are the set's own. A case may show several
parts at once.
"""

EPISODE = {"source": "episodes", "target": "class", "way": 3, "shot": 1, "query": 2, "meta_batch_size": 4}
VALUES = {"target": "value", "way": 1, "shot": 4, "query": 2, "meta_batch_size": 4}
TRAIN = {"steps": 6, "validate_every": 3, "validation_episodes": 5, "checkpoint_every": 2}


def conv(kind, norm="batch", **more):
    return {"type": kind, "width": 8, "depth": 2, "norm": norm, **more}


MLP = {"type": "mlp", "width": 8, "depth": 2}
TRANSFORMER = {"type": "transformer", "width": 32, "depth": 1}
GRU = {"type": "gru", "width": 6}
RESNET = {"type": "resnet12", "width": 4, "norm": "support"}
ALIGN = {"type": "contrastive", "width": 8, "weight": 0.3}
CROSS = {"fusion": "cross_attention", "fusion_width": 16, "fusion_layers": 1}
GATED = {"fusion": "gated", "embedding": 8}
DROPOUT = {"modality_dropout": 0.3}
RAW = {"type": "raw"}
VIDEO = {"type": "frames", "frame": conv("conv4", "support"), "over_time": {**GRU, "max_length": 5}}


def gradient(algorithm, steps=2, rate=0.1, **more):
    return {"algorithm": algorithm, "inner_steps": steps, "inner_lr": rate, **more}


def case(adapt, model, encoders, data="senses", episode=None, **more):
    """`more`: further sections, "use", or "missing": keys of data."""
    return {"data": data, "use": data, "episode": {**EPISODE, **(episode or {})},
            "model": {**model, "encoders": encoders}, "adapt": adapt,
            "step": {"outer_lr": 0.01}, "train": TRAIN, "evaluation": {"episodes": 6}, **more}


CASES = {
    "maml": case(gradient("maml", eval_inner_steps=3, keep="all", diagnostics=True), {**GATED, **DROPOUT},
                 {"image": conv("conv4"), "text": conv("char_conv", "batch_per_step")},
                 episode={"way_min": 2, "shot": 2, "shot_min": 1, "groups": "apart"},
                 objectives={"align": {**ALIGN, "where": "both"}}, augment={"tasks": "query"},
                 sinks={"records": {"type": "jsonl"}, "console": {"type": "console"},
                        "board": {"type": "tensorboard"}}),
    "weights": case(gradient("maml"), {"fusion": "sense_graph", "embedding": 8, **DROPOUT},
                    {"text": {"type": "bert", "weights": "", "trained": 1},
                     "image": {"type": "efficientnet_lite", "weights": "", "trained": -1},
                     "audio": {"type": "lstm_speaker", "weights": ""}},
                    augment={"tasks": "both", "copies": 2}),
    "weights_resnet": case(gradient("maml", 1), {"fusion": "bilinear", "embedding": 8, "factors": 2, **DROPOUT},
                           {"image": {"type": "resnet", "weights": "", "trained": -1},
                            "text": {"type": "token_table", "weights": "", "trained": -1},
                            "series": conv("series_conv")}),
    "weights_vit": case({"algorithm": "protonet"}, {**CROSS, **DROPOUT},
                        {"image": {"type": "vit", "weights": "", "trained": 2},
                         "audio": {"type": "wav2vec2", "weights": "", "trained": 1}, "vector": MLP}),
    "fomaml": case(gradient("fomaml"), {"fusion": "late", "head": "linear"},
                   {"audio": conv("mel_conv", "none"), "series": conv("series_conv", max_length=10)},
                   episode={"query": 1, "micro_batch": 3, "complete": True},
                   step={"outer_lr": 0.01, "schedule": "step", "decay": 0.5, "decay_every": 2, "warmup": 4,
                         "weight_decay": 0.1}),
    "anil": case(gradient("anil", 3), {**CROSS, "head": "cosine"},
                 {"image": {"type": "auto", "width": 8, "depth": 2}, "text": TRANSFORMER},
                 step={"outer_lr": 0.1, "optimizer": "sgd", "momentum": 0.9, "clip": "norm", "clip_at": 0.5}),
    "reptile": case(gradient("reptile", 3, 0.01, inner_optimizer="adam", inner_batch=4),
                    {"fusion": "concat", "missing": "zeros"},
                    {"image": RESNET, "vector": MLP}, episode={"meta_batch_size": 3},
                    step={"outer_lr": 0.5, "optimizer": "sgd", "clip": "value", "clip_at": 0.05}),
    "meta_sgd": case(gradient("meta_sgd", 3, keep="sqrt"), {"fusion": "late", "head": "cosine", **DROPOUT},
                     {"image": conv("conv4", "task"), "series": TRANSFORMER},
                     episode={"way_min": 2, "micro_batch": 2}),
    "gru": case(gradient("maml"), {"fusion": "late", **DROPOUT},
                {"text": {**GRU, "depth": 2, "pieces": "", "max_length": 5}, "audio": GRU,
                 "series": {**GRU, "bidirectional": False, "max_length": 10}},
                episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "pieces": case({"algorithm": "protonet"}, {**CROSS, "fusion": "co_attention", **DROPOUT},
                   {"text": {**TRANSFORMER, "pieces": "", "max_length": 9}, "vector": MLP}, episode={"way_min": 2}),
    "holes": case(gradient("maml"), {**CROSS, **DROPOUT},
                  {"columns": {"type": "columns", "embedding": 6, "width": 8}, "visits": {**GRU, "irregular": True}},
                  "holes", {"way_min": 2, "shot": 2, "shot_min": 1}, augment={"tasks": "both"}),
    "irregular": case({"algorithm": "protonet"}, {"fusion": "concat"},
                      {"columns": {"type": "auto"}, "visits": conv("series_conv", irregular=True)}, "holes"),
    "patches": case(gradient("maml"), {**CROSS, "fusion": "bottleneck", "bottleneck_tokens": 2, **DROPOUT},
                    {"image": TRANSFORMER, "audio": {**TRANSFORMER, "patch": 2, "hears": "mfcc"}},
                    episode={"way_min": 2}),
    "video": case(gradient("maml"), {**CROSS, "fusion": "self_attention", **DROPOUT},
                  {"video": VIDEO, "text": conv("char_conv")},
                  episode={"way_min": 2, "shot": 2, "shot_min": 1}, augment={"tasks": "query"}),
    "graph": case(gradient("maml"), {**CROSS, **DROPOUT},
                  {"graph": {"type": "graph_conv", "width": 8, "depth": 2}, "vector": MLP},
                  episode={"way_min": 2, "shot": 2, "shot_min": 1}, augment={"tasks": "query"}),
    "weights_video": case({"algorithm": "protonet"}, {"fusion": "late", **DROPOUT},
                          {"video": {"type": "frames", "frame": {"type": "efficientnet_lite", "weights": ""},
                                     "over_time": {"type": "average"}}, "vector": MLP}),
    "weights_frames": case(gradient("anil"), {**CROSS, **DROPOUT},
                           {"video": {"type": "frames", "frame": {"type": "resnet", "weights": ""},
                                      "over_time": TRANSFORMER}, "vector": MLP}),
    "imaml": case(gradient("imaml", 4, solver="neumann", solver_steps=2, damping=0.5, **{"lambda": 4.0}),
                  {"fusion": "late", "late_by": "product", **DROPOUT},
                  {"image": conv("conv4", "support"), "text": conv("char_conv")},
                  episode={"way_min": 2, "shot": 2, "shot_min": 1}, objectives={"align": {**ALIGN, "where": "both"}}),
    "meta_curvature": case(gradient("meta_curvature", curvature="mc1", keep="all"), {**GATED, "head": "cosine"},
                           {"image": conv("conv4", "group", norm_groups=4), "audio": conv("mel_conv")},
                           episode={"smoothing": 0.1, "focus": 2}),
    "cavia": case(gradient("cavia", rate=0.5, context=4, diagnostics=True), {"fusion": "concat", **DROPOUT},
                  {"image": conv("conv4"), "series": TRANSFORMER}, episode={"way_min": 2, "micro_batch": 2}),
    "maml_pp": case(gradient("maml_pp", 3, multi_step=4, first_order=2),
                    {"fusion": "film", "embedding": 8, "film_by": "text", **DROPOUT},
                    {"image": conv("conv4", "batch_per_step"), "text": conv("char_conv", "batch_per_step")},
                    episode={"way_min": 2, "shot": 2, "shot_min": 1, "micro_batch": 2}),
    "maml_clusters": case(gradient("maml_clusters", clusters=3, width=4, diagnostics=True, eval_inner_steps=3),
                          {"fusion": "late", **DROPOUT}, {"image": conv("conv4", "support"), "text": conv("char_conv")},
                          episode={"way_min": 2, "shot": 2, "shot_min": 1, "micro_batch": 2}),
    "leo": case({"algorithm": "leo", "latent": 8, "inner_steps": 2, "finetune_steps": 2}, {"fusion": "late", **DROPOUT},
                {"image": conv("conv4"), "vector": MLP}, episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "lstm": case({"algorithm": "lstm", "inner_steps": 2, "inner_lr": 0.1, "hidden": 4},
                 {"fusion": "deep_sets", "embedding": 8, **DROPOUT},
                 {"image": conv("conv4", "running"), "text": conv("char_conv")}),
    "protonet": case({"algorithm": "protonet", "part_loss": 0.5, "refine": 1}, {"fusion": "late", **DROPOUT},
                     {"image": conv("conv4", "running", norm_momentum=0.3), "text": conv("char_conv", "running"),
                      "audio": conv("mel_conv", "support"), "series": conv("series_conv", "none"), "vector": MLP},
                     episode={"shot": 2, "shot_min": 1}, objectives={"align": ALIGN},
                     augment={"tasks": "both", "image": {"flip": True}, "audio": {"band_mask": 0.1},
                              "vector": {"mix": 0.5, "erase": 0.1}}),
    "objectives": case({"algorithm": "protonet"}, {"fusion": "late", **DROPOUT},
                       {"text": GRU, "audio": conv("mel_conv"), "image": conv("conv4")},
                       episode={"shot": 2, "shot_min": 1}, objectives={
                           "again": {"type": "autoencoder", "hidden": 8},
                           "alike": {"type": "correlation", "by": "columns", "width": 4},
                           "one_space": {"type": "adversarial", "width": 4, "hidden": 4},
                           "agree": {"type": "co_learning"},
                           "along": {"type": "temporal", "one": "audio", "other": "text", "width": 4, "stretches": 3}}),
    "retrieved": case({"algorithm": "protonet"}, {**GATED, **DROPOUT, "completion": "retrieved"},
                      {"text": conv("char_conv"), "vector": MLP, "image": conv("conv4", "support")},
                      episode={"way_min": 2, "shot": 3, "shot_min": 1}),
    "generated": case({"algorithm": "protonet"}, {**GATED, "completion": "generated", "completion_hidden": 8},
                      {"text": conv("char_conv"), "vector": MLP, "image": conv("conv4", "support")},
                      episode={"way_min": 2, "shot": 2, "shot_min": 1}, objectives={
                          "fools": {"type": "generative", "hidden": 8, "turns": "parity"},
                          "tells": {"type": "completion"}, "align": {**ALIGN, "by": "classes"}},
                      missing={"missing": ["text=0.4", "image=0.4"], "missing_by": "task"}),
    "objectives_inside": case(gradient("maml"), {**GATED, **DROPOUT, "completion": "predicted"},
                              {"text": conv("char_conv"), "series": GRU}, objectives={
                                          "tells": {"type": "completion", "where": "both"},
                                          "again": {"type": "autoencoder", "hidden": 8, "where": "both"},
                                          "alike": {"type": "correlation", "width": 4, "where": "inner"},
                                          "along": {"type": "temporal", "one": "series", "other": "text", "width": 4,
                                                    "stretches": 3, "where": "both"},
                                          "one_space": {"type": "adversarial", "width": 4},
                                          "fools": {"type": "generative", "loss": "hinge", "hidden": 4,
                                                    "encoders": True}}),
    "mixing": case(gradient("maml"), {"fusion": "late", "late_weights": "sample", **DROPOUT},
                   {"text": conv("char_conv"), "vector": MLP}, episode={"shot": 3, "shot_min": 1, "uneven": True},
                   objectives={"mixed": {"type": "mixup", "where": "both"},
                               "filled": {"type": "smote", "neighbours": 2, "where": "inner"}}),
    "protonet_tokens": case({"algorithm": "protonet", "distance": "cosine"}, CROSS,
                            {"audio": conv("mel_conv"), "series": TRANSFORMER}, data="senses"),
    "metaoptnet": case({"algorithm": "metaoptnet", "c": 0.5, "scale": 5}, {"fusion": "late", **DROPOUT},
                       {"image": conv("conv4", "running"), "text": conv("char_conv"), "vector": MLP},
                       episode={"way_min": 2, "shot": 3, "shot_min": 1, "micro_batch": 3}),
    "r2d2": case({"algorithm": "r2d2"}, {**GATED, "dropout": 0.2},
                 {"text": conv("char_conv", "instance"), "vector": MLP},
                 episode={"way_min": 2, "shot_min": 1, "shot": 2, "micro_batch": 4},
                 step={"outer_lr": 0.001, "optimizer": "lion", "weight_decay": 0.1, "l1": 0.01}),
    "vectors_r2d2": case({"algorithm": "r2d2"}, {"fusion": "concat", **DROPOUT}, {"vector": MLP},
                         episode={"way_min": 2, "shot_min": 1, "shot": 2, "micro_batch": 2}),
    "fitted": case({"algorithm": "protonet"}, {"fusion": "late", **DROPOUT},
                   {"vector": {**MLP, "fitted": ["impute by=median", "clip", "standardise", "pca columns=3"]},
                    "series": {**conv("series_conv"), "fitted": ["impute_nearest rows=50", "min_max", "unit_length"]}},
                   augment={"tasks": "both"}),
    "fitted_samples": case({"algorithm": "protonet"},
                           {"fusion": "late", "late_by": "vote", "late_weights": "sample", **DROPOUT},
                           {"text": {**conv("char_conv"), "fitted": ["lower", "stop_words share=0.5", "stem"]},
                            "audio": {**conv("mel_conv"), "fitted": ["trim_silence below=20"]},
                            "series": {**conv("series_conv"), "fitted": [
                                "difference", "seasonal period=2", "windows length=3", "standardise"]}}),
    "texts_as_vectors": case({"algorithm": "protonet"}, {"fusion": "late", **DROPOUT},
                             {"text": {**MLP, "fitted": ["tf_idf texts=1", "unit_length"]},
                              "image": conv("conv4", "support")}),
    "snail": case({"algorithm": "snail", "filters": 8, "attention": 8},
                  {"fusion": "tensor", "tensor_width": 3, **DROPOUT},
                  {"image": conv("conv4", "support"), "audio": conv("mel_conv", "layer")}, episode={"shot": 2}),
    "matching": case({"algorithm": "matching", "full_context": True, "processing_steps": 2},
                     {"fusion": "late", "adapter": 8, **DROPOUT}, {"image": conv("conv4", "running"), "vector": MLP},
                     episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "relation": case({"algorithm": "relation", "hidden": 8}, {"fusion": "late", **DROPOUT},
                     {"text": conv("char_conv", "support", pieces=""), "series": conv("series_conv")},
                     episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "siamese": case({"algorithm": "siamese", "loss": "pair"}, {"fusion": "late", **DROPOUT},
                    {"image": conv("conv4", "support"), "audio": conv("mel_conv", "layer")},
                    episode={"shot": 2, "shot_min": 1}),
    "siamese_triplet": case({"algorithm": "siamese", "mining": "semi_hard"}, GATED,
                            {"text": conv("char_conv", "none"), "vector": {**MLP, "linear": True}},
                            episode={"way_min": 2}),
    "floor": case({"algorithm": "floor", "head": "logistic", "centre": "training", "unit": True},
                  {"fusion": "late", "late_weights": "equal", **DROPOUT},
                  {"image": RAW, "text": RAW, "audio": RAW, "series": RAW, "vector": RAW, "video": RAW,
                   "graph": RAW},
                  episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "caml": case({"algorithm": "caml", "width": 16, "layers": 1, "max_way": 4}, {"fusion": "late", **DROPOUT},
                 {"image": conv("conv4", "support"), "text": conv("char_conv", "layer")},
                 episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "values_caml": case({"algorithm": "caml", "width": 16, "layers": 1}, CROSS, {"x": MLP, "series": TRANSFORMER},
                        "values", VALUES),
    "mann": case({"algorithm": "mann", "hidden": 8, "slots": 6, "slot_width": 4, "reads": 2},
                 {"fusion": "low_rank", "embedding": 8, "rank": 2, **DROPOUT},
                 {"image": conv("conv4", "support"), "vector": MLP},
                 episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "mann_pictures": case({"algorithm": "mann", "hidden": 8, "slots": 6, "slot_width": 4, "reads": 2},
                          {"fusion": "concat"}, {"image": conv("conv4", "running")},
                          episode={"way": 2, "shot": 2, "shot_min": 1, "complete": True}),
    "meta_networks": case({"algorithm": "meta_networks", "width": 8, "meta_width": 4}, {**GATED, **DROPOUT},
                          {"text": conv("char_conv", "support"), "series": conv("series_conv", "none")},
                          episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "meta_networks_slow": case({"algorithm": "meta_networks", "width": 8, "fast_weights": False}, {**GATED, **DROPOUT},
                               {"text": conv("char_conv", "support"), "series": conv("series_conv", "none")},
                               episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "neural_process": case({"algorithm": "neural_process", "width": 8, "attention": True},
                           {"fusion": "product_of_experts", "embedding": 8, **DROPOUT},
                           {"image": conv("conv4", "none"), "vector": MLP},
                           episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "conditional_neural_process": case({"algorithm": "neural_process", "width": 8}, {"fusion": "concat", **DROPOUT},
                                       {"image": conv("conv4", "support"), "vector": MLP},
                                       episode={"way_min": 2, "shot": 2, "shot_min": 1}),
    "values_neural_process": case({"algorithm": "neural_process", "width": 8}, {"fusion": "concat"}, {"x": MLP}, None,
                                  {**VALUES, "source": "sinusoids", "shot_min": 2}, use="curve"),
    "gaussian": case({"algorithm": "neural_process", "width": 8}, {"fusion": "concat", **DROPOUT},
                     {"x": MLP, "series": conv("series_conv", "none")}, "values",
                     {**VALUES, "target": "gaussian", "deviation_min": 0.05, "shot_min": 1}),
    "gaussian_caml": case({"algorithm": "caml", "width": 16, "layers": 1}, {"fusion": "late"},
                          {"x": MLP, "series": TRANSFORMER}, "values",
                          {**VALUES, "target": "gaussian", "units": "training"}),
    "labels": case(gradient("maml", diagnostics=True), {"fusion": "late", **DROPOUT},
                   {"x": MLP, "series": conv("series_conv", "none")}, "labels",
                   {"target": "labels", "focus_absent": 4, "focus_present": 1, "margin": 0.05, "way": 1, "shot": 3,
                    "shot_min": 2, "query": 3, "meta_batch_size": 4}),
    "labels_matching": case({"algorithm": "matching"}, {"fusion": "late", **DROPOUT},
                            {"x": MLP, "series": conv("series_conv", "none")}, "labels",
                            {**VALUES, "target": "labels"}),
    "quantile": case(gradient("anil"), {"fusion": "late", **DROPOUT},
                     {"x": MLP, "series": conv("series_conv", "support")}, "values",
                     {**VALUES, "target": "quantile", "quantile_low": 0.1, "shot_min": 2}),
    "quantile_caml": case({"algorithm": "caml", "width": 16, "layers": 1, "standardise": True}, {"fusion": "late"},
                          {"x": MLP, "series": TRANSFORMER}, "values", {**VALUES, "target": "quantile"}),
    "ordinal": case(gradient("meta_sgd"), {"fusion": "late", **DROPOUT},
                    {"x": MLP, "series": conv("series_conv", "none")}, "ratings",
                    {**VALUES, "target": "ordinal", "shot_min": 2}),
    "ordinal_neural_process": case({"algorithm": "neural_process", "width": 8}, {"fusion": "concat", **DROPOUT},
                                   {"x": MLP, "series": conv("series_conv", "none")}, "ratings",
                                   {**VALUES, "target": "ordinal"}),
    "ranking": case(gradient("maml"), {"fusion": "late", **DROPOUT}, {"x": MLP, "series": conv("series_conv", "none")},
                    "relevances", {**VALUES, "target": "ranking", "cut": 2, "ranking_loss": "pairwise", "shot_min": 3}),
    "ranking_r2d2": case({"algorithm": "r2d2"}, {"fusion": "late", **DROPOUT},
                         {"x": MLP, "series": conv("series_conv", "none")}, "relevances",
                         {**VALUES, "target": "ranking", "cut": 2}),
    "pretrain": case({"algorithm": "pretrain", "classifier": "cosine", "finetune_steps": 5}, {**GATED, **DROPOUT},
                     {"image": conv("conv4", "running"), "text": conv("char_conv", "group", norm_groups=4)},
                     episode={"source": "minibatches", "batch": 8, "micro_batch": 2}, augment={"tasks": "query"}),
    "pretrain_centroid": case({"algorithm": "pretrain", "adapt_by": "centroid", "transform": "centred_unit"},
                              {"fusion": "late", **DROPOUT}, {"series": conv("series_conv", "none"), "vector": MLP},
                              episode={"source": "minibatches", "batch": 8, "balanced": True},
                              objectives={"mixed": {"type": "mixup"}}),
    "pretrain_whole": case({"algorithm": "pretrain", "adapt_by": "finetune_all", "finetune_steps": 3}, GATED,
                           {"text": conv("char_conv", "support"), "vector": MLP},
                           episode={"source": "minibatches", "batch": 8}),
    "mixture": case({"algorithm": "protonet"}, {"fusion": "concat"},
                    {"series": conv("series_conv"), "v": MLP, "x": MLP}, None, use="users",
                    sources={"inside": {"type": "groups", "weight": 2, "shards": "users"},
                             "unnamed": {"type": "augmented", "weight": 1, "shards": "values"}}),
    "weighted": case({"algorithm": "protonet"}, {"fusion": "concat"}, {"series": conv("series_conv"), "vector": MLP},
                     episode={"sampling_weights": True, "shot": 2, "shot_min": 1}),
    "clustered": case({"algorithm": "protonet"}, {"fusion": "concat"},
                      {"image": conv("conv4"), "text": conv("char_conv"), "video": VIDEO,
                       "graph": {"type": "graph_conv", "width": 8}},
                      episode={"source": "clustered", "clusters": 10, "partitions": 2}),
    "values_meta_sgd": case(gradient("meta_sgd", rate=0.01), {"fusion": "concat", **DROPOUT},
                            {"x": MLP, "series": conv("series_conv", "running")}, "values",
                            {**VALUES, "shot_min": 1}),
    "values_cavia": case(gradient("cavia", rate=0.1, context=4, context_by="concat", context_at=["encoder.x.0"]),
                         {"fusion": "concat"}, {"x": MLP}, None, {**VALUES, "source": "sinusoids"}, use="curve"),
    "values_imaml": case(gradient("imaml", 4, fast=["head"]), {"fusion": "gated", "embedding": 8},
                         {"x": MLP, "series": conv("series_conv", "none")}, "values", {**VALUES, "huber_at": 0.5}),
    "values_maml_pp": case(gradient("maml_pp", rate=0.01), {"fusion": "concat", **DROPOUT},
                           {"x": MLP, "series": conv("series_conv")}, "values", {**VALUES, "shot_min": 1}),
    "values_maml_clusters": case(gradient("maml_clusters", rate=0.01, clusters=2, keep="sqrt"),
                                 {"fusion": "concat", **DROPOUT}, {"x": MLP, "series": conv("series_conv")}, "values",
                                 {**VALUES, "shot_min": 1}),
    "values_r2d2": case({"algorithm": "r2d2"}, CROSS, {"x": MLP, "series": TRANSFORMER}, "values", VALUES),
    "values_matching": case({"algorithm": "matching"}, {"fusion": "concat"}, {"x": MLP}, None,
                            {**VALUES, "source": "sinusoids", "shot_min": 2}, use="curve"),
    "values_snail": case({"algorithm": "snail", "filters": 8, "attention": 0}, {"fusion": "concat"}, {"x": MLP}, None,
                         {**VALUES, "source": "sinusoids", "shot_min": 2}, use="curve"),
    "sinusoids": case(gradient("maml", 3, 0.01), {"fusion": "concat"}, {"x": MLP}, None,
                      {**VALUES, "source": "sinusoids", "noise": 0.1, "micro_batch": 2}, use="curve"),
    "causal_tables": case(gradient("lstm", rate=0.01, hidden=4), {"fusion": "concat"}, {"x": MLP}, None,
                          {**VALUES, "source": "causal_tables"}, use="table", reduce={"on_nonfinite": "skip_task"}),
    "tables": case({"algorithm": "caml", "width": 16, "layers": 1, "joint": False}, {"fusion": "concat"},
                   {"x": {"type": "table", "width": 8, "depth": 2}}, None,
                   {"source": "causal_tables", "features_min": 2, "latent": 2, "mixed": True, "class_weights": "none",
                    "way_min": 2, "shot": 3, "shot_min": 2}, use="rows"),
    "tables_values": case({"algorithm": "caml", "width": 16, "layers": 1, "joint": False, "standardise": True},
                          {"fusion": "concat"}, {"x": {"type": "table", "width": 8}}, None,
                          {**VALUES, "target": "gaussian", "source": "causal_tables", "features_min": 2, "mixed": True},
                          use="table"),
    "maml_rl": case(gradient("maml_rl", exploration=True, baseline="linear", gae_lambda=0.9), {"fusion": "concat"},
                    {"state": MLP}, None,
                    {"source": "tabular_mdp", "target": "return", "way": 1, "shot": 3, "query": 3, "states": 4,
                     "actions": 3, "horizon": 4}, use="states"),
    "rl2_bandits": case({"algorithm": "rl2", "hidden": 6}, {"fusion": "concat"}, {"state": MLP}, None,
                        {"source": "bandits", "target": "return", "way": 1, "shot": 2, "query": 3, "arms": 3,
                         "horizon": 2},
                        use="ones"),
    "rl2_navigation": case({"algorithm": "rl2", "hidden": 6, "memory": "episode", "baseline": "others"},
                           {"fusion": "concat"}, {"state": MLP}, None,
                           {"source": "navigation", "target": "return", "way": 1, "shot": 1, "query": 3, "horizon": 3},
                           use="places"),
    "skip_task": case({"algorithm": "protonet"}, {"fusion": "concat"}, {"series": conv("series_conv", "running")},
                      "poisoned", reduce={"on_nonfinite": "skip_task"}),
    "skip_step": case(gradient("maml"), {"fusion": "concat"}, {"series": conv("series_conv", "running")}, "poisoned",
                      {"way": 2, "meta_batch_size": 3}, reduce={"on_nonfinite": "skip_step"}),
}

# Parts that others show, in another form: for the long tests.
VARIANTS = ("irregular", "siamese_triplet", "pretrain_whole", "values_caml", "values_cavia", "values_imaml",
            "values_maml_pp", "values_matching", "values_neural_process", "values_meta_sgd", "gaussian_caml",
            "tables_values", "conditional_neural_process", "labels_matching", "quantile_caml",
            "ordinal_neural_process", "ranking_r2d2", "mann_pictures", "meta_networks_slow")
QUICK = {name: config for name, config in CASES.items() if name not in VARIANTS}


def names_in(config):
    """{kind of `cuttle list`: the names that the config gives}."""
    encoders = [part for encoder in config["model"]["encoders"].values() for part in parts_of(encoder)]
    return {
        "learner": {config["adapt"]["algorithm"]},
        "encoder": {encoder["type"] for encoder in encoders},
        "norm": {encoder["norm"] for encoder in encoders if "norm" in encoder},
        "fusion": {config["model"]["fusion"]},
        "completion": {config["model"].get("completion", "none")},
        "head": {config["model"]["head"]} if "head" in config["model"] else set(),
        "objective": types_in(config, "objectives"),
        "source": {config["episode"]["source"], *types_in(config, "sources")},
        "target": {config["episode"]["target"]},
        "optimizer": {config["step"].get("optimizer", "adam")},
        "sink": types_in(config, "sinks"),
        "fitted": {step.split()[0] for encoder in encoders for step in encoder.get("fitted", [])},
    }


def parts_of(encoder):
    """The encoder, and those inside it."""
    return [encoder, *(part for part in encoder.values() if isinstance(part, dict))]


def types_in(config, section):
    """Of the entries of a section that the user names."""
    return {entry["type"] for entry in config.get(section, {}).values()}


def without_a_case(listed):
    """What `cuttle list --json` names and no case shows, as "kind name"."""
    shown = [(kind, name) for config in QUICK.values() for kind, names in names_in(config).items() for name in names]
    return [f"{kind} {name}" for kind, names in listed.items() for name in names if (kind, name) not in shown]


def config_of(name, sets):
    """The case as a config, with the shards of part_data.make."""
    config = {key: value for key, value in CASES[name].items() if key not in ("use", "missing")}
    if "sampling_weights" in config["episode"]:
        config["episode"] = {**config["episode"], "sampling_weights": str(sets[config["data"]]["weights"])}
    weights = sets.get(config["data"], {}).get("encoders")
    encoders = {sense: with_files(encoder, weights) for sense, encoder in config["model"]["encoders"].items()}
    config["model"] = {**config["model"], "encoders": encoders}
    modalities = list(encoders)
    data = {"shards": [sets[config["data"]]["shards"]], "modalities": modalities} if config["data"] else {}
    data.update(CASES[name].get("missing", {}))
    if "sources" in config:
        config["sources"] = {key: {**source, "shards": [sets[source["shards"]]["shards"]]}
                             for key, source in config["sources"].items()}
    return {**config, "name": name, "data": data}


def with_files(encoder, folder):
    """The encoder with the files of its type, and so those inside it."""
    found = {key: with_files(part, folder) if isinstance(part, dict) else part for key, part in encoder.items()}
    files = {"weights": f"{encoder['type']}.safetensors", "pieces": "pieces.json"}
    return {**found, **{key: str(folder / file) for key, file in files.items() if key in encoder}}
