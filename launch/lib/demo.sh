# shellcheck shell=bash
# Shared by the scripts that go from nothing to a trained model on emoji; sourced after env.sh and install.sh.

ranks=2 install=yes

# demo_arguments SCRIPT [ARGUMENT...]: sets ranks and install.
demo_arguments() {
  local script=$1
  shift
  while (($# > 0)); do
    case $1 in
      --ranks) [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "--ranks needs a number from 1 on" 2
        ranks=$2 && shift 2 ;;
      --no-install) install=no && shift ;;
      -h | --help) usage "$script" && exit ;;
      *) fail "unknown argument $1; see launch/${script##*/} --help" 2 ;;
    esac
  done
  trap 'echo; fail "interrupted" 130' INT TERM
}

# cuttle and the default data set.
prepare_demo() {
  prepare "$install"
  stage "Building (release, minutes the first time)" build release cuttle
  if [[ ! -f .data/emoji/dataset.json ]]; then
    stage "Making the emoji data set (4 shards in .data/emoji)" data_tools/cuttle-data emoji --out .data/emoji \
      --shards 4
  fi
}

# cuttle COMMAND...: on the ranks asked for, one thread each.
cuttle() {
  run_ranks "$ranks" 1 build/release/cuttle "$@"
}

# train_on_ranks HOW_ON ARGUMENT...: HOW_ON is said if it stopped with a checkpoint.
train_on_ranks() {
  local how_on=$1 status=0
  shift
  cuttle train "$@" || status=$?
  ((status != 3)) || fail "stopped with a checkpoint$how_on" 3
  ((status == 0)) || fail "the training failed (exit code $status); its messages are above" "$status"
}
