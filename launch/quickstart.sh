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
. "$cuttle_root/launch/lib/demo.sh"
demo_arguments "$0" "$@"

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
  cuttle eval "$run" --episodes 600 --split test --json "$@" >"$run/test-$name.json"
}

cd "$cuttle_root"
started=$(now)
prepare_demo
if [[ ! .data/emoji/floor.json -nt .data/emoji/dataset.json || ! .data/emoji/floor.json -nt \
  data_tools/cuttle_data/floor.py ]]; then
  stage "Measuring the untrained floor" measure_floor
fi

run=runs/quickstart-$(date +%Y%m%d-%H%M%S)
echo "Training on $ranks ranks into $run ($(since "$started") since the start)"
training=$(now)
train_on_ranks "; go on with
    launch/local.sh -n $ranks train configs/quickstart.yaml --run-dir $run --resume" \
  configs/quickstart.yaml --run-dir "$run"
echo "Training took $(since "$training")"

stage "Evaluating on unseen classes: all senses" evaluate fused
for modality in image text audio; do
  stage "Evaluating on unseen classes: $modality alone" evaluate "$modality" --modalities "$modality"
done
echo
python3 launch/lib/quickstart_table.py "$run" .data/emoji/floor.json
echo "Run folder: $cuttle_root/$run   (all of it took $(since "$started"))"
