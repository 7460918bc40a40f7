#!/usr/bin/env bash
# usage: launch/fuzz.sh [--built FOLDER] SECONDS [TARGET...]
#
# Feeds hostile bytes to the readers of files, under the address and undefined-behaviour sanitizers:
# safetensors, manifest, yaml, config, shard, graph, wordpiece, byte_pair (all without TARGET), each for
# SECONDS. Builds them first (preset fuzz; needs clang). Starts from tests/fuzz/corpus; what it learns
# stays in FOLDER/corpus, an input that breaks something in FOLDER/crash-TARGET-*. Prints the number of
# inputs tried. Uses one core; the first build takes two minutes.
#
#   --built FOLDER   use the programs of this build, build nothing
#   -h, --help       this text
# Exit code: 0 if nothing broke.
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/env.sh"

folder=$cuttle_root/build/fuzz built=''
while (($# > 0)); do
  case $1 in
    --built) [[ -d ${2:-} ]] || fail "--built needs the folder of a build" 2
      folder=$2 built=yes && shift 2 ;;
    -h | --help) usage "$0" && exit ;;
    -*) fail "unknown option $1; see launch/fuzz.sh --help" 2 ;;
    *) break ;;
  esac
done
[[ ${1:-} =~ ^[1-9][0-9]{0,6}$ ]] || fail "the seconds for each target are missing; see launch/fuzz.sh --help" 2
known_targets=(safetensors manifest yaml config shard graph wordpiece byte_pair)
seconds=$1 targets=("${@:2}")
((${#targets[@]} > 0)) || targets=("${known_targets[@]}")
[[ -n $built ]] || stage "Building the fuzz targets" build fuzz

# run TARGET: its messages go to a file, the last figures and what broke are shown.
run() {
  local name=$1 known=$cuttle_root/tests/fuzz/corpus/$1 log=$folder/fuzz-$1.log status=0
  [[ $name != yaml ]] || known=$cuttle_root/tests/fuzz/corpus/config
  [[ -x $folder/fuzz_$name ]] || fail "there is no target $name; use ${known_targets[*]}" 2
  mkdir -p "$folder/corpus/$name"
  # 2 GiB for the sanitizers' own; one input may ask for no more than 256 MiB at once.
  "$folder/fuzz_$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
    -malloc_limit_mb=256 -print_final_stats=1 -artifact_prefix="$folder/crash-$name-" "$folder/corpus/$name" "$known" \
    >"$log" 2>&1 || status=$?
  printf '%s: %s inputs in %s s, exit code %d\n' "$name" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)" "$seconds" "$status"
  ((status == 0)) || { grep -A 12 -m 1 -E 'ERROR|runtime error|terminate' "$log" || tail -n 20 "$log"; }
  return "$status"
}

failed=0
for target in "${targets[@]}"; do run "$target" || failed=1; done
exit "$failed"
