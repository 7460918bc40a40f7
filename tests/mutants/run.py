"""Puts each mutant into a copy of the tree, builds its test and runs it: the test must fail.

  python3 run.py WORK_FOLDER [--only REGEX]     REGEX: in "area test file: text -> replacement"

Goes on where it was stopped: what was caught stays caught until the file, the test's folder or the mutant changes. Exit
code 1 if a mutant survived, does not compile, or its test fails without it.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
LINKED = (".venv", )  # taken as they are


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


class Copy:
    """The tree and a build of it, each file compiled alone."""

    def __init__(self, work):
        self.tree, self.build = work / "tree", work / "build"
        self.work = work
        self.sound = {}  # by test: whether it passes without a mutant

    def refresh(self):
        """Makes the copy what the tree is now; what is equal keeps its time, so that it is not compiled again."""
        wanted = set(tracked_files())
        for name in wanted:
            source, copy = ROOT / name, self.tree / name
            if copy.is_file() and copy.read_bytes() == source.read_bytes():
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
        for path in [path for path in self.tree.rglob("*") if path.is_file() and not path.is_symlink()]:
            if not any(part in LINKED for part in path.relative_to(self.tree).parts) and \
                    str(path.relative_to(self.tree)) not in wanted and "__pycache__" not in path.parts:
                path.unlink()
        for name in LINKED:
            if (ROOT / name).exists() and not (self.tree / name).exists():
                (self.tree / name).symlink_to((ROOT / name).resolve())
        self.call("cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                  "-DCUTTLE_UNITY=OFF", check=True)

    def call(self, *words, check=False):
        """Whether the command succeeds; its output goes to a log."""
        stop_at_once = {**os.environ, "PYTEST_ADDOPTS": "-x", "GTEST_FAIL_FAST": "1"}
        with open(self.work / "log.txt", "ab") as log:
            result = subprocess.run([str(word) for word in words], env=stop_at_once, stdout=log, stderr=log,
                                    check=False)
        if check and result.returncode != 0:
            sys.exit(f"{words[0]} failed; see {self.work / 'log.txt'}")
        return result.returncode == 0

    def builds(self, target):
        return self.call("cmake", "--build", self.build, "--target", target, "-j", str(os.cpu_count()))

    def passes(self, test):
        return self.call("ctest", "--test-dir", self.build, "-R", f"^{re.escape(test)}$", "--no-tests=error",
                         "--output-on-failure")

    def is_sound(self, mutant):
        if mutant.test not in self.sound:
            self.sound[mutant.test] = self.builds(mutant.target) and self.passes(mutant.test)
        return self.sound[mutant.test]

    def judge(self, mutant):
        """caught, survived, broken (it does not compile) or unsound (the test fails without it)"""
        if not self.is_sound(mutant):
            return "unsound"
        path = self.tree / mutant.file
        original = path.read_text(encoding="utf-8")
        try:
            path.write_text(original.replace(mutant.text, mutant.replacement), encoding="utf-8")
            if not self.builds(mutant.target):
                return "broken"
            return "survived" if self.passes(mutant.test) else "caught"
        finally:
            path.write_text(original, encoding="utf-8")


def key_of(mutant):
    """What a verdict rests on."""
    digest = hashlib.sha256("\0".join(mutant).encode())
    folders = [ROOT / "tests" / folder.name for folder in (ROOT / "tests").iterdir() if folder.is_dir()]
    tests = [folder for folder in folders if (folder / "CMakeLists.txt").is_file()
             and re.search(rf"\({re.escape(mutant.test)}\s", (folder / "CMakeLists.txt").read_text(encoding="utf-8"))]
    for path in [ROOT / mutant.file, *sorted(path for folder in tests for path in folder.iterdir() if path.is_file())]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", default="", metavar="REGEX")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "caught.json"
    caught = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    wanted = [mutant for mutant in MUTANTS
              if re.search(arguments.only, f"{mutant.area} {mutant.test} {mutant}")]
    copy, bad = None, []
    for number, mutant in enumerate(wanted, 1):
        key, start = key_of(mutant), time.monotonic()
        verdict = "caught" if key in caught else None
        if verdict is None:
            if copy is None:
                copy = Copy(work)
                copy.refresh()
            verdict = copy.judge(mutant)
        if verdict == "caught":
            caught[key] = str(mutant)
            kept.write_text(json.dumps(caught, indent=1), encoding="utf-8")
        else:
            bad.append(mutant)
        spent = f"{time.monotonic() - start:5.0f} s"
        print(f"{number}/{len(wanted)} {verdict:8} {spent}  {mutant.test}  {mutant}", flush=True)
    print(f"{len(wanted) - len(bad)} of {len(wanted)} caught", flush=True)
    return 1 if bad or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
