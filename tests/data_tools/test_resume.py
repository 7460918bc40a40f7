"""Killed, full-disk, repeated and changed conversions."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import ROOT
from cuttle_data.errors import UserError
from cuttle_data.report import Report
from test_shards import make_samples, write

SLOW_CONVERSION = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tools!r}, {tests!r}]
import test_shards
samples = test_shards.make_samples(classes=8, each=4)
for sample in samples:
    values = dict(sample.values)
    sample.values["text"] = lambda v=values.get("text", "x"): time.sleep(float(sys.argv[2])) or v
    sample.fingerprint = sample.name
test_shards.write(Path(sys.argv[1]), samples, shards=4)
"""


def start(out, delay):
    code = SLOW_CONVERSION.format(tools=str(ROOT / "data_tools"),
                                  tests=str(ROOT / "tests/data_tools"))
    return subprocess.Popen([sys.executable, "-c", code, str(out), str(delay)])


def hashes(out):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.glob("*.h5"))
    }


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_conversion_looks_unfinished_and_goes_on_to_the_same_bytes(tmp_path, run):
    assert start(tmp_path / "whole", 0).wait() == 0
    out = tmp_path / "killed"
    process = start(out, 0.05)
    wait_for(lambda: (out / ".conversion/part-00001.json").exists())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(out.glob("*.h5")) and not (out / "dataset.json").exists()
    kept = (out / ".conversion/part-00000").stat().st_ino
    code, _, errors = run("verify", out)
    assert code == 2 and "unfinished conversion" in errors
    (out / "toy-00000-of-00004.h5.tmp.1").write_bytes(b"left by a kill while sealing")
    assert start(out, 0).wait() == 0
    assert hashes(out) == hashes(tmp_path / "whole") and len(hashes(out)) == 4
    assert (out / "toy-00000-of-00004.h5").stat().st_ino == kept
    assert sorted(p.name for p in out.iterdir()
                  if p.suffix != ".h5") == ["conversion.log", "dataset.json"]


def test_killed_between_two_renames(tmp_path, monkeypatch):
    whole = hashes_of_write(tmp_path / "whole")
    calls = []

    def seal_once(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    from cuttle_data import conversion
    real = conversion.seal
    monkeypatch.setattr(conversion, "seal", seal_once)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", make_samples())
    assert len(list((tmp_path / "out").glob("*.h5"))) == 1
    monkeypatch.setattr(conversion, "seal", real)
    _, report = write(tmp_path / "out", make_samples())
    assert "shard 0 was finished before: kept" in report.notes
    assert hashes(tmp_path / "out") == whole


def hashes_of_write(out):
    write(out, make_samples())
    return hashes(out)


def test_another_plan_does_not_reuse_parts(tmp_path, monkeypatch):
    from cuttle_data import conversion
    monkeypatch.setattr(conversion, "_seal_parts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", make_samples())
    monkeypatch.undo()
    changed = make_samples()
    changed[0].values["vector"] = changed[1].values.get("vector", changed[2].values.get("vector"))
    _, report = write(tmp_path / "out", changed)
    assert not any("kept" in note for note in report.notes)
    write(tmp_path / "fresh", changed)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "fresh") != {}


def test_complete_is_kept_and_another_data_set_is_refused_without_overwrite(tmp_path):
    before = hashes_of_write(tmp_path)
    _, report = write(tmp_path, make_samples())
    assert any("complete already" in note for note in report.notes)
    with pytest.raises(UserError, match="another conversion.*--overwrite"):
        write(tmp_path, make_samples(), seed=9)
    assert hashes(tmp_path) == before
    write(tmp_path, make_samples(), shards=1, overwrite=True)
    assert list(hashes(tmp_path)) == ["toy-00000-of-00001.h5"]


def test_a_missing_shard_is_not_complete(tmp_path):
    before = hashes_of_write(tmp_path)
    (tmp_path / "toy-00001-of-00002.h5").unlink()
    with pytest.raises(UserError, match="--overwrite"):
        write(tmp_path, make_samples())
    write(tmp_path, make_samples(), overwrite=True)
    assert hashes(tmp_path) == before


def test_two_conversions_into_one_folder(tmp_path):
    (tmp_path / ".conversion").mkdir()
    with open(tmp_path / ".conversion/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another conversion is writing"):
            write(tmp_path, make_samples())


def test_dry_run_writes_nothing(tmp_path):
    _, report = write(tmp_path / "out", make_samples(), dry_run=True)
    assert not (tmp_path / "out").exists()
    assert report.tables[0][2][0][:3] == ["train", 3, 9]


def test_a_full_disk_is_one_message_and_leaves_nothing_whole(tmp_path):
    command = (
        f"ulimit -f 40; exec {ROOT}/data_tools/cuttle-data make_synthetic --out {tmp_path}/out "
        "--size 64 --shards 1")
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert result.returncode == 2 and "Traceback" not in result.stderr, result.stderr
    assert "free space" in result.stderr
    assert not list((tmp_path / "out").glob("**/*.h5")) and not list(
        (tmp_path / "out").glob("**/*.tmp.*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path, run):
    tmp_path.chmod(0o500)
    code, _, errors = run("make_synthetic", "--out", tmp_path / "out")
    assert code == 2 and "permission" in errors.lower()


def test_out_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file"):
        write(tmp_path / "out", make_samples())


def test_a_report_has_a_line_for_each_kind_of_reason():
    report = Report()
    for index in range(12):
        report.skipped(f"file {index}", f"cut off after {index} of 100 bytes")
    report.skipped("lonely", "broken")
    report.doubted("dark", "nearly black")
    assert report.summary() == ("warning, used all the same: 1\n  1 x dark: nearly black\nskipped: 13\n"
                                "  12 x cut off after 0 of 100 bytes, e.g. file 0\n"
                                "  1 x lonely: broken\n")
    assert "\n  file 11: cut off after 11 of 100 bytes\n" in report.summary(every=True)
