"""Reads Wesnoth's markup: a preprocessor with macros, and tags with keys in them.

What of https://wiki.wesnoth.org/PreprocessorRef and SyntaxWML data sets need: comments, #define with
arguments in their places (those with names of their own, #arg, have their defaults), {MACRO "a" (b c)
{NESTED}}, #ifdef and its kin, [tag], [+tag], [/tag], key=value, lists of keys, "quoted" values over
several lines, _ "to be translated", <<raw>>, and + between. A macro that nobody defined is nothing.
"""

import re
from dataclasses import dataclass, field

from ..errors import BadInput

DEEPEST = 64  # macros in macros, tags in tags
LONGEST = 1 << 24  # characters of a file whose macros are written out
DIRECTIVE = re.compile(r"[ \t]*#(define|undef|ifdef|ifndef|ifhave|ifnhave|ifver|ifnver|else|endif)\b")
END = re.compile(r"#enddef\b")
ARGUMENT = re.compile(r"^[ \t]*#arg\s+(\w+)[ \t]*\n(.*?)#endarg\b[^\n]*\n?", re.M | re.S)
TAG = re.compile(r"\[(\+|/|)([A-Za-z0-9_]+)\]")
KEYS = re.compile(r"([\w.]+(?:\s*,\s*[\w.]+)*)[ \t]*=")
PIECE = re.compile(r'[ \t]*(_[ \t]*(?="))?("(?:[^"]|"")*"|<<.*?>>|[^\n"+]+|\+)', re.S)


@dataclass
class Tag:
    """name: "" for a whole file; keys: {key: value}; tags: those in it, in order."""

    name: str
    keys: dict = field(default_factory=dict)
    tags: list = field(default_factory=list)

    def all(self, *names):
        """Its tags of these names."""
        return [tag for tag in self.tags if tag.name in names]

    def everywhere(self):
        """It and every tag at any depth below it."""
        yield self
        for tag in self.tags:
            yield from tag.everywhere()


@dataclass(frozen=True)
class Macro:
    """names: of its arguments; defaults: {name: text} of those that may be left out."""

    names: tuple
    defaults: dict
    body: str


class Preprocessor:
    """macros: {name: Macro}, which grow with the files that are read; unknown: names of macros that
    were asked for and not there."""

    def __init__(self):
        self.macros, self.unknown, self.size_ = {}, set(), 0

    def text_of(self, text):
        """The text with its macros written out; BadInput if it does not end."""
        self.size_ = 0
        return self._expanded(text.replace("\r\n", "\n"), {}, 0)

    def _expanded(self, text, arguments, depth):
        if depth > DEEPEST:
            raise BadInput("macros without end")
        made, place, quoted = [], 0, False
        while place < len(text):
            found = text[place]
            if text.startswith("<<", place) and not quoted:
                end = _after(text, ">>", place)
                made.append(text[place:end])
                place = end
            elif found == "#" and not quoted:
                place = self._after_comment(text, place)
            elif found == "{":
                end = _closing(text, place)
                made.append(self._call(text[place + 1:end - 1], arguments, depth))
                place = end
            else:
                quoted ^= found == '"'
                made.append(found)
                place += 1
        result = "".join(made)
        self.size_ += len(result)
        if self.size_ > LONGEST:
            raise BadInput("macros without end")
        return result

    def _after_comment(self, text, place):
        """Where to go on after a comment or directive that begins there."""
        start = text.rfind("\n", 0, place) + 1
        directive = DIRECTIVE.match(text, start) if not text[start:place].strip() else None
        line_end = _line_end(text, place)
        if not directive:
            return line_end
        word = directive[1]
        if word == "define":
            end = END.search(text, directive.end())
            if not end:
                raise BadInput("#define without #enddef")
            self._define(text[directive.end():end.start()])
            return _line_end(text, end.end())
        if word == "undef":
            self.macros.pop(text[directive.end():line_end].strip(), None)
        elif word == "else":  # of what was read: the rest is not
            return _end_of_branch(text, line_end, stops=("endif", ))
        elif word == "ifdef":
            if text[directive.end():line_end].strip() not in self.macros:
                return _end_of_branch(text, line_end)
        elif word in ("ifhave", "ifnver"):  # of other files and versions
            return _end_of_branch(text, line_end)
        elif word == "ifndef" and text[directive.end():line_end].strip() in self.macros:
            return _end_of_branch(text, line_end)
        return line_end

    def _define(self, text):
        head, _, body = text.partition("\n")
        name, *names = head.split("#")[0].split() or [""]
        defaults = {found[1]: found[2].strip("\n") for found in ARGUMENT.finditer(body)}
        self.macros[name] = Macro(tuple(names), defaults, ARGUMENT.sub("", body))

    def _call(self, text, arguments, depth):
        """What stands for {text}."""
        given = list(_words(text))
        name = given.pop(0) if given else ""
        if name in arguments and not given:
            return arguments[name]
        macro = self.macros.get(name)
        if macro is None:
            self.unknown.add(name)
            return ""
        given = [self._expanded(word, arguments, depth + 1) for word in given]
        values = dict(word.split("=", 1) for word in given[len(macro.names):] if "=" in word)
        values.update(zip(macro.names, given))
        for name, default in macro.defaults.items():
            values.setdefault(name, self._expanded(default, values, depth + 1))
        return self._expanded(macro.body, values, depth + 1)


def _after(text, mark, place):
    end = text.find(mark, place)
    return len(text) if end < 0 else end + len(mark)


def _line_end(text, place):
    """Before the end of the line."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _closing(text, place):
    """After the bracket that closes the one there."""
    depth = 0
    for end in range(place, len(text)):
        depth += (text[end] == "{") - (text[end] == "}")
        if not depth:
            return end + 1
    raise BadInput("{ without }")


def _end_of_branch(text, place, stops=("else", "endif")):
    """After the line of the #else or #endif that ends what begins there."""
    depth = 0
    for found in re.finditer(DIRECTIVE.pattern, text[place:], re.M):
        if found[1].startswith("if"):
            depth += 1
        elif not depth and found[1] in stops:
            return _line_end(text, place + found.end())
        elif found[1] == "endif":
            depth -= 1
    raise BadInput("#ifdef without #endif")


def _words(text):
    """The name and the arguments of a macro: words, "quoted" ones, and ones (in brackets), which are not
    theirs."""
    place = 0
    while place < len(text):
        start = place
        if text[place].isspace():
            place += 1
            continue
        if text[place] == "(":
            place = _end_of_group(text, place)
            yield text[start + 1:place - 1]
            continue
        while place < len(text) and not text[place].isspace():
            if text[place] == '"':
                place = _after(text, '"', place + 1)
            elif text[place] == "{":
                place = _closing(text, place)
            elif text[place] == "(":
                place = _end_of_group(text, place)
            else:
                place += 1
        yield text[start:place]


def _end_of_group(text, place):
    depth = 0
    while place < len(text):
        if text[place] == '"':
            place = _after(text, '"', place + 1)
            continue
        depth += (text[place] == "(") - (text[place] == ")")
        place += 1
        if not depth:
            return place
    raise BadInput("( without )")


def parse(text):
    """The Tag of a text without macros; BadInput if its tags do not fit together."""
    open_tags, place = [Tag("")], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        tag = TAG.match(text, place)
        keys = KEYS.match(text, place) if not tag else None
        if tag:
            _turn(open_tags, *tag.groups())
            place = tag.end()
        elif keys:
            value, place = _value(text, keys.end())
            _set(open_tags[-1].keys, [key.strip() for key in keys[1].split(",")], value)
        else:  # what the game ignores with a warning
            place = _line_end(text, place)
    if len(open_tags) > 1:
        raise BadInput(f"[{open_tags[-1].name}] is not closed")
    return open_tags[0]


def _turn(open_tags, mark, name):
    if mark == "/":
        if open_tags[-1].name != name:
            raise BadInput(f"[/{name}] closes [{open_tags[-1].name}]")
        open_tags.pop()
        return
    if len(open_tags) > DEEPEST:
        raise BadInput("tags without end")
    earlier = open_tags[-1].all(name) if mark == "+" else []
    if not earlier:
        open_tags[-1].tags.append(Tag(name))
    open_tags.append(earlier[-1] if earlier else open_tags[-1].tags[-1])


def _set(keys, wanted, value):
    """One value each, the rest for the last."""
    values = value.split(",", len(wanted) - 1) if len(wanted) > 1 else [value]
    keys.update(zip(wanted, [*(text.strip() for text in values), *[""] * len(wanted)]))


def _value(text, place):
    """(the value that begins there, where it ends)."""
    parts = []
    while found := PIECE.match(text, place):
        translated, piece = found.groups()
        place = found.end()
        if piece == "+":
            line = re.compile(r"\s*").match(text, place)
            place = line.end()  # it goes on in the next line
        elif piece.startswith('"'):
            piece = piece[1:-1].replace('""', '"')
            parts.append(piece.split("^", 1)[-1] if translated else piece)
        else:
            parts.append(piece[2:-2] if piece.startswith("<<") else piece.strip())
    return "".join(parts), place
