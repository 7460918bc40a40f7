"""The list of mutants fits the code as it is now."""

import ast
import re
from collections import Counter
from pathlib import Path

from mutants import AREAS, MUTANTS

ROOT = Path(__file__).resolve().parents[2]


def test_every_text_stands_once_in_its_file():
    counts = {mutant: (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.text) for mutant in MUTANTS}
    wrong = [f"{count} times in {mutant}" for mutant, count in counts.items() if count != 1]
    assert not wrong, "\n".join(wrong)


def test_every_area_has_its_share():
    by_area = Counter(mutant.area for mutant in MUTANTS)
    assert len(MUTANTS) == len(set(MUTANTS)) >= 60 and all(by_area[area] >= 8 for area in AREAS), by_area
    assert all(mutant.text != mutant.replacement for mutant in MUTANTS)


def test_every_test_and_target_exists():
    lists = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("CMakeLists.txt"))
    tests = set(re.findall(r"cuttle_add_(?:py)?test\((\S+)", lists))
    targets = tests | {"cuttle"} | set(re.findall(r"add_executable\((\S+)", lists))
    assert {mutant.test for mutant in MUTANTS} <= tests and {mutant.target for mutant in MUTANTS} <= targets


def test_no_list_hides_another():
    """Python keeps the second of two equal keys of a dict, and says nothing."""
    for path in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            keys = [key.value for key in getattr(node, "keys", ()) if isinstance(key, ast.Constant)]
            assert len(keys) == len(set(keys)), (path.name, node.lineno)
