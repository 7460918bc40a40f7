"""The launch scripts, in a copy of the tree whose path has a blank and whose programs are stand-ins."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys

import pytest
import tree

PROGRAM = r"""#!/bin/bash
# Stands in for cuttle: says how it was started; `train` lasts until SIGTERM, but ends at once under QUICK.
trap 'echo "saved $OMPI_COMM_WORLD_RANK"; exit 3' TERM
case $1 in
  fail) exit 2 ;;
  eval) ((OMPI_COMM_WORLD_RANK)) ||
      echo '{"way": 5, "shot": 1, "query": 2, "episodes": 600, "accuracy": 0.5, "ci95": 0.012}' ;;
  *) echo "rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE, threads" \
      "$OMP_NUM_THREADS$OPENBLAS_NUM_THREADS$MKL_NUM_THREADS, arguments: $*" ;;
esac
if [[ $1 == train && -z $QUICK ]]; then for _ in {1..200}; do sleep 0.1; done; fi
if [[ $1 == train ]]; then mkdir -p "$4"; fi
"""
DATA_TOOL = r"""#!/bin/bash
echo "data $*" >>calls
if [[ $1 == emoji ]]; then mkdir -p .data/emoji && touch .data/emoji/dataset.json; fi
if [[ $1 == floor ]]; then
  one='{"accuracy": 0.25, "interval_95": 0.01, "episodes": 600}'
  echo "{\"results\": {\"fused\": $one, \"image\": $one, \"text\": $one, \"audio\": $one}}"
fi
"""


def write_program(path, code):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "a copy"
    shutil.copytree(tree.ROOT / "launch", root / "launch", ignore=shutil.ignore_patterns("__pycache__"))
    write_program(root / "build/release/cuttle", PROGRAM)
    write_program(root / "data_tools/cuttle-data", DATA_TOOL)
    for name in ("python", "python3"):
        (root / ".venv/bin").mkdir(parents=True, exist_ok=True)
        (root / ".venv/bin" / name).symlink_to(sys.executable)
    shutil.copy(root / "launch/requirements.txt", root / ".venv/.cuttle-requirements")
    write_program(root / "stubs/dpkg-query", "#!/bin/sh\nprintf installed\n")
    for name in ("cmake", "ctest", "clang++"):
        write_program(root / "stubs" / name, f'#!/bin/sh\necho "{name} $*" | tee -a calls\n'
                      f'case "{name} $*" in $BROKEN) exit 8; esac\n')
    return root


def launch(repository, script, *arguments, **environment):
    environment = {**os.environ, "PATH": f"{repository / 'stubs'}:{os.environ['PATH']}", "BROKEN": "nothing",
                   "OMPI_MCA_odls_base_sigkill_timeout": "1", **environment}
    return subprocess.run([repository / "launch" / script, *arguments], cwd="/", env=environment, capture_output=True,
                          text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def shell(repository, code):
    """Runs bash code after sourcing env.sh."""
    return subprocess.run(["bash", "-c", f'. "$0/launch/lib/env.sh"\n{code}', repository], cwd="/", capture_output=True,
                          text=True, timeout=60, check=False)


@pytest.mark.parametrize("script", ["quickstart.sh", "test.sh", "local.sh", "benchmark.sh"])
def test_help(repository, script):
    result = launch(repository, script, "--help")
    assert result.returncode == 0 and result.stdout.startswith(f"usage: launch/{script}")
    assert "set -" not in result.stdout


@pytest.mark.parametrize("call", [["quickstart.sh", "--rank", "2"], ["quickstart.sh", "--ranks", "0"],
                                  ["quickstart.sh", "--ranks"], ["local.sh", "-n", "x", "train"], ["local.sh"],
                                  ["local.sh", "--many"], ["benchmark.sh", "--workload", "W9"],
                                  ["benchmark.sh", "--inner-steps", "1,"], ["benchmark.sh", "--rounds"],
                                  ["benchmark.sh", "--learner", "anil,"],
                                  ["benchmark.sh", "--peers-venv", "/nowhere"]])
def test_wrong_arguments(repository, call):
    result = launch(repository, *call)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1


def test_local_passes_arguments_threads_and_ranks(repository):
    result = launch(repository, "local.sh", "-n", "3", "bench", "a b", "key=[1,2]", OMP_NUM_THREADS="7")
    assert result.returncode == 0
    assert sorted(result.stdout.splitlines()) == [
        f"rank {rank} of 3, threads 111, arguments: bench a b key=[1,2]" for rank in range(3)]
    assert "of 1, threads 222" in launch(repository, "local.sh", "-n", "1", "-t", "2", "bench").stdout


def test_local_passes_the_exit_code(repository):
    assert launch(repository, "local.sh", "-n", "2", "fail").returncode == 2


def test_local_says_what_to_build(repository):
    (repository / "build/release/cuttle").unlink()
    result = launch(repository, "local.sh", "train")
    assert result.returncode == 1 and "run launch/quickstart.sh once" in result.stderr


def test_a_missing_mpirun_is_not_a_success(repository):
    result = shell(repository, 'PATH=; run_ranks 1 1 true')
    assert result.returncode != 0


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_ranks_save_when_the_script_is_stopped(repository, how):
    """Ctrl-C comes from a terminal to the whole group, SIGTERM and SIGKILL to the script alone."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ["OMPI_MCA_odls_base_sigkill_timeout"] = "5"
        script = str(repository / "launch/local.sh")
        os.execv(script, [script, "-n", "2", "train"])
    output = read_until(terminal, lambda text: text.count("rank ") == 2)
    if how == "Ctrl-C":
        os.write(terminal, b"\x03")
    else:
        os.kill(process, getattr(signal, how))
    output += read_until(terminal, lambda text: text.count("saved") == 2)
    assert "saved 0" in output and "saved 1" in output
    read_until(terminal, lambda text: False)
    status = os.waitpid(process, 0)[1]
    assert os.waitstatus_to_exitcode(status) == (-9 if how == "SIGKILL" else 3)


def read_until(terminal, enough):
    """What comes from the terminal until `enough` of it has, or all."""
    text = ""
    while not enough(text):
        try:
            piece = os.read(terminal, 4096).decode()
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        text += piece
    return text


@pytest.mark.parametrize("cores,physical,ranks,threads,expected", [
    (4, 4, 2, 1, "--map-by slot:PE=1 --bind-to core:if-supported"),
    (4, 4, 2, 2, "--map-by slot:PE=2 --bind-to core:if-supported"),
    (4, 2, 3, 1, "--use-hwthread-cpus --map-by slot:PE=1 --bind-to hwthread:if-supported"),
    (4, 4, 3, 2, "--oversubscribe --bind-to none"),
])
def test_flags_of_mpirun(repository, cores, physical, ranks, threads, expected):
    listing = "\\n".join(f"{core % physical},0" for core in range(cores))
    result = shell(repository, f"cores={cores}; lscpu() {{ printf '# CORE,SOCKET\\n{listing}\\n'; }}\n"
                               f"mpi_flags {ranks} {threads} | paste -sd' '")
    root = "--allow-run-as-root " if os.geteuid() == 0 else ""
    assert result.stdout == f"-n {ranks} {root}{expected}\n"


def test_a_stage_is_quiet_and_timed(repository):
    result = shell(repository, 'stage "Saying (loudly)" echo hello')
    assert result.returncode == 0
    assert result.stdout.startswith("Saying (loudly) ... 0.") and result.stdout.endswith(" s\n")
    assert (repository / "build/logs/Saying.log").read_text(encoding="utf-8") == "hello\n"


def test_a_long_stage_shows_how_far_it_is(repository):
    count = 'progress_every=1; build() { for i in 1 2 3 4 5; do echo "[$i/5] Compiling"; sleep 0.7; done; }\n'
    lines = shell(repository, count + 'stage "Building (long)" build').stdout.splitlines()
    assert lines[0] == "Building (long) ... " and re.fullmatch(r"Building \(long\) \.\.\. \d+\.\d s", lines[-1])
    assert 2 <= len(lines[1:-1]) <= 5 and all(re.fullmatch(r"    [1-5] of 5, \d+ s", line) for line in lines[1:-1])
    tests = shell(repository, "progress_every=1; run() { echo ' 7/49 Test  #3: name'; sleep 1.7; }\nstage Testing run")
    assert "    7 of 49, 1 s\n" in tests.stdout


def test_a_failing_stage_shows_its_end_and_stops_the_script(repository):
    result = shell(repository, 'both() { seq 100 && return 7; }\nstage "Counting" both\necho not reached')
    assert result.returncode == 7
    lines = result.stdout.splitlines()
    assert "FAILED" in lines[0] and "build/logs/Counting.log" in lines[0]
    assert [line.strip() for line in lines[1:]] == [str(number) for number in range(61, 101)]


def test_jobs_fit_the_memory(repository):
    awk = "cores=64; awk() { echo 4000; }; cat() { echo max; }; build_jobs; cat() { echo 2000000000; }; build_jobs"
    assert shell(repository, awk).stdout == "2\n1\n"


def test_missing_packages_are_named_where_nothing_may_be_installed(repository):
    write_program(repository / "stubs/dpkg-query",
                  '#!/bin/sh\ncase "$*" in *ninja-build|*espeak-ng) exit 1; esac\nprintf installed\n')
    result = launch(repository, "test.sh", "--no-install")
    assert result.returncode == 1 and "apt-get install ninja-build espeak-ng\n" in result.stderr
    assert not (repository / "calls").exists()


def test_optional_packages_may_be_missing(repository):
    write_program(repository / "stubs/dpkg-query",
                  '#!/bin/sh\ncase "$*" in *mold) exit 1; esac\nprintf installed\n')
    result = launch(repository, "test.sh", "--no-install")
    assert result.returncode == 0 and "without mold" in result.stdout


def test_changed_pins_are_noticed(repository):
    (repository / ".venv/.cuttle-requirements").write_text("torch==1.0\n", encoding="utf-8")
    result = launch(repository, "test.sh", "--no-install")
    assert result.returncode == 1 and "requirements.txt" in result.stderr


def test_the_tests_run_after_the_sanitizers_and_come_last(repository):
    result = launch(repository, "test.sh")
    assert result.returncode == 0, result.stdout + result.stderr
    calls = (repository / "calls").read_text(encoding="utf-8").splitlines()
    presets = [call.split("--preset ")[1].split()[0] for call in calls if call.startswith("ctest")]
    assert presets == ["asan", "tsan", "fuzz", "release"]
    assert all("--label-exclude ^long$" in call for call in calls if call.startswith("ctest") and "fuzz" not in call)
    assert result.stdout.splitlines()[-1] == calls[-1]
    assert "label-exclude" not in launch(repository, "test.sh", "--long").stdout


def test_without_clang_the_fuzz_targets_are_skipped_aloud(repository):
    (repository / "stubs/clang++").unlink()
    path = f"{repository / 'stubs'}:{repository / '.venv/bin'}"
    for name in "bash env dirname readlink nproc tr sed mkdir date awk cat setarch uname cmp df tail apt-cache".split():
        if shutil.which(name) and not (repository / "stubs" / name).exists():
            (repository / "stubs" / name).symlink_to(shutil.which(name))
    result = launch(repository, "test.sh", PATH=path)
    assert "Fuzz targets: skipped" in result.stdout and "--preset fuzz" not in result.stdout


@pytest.mark.parametrize("broken", ["ctest*asan*", "cmake*--build*tsan*", "ctest*fuzz*", "ctest*release*"])
def test_any_failure_is_a_failure(repository, broken):
    result = launch(repository, "test.sh", BROKEN=broken)
    assert result.returncode != 0


def test_a_selection_leaves_the_sanitizers_out(repository):
    launch(repository, "test.sh", "-R", "reduce")
    calls = (repository / "calls").read_text(encoding="utf-8")
    assert "-R reduce" in calls and "asan" not in calls


def test_quickstart_from_data_to_table(repository):
    for _ in range(2):
        result = launch(repository, "quickstart.sh", QUICK="yes")
        assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert any(line.startswith("meta-trained ") and line.count("50.0 +- 1.2") == 4 for line in lines)
    assert any(line.startswith("untrained nearest mean") and line.count("25.0 +- 1.0") == 4 for line in lines)
    run = lines[-1].split("Run folder: ")[1].split("   ")[0]
    with open(os.path.join(run, "test-image.json"), encoding="utf-8") as file:
        assert json.load(file)["accuracy"] == 0.5
    calls = (repository / "calls").read_text(encoding="utf-8")
    assert calls.count("data emoji") == 1 and calls.count("data floor") == 1


def test_the_benchmark_is_built_and_told_where_the_libraries_are(repository, tmp_path):
    write_program(repository / "tests/benchmark/peers/run.py", "import sys\nprint(*sys.argv[1:], sep='|')\n")
    write_program(tmp_path / "libraries/bin/python", "")
    words = ["--workload", "W1", "--inner-steps", "1,5", "--rounds", "2", "--memory", "--out", str(tmp_path / "an out")]
    told = f"--out|{tmp_path / 'an out'}|--workload|W1|--inner-steps|1,5|--rounds|2|--memory"
    alone = launch(repository, "benchmark.sh", *words, CUTTLE_PEERS="")
    assert alone.stdout.splitlines()[-1] == told and "only PyTorch by hand" in alone.stdout, alone.stderr
    assert "cmake --build --preset release" in (repository / "calls").read_text(encoding="utf-8")
    told += f"|--peers-venv|{tmp_path / 'libraries'}"
    for options, environment in ((["--peers-venv", str(tmp_path / "libraries")], {}),
                                 ([], {"CUTTLE_PEERS": str(tmp_path / "libraries")})):
        assert launch(repository, "benchmark.sh", *words, *options, **environment).stdout.splitlines()[-1] == told
    (repository / ".venv-peers").symlink_to(tmp_path / "libraries")
    words = ["--learner", "anil,maml_pp", "--vectors", "--", "--side", "32"]
    result = launch(repository, "benchmark.sh", *words, CUTTLE_PEERS="")
    told = f"|--learner|anil,maml_pp|--vectors|--side|32|--peers-venv|{tmp_path / 'libraries'}"
    assert result.stdout.splitlines()[-1].endswith(told)
