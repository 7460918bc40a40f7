"""Mistakes with the programs around cuttle: launch scripts and data tools. Each ends at once, with exit code 2 and what
to do, and writes nothing."""

import os
import subprocess

import driver
import pytest

# (the call, words that must be in what it says). Braces name the places of `places`.
TABLE = [
    ("local.sh", "no command given --help"),
    ("local.sh -n 0 train {c}", "-n needs a number from 1 on"),
    ("local.sh -n two train {c}", "-n needs a number from 1 on"),
    ("local.sh --ranks 2 train {c}", "unknown option --ranks --help"),
    ("local.sh -n 1 tran {c}", "'tran' did you mean 'train'"),
    ("run_until_done.sh", "no command given --help"),
    ("run_until_done.sh launch/local.sh train {c} --run-dir {here}/r", "lacks --resume add it"),
    ("collect_sweep.py", "required: folder"),
    ("collect_sweep.py {here}/none", "{here}/none holds no runs give the folder of a sweep"),
    ("collect_sweep.py {here} --program {here}/none", "{here}/none does not exist build it"),
    ("benchmark.sh --workload W9", "does not take 'W9' --help"),
    ("benchmark.sh --rounds 5s", "does not take '5s' --help"),
    ("simulate.py --ranks x", "'x' is no number --help"),
    ("simulate.py --modle conv4", "--modle --help"),
    ("fuzz.sh 5m", "seconds for each target --help"),
    ("fuzz.sh --built {here}/none 5", "--built needs the folder of a build"),
    ("quickstart.sh --ranks many", "--ranks needs a number from 1 on"),
    ("container/build.sh --no-cache", "no arguments"),
    ("cuttle-data", "COMMAND"),
    ("cuttle-data tabel {csv} --out {here}/o", "'tabel' choose from 'table'"),
    ("cuttle-data table {here}/none.csv --out {here}/o", "none.csv check the path"),
    ("cuttle-data table {c} --out {here}/o", "tiny.yaml first line does not name every column once"),
    ("cuttle-data table {csv} --out {here}/o --class-column usr", "no column 'usr' it has user, x"),
    ("cuttle-data table {csv} --out {here}/o --class-column user --splits 64,16,20", "fractions 0.64,0.16,0.2"),
    ("cuttle-data table {csv} --out {here}/o --shards 0", "--shards must be from 1"),
    ("cuttle-data table {csv} --out {here}/o --features user", "column user holds 'ann', not a number"),
    ("cuttle-data table {csv} --out {csv}", "{csv}"),
    ("cuttle-data image_folder {here}/none --out {here}/o", "no such folder class folders"),
    ("cuttle-data image_folder {here} --out {here}/o", "no class folder holds an image expected"),
    ("cuttle-data omniglot {here}/none --out {here}/o", "no such folder --download"),
    ("cuttle-data pack {csv} --out {here}/o.h5", "--like"),
    ("cuttle-data pack {csv} --like {c} --out {here}/o.h5", "tiny.yaml no shard, no run and no file of cuttle adapt"),
    ("cuttle-data pack {csv} --like {here}/none --out {here}/o.h5", "none no such file or folder"),
    ("cuttle-data pack {csv} --like {here} --out {here}/o.h5", "no checkpoint and no shard"),
    ("cuttle-data verify {here}/none", "no such file or folder"),
    ("cuttle-data verify {here}", "no shards name a folder of shards"),
    ("cuttle-data verify {c}", "tiny.yaml not a whole shard make the data set again"),
    ("cuttle-data floor {here}", "no shards name a folder of shards"),
]


@pytest.fixture(scope="module")
def places(config, tmp_path_factory):
    table = tmp_path_factory.mktemp("careless") / "table.csv"
    table.write_text("user,x\nann,1\nann,2\nbob,3\n", encoding="utf-8")
    return {"c": config, "csv": table}


@pytest.mark.parametrize("words, expected", TABLE, ids=[words for words, _ in TABLE])
def test_a_mistake_gets_its_answer(words, expected, places, tmp_path):
    if words.startswith("local.sh -n 1") and driver.PROGRAM != driver.ROOT / "build/release/cuttle":
        pytest.skip("launch/local.sh runs the release build only")
    names = {**places, "here": tmp_path}
    program, *rest = [word.format(**names) for word in words.split()]
    folder = "data_tools" if program == "cuttle-data" else "launch"
    result = subprocess.run([driver.ROOT / folder / program, *rest], capture_output=True, text=True, check=False,
                            timeout=60, cwd=tmp_path, env={**os.environ, **driver.ENVIRONMENT})
    said = result.stdout + result.stderr
    missing = [word for word in expected.format(**names).split() if word not in said]
    assert not missing and result.returncode == 2, f"{result.returncode}, {missing} not in:\n{said}"
    assert "Traceback" not in said and "unbound variable" not in said
    assert not list(tmp_path.iterdir())
