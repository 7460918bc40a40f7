"""Vision transformers under timm's names; Hugging Face's ViT and CLIP vision models are renamed to these."""

import math

from ...errors import UserError
from .. import pictures
from ..architecture import Architecture, agree, count, linear, norm

PATCHES, POSITIONS, INNER = "patch_embed.proj.weight", "pos_embed", "blocks.0.mlp.fc1.weight"
# What Hugging Face's configurations leave out where it is the usual, by model_type.
USUAL = {"vit": {"hidden_act": "gelu", "layer_norm_eps": 1e-12},
         **dict.fromkeys(("clip", "clip_vision_model"), {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5})}
HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16}  # of the usual widths: tiny, small, base, large, huge
ACTIVATIONS = ("gelu", "quick_gelu")
LAYER = r"^encoder\.layers?\.(\d+)\."
OWN = r"blocks.\1."


class Model(Architecture):
    NAME, SENSE = "vit", "image"
    NEEDS = {"cls_token": None, POSITIONS: None, PATCHES: 4, INNER: 2}
    SIZES = {"layers": int, "width": int, "heads": int, "inner": int, "patch": int, "size": int, "eps": float,
             "activation": ACTIVATIONS, "pre_norm": bool}
    RENAMES = ((r"^(?:vit|vision_model)\.", ""), (r"^embeddings\.(?:cls_token|class_embedding)$", "cls_token"),
               (r"^embeddings\.position_embedding(?:s|\.weight)$", POSITIONS),
               (r"^embeddings\.patch_embedding(?:s\.projection)?\.", "patch_embed.proj."),
               (r"^pre_layrnorm\.", "norm_pre."), (r"^(?:post_layernorm|layernorm)\.", "norm."),
               (LAYER + "(?:layernorm_before|layer_norm1)", OWN + "norm1"),
               (LAYER + "(?:layernorm_after|layer_norm2)", OWN + "norm2"),
               (LAYER + r"(?:attention\.attention\.query|self_attn\.q_proj)", OWN + "attn.q"),
               (LAYER + r"(?:attention\.attention\.key|self_attn\.k_proj)", OWN + "attn.k"),
               (LAYER + r"(?:attention\.attention\.value|self_attn\.v_proj)", OWN + "attn.v"),
               (LAYER + r"(?:attention\.output\.dense|self_attn\.out_proj)", OWN + "attn.proj"),
               (LAYER + r"(?:intermediate\.dense|mlp\.fc1)", OWN + "mlp.fc1"),
               (LAYER + r"(?:output\.dense|mlp\.fc2)", OWN + "mlp.fc2"))
    DROPPED = ((r"^head\.|^classifier\.", "the classifier"), (r"^(?:vit\.)?pooler\.", "the pooler, a head"),
               (r"mask_token$", "the token of masked pictures"),
               (r"^text_model\.|^(?:text|visual)_projection|^logit_scale$", "the text model and the projections"))

    def arranged(self, tensors, opened, report):
        """Query, key and value as one map, the class token and the positions as [1, tokens, width]."""
        import torch
        result = {}
        for name, tensor in tensors.items():
            block, found, kind = name.rpartition(".attn.q.")
            if found:
                parts = [tensors.get(f"{block}.attn.{part}.{kind}") for part in "qkv"]
                if any(part is None or part.shape[1:] != tensor.shape[1:] for part in parts):
                    raise UserError(f"{opened.tensors}: {block} has a query, and no key and value to it (attention "
                                    "needs all three); fetch it again")
                result[f"{block}.attn.qkv.{kind}"] = torch.cat(parts)
            elif ".attn.k." not in name and ".attn.v." not in name:
                result[name] = tensor
        width = len(tensors[PATCHES])
        for name in ("cls_token", POSITIONS):
            if result[name].numel() % max(width, 1) == 0:
                result[name] = result[name].reshape(1, -1, width)
        if "patch_embed.proj.bias" not in result:
            result["patch_embed.proj.bias"] = torch.zeros(width)
            report.note("patches have no bias; it is stored as zeros")
        return result

    def describe(self, tensors, opened, report):
        said = opened.config()
        said = {**USUAL.get(str(said.get("model_type")), {}), **said}
        if isinstance(said.get("vision_config"), dict):
            said |= said["vision_config"]
        width, _, patch, _ = tensors[PATCHES].shape
        tokens = tensors[POSITIONS].numel() // max(width, 1) - 1
        size, pre_norm = math.isqrt(max(tokens, 0)) * patch, "norm_pre.weight" in tensors
        heads = said.get("num_attention_heads")
        if heads is None and width in HEADS:
            heads = HEADS[width]
            report.note(f"nothing says the number of heads: {heads}, as usual for {width} columns")
        activation = said.get("hidden_act", "quick_gelu" if "quickgelu" in str(said.get("architecture")) else "gelu")
        if not opened.config():
            report.note("nothing says the activation: gelu; --set sizes.activation=quick_gelu for OpenAI's CLIP")
        if activation not in ACTIVATIONS:
            raise UserError(f"{opened.tensors}: the activation is {activation} (known: {', '.join(ACTIVATIONS)}); name "
                            "another model")
        sizes = {"layers": count(tensors, r"blocks\.(\d+)\."), "width": width, "heads": heads,
                 "inner": len(tensors[INNER]), "patch": patch, "size": size,
                 "eps": said.get("layer_norm_eps", 1e-5 if pre_norm else 1e-6), "activation": activation,
                 "pre_norm": pre_norm}
        if "vision_config" not in opened.config():
            agree(opened, "num_hidden_layers", sizes["layers"])
        ready = (size, size, "bicubic", *pictures.CLIP) if pre_norm else (size, size, "bicubic", *pictures.HALVES)
        return {"sizes": sizes, "preprocessing": pictures.preprocessing(opened, *ready, report=report),
                "output": {"width": width, "pooling": "cls"}}

    def shapes(self, sizes):
        width, patch = sizes["width"], sizes["patch"]
        yield "cls_token", (1, 1, width)
        yield POSITIONS, (1, 1 + (sizes["size"] // max(patch, 1))**2, width)
        yield PATCHES, (width, 3, patch, patch)
        yield "patch_embed.proj.bias", (width, )
        if sizes["pre_norm"]:
            yield from norm("norm_pre", width)
        for layer in range(sizes["layers"]):
            at = f"blocks.{layer}"
            yield from norm(f"{at}.norm1", width)
            yield from linear(f"{at}.attn.qkv", 3 * width, width)
            yield from linear(f"{at}.attn.proj", width, width)
            yield from norm(f"{at}.norm2", width)
            yield from linear(f"{at}.mlp.fc1", sizes["inner"], width)
            yield from linear(f"{at}.mlp.fc2", width, sizes["inner"])
        yield from norm("norm", width)
