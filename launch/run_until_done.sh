#!/usr/bin/env bash
# usage: launch/run_until_done.sh [-a ATTEMPTS] [-p SECONDS] COMMAND [ARGUMENT...]
#
# Runs a training again until it is done, on machines without a queue, as in
#   launch/run_until_done.sh launch/local.sh -n 8 train configs/quickstart.yaml --run-dir runs/long --resume
# The command must end in --resume, so that each attempt goes on from the last checkpoint. It runs
# again when it stopped early with a checkpoint (exit code 3) or was killed (128 and above), but not
# after an error, which would come again. Ctrl-C and SIGTERM stop the command, and this script with it.
# Scale: that of the command. Time: any.
#
#   -a ATTEMPTS    at most so many (default 100)
#   -p SECONDS     pause between two (default 10)
#   -h, --help     this text
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/env.sh"

attempts=100 pause=10
while (($# > 0)); do
  case $1 in
    -a | -p) [[ ${2:-} =~ ^[0-9]{1,6}$ ]] || fail "$1 needs a number" 2
      if [[ $1 == -a ]]; then attempts=$2; else pause=$2; fi
      shift 2 ;;
    -h | --help) usage "$0" && exit ;;
    -*) fail "unknown option $1; see launch/run_until_done.sh --help" 2 ;;
    *) break ;;
  esac
done
(($# > 0)) || fail "no command given; see launch/run_until_done.sh --help" 2
[[ " $* " == *" --resume "* ]] || fail "the command lacks --resume (a second attempt would be refused); add it" 2

stopped='' child=''
trap 'stopped=yes; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true' INT TERM
for ((attempt = 1; attempt <= attempts; ++attempt)); do
  "$@" &
  child=$! status=0
  while wait "$child" || status=$?; kill -0 "$child" 2>/dev/null; do status=0; done
  child=''
  if [[ -n $stopped ]] || ((status != 3 && status < 128)); then exit "$status"; fi
  printf 'attempt %d of %d ended with exit code %d; again in %d s\n' "$attempt" "$attempts" "$status" "$pause" >&2
  sleep "$pause" &
  wait $! || true
  [[ -z $stopped ]] || exit "$status"
done
fail "not done after $attempts attempts; look at the messages above, or allow more with -a" "$status"
