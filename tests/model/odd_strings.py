"""10,000 ordinary and odd strings, the same on every machine: SplitMix64 (Steele et al. 2014) draws them from pieces of
a vocabulary and from blocks of Unicode, whatever Unicode the Python at hand knows.

  python odd_strings.py VOCAB.txt TOKENIZER.json

prints the digests of the ids that the `tokenizers` package gives them, as test_pretrained_wheels.py has them.
"""

import hashlib
import sys

EACH = 1000  # strings of a kind
MOST = 256  # ids of a string: the first 255 and [SEP] of a longer one
SCRIPTS = ((0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F),
           (0xB80, 0xBFF), (0xE00, 0xE7F), (0xE80, 0xEFF), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1FFF),
           (0xAC00, 0xD7A3))
IDEOGRAPHS = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B81F), (0x2B820, 0x2CEAF),
              (0xF900, 0xFAFF), (0x2F800, 0x2FA1F), (0x3040, 0x30FF), (0xFF00, 0xFFEF), (0x3000, 0x303F),
              (0x2CEB0, 0x2EBEF), (0x30000, 0x3134F))
EMOJI = ((0x1F300, 0x1F6FF), (0x1F900, 0x1F9FF), (0x2600, 0x27BF), (0x1F1E6, 0x1F1FF), (0xFE00, 0xFE0F),
         (0x200D, 0x200D), (0x1F3FB, 0x1F3FF))
CONTROLS = (*range(0x20), *range(0x7F, 0xA1), 0xAD, 0x1680, 0x180E, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F,
            0x205F, 0x2060, 0x3000, 0xE000, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10FFFF)
SPECIAL = ("[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[cls]", " ", "a", "##ing", "[", "]", "[UN", "K]", "é",
           "\u0301")
LONG = ("é", "e\u0301", "İ", "中", "-", "ß", "\u0301", "a", "the ", "ab-")


class Draw:
    def __init__(self, seed):
        self.state = seed

    def below(self, count):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return (z ^ z >> 31) % count

    def of(self, choices):
        return choices[self.below(len(choices))]

    def within(self, blocks):
        first, last = self.of(blocks)
        return chr(first + self.below(last - first + 1))

    def some(self, most, one):
        return "".join(one() for _ in range(1 + self.below(most)))


def words(draw, pieces):
    def word():
        made = draw.some(3, lambda: draw.of(pieces))
        return draw.of((made, made, made.upper(), made.title())) + draw.of((" ", " ", " ", ". ", ",", "'", " - "))

    return draw.some(20, word)


def scripts(draw, _):
    blocks = [draw.of(SCRIPTS)]
    return draw.some(30, lambda: draw.within(blocks) if draw.below(8) else " ")


def latin(draw, _):
    """Letters with accents, composed and not."""
    return draw.some(40, lambda: chr(0xC0 + draw.below(0x190)) if draw.below(2) else draw.of("abcde io")
                     + (chr(0x300 + draw.below(0x70)) if draw.below(3) == 0 else ""))


def ideographs(draw, _):
    return draw.some(25, lambda: draw.within(IDEOGRAPHS) if draw.below(5) else draw.of(("a", " ", "the")))


def emoji(draw, pieces):
    return draw.some(20, lambda: draw.within(EMOJI) if draw.below(3) else draw.of(pieces) + " ")


def controls(draw, _):
    return draw.some(25, lambda: chr(draw.of(CONTROLS)) if draw.below(2) else draw.of("abc xyz"))


def special(draw, _):
    return draw.some(10, lambda: draw.of(SPECIAL))


def punctuation(draw, pieces):
    return draw.some(25, lambda: chr(0x21 + draw.below(0x5E)) if draw.below(2) else draw.within([(0x2010, 0x206F)])
                     if draw.below(4) == 0 else draw.of(pieces))


def long(draw, pieces):
    """Words about as long as may be, and texts that are cut."""
    if draw.below(3) == 0:
        return draw.some(400, lambda: draw.of(pieces) + draw.of(("", " ")))
    return draw.of(LONG) * (1 + draw.below(130)) + draw.of(("", "a", " a"))


def anything(draw, _):
    """Any code points but surrogates."""
    return draw.some(12, lambda: draw.within([(0, 0xD7FF), (0, 0x24FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF)]))


KINDS = (words, scripts, latin, ideographs, emoji, controls, special, punctuation, long, anything)


def strings(vocabulary):
    """{kind: its strings}; `vocabulary`: lines of a vocab.txt."""
    pieces = [piece.removeprefix("##") for piece in vocabulary if piece.isascii() and not piece.startswith("[")]
    pieces = [piece for piece in pieces if piece]
    result = {}
    for seed, kind in enumerate(KINDS):
        draw = Draw(seed)
        result[kind.__name__] = [kind(draw, pieces) for _ in range(EACH)]
    return result


def digest(ids):
    """Of the ids of all strings of a kind."""
    return hashlib.sha256("\n".join(" ".join(map(str, one)) for one in ids).encode()).hexdigest()[:16]


def _main(vocabulary, tokenizer):
    from tokenizers import Tokenizer  # not among the packages of the tests
    known = Tokenizer.from_file(tokenizer)
    known.no_truncation()
    known.no_padding()
    with open(vocabulary, encoding="utf-8") as file:
        drawn = strings(file.read().split("\n"))
    for kind, texts in drawn.items():
        ids = [known.encode(text).ids for text in texts]
        print(f'"{kind}": "{digest([one if len(one) <= MOST else one[:MOST - 1] + one[-1:] for one in ids])}",')


if __name__ == "__main__":
    _main(*sys.argv[1:])
