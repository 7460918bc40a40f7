#!/usr/bin/env bash
# usage: launch/benchmark.sh [OPTION...] [-- ARGUMENT OF tests/benchmark/peers/run.py...]
#
# Times cuttle beside PyTorch written by hand and the meta-learning libraries of a virtual
# environment (learn2learn, higher, TorchOpt, EasyFSL, JAX; tests/benchmark/README.md says how to make
# one): the same tasks and weights, one thread each on the same core, in turns. Builds what is missing,
# prints tables, and writes them with results.json and plots to a folder. All workloads with all
# libraries take about half an hour; let nothing else run meanwhile.
#
#   --workload W      W1 (Conv4-64, 28x28), W2 (Conv4-32, 84x84), W3 (perceptron on sinusoids), protonet, or all
#                     (default)
#   --learner NAMES   in place of --workload: one or several learners, as in anil,caml, or all: 5-way
#                     1-shot with 75 queries, on a Conv4-64 of 28x28 images
#   --vectors         learners (default: all) on frozen features of 384 numbers in place of images
#   --inner-steps N   one or several, as in 1,5 (default: W1 and W3 1 and 5, W2 5)
#   --rounds N        turns of every contender (default 5); 0: no times
#   --first-order     first order too
#   --memory          also the memory at 1, 2, 5, 10 and 20 inner steps
#   --peers-venv DIR  the virtual environment (default: $CUTTLE_PEERS, else .venv-peers if it exists;
#                     without, only PyTorch by hand takes part)
#   --out DIR         default: runs/benchmark-<date>-<time>
#   --no-install      install nothing; say what is missing
#   -h, --help        this text
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/env.sh"
. "$cuttle_root/launch/lib/install.sh"

# Whether $2 looks like a value of option $1.
value_fits() {
  case $1 in
    --workload) [[ $2 =~ ^(W1|W2|W3|protonet|all)$ ]] ;;
    --learner) [[ $2 =~ ^[a-z0-9_]+(,[a-z0-9_]+)*$ ]] ;;
    --inner-steps) [[ $2 =~ ^[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*$ ]] ;;
    --rounds) [[ $2 =~ ^[0-9]{1,4}$ ]] ;;
    *) [[ -n $2 ]] ;;
  esac
}

install=yes words=() out=$cuttle_root/runs/benchmark-$(date +%Y%m%d-%H%M%S)
peers=${CUTTLE_PEERS:-}
if [[ -z $peers && -d $cuttle_root/.venv-peers ]]; then peers=$cuttle_root/.venv-peers; fi
while (($# > 0)); do
  case $1 in
    --workload | --learner | --inner-steps | --rounds | --peers-venv | --out)
      value_fits "$1" "${2:-}" || fail "$1 does not take '${2:-}'; see launch/benchmark.sh --help" 2
      case $1 in
        --peers-venv) peers=$2 ;;
        --out) out=$2 ;;
        *) words+=("$1" "$2") ;;
      esac
      shift 2 ;;
    --first-order | --memory | --vectors) words+=("$1") && shift ;;
    --no-install) install=no && shift ;;
    -h | --help) usage "$0" && exit ;;
    --) shift && words+=("$@") && break ;;
    *) fail "unknown argument $1; see launch/benchmark.sh --help" 2 ;;
  esac
done
if [[ -n $peers ]]; then
  [[ -x $peers/bin/python ]] || fail "$peers is no virtual environment (the libraries are looked for there);\
 tests/benchmark/README.md says how to make one" 2
  words+=(--peers-venv "$(realpath -- "$peers")")
fi
out=$(realpath -m -- "$out")
trap 'echo; fail "interrupted" 130' INT TERM

cd "$cuttle_root"
prepare "$install"
stage "Building (release, minutes the first time)" build release cuttle
[[ -n $peers ]] || echo "No virtual environment with the libraries: only PyTorch by hand (tests/benchmark/README.md)"
python3 tests/benchmark/peers/run.py --out "$out" "${words[@]}"
