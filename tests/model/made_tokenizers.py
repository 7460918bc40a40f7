"""Small tokenizers of every kind that is read, trained by the `tokenizers` package on the odd strings themselves."""

import functools

import odd_strings
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

WORDS = ("a in of on and for the that this with have from they will would there their what about which when make can "
         "like time just know take people into year your good some could them see other than then now look only "
         "come its over think also back after use two how our work first well way even new want because any these "
         "give day most cuttlefish adapts second senses don't we'll they've I'm isn't you're he'd 1st 42 3.14").split()
STRINGS = odd_strings.strings(WORDS)
BLOCK = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _trained(tokenizer, **options):
    texts = [text for kind in STRINGS.values() for text in kind[:200]]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(show_progress=False, **options))
    return tokenizer


def byte_level(normalizer=None, space=False, size=1200):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
    if normalizer:
        tokenizer.normalizer = normalizer
    return _trained(tokenizer, vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


@functools.cache
def smallest():
    return byte_level(size=260)


def gpt2():
    return byte_level()


def with_a_space_before():
    return byte_level(space=True)


def roberta(size=1200):
    made = byte_level(size=size)
    made.add_special_tokens(["[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True)])
    made.post_processor = processors.RobertaProcessing(("[SEP]", made.token_to_id("[SEP]")),
                                                       ("[CLS]", made.token_to_id("[CLS]")))
    return made


def composed():
    """As ModernBERT's: NFC, and runs of blanks that are tokens."""
    made = byte_level(normalizers.NFC(), size=2000)
    made.add_special_tokens(["[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True)])
    made.add_tokens([AddedToken(text, normalized=True) for text in ("  ", "    ", "the a", "e\u0301")])
    made.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[(token, made.token_to_id(token)) for token in ("[CLS]", "[SEP]")])
    return made


def llama():
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend(BLOCK), normalizers.Replace(" ", BLOCK)])
    made = _trained(made, vocab_size=2500, limit_alphabet=400, special_tokens=["<unk>", "<s>", *BYTES])
    made.add_tokens([AddedToken("[SEP]", normalized=True), AddedToken("e\u0301", normalized=False, lstrip=True)])
    made.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))])
    return made


def of_kinds():
    """What x, 1 and ! stand before belongs to the same word if it is a letter, a number or neither: then they merge."""
    shown = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    codes = (*range(0x80), *range(0x80, 0xD800, 64), *range(0xE000, 0x110000, 64))
    first = sorted({shown.pre_tokenize_str(chr(code))[0][0][0] for code in codes})
    merges = [(before, byte) for before in "x1!" for byte in first if byte not in "x1!"]
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(merge) for merge in merges)]
    made = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


KINDS = (gpt2, with_a_space_before, roberta, composed, llama)
