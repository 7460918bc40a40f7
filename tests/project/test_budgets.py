"""Numeric budgets: sizes of files and functions, line widths, leftovers."""

import ast
import json
import re
import statistics
import subprocess

import tree

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 100
MAX_STEP_LINES = 60  # meta_step fits one screen
MAX_LEARNER_LINES = 150  # the median of their files
MAX_COLUMNS = {".hpp": 110, ".cpp": 110, ".py": 120, ".sh": 120}
CPP = tree.files("*.hpp", "*.cpp")
PYTHON = tree.files("*.py")
SCRIPTS = tree.files("*.sh") + tree.files("CMakeLists.txt", "*.cmake", "*.in")


def cpp_functions(paths):
    """(file, name, lines) of every function that ctags sees."""
    listing = subprocess.run(["ctags", "--output-format=json", "--languages=C++", "--langmap=C++:+.hpp.cpp",
                              "--kinds-C++=f", "--fields=+ne", "-f", "-", *map(str, paths)],
                             capture_output=True, text=True, check=True).stdout
    tags = [json.loads(line) for line in listing.splitlines()]
    return [(tag["path"], tag["name"], tag["end"] - tag["line"] + 1) for tag in tags if "end" in tag]


def python_functions(path):
    nodes = ast.walk(ast.parse(tree.text(path)))
    return [(tree.name(path), node.name, node.end_lineno - node.lineno + 1) for node in nodes
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def test_files_are_short():
    long = [f"{tree.name(path)}: {lines}" for path in CPP + PYTHON + SCRIPTS
            if (lines := len(tree.text(path).splitlines())) > MAX_FILE_LINES]
    assert CPP and PYTHON and SCRIPTS and not long, "\n".join(long)


def test_lines_are_narrow():
    wide = [f"{tree.name(path)}:{number}: {len(line)} columns" for path in tree.files(*(f"*{s}" for s in MAX_COLUMNS))
            for number, line in enumerate(tree.text(path).splitlines(), 1) if len(line) > MAX_COLUMNS[path.suffix]]
    assert not wide, "\n".join(wide)


def test_functions_are_short():
    functions = cpp_functions(CPP) + [entry for path in PYTHON for entry in python_functions(path)]
    long = [f"{path}: {name} has {lines} lines" for path, name, lines in functions if lines > MAX_FUNCTION_LINES]
    assert len(functions) > 100 and not long, "\n".join(long)


def test_function_lengths_are_measured(tmp_path):
    source = tmp_path / "long.cpp"
    source.write_text("int f() {\n" + "  g();\n" * 120 + "  return 1;\n}\n", encoding="utf-8")
    assert cpp_functions([source]) == [(str(source), "f", 123)]


def test_meta_step_fits_one_screen():
    functions = cpp_functions([tree.ROOT / "src/step/meta_step.cpp"])
    lengths = [lines for _, name, lines in functions if name == "meta_step"]
    assert lengths and max(lengths) <= MAX_STEP_LINES


def test_learners_are_short():
    """The files with a row of the registry."""
    files = [path for path in tree.files("*.cpp") if path.parent == tree.ROOT / "src/adapt/learners"
             and "LearnerType row_of_" in tree.text(path)]
    lengths = {path.name: len(tree.text(path).splitlines()) for path in files}
    assert len(files) > 20 and statistics.median(lengths.values()) <= MAX_LEARNER_LINES, lengths


def test_nothing_is_left_over():
    """Unfinished work belongs in the issue tracker; a path of one machine works on no other."""
    notes = r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b"
    leftover = re.compile(notes + r"|(?<![\w.$}])/(?:" + "home|root|work|Users)/[a-z]")
    found = [f"{tree.name(path)}:{number}: {line.strip()}" for path in CPP + PYTHON + SCRIPTS
             for number, line in enumerate(tree.text(path).splitlines(), 1) if leftover.search(line)]
    assert not found, "\n".join(found)
