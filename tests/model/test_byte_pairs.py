"""Byte-pair tokenizers read texts as the `tokenizers` package does, and refuse what they would read otherwise."""

import json

import made_tokenizers as made
import numpy as np
import pytest
import torch
import weights_reference as reference
import weights_sources as sources
from made_weights import changed, compare_derivatives, derivatives, record_of
from safetensors.torch import load_file

# Where expressions, blanks, tokens and bytes meet.
SEAMS = ["", " ", "  ", " a", "a ", "a  b", "a   'll", "it's 's  's", "'S 'T", "\t\n x", "x\u00a0y\u3000 z",
         "1²Ⅷ٣a", "[MASK]", "a \t[MASK] b", "[MASK][MASK]  [SEP]", "    the a", "e\u0301", "\u0301",
         "<0x41><s><unk>", "\u2581a \u2581", "\x00", "\x85 \x1c", "\U0010ffff", "👨\u200d👩\u200d👧", "a" * 3000,
         " " * 3000, "ab" * 999 + "'re"]


def of_bytes(texts):
    return {f"{i}": np.frombuffer(text if isinstance(text, bytes) else text.encode(), "u1").copy()
            for i, text in enumerate(texts)}


@pytest.fixture(name="table")
def table_file(weights, tmp_path):
    """table(tokenizer, around) -> the file of a table of 6 columns for the tokenizer's pieces."""
    def call(tokenizer, around=False, **files):
        told = json.loads(tokenizer.to_str()) if not isinstance(tokenizer, dict) else tokenizer
        size = max([*told["model"]["vocab"].values(), *(token["id"] for token in told["added_tokens"])]) + 1
        tensors = {"embedding.weight": sources.Random(1)(size, 6)}
        file = weights(sources.save_folder(tmp_path / "table", tensors, {}, {"tokenizer.json": told, **files}))
        said = record_of(file)["tokenizer"]
        return changed(file, tmp_path / "changed.safetensors", tokenizer={**said, "added_tokens": around})

    return call


@pytest.mark.parametrize("kind", made.KINDS)
def test_ten_thousand_texts(table, encode, kind):
    tokenizer = kind()
    for around in (True, False):
        file = table(tokenizer, around)
        for texts in ([*made.STRINGS.values()] if around else []) + [SEAMS]:
            found = encode("token_table", file, of_bytes(texts), "input")
            for i, text in enumerate(texts):
                wanted = tokenizer.encode(text, add_special_tokens=around).ids
                assert found[f"{i}.input"][0].tolist() == (wanted or [-1]), text


def test_kinds_of_characters(table, encode):
    """Letters, numbers and white space are what Unicode 16 calls so, in every block but those of private use."""
    tokenizer = made.of_kinds()
    blocks = [range(first, first + 1024) for first in (*range(0, 0xD800, 1024), *range(0xE000, 0x32000, 1024), 0xE0000)]
    texts = ["".join(f"x{chr(code)}1{chr(code)}!{chr(code)}" for code in block) for block in blocks]
    found = encode("token_table", table(tokenizer), of_bytes(texts), "input")
    for i, text in enumerate(texts):
        assert found[f"{i}.input"][0].tolist() == tokenizer.encode(text).ids, hex(blocks[i][0])


def test_bytes_that_are_no_text(table, encode):
    found = encode("token_table", table(made.gpt2()), of_bytes([b"a\xffb\xc3", b"ab", b"\xff\xfe", b""]), "input")
    assert np.array_equal(found["0.input"], found["1.input"])
    assert found["2.input"].tolist() == found["3.input"].tolist() == [[-1]]


def test_a_table_of_pieces(table, encode):
    tokenizer = made.llama()
    file, texts = table(tokenizer), ["the that", "this", "", "cuttlefish 中 \U0010ffff"]
    rows, found = load_file(file)["embedding.weight"].double(), encode("token_table", file, of_bytes(texts))
    for i, text in enumerate(texts):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokens = rows[ids] if ids else torch.zeros(1, 6).double()
        assert np.abs(found[f"{i}.tokens"][0] - tokens.numpy()).max() < 1e-7
        wanted = torch.nn.functional.normalize(tokens.mean(0), dim=0).numpy()
        assert np.abs(found[f"{i}"][0] - wanted).max() < 1e-6, text


def test_derivatives_of_a_table(table, encode, tmp_path):
    tokenizer = made.llama()
    file, texts = table(tokenizer), ["the that", "this", ""]
    file = changed(file, tmp_path / "open.safetensors", output={**record_of(file)["output"], "unit": False})
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts[:2]]
    wanted = derivatives({"embedding.weight": load_file(file)["embedding.weight"]},
                         lambda w: [w["embedding.weight"][one].mean(0) for one in ids])
    compare_derivatives(encode("token_table", file, of_bytes(texts), "derivatives"), wanted)


def test_a_roberta(weights, encode, tmp_path):
    tokenizer = made.roberta(300)
    tensors = sources.bert(vocabulary=tokenizer.get_vocab_size(), types=1, positions=18)
    config = {**sources.BERT, "model_type": "roberta", "max_position_embeddings": 18, "type_vocab_size": 1,
              "vocab_size": tokenizer.get_vocab_size(), "pad_token_id": 1, "layer_norm_eps": 1e-5}
    stored = sources.renamed(tensors, ("^", "roberta."))
    file = weights(sources.save_bert(tmp_path / "roberta", stored, config, vocab_txt=None,
                                     tokenizer_json=json.loads(tokenizer.to_str())))
    assert record_of(file)["tokenizer"]["added_tokens"] and record_of(file)["sizes"]["positions"] == 16
    tensors["embeddings.position_embeddings.weight"] = tensors["embeddings.position_embeddings.weight"][2:]
    texts = ["the that", "", "it is [MASK] " * 20]
    found = encode("bert", file, of_bytes(texts))
    tokenizer.enable_truncation(16)
    for i, text in enumerate(texts):
        ids = tokenizer.encode(text).ids
        assert found[f"{i}.input"][0].tolist() == ids
        wanted = reference.bert_states(tensors, torch.tensor(ids), 2, 1e-5).mean(0).numpy()
        assert np.abs(found[f"{i}"][0] - wanted).max() < 5e-6, text


def part(name, value):
    return lambda told: told.__setitem__(name, value)


def inside(name, key, value):
    return lambda told: told[name].__setitem__(key, value)


def numbered(piece, number):
    return lambda told: told["model"]["vocab"].__setitem__(piece, number)


WRONG = [(inside("model", "type", "Unigram"), "Unigram"), (inside("model", "dropout", 0.1), "dropout"),
         (inside("model", "end_of_word_suffix", "</w>"), "end_of_word_suffix"),
         (inside("model", "ignore_merges", True), "ignore_merges"), (inside("model", "new", 1), "has new"),
         (part("pre_tokenizer", {"type": "Metaspace"}), "Metaspace"),
         (part("pre_tokenizer", {"type": "ByteLevel", "add_prefix_space": 3}), "cannot be read"),
         (part("pre_tokenizer", None), "does not know every character"),
         (part("normalizer", {"type": "Lowercase"}), "Lowercase"),
         (part("normalizer", {"type": "Replace", "pattern": {"Regex": "a"}, "content": ""}), "Regex"),
         (part("normalizer", {"type": "Replace", "pattern": {"String": ""}, "content": "a"}), "replaces nothing"),
         (part("post_processor", {"type": "Unheard"}), "Unheard"),
         (part("post_processor", {"type": "BertProcessing", "cls": ["a", 0], "sep": ["b", 10**6]}), "puts 1000000"),
         (part("post_processor", {"type": "TemplateProcessing", "single": [], "special_tokens": {}}), "leaves the"),
         (numbered("new", 2**40), "as an id"), (numbered("new", 10**6), "has the id 1000000"),
         (numbered("new", 5), "has the id 5"), (numbered("new", "5"), "as an id"), (numbered("", 5), "empty piece"),
         (inside("model", "merges", [["a", "zz"]]), "is no piece"), (inside("model", "merges", ["a b c"]), "'a b c'"),
         (inside("model", "merges", ["a"]), "is no piece"), (inside("model", "merges", 5), "cannot be read"),
         (part("added_tokens", [{"id": 3, "content": "zz", "single_word": True, "rstrip": False}]), "single_word"),
         (part("added_tokens", [{"id": 3}]), "cannot be read"),
         (lambda told: numbered("new", told["model"]["vocab"].pop("a"))(told), "has no piece a, of a byte")]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_other_tokenizers_are_refused(table, refusal, tmp_path, number):
    spoil, said = WRONG[number]
    file = table(made.smallest())
    told = json.loads(bytes(load_file(file)["tokenizer.bytes"].numpy()))
    spoil(told)
    stored = torch.frombuffer(bytearray(json.dumps(told).encode()), dtype=torch.uint8)
    wrong = changed(file, tmp_path / "wrong.safetensors", {"tokenizer.bytes": stored})
    message = refusal("token_table", wrong, of_bytes(["a"])["0"])
    assert said in message and "wrong.safetensors" in message and "use another" in message
