"""The names of the format are the same in Python and in C++."""

import re

from conftest import ROOT
from cuttle_data import names, schema


def test_every_constant_of_the_header_is_here_and_the_reverse():
    source = (ROOT / "src/data/shard_names.hpp").read_text()
    found = re.findall(r'constexpr [^=;]*\bk(\w+) = ("?)([^";]+)', source)
    cpp = {
        re.sub(r"(?<!^)([A-Z])", r"_\1", name).upper(): value if quote else int(value)
        for name, quote, value in found
    }
    assert cpp == {key: value for key, value in vars(names).items() if key.isupper()}
    assert len(cpp) > 40


def test_kinds_and_splits_are_those_of_cpp_in_the_same_order():
    source = (ROOT / "include/cuttle/data/sample.hpp").read_text()
    # "all" is a way to evaluate, and no sample's split.
    for enumeration, values in (("ModalityKind", schema.KINDS), ("Split", (*schema.SPLITS, "all"))):
        body = re.search(rf"enum class {enumeration}[^{{]*{{([^}}]*)}}", source).group(1)
        body = re.sub(r"//.*", "", body)
        assert tuple(word.lower() for word in re.findall(r"\bk(\w+)", body)) == values
