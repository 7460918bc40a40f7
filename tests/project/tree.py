"""The files of the project, for the tests of the tree."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("core", "comm", "config", "data", "sense", "kernels", "model", "task", "adapt", "reduce", "step",
          "checkpoint", "metrics", "train", "app")


def files(*patterns, under=("src", "include", "tests", "data_tools", "launch")):
    """Files below the given top folders whose names match one of the patterns, sorted."""
    found = {path for top in under for pattern in patterns for path in (ROOT / top).rglob(pattern)}
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def name(path):
    return str(path.relative_to(ROOT))


def text(path):
    return path.read_text(encoding="utf-8")


def without_comments(code):
    """C++ code with comments blanked and string contents removed; line numbers stay."""
    def blank(match):
        token = match.group()
        return '""' if token[0] == '"' else "\n" * token.count("\n")
    return re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', blank, code, flags=re.DOTALL)


def stage_of(path):
    """The stage of a file in src/<stage>/ or include/cuttle/<stage>/, else None."""
    parts = path.relative_to(ROOT).parts
    candidate = parts[1] if parts[0] == "src" else parts[2] if parts[:2] == ("include", "cuttle") else None
    return candidate if candidate in STAGES else None
