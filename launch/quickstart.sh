#!/usr/bin/env bash
# usage: launch/quickstart.sh [--ranks N] [--no-install]
#
# From nothing to a meta-trained multimodal model: installs what is missing, builds cuttle, makes
# the default data set (emoji as drawings, names and spoken names), trains configs/quickstart.yaml
# on N ranks of this machine (default 2), and evaluates it on classes that it never saw. About 7
# minutes the first time on 2 cores (9 where the machine is busy); later calls start training within
# seconds. Ctrl-C stops the training with a checkpoint.
#
#   --ranks N      processes to train and evaluate with
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
    *) fail "unknown argument $1; see launch/quickstart.sh --help" 2 ;;
  esac
done
trap 'echo; fail "interrupted" 130' INT TERM

make_data() {
  data_tools/cuttle-data emoji --out .data/emoji --shards 4
}

# On the episodes of the evaluations below. It depends on the data and on how it is measured alone, so it is kept beside
# them.
measure_floor() {
  data_tools/cuttle-data floor .data/emoji --way 5 --shot 1 --query 2 --groups-apart --split test --episodes 600 \
    --json >.data/emoji/floor.json.tmp && mv .data/emoji/floor.json.tmp .data/emoji/floor.json
}

# evaluate NAME [ARGUMENT...]: the fixed 600 episodes of unseen classes; its JSON goes to the run
# folder.
evaluate() {
  local name=$1
  shift
  run_ranks "$ranks" 1 build/release/cuttle eval "$run" --episodes 600 --split test --json "$@" >"$run/test-$name.json"
}

train() {
  local status=0
  run_ranks "$ranks" 1 build/release/cuttle train configs/quickstart.yaml --run-dir "$run" || status=$?
  if ((status == 3)); then
    fail "stopped with a checkpoint; go on with
    launch/local.sh -n $ranks train configs/quickstart.yaml --run-dir $run --resume" 3
  fi
  ((status == 0)) || fail "the training failed (exit code $status); its messages are above" "$status"
}

cd "$cuttle_root"
started=$(now)
prepare "$install"
stage "Building (release, minutes the first time)" build release cuttle
if [[ ! -f .data/emoji/dataset.json ]]; then
  stage "Making the emoji data set (4 shards in .data/emoji)" make_data
fi
if [[ ! .data/emoji/floor.json -nt .data/emoji/dataset.json || ! .data/emoji/floor.json -nt \
  data_tools/cuttle_data/floor.py ]]; then
  stage "Measuring the untrained floor" measure_floor
fi

run=runs/quickstart-$(date +%Y%m%d-%H%M%S)
echo "Training on $ranks ranks into $run ($(since "$started") since the start)"
training=$(now)
train
echo "Training took $(since "$training")"

stage "Evaluating on unseen classes: all senses" evaluate fused
for modality in image text audio; do
  stage "Evaluating on unseen classes: $modality alone" evaluate "$modality" --modalities "$modality"
done
echo
python3 launch/lib/quickstart_table.py "$run" .data/emoji/floor.json
echo "Run folder: $cuttle_root/$run   (all of it took $(since "$started"))"
