"""The flow is the layout: who may include whom, and what public headers and library code must not do."""

import re

import pytest
import tree

CODE = tree.files("*.hpp", "*.cpp", under=("src", "include"))
FORBIDDEN_IN_PUBLIC = re.compile(r"^(mpi\.h|nccl\.h|cuda\w*\.h|hdf5\.h|H5\w+\.h|yaml-cpp/.*|torch/torch\.h|spdlog/.*)$")
MAX_PUBLIC_HEADERS = 77  # beside the stages' options.hpp, which are plain structs that config reads
# The program's own output, and the one place through which libraries speak.
MAY_PRINT = ("src/app/", "src/core/log.cpp")
PRINTS = re.compile(r"\bstd::(cout|cerr|clog)\b|\bfmt::print\b|\b(?:printf|puts|putchar|perror)\s*\("
                    r"|\bf(?:printf|puts|write)\s*\([^;]*\bstd(?:out|err)\b")
# To follow a step: each file, what it calls, and the file that has it.
SIX_FILES = (("src/app/train_command.cpp", r"\btrainer\.run\("),
             ("src/train/trainer.cpp", r"\bmeta_step\("),
             ("src/step/meta_step.cpp", r"\bfor_each_meta_gradient\((?s:.*)reducer\.reduce\("),
             ("src/adapt/descent.cpp", r"\btrajectory\.back\("),
             ("src/reduce/meta_reducer.cpp", r"\bcomm_?\b"),
             ("src/comm/mpi_communicator.cpp", r"\bMPI_"))
DEFINED = {"src/train/trainer.cpp": r"\bTrainer::run\(", "src/step/meta_step.cpp": r"\bStepReport meta_step\(",
           "src/adapt/descent.cpp": r"::meta_gradient\(", "src/reduce/meta_reducer.cpp": r"\bMetaReducer::reduce\(",
           "src/comm/mpi_communicator.cpp": r"\ball_reduce\("}
ROWS = {"model": "src/model/rows.hpp", "task": "src/task/rows.hpp", "adapt": "src/adapt/rows.hpp",
        "metrics": "src/metrics/rows.hpp", "step": "src/step/rows.hpp"}
# Names that are other things, too.
ANY_WORD = {"none", "linear", "episodes", "concat", "class", "groups", "batch", "support", "cosine", "value", "return",
            "lstm", "running", "adam", "sgd", "group", "floor", "columns", "bilinear", "bottleneck", "film", "task"}
# Options whose default is a type's name, and the type that stands for the usual one.
NAMES_A_DEFAULT = re.compile(r"options\.hpp$|run_config\.hpp$|model/registry\.cpp$|model/encoders/common\.")


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
    assert problem_of("data", "cuttle/task/episode.hpp")
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


def test_a_step_is_followed_through_six_files():
    for path, calls in SIX_FILES:
        code = tree.without_comments(tree.text(tree.ROOT / path))
        assert re.search(calls, code), f"{path} does not call {calls}"
        assert path not in DEFINED or re.search(DEFINED[path], code), f"{path} does not have {DEFINED[path]}"
    readme = tree.text(tree.ROOT / "README.md")
    assert all(f"({path})" in readme for path, _ in SIX_FILES)


def rows_of(path):
    """(macro's kind, name) of each row of a registry."""
    text = tree.text(tree.ROOT / path).replace("\\\n", " ")
    return [(kind, name) for kind, body in re.findall(r"#define CUTTLE_(\w+)\(row\)(.*)", text)
            for name in re.findall(r"row\((\w+)\)", body)]


@pytest.mark.parametrize("stage", ROWS)
def test_a_part_is_one_source_file_and_one_row(stage):
    """Nobody else names it: adding a part opens no other file."""
    rows, wrong = rows_of(ROWS[stage]), []
    for kind, name in rows:
        homes = [path for path in CODE if re.search(rf"\w+Type row_of_{name}\(\) {{", tree.text(path))]
        named = [path for path in CODE if path not in homes and not NAMES_A_DEFAULT.search(tree.name(path))
                 and re.search(rf'"{name}"', re.sub(r"//[^\n]*", "", tree.text(path)))]
        if len(homes) != 1:
            wrong.append(f"{kind} {name} is made by {len(homes)} files")
        elif stage != "task" or kind == "SOURCES":
            wrong += [f"{kind} {name} is named in {tree.name(path)}" for path in named if name not in ANY_WORD]
    assert len(rows) >= 3 and not wrong, "\n".join(wrong)
