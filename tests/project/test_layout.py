"""The flow is the layout: who may include whom, and what public headers and library code must not do."""

import re

import pytest
import tree

CODE = tree.files("*.hpp", "*.cpp", under=("src", "include"))
FORBIDDEN_IN_PUBLIC = re.compile(r"^(mpi\.h|nccl\.h|cuda\w*\.h|hdf5\.h|H5\w+\.h|yaml-cpp/.*|torch/torch\.h|spdlog/.*)$")
MAX_PUBLIC_HEADERS = 45  # beside the stages' options.hpp, which are plain structs that config reads
# The program's own output, and the one place through which libraries speak.
MAY_PRINT = ("src/app/", "src/core/log.cpp")
PRINTS = re.compile(r"\bstd::(cout|cerr|clog)\b|\bfmt::print\b|\b(?:printf|puts|putchar|perror)\s*\("
                    r"|\bf(?:printf|puts|write)\s*\([^;]*\bstd(?:out|err)\b")
SIX_FILES = ("src/app/main.cpp", "src/train/trainer.cpp", "src/step/meta_step.cpp", "src/adapt/maml.cpp",
             "src/reduce/meta_reducer.cpp", "src/comm/mpi_communicator.cpp")


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', tree.text(path), flags=re.MULTILINE)


def problem_of(stage, included):
    """Why a file of `stage` may not include this, or None."""
    private = included.split("/")[0] in tree.STAGES
    if not private and not included.startswith("cuttle/"):
        return None
    other = included.split("/")[0 if private else 1]
    if other == stage or (stage == "config" and included.endswith("/options.hpp")):
        return None
    if private:
        return f"a private header of {other}"
    if {stage, other} == {"checkpoint", "metrics"} or tree.STAGES.index(other) > tree.STAGES.index(stage):
        return f"{other} does not come before {stage}"
    return None


def test_the_rule_itself():
    assert problem_of("data", "cuttle/core/log.hpp") is None
    assert problem_of("data", "cuttle/episode/episode.hpp")
    assert problem_of("checkpoint", "cuttle/metrics/sink.hpp") and problem_of("metrics", "cuttle/checkpoint/save.hpp")
    assert problem_of("config", "cuttle/train/options.hpp") is None
    assert problem_of("data", "cuttle/train/options.hpp")
    assert problem_of("train", "data/hdf5.hpp")
    assert problem_of("train", "vector") is None


def test_no_stage_includes_a_later_one():
    wrong = [f"{tree.name(path)} includes {included}: {problem}" for path in CODE if tree.stage_of(path)
             for included in includes(path) if (problem := problem_of(tree.stage_of(path), included))]
    assert CODE and not wrong, "\n".join(wrong)


def test_public_headers_are_free_of_foreign_ones():
    wrong = [f"{tree.name(path)} includes {included}" for path in tree.files("*", under=("include",))
             for included in includes(path) if FORBIDDEN_IN_PUBLIC.match(included)]
    assert not wrong, "\n".join(wrong)


def test_public_headers_belong_to_a_stage_and_are_few():
    headers = tree.files("*", under=("include",))
    assert all(path.suffix == ".hpp" and tree.stage_of(path) for path in headers)
    assert 0 < len([path for path in headers if path.name != "options.hpp"]) <= MAX_PUBLIC_HEADERS


@pytest.mark.parametrize("line", ["std::cout << 1;", 'printf("x");', "std::fprintf(stderr, x);", "fputs(x, stdout);"])
def test_a_print_is_seen(line):
    assert PRINTS.search(line)
    assert not PRINTS.search(tree.without_comments(f'// {line}\nstd::snprintf(b, 2, "puts(x)"); fprintf(file, x);'))


def test_libraries_do_not_print():
    wrong = [f"{tree.name(path)}:{number}: {line.strip()}" for path in CODE
             if not tree.name(path).startswith(MAY_PRINT)
             for number, line in enumerate(tree.without_comments(tree.text(path)).splitlines(), 1)
             if PRINTS.search(line)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", SIX_FILES)
def test_a_step_is_followed_through_six_files(path):
    assert (tree.ROOT / path).is_file()
