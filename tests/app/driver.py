"""Runs the built program, alone or under mpirun, as people and scripts do."""

import hashlib
import json
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CUTTLE_BINARY_DIR", ROOT / "build/release")) / "cuttle"
FEATURES = tempfile.TemporaryDirectory()  # not those of whoever runs the tests; gone at the end
# Bits depend on the threads; mpirun waits this long before it kills the others of a dead rank.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
               "CUTTLE_FEATURES": FEATURES.name, "OMPI_MCA_odls_base_sigkill_timeout": "1"}
DONE, FAILURE, USER_ERROR, STOPPED_EARLY = 0, 1, 2, 3

CONFIG = """
name: tiny
data: {shards: [SHARDS/*.h5], modalities: [image, text]}
episode: {way: 3, shot: 1, query: 2, meta_batch_size: 5}
model:
  modality_dropout: 0.2
  encoders:
    image: {type: conv4, width: 8, depth: 2}
    text: {type: char_conv, width: 8, depth: 2}
adapt: {algorithm: maml, inner_steps: 2, inner_lr: 0.1}
step: {outer_lr: 0.005}
train: {steps: 20, validate_every: 10, validation_episodes: 7, checkpoint_every: 10}
evaluation: {episodes: 20}
"""


def mpirun(ranks, words):
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *words]


def bounded(words, seconds):
    """The command that ends the given one when its time is over. mpirun is asked first: its ranks outlive its kill."""
    return ["timeout", "--foreground", "-k", "10", str(seconds), *words]


def command(*words, ranks=None):
    """The words of `cuttle WORDS`; `ranks`: under mpirun."""
    words = [str(word) for word in (PROGRAM, *words)]
    return words if ranks is None else mpirun(ranks, words)


def run(words, code=DONE, timeout=300):
    """Runs the command; its exit code must be `code`, whatever it prints comes back."""
    result = subprocess.run(bounded(words, timeout), env=ENVIRONMENT, capture_output=True, text=True, check=False)
    shown = f"{' '.join(words)}\nexit code {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert result.returncode == code, shown
    assert "terminate called" not in result.stderr and "Segmentation" not in result.stderr, shown
    return result


def cuttle(*words, ranks=None, code=DONE, timeout=300):
    return run(command(*words, ranks=ranks), code, timeout)


def on_terminal(*words):
    """What `cuttle WORDS`, which must succeed, shows on a standard error that is a terminal."""
    terminal, other = pty.openpty()
    with subprocess.Popen(command(*words), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=other) as process:
        os.close(other)
        shown = b""
        while piece := _read(terminal):
            shown += piece
    os.close(terminal)
    assert process.returncode == DONE, shown
    return shown.decode()


def _read(terminal):
    """What comes next; nothing when the other side is closed."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def cuttle_json(*words, ranks=None, timeout=300):
    return json.loads(cuttle(*words, "--json", ranks=ranks, timeout=timeout).stdout)


def train(config, folder, *words, ranks=None, code=DONE, timeout=300):
    return cuttle("train", config, "--run-dir", folder, *words, ranks=ranks, code=code, timeout=timeout)


def inspect(folder):
    return cuttle_json("inspect", folder)


def metrics(folder, kind=None):
    """The records of a run, all or those of one kind."""
    lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if kind in (None, record["kind"])]


def ranks_of(folder):
    """Ids of the processes that work on this run, under whatever launcher: none may outlive it."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            state = (path / "stat").read_text(encoding="utf-8").rpartition(") ")[2][:1]
        except OSError:
            continue  # it has ended
        if words[0].endswith("cuttle") and str(folder) in words and state != "Z":
            found.append(int(path.name))
    return found


def leftovers(folder):
    """Files that only a writer at work may have."""
    return [path for path in Path(folder).rglob("*") if ".tmp" in path.name or path.name.startswith(".old-")]


def rewrite_in_checkpoint(folder, name, text):
    """Another content for a file of a checkpoint, which verifies afterwards as if it had always been there."""
    (folder / name).write_text(text, encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    content = text.encode()
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def make_shards(folder, *words):
    """Synthetic shards of all five kinds of modality; see cuttle-data make_synthetic."""
    tool = [sys.executable, "-m", "cuttle_data", "make_synthetic", "--out", str(folder), "--shards", "2", *words]
    subprocess.run(tool, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT / "data_tools")}, check=True, capture_output=True)
    return folder


def one_sense_config(path, config, sense, encoder=None):
    """A copy of CONFIG as `config` has it, with this sense alone; `encoder`: in place of its own."""
    other = {"image": "    text:", "text": "    image:"}[sense]
    lines = config.read_text(encoding="utf-8").replace("[image, text]", f"[{sense}]").splitlines()
    lines = [line for line in lines if not line.startswith(other)]
    if encoder:
        lines = [f"    {sense}: {encoder}" if line.startswith(f"    {sense}:") else line for line in lines]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_config(path, shards, text=CONFIG):
    path.write_text(text.replace("SHARDS", str(shards)), encoding="utf-8")
    return path
