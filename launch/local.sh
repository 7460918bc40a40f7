#!/usr/bin/env bash
# usage: launch/local.sh [-n RANKS] [-t THREADS] COMMAND [ARGUMENT...]
#
# Runs a cuttle command on several ranks of this machine, as in
#   launch/local.sh -n 2 train configs/quickstart.yaml --run-dir runs/first
# with threads and cores fixed before the ranks start. Ctrl-C asks the ranks to stop with a
# checkpoint (exit code 3); a second one ends them at once. Scale: one machine, up to a rank per core.
# Time: that of the command; training begins within seconds.
#
#   -n RANKS       processes (default: one per core, as many as THREADS leaves room for)
#   -t THREADS     threads per rank, as the config's key `threads` (default 1)
#   -h, --help     this text
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/env.sh"

ranks='' threads=1
while (($# > 0)); do
  case $1 in
    -n | -t) [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "$1 needs a number from 1 on" 2
      if [[ $1 == -n ]]; then ranks=$2; else threads=$2; fi
      shift 2 ;;
    -h | --help) usage "$0" && exit ;;
    -*) fail "unknown option $1; see launch/local.sh --help" 2 ;;
    *) break ;;
  esac
done
(($# > 0)) || fail "no command given; see launch/local.sh --help" 2
if [[ -z $ranks ]]; then
  ranks=$((cores / threads > 0 ? cores / threads : 1))
fi
program=$cuttle_root/build/release/cuttle
[[ -x $program ]] || fail "$program does not exist yet; run launch/quickstart.sh once, or cmake --preset release and\
 cmake --build --preset release"
run_ranks "$ranks" "$threads" "$program" "$@"
