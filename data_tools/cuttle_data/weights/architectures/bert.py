"""BERT, DistilBERT and RoBERTa: post-norm transformers over WordPiece or byte-level pieces (Hugging Face names)."""

from ...errors import UserError
from .. import tokenizers
from ..architecture import COUNT, Architecture, agree, count, linear, norm

ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
KNOWN_TYPES = ("bert", "distilbert", "roberta")
WORDS, POSITIONS, TYPES = (f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type"))
INNER = "encoder.layer.0.intermediate.dense.weight"
LAYER = r"^transformer\.layer\.(\d+)\."  # of DistilBERT
OWN = r"encoder.layer.\1."


class Model(Architecture):
    NAME, SENSE = "bert", "text"
    NEEDS = {WORDS: 2, POSITIONS: 2, INNER: 2, "encoder.layer.0.attention.self.query.weight": 2}
    SIZES = {"layers": int, "width": int, "heads": int, "inner": int, "positions": int, "vocabulary": int,
             "types": COUNT, "eps": float, "activation": ("gelu", "gelu_tanh", "relu")}
    RENAMES = ((r"^(?:(?:distil)?bert|roberta)\.", ""), (r"\.gamma$", ".weight"), (r"\.beta$", ".bias"),
               (LAYER + r"attention\.q_lin", OWN + "attention.self.query"),
               (LAYER + r"attention\.k_lin", OWN + "attention.self.key"),
               (LAYER + r"attention\.v_lin", OWN + "attention.self.value"),
               (LAYER + r"attention\.out_lin", OWN + "attention.output.dense"),
               (LAYER + "sa_layer_norm", OWN + "attention.output.LayerNorm"),
               (LAYER + r"ffn\.lin1", OWN + "intermediate.dense"), (LAYER + r"ffn\.lin2", OWN + "output.dense"),
               (LAYER + "output_layer_norm", OWN + "output.LayerNorm"))
    DROPPED = ((r"^(?:(?:ro)?berta?\.)?pooler\.", "the pooler, a head"),
               (r"^cls\.|^vocab_|^lm_head\.", "the language model's head"),
               (r"^(?:pre_)?classifier\.|^qa_outputs\.", "the classifier"))

    def refuse(self, found, opened):
        if not any(self.renamed(name).endswith(WORDS) for name in found):
            return
        kind = _kind(opened)
        if any("roberta." in name for name in found) and kind in ("bert", "distilbert"):
            kind = "roberta by its names alone"
        if kind not in KNOWN_TYPES:
            raise UserError(f"{opened.tensors}: a model of type {kind} (computed are those whose config.json says "
                            f"{', '.join(KNOWN_TYPES)}); name one of these")

    def arranged(self, tensors, opened, report):
        """RoBERTa's places begin behind that of padding: the first rows belong to none."""
        if _kind(opened) != "roberta":
            return tensors
        padding = opened.config().get("pad_token_id", 1)
        if type(padding) is not int or not 0 <= padding < len(tensors[POSITIONS]) - 1:
            raise UserError(f"{opened.tensors}: pad_token_id is {padding!r} in config.json (positions are counted "
                            "from behind it); fetch it again")
        return {**tensors, POSITIONS: tensors[POSITIONS][padding + 1:].contiguous()}

    def describe(self, tensors, opened, report):
        said = opened.config()
        if said.get("position_embedding_type", "absolute") != "absolute":
            raise UserError(f"{opened.tensors}: positions are {said['position_embedding_type']} (only absolute ones, "
                            "added to the words, are computed); name another model")
        if said.get("is_decoder"):
            raise UserError(f"{opened.tensors}: a decoder (its tokens see only those before them, which is not "
                            "computed); name an encoder")
        activation = said.get("hidden_act", said.get("activation"))
        if activation is None:
            report.note("nothing says the activation and the norms' eps: exact GELU and 1e-12, as BERT has them")
        elif activation not in ACTIVATIONS:
            raise UserError(f"{opened.tensors}: the activation is {activation} (known: {', '.join(ACTIVATIONS)}); name "
                            "another model")
        vocabulary, width = tensors[WORDS].shape
        sizes = {"layers": count(tensors, r"encoder\.layer\.(\d+)\."), "width": width,
                 "heads": said.get("num_attention_heads", said.get("n_heads")), "inner": len(tensors[INNER]),
                 "positions": len(tensors[POSITIONS]), "vocabulary": vocabulary,
                 "types": len(tensors[TYPES]) if TYPES in tensors else 0, "eps": said.get("layer_norm_eps", 1e-12),
                 "activation": ACTIVATIONS.get(activation, "gelu")}
        for keys, found in ((("num_hidden_layers", "n_layers"), "layers"), (("hidden_size", "dim"), "width"),
                            (("intermediate_size", "hidden_dim"), "inner")):
            for key in keys:
                agree(opened, key, sizes[found])
        if _kind(opened) == "roberta":
            tokenizer, stored = tokenizers.byte_pairs(opened, vocabulary, around=True)
        else:
            tokenizer, stored = tokenizers.wordpiece(opened, vocabulary)
        return {"sizes": sizes, "preprocessing": {"max_tokens": _longest(opened, sizes["positions"])},
                "output": {"width": width, **_pooling(opened, report)}, "tokenizer": tokenizer,
                "tokenizer_bytes": stored}

    def shapes(self, sizes):
        width, inner = sizes["width"], sizes["inner"]
        yield WORDS, (sizes["vocabulary"], width)
        yield POSITIONS, (sizes["positions"], width)
        if sizes["types"]:
            yield TYPES, (sizes["types"], width)
        yield from norm("embeddings.LayerNorm", width)
        for layer in range(sizes["layers"]):
            at = f"encoder.layer.{layer}"
            for part in ("query", "key", "value"):
                yield from linear(f"{at}.attention.self.{part}", width, width)
            yield from linear(f"{at}.attention.output.dense", width, width)
            yield from norm(f"{at}.attention.output.LayerNorm", width)
            yield from linear(f"{at}.intermediate.dense", inner, width)
            yield from linear(f"{at}.output.dense", width, inner)
            yield from norm(f"{at}.output.LayerNorm", width)


def _kind(opened):
    return opened.config().get("model_type", "bert")


def _longest(opened, positions):
    """How many pieces of a text are read. Tokenizers without a limit say a very large number."""
    for said in (opened.config("sentence_bert_config.json").get("max_seq_length"),
                 opened.config("tokenizer_config.json").get("model_max_length")):
        if type(said) in (int, float) and 2 < said <= positions:
            return int(said)
    return positions


def _pooling(opened, report):
    """How sentence-transformers make one vector of a text's; where nothing is said, the mean."""
    said, steps = opened.config("1_Pooling/config.json"), opened.steps()
    modes = [key.removeprefix("pooling_mode_") for key, value in said.items()
             if key.startswith("pooling_mode_") and value is True] or [said.get("pooling_mode", "mean_tokens")]
    pooling = {"mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls"}.get(str(modes[0]))
    if pooling is None or len(modes) > 1:
        raise UserError(f"{opened.tensors}: a text's vectors are pooled by {' and '.join(map(str, modes))} (known: "
                        "the mean, the first token); name another model")
    if not said:
        report.note("nothing says how tokens become one vector: their mean; --set output.pooling=cls takes the first")
    if any(step.endswith("Dense") for step in steps):
        report.warn("the linear layer after the pooling is not taken: vectors are not those of sentence-transformers")
    return {"pooling": pooling, "unit": any(step.endswith("Normalize") for step in steps)}
