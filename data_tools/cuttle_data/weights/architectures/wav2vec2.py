"""wav2vec 2.0: convolutions over the wave and a transformer over their frames (Hugging Face names)."""

from ...errors import UserError
from ..architecture import Architecture, agree, count, linear, norm

CONV, PLACES = "feature_extractor.conv_layers.{}.conv.weight", "encoder.pos_conv_embed.conv.weight"
LENGTHS, DIRECTIONS = f"{PLACES}_g", f"{PLACES}_v"  # of the weight norm
PROJECTION = "feature_projection.projection.weight"
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
STRIDES = [5, 2, 2, 2, 2, 2, 2]
# Keys of config.json under which another model has such names, and their values here.
OTHERWISE = (("model_type", "wav2vec2"), ("add_adapter", False), ("feat_extract_activation", "gelu"))


class Model(Architecture):
    NAME, SENSE = "wav2vec2", "audio"
    NEEDS = {CONV.format(0): 3, PROJECTION: 2, "encoder.layers.0.attention.q_proj.weight": 2}
    SIZES = {"channels": list, "kernels": list, "strides": list, "bias": bool, "step_norms": bool, "width": int,
             "layers": int, "heads": int, "inner": int, "places": int, "groups": int, "eps": float,
             "activation": ("gelu", "gelu_tanh", "relu"), "pre_norm": bool}
    RENAMES = ((r"^wav2vec2\.", ""), (r"conv\.parametrizations\.weight\.original0$", "conv.weight_g"),
               (r"conv\.parametrizations\.weight\.original1$", "conv.weight_v"))
    DROPPED = ((r"masked_spec_embed$", "the frame of masked sounds"),
               (r"^(?:quantizer|project_q|project_hid)\.", "what pretraining compared with"),
               (r"^(?:lm_head|classifier|projector)\.|^layer_weights$", "the head"))

    def arranged(self, tensors, opened, report):
        """The weight of places from its lengths and directions (weight norm over all but the kernel)."""
        for key, wanted in OTHERWISE:
            if opened.config().get(key, wanted) != wanted:
                raise UserError(f"{opened.tensors}: config.json says {key} {opened.config()[key]!r} (computed is "
                                f"{wanted!r}); name another model")
        tensors = dict(tensors)
        lengths, directions = tensors.pop(LENGTHS, None), tensors.pop(DIRECTIONS, None)
        if lengths is not None and directions is not None and directions.dim() == 3:
            directions = directions.double()
            norms = directions.square().sum((0, 1), keepdim=True).sqrt()
            tensors[PLACES] = (directions * (lengths.double() / norms)).float().contiguous()
        if PLACES not in tensors or tensors[PLACES].dim() != 3:
            raise UserError(f"{opened.tensors}: lacks {PLACES} (frames get their places by it); fetch it again")
        return tensors

    def describe(self, tensors, opened, report):
        said, ready = opened.config(), opened.config("preprocessor_config.json")
        if not said:
            report.note("nothing says the order of norms and the strides: norms behind, strides as usual")
        convs = [tensors[CONV.format(i)] for i in range(count(tensors, r"feature_extractor\.conv_layers\.(\d+)\."))
                 if CONV.format(i) in tensors]
        activation = said.get("hidden_act", "gelu")
        if activation not in ACTIVATIONS:
            raise UserError(f"{opened.tensors}: the activation is {activation} (known: {', '.join(ACTIVATIONS)}); name "
                            "another model")
        width, per_group, kernel = tensors[PLACES].shape
        inner = tensors.get("encoder.layers.0.feed_forward.intermediate_dense.weight", ())
        sizes = {"channels": [len(conv) for conv in convs], "kernels": [conv.shape[-1] for conv in convs],
                 "strides": said.get("conv_stride", STRIDES),
                 "bias": "feature_extractor.conv_layers.0.conv.bias" in tensors,
                 "step_norms": "feature_extractor.conv_layers.1.layer_norm.weight" in tensors,
                 "width": width, "layers": count(tensors, r"encoder\.layers\.(\d+)\."),
                 "heads": said.get("num_attention_heads"), "inner": len(inner), "places": kernel,
                 "groups": width // max(per_group, 1), "eps": said.get("layer_norm_eps", 1e-5),
                 "activation": ACTIVATIONS[activation], "pre_norm": said.get("do_stable_layer_norm", False)}
        for key, found in (("num_hidden_layers", "layers"), ("hidden_size", "width"), ("intermediate_size", "inner")):
            agree(opened, key, sizes[found])
        return {"sizes": sizes, "output": {"width": width, "pooling": "mean", "unit": False},
                "preprocessing": {"rate": ready.get("sampling_rate", 16000),
                                  "normalise": ready.get("do_normalize", True)}}

    def check_sizes(self, sizes, path):
        super().check_sizes(sizes, path)
        lists = [sizes[key] for key in ("channels", "kernels", "strides")]
        whole = all(type(number) is int and 0 < number <= 4096 for one in lists for number in one)
        if len({len(one) for one in lists}) != 1 or not whole:
            raise UserError(f"{path}: channels, kernels and strides are {lists} (each convolution has one, from 1 to "
                            "4096); give them by --set")

    def shapes(self, sizes):
        inputs, width = 1, sizes["width"]
        for i, (outputs, kernel) in enumerate(zip(sizes["channels"], sizes["kernels"])):
            at = f"feature_extractor.conv_layers.{i}"
            yield f"{at}.conv.weight", (outputs, inputs, kernel)
            if sizes["bias"]:
                yield f"{at}.conv.bias", (outputs, )
            if sizes["step_norms"] or i == 0:
                yield from norm(f"{at}.layer_norm", outputs)
            inputs = outputs
        yield from norm("feature_projection.layer_norm", inputs)
        yield from linear("feature_projection.projection", width, inputs)
        yield PLACES, (width, width // sizes["groups"], sizes["places"])
        yield "encoder.pos_conv_embed.conv.bias", (width, )
        yield from norm("encoder.layer_norm", width)
        for layer in range(sizes["layers"]):
            at = f"encoder.layers.{layer}"
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                yield from linear(f"{at}.attention.{part}", width, width)
            yield from norm(f"{at}.layer_norm", width)
            yield from linear(f"{at}.feed_forward.intermediate_dense", sizes["inner"], width)
            yield from linear(f"{at}.feed_forward.output_dense", width, sizes["inner"])
            yield from norm(f"{at}.final_layer_norm", width)
