#!/usr/bin/env bash
# usage: launch/test.sh [--long] [--no-install] [CTEST ARGUMENT...]
#
# Installs what is missing, builds, and runs the tests. First the stages without tensors under the
# address + undefined-behaviour and the thread sanitizer, and fuzz targets of what reads files (15 s
# each), then all tests of the release build; ctest's summary comes last. About 40 minutes on 2 cores
# the first time.
#
#   --long         also the slow tests (ctest label long)
#   --no-install   install nothing; say what is missing
#   -h, --help     this text
# Anything else goes to ctest, as in `launch/test.sh -R reduce`; the sanitizers are then left out.
# Exit code: 0 if everything passed.
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/env.sh"
. "$cuttle_root/launch/lib/install.sh"

install=yes labels=(--label-exclude '^long$')
while (($# > 0)); do
  case $1 in
    --long) labels=() && shift ;;
    --no-install) install=no && shift ;;
    -h | --help) usage "$0" && exit ;;
    *) break ;;
  esac
done
trap 'echo; fail "interrupted" 130' INT TERM

# sanitize PRESET: its unit tests; those of several processes would mostly test the MPI library.
# The thread sanitizer does not start where the kernel randomises addresses too much: off, if the
# system lets us.
sanitize() {
  local wrap=()
  if setarch "$(uname -m)" -R true 2>/dev/null; then wrap=(setarch "$(uname -m)" -R); fi
  build "$1" && "${wrap[@]}" ctest --preset "$1" --parallel "$cores" --label-regex '^unit$' "${labels[@]}" \
    --no-tests=error
}

fuzz_shortly() {
  build fuzz && ctest --preset fuzz --parallel "$cores" --no-tests=error
}

cd "$cuttle_root"
prepare "$install"
stage "Building (release, minutes the first time)" build release
failed=()
if (($# == 0)); then
  stage "Unit tests under the address and undefined-behaviour sanitizers" sanitize asan || failed+=(asan)
  stage "Unit tests under the thread sanitizer" sanitize tsan || failed+=(tsan)
  if command -v clang++ >/dev/null; then
    stage "Fuzz targets, 15 s each" fuzz_shortly || failed+=(fuzz)
  else
    echo "Fuzz targets: skipped, since clang is not installed"
  fi
fi
if ((${#failed[@]} > 0)); then
  echo "Sanitizers that found something: ${failed[*]} (this script will fail, whatever the tests below say)"
fi
# One test more than cores: many wait for a process to end or a limit to pass.
status=0
ctest --preset release --parallel "$((cores + 1))" --no-tests=error "${labels[@]}" "$@" || status=$?
if ((status == 0 && ${#failed[@]} > 0)); then status=1; fi
exit "$status"
