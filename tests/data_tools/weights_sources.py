"""Small made-up sources of pretrained weights: random tensors under the names that packages give them."""

import json
import pickle
import re
import zipfile

import torch
from safetensors.torch import save_file

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "é", "中", ",", "the", "##ing"]
BERT = {"model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 2, "hidden_size": 8,
        "intermediate_size": 12, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute"}
WORDPIECE = {"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                       "max_input_chars_per_word": 100, "vocab": {piece: i for i, piece in enumerate(VOCABULARY)}},
             "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                            "strip_accents": None, "lowercase": False}, "pre_tokenizer": {"type": "BertPreTokenizer"}}
BYTE_PAIRS = {"model": {"type": "BPE", "byte_fallback": True, "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3},
                        "merges": ["a b"]}}


class Random:
    """Tensors in the order in which they are asked for."""
    def __init__(self, seed=0):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape):
        return torch.randn(shape, generator=self.generator)

    def of(self, shapes):
        return {name: self(*shape) for name, shape in shapes}


def linear(name, outputs, inputs):
    return [(f"{name}.weight", (outputs, inputs)), (f"{name}.bias", (outputs, ))]


def norm(name, width):
    return [(f"{name}.weight", (width, )), (f"{name}.bias", (width, ))]


def bert(layers=2, width=8, inner=12, positions=16, vocabulary=12, types=2, seed=0):
    shapes = [("embeddings.word_embeddings.weight", (vocabulary, width)),
              ("embeddings.position_embeddings.weight", (positions, width)), *norm("embeddings.LayerNorm", width)]
    if types:
        shapes.append(("embeddings.token_type_embeddings.weight", (types, width)))
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes += linear(f"{at}.attention.self.{part}", width, width)
        shapes += [*linear(f"{at}.attention.output.dense", width, width),
                   *norm(f"{at}.attention.output.LayerNorm", width), *linear(f"{at}.intermediate.dense", inner, width),
                   *linear(f"{at}.output.dense", width, inner), *norm(f"{at}.output.LayerNorm", width)]
    return Random(seed).of(shapes)


def renamed(tensors, *rules):
    """The tensors under other names: every rule (pattern, replacement) in turn."""
    result = {}
    for name, tensor in tensors.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        result[name] = tensor
    return result


def distilbert(tensors):
    at = r"^encoder\.layer\.(\d+)\."
    own = r"transformer.layer.\1."
    return renamed(tensors, (at + r"attention\.self\.(.)[a-z]+", own + r"attention.\2_lin"),
                   (at + r"attention\.output\.dense", own + "attention.out_lin"),
                   (at + r"attention\.output\.LayerNorm", own + "sa_layer_norm"),
                   (at + r"intermediate\.dense", own + "ffn.lin1"), (at + r"output\.dense", own + "ffn.lin2"),
                   (at + r"output\.LayerNorm", own + "output_layer_norm"), ("^", "distilbert."))


def lstm(mels=4, width=6, layers=3, output=5):
    shapes = []
    for layer in range(layers):
        shapes += [(f"lstm.weight_ih_l{layer}", (4 * width, width if layer else mels)),
                   (f"lstm.weight_hh_l{layer}", (4 * width, width)), (f"lstm.bias_ih_l{layer}", (4 * width, )),
                   (f"lstm.bias_hh_l{layer}", (4 * width, ))]
    return Random(3).of(shapes + linear("linear", output, width))


def wav2vec2(norms="group", bias=False, places=4, width=8, inner=12, channels=(6, 6, 4), kernels=(10, 3, 2)):
    """(tensors, config.json) under the names of a model for letters."""
    shapes, inputs = [], 1
    for i, (outputs, kernel) in enumerate(zip(channels, kernels)):
        at = f"feature_extractor.conv_layers.{i}"
        shapes += [(f"{at}.conv.weight", (outputs, inputs, kernel))] + [(f"{at}.conv.bias", (outputs, ))] * bias
        shapes += norm(f"{at}.layer_norm", outputs) if norms == "layer" or i == 0 else []
        inputs = outputs
    at = "encoder.pos_conv_embed.conv."
    shapes += [*norm("feature_projection.layer_norm", inputs), *linear("feature_projection.projection", width, inputs),
               ("masked_spec_embed", (width, )), (f"{at}weight_g", (1, 1, places)),
               (f"{at}weight_v", (width, width // 2, places)), (f"{at}bias", (width, )),
               *norm("encoder.layer_norm", width)]
    for layer in range(2):
        at = f"encoder.layers.{layer}"
        for part in "qkv":
            shapes += linear(f"{at}.attention.{part}_proj", width, width)
        shapes += [*linear(f"{at}.attention.out_proj", width, width), *norm(f"{at}.layer_norm", width),
                   *linear(f"{at}.feed_forward.intermediate_dense", inner, width),
                   *linear(f"{at}.feed_forward.output_dense", width, inner), *norm(f"{at}.final_layer_norm", width)]
    tensors = {f"wav2vec2.{name}": tensor for name, tensor in Random(6).of(shapes).items()}
    config = {"model_type": "wav2vec2", "conv_stride": [5, 3, 2], "num_attention_heads": 2, "num_hidden_layers": 2,
              "hidden_size": width, "intermediate_size": inner, "hidden_act": "gelu", "layer_norm_eps": 1e-5}
    return {**tensors, **Random(7).of([("lm_head.weight", (32, width)), ("lm_head.bias", (32, ))])}, config


def vit(layers=2, width=8, inner=16, patch=4, size=12, pre_norm=False):
    shapes = [("cls_token", (1, 1, width)), ("pos_embed", (1, 1 + (size // patch)**2, width)),
              ("patch_embed.proj.weight", (width, 3, patch, patch)), ("patch_embed.proj.bias", (width, ))]
    shapes += norm("norm_pre", width) if pre_norm else []
    for layer in range(layers):
        at = f"blocks.{layer}"
        shapes += [*norm(f"{at}.norm1", width), *linear(f"{at}.attn.qkv", 3 * width, width),
                   *linear(f"{at}.attn.proj", width, width), *norm(f"{at}.norm2", width),
                   *linear(f"{at}.mlp.fc1", inner, width), *linear(f"{at}.mlp.fc2", width, inner)]
    return Random(4).of(shapes + norm("norm", width))


def _split(tensors):
    """Query, key and value as tensors of their own."""
    result = {}
    for name, tensor in tensors.items():
        parts = zip(("q", "k", "v"), tensor.chunk(3)) if ".qkv." in name else [("qkv", tensor)]
        result.update({name.replace("qkv", part): value for part, value in parts})
    return result


def hugging_face_vit(tensors):
    at, own = r"^blocks\.(\d+)\.", r"encoder.layer.\1."
    words = {"q": "query", "k": "key", "v": "value"}
    rules = [(at + rf"attn\.{part}\.", own + f"attention.attention.{word}.") for part, word in words.items()]
    return renamed(_split(tensors), *rules, (at + r"attn\.proj", own + "attention.output.dense"),
                   (at + "norm1", own + "layernorm_before"), (at + "norm2", own + "layernorm_after"),
                   (at + r"mlp\.fc1", own + "intermediate.dense"), (at + r"mlp\.fc2", own + "output.dense"),
                   (r"^norm\.", "layernorm."), ("^cls_token", "embeddings.cls_token"),
                   ("^pos_embed", "embeddings.position_embeddings"),
                   (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."), ("^", "vit."))


def clip_vision(tensors):
    at, own = r"^blocks\.(\d+)\.", r"encoder.layers.\1."
    tensors = {**_split(tensors), "pos_embed": tensors["pos_embed"][0], "cls_token": tensors["cls_token"].flatten()}
    del tensors["patch_embed.proj.bias"]
    return renamed(tensors, (at + r"attn\.([qkv])\.", own + r"self_attn.\2_proj."),
                   (at + r"attn\.proj", own + "self_attn.out_proj"), (at + r"norm(.)", own + r"layer_norm\2"),
                   (at + "mlp", own + "mlp"), ("^norm_pre", "pre_layrnorm"), (r"^norm\.", "post_layernorm."),
                   ("^cls_token", "embeddings.class_embedding"),
                   ("^pos_embed", "embeddings.position_embedding.weight"),
                   (r"^patch_embed\.proj", "embeddings.patch_embedding"), ("^", "vision_model."))


def save_folder(path, tensors, config, files=()):
    """A Hugging Face folder. files: {name: bytes, text, or an object for JSON}."""
    path.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path / "model.safetensors")
    for name, content in {"config.json": config, **dict(files)}.items():
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def save_bert(path, tensors=None, config=BERT, **files):
    """files: other contents of the files; None leaves one out. `_` stands for `.`, `__` for `/`."""
    usual = {"vocab.txt": "".join(f"{piece}\n" for piece in VOCABULARY),
             "tokenizer_config.json": {"do_lower_case": True}}
    usual |= {name.replace("__", "/").replace("_json", ".json").replace("_txt", ".txt").replace("_md", ".md"): content
              for name, content in files.items()}
    return save_folder(path, bert() if tensors is None else tensors, config,
                       {name: content for name, content in usual.items() if content is not None})


def zip_folder(path, root, inside):
    """A wheel that has the files of `root` in the folder `inside`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package/__init__.py", "raise SystemExit('it was run')")
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}/{file.relative_to(root)}")
    return path


class Harm:
    """Pickled, it writes a file when it is read."""
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def save_harmful(path, trace, legacy=False):
    with open(path, "wb") as file:
        if legacy:
            pickle.dump({"model": Harm(trace)}, file, protocol=2)
        else:
            torch.save({"model": Harm(trace)}, file)
    return path
