# shellcheck shell=bash
# Shared by the scripts in launch/; sourced, not run. What a stage prints, and how ranks are
# started.
#
# Commands given to `stage` run with `set -e` off: join their steps with && or return by hand.
set -euo pipefail
unset CDPATH

cuttle_root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd -P)
log_dir=$cuttle_root/build/logs
venv=$cuttle_root/.venv
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)  # nproc itself obeys OpenMP's variables

# fail MESSAGE [CODE]: the message is "problem (why it matters); what to do".
fail() {
  printf '%s\n' "$1" >&2
  exit "${2:-1}"
}

# usage SCRIPT: its leading comment, which is its manual.
usage() {
  sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"
}

now() {
  date +%s%N
}

# since START: "12.3 s".
since() {
  local tenths=$((($(now) - $1) / 100000000))
  printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
}

progress_every=10  # seconds between the lines of `show_progress` where the output is no terminal

# progress_of LOG START: "132 of 210, 95 s" where the log counts as ninja or ctest do, else "95 s".
progress_of() {
  local counted
  counted=$(tail -c 4096 "$1" | sed -nE 's,^(\[| *)([0-9]+)/([0-9]+)(\]| Test) .*,\2 of \3\, ,p' | tail -n 1)
  printf '%s%d s' "$counted" $((($(now) - $2) / 1000000000))
}

# show_progress NAME LOG START: how far the stage is, until SIGTERM: a line that changes each second on
# a terminal, else now and then a line of its own, and then the status is 1.
show_progress() {
  local ticks=0 every=$progress_every lines=0
  trap 'exit $((lines > 0))' TERM
  trap '' INT
  while kill -0 $$ 2>/dev/null; do
    sleep 1 >/dev/null 2>&1 &
    wait $!
    if [[ -t 1 ]]; then
      printf '\r%s ... %s\033[K' "$1" "$(progress_of "$2" "$3")"
    elif ((++ticks % every == 0)); then
      ((lines++)) || echo
      printf '    %s\n' "$(progress_of "$2" "$3")"
      if ((lines == 12)); then every=$((3 * progress_every)); fi
    fi
  done
}

# stage NAME COMMAND...: runs a quiet command and prints "NAME ... 12.3 s", and how far it is while it
# lasts. Its output goes to a file in build/logs; on failure the end of that file is shown and the
# command's status returned.
stage() {
  local name=$1 log start progress showed=0 status=0
  shift
  log=$log_dir/$(tr -cs '[:alnum:]' '-' <<<"${name%% (*}" | sed 's/-*$//').log
  mkdir -p "$log_dir" || fail "cannot write to $log_dir (logs and builds go there); make it writable"
  start=$(now)
  printf '%s ... ' "$name"
  : >"$log"
  show_progress "$name" "$log" "$start" &
  progress=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$progress" 2>/dev/null || true
  wait "$progress" 2>/dev/null || showed=$?
  if ((showed == 1)); then
    printf '%s ... ' "$name"
  elif [[ -t 1 ]]; then
    printf '\r%s ... \033[K' "$name"
  fi
  if ((status == 0)); then
    since "$start"
    echo
  else
    printf 'FAILED after %s (exit code %d); the end of %s:\n' "$(since "$start")" "$status" "$log"
    tail -n 40 "$log" | sed 's/^/    /'
  fi
  return "$status"
}

# build_jobs: compilers that fit at once. A file that includes LibTorch takes about 1.5 GB.
build_jobs() {
  local available limit jobs
  available=$(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [[ $limit != max ]] && ((limit / 1048576 < available)); then
    available=$((limit / 1048576))
  fi
  jobs=$((available / 1800))
  ((jobs <= cores)) || jobs=$cores
  ((jobs >= 1)) || jobs=1
  echo "$jobs"
}

# build PRESET [TARGET]: configures and builds it, all of it without a target.
build() {
  cd "$cuttle_root" && cmake --preset "$1" &&
    cmake --build --preset "$1" --parallel "$(build_jobs)" ${2:+--target "$2"}
}

# use_venv: python3 is the project's own from here on.
use_venv() {
  export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
}

# mpi_flags RANKS THREADS: one flag of mpirun a line. Each rank gets its own cores while there are
# enough, else hardware threads, else all share all.
mpi_flags() {
  local needed=$(($1 * $2)) physical
  physical=$(lscpu --parse=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
  printf '%s\n' -n "$1"
  if ((EUID == 0)); then
    printf '%s\n' --allow-run-as-root
  fi
  if ((needed <= cores && needed <= physical)); then
    printf '%s\n' --map-by "slot:PE=$2" --bind-to core:if-supported
  elif ((needed <= cores)); then
    printf '%s\n' --use-hwthread-cpus --map-by "slot:PE=$2" --bind-to hwthread:if-supported
  else
    printf '%s\n' --oversubscribe --bind-to none
  fi
}

# tell_ranks MPIRUN_PID: asks the ranks themselves to stop. mpirun would kill them soon after its
# own signal; ranks that leave by themselves have the time to write a checkpoint, and mpirun
# passes on their exit code (3: resume me).
tell_ranks() {
  local ranks
  ranks=$(cat "/proc/$1/task/"*/children 2>/dev/null || true)
  # shellcheck disable=SC2086  # a list of process ids
  kill -TERM ${ranks:-$1} 2>/dev/null || true
}

# run_ranks RANKS THREADS PROGRAM...: mpirun on this machine; returns its status. Threads must be
# fixed before a process starts: OpenBLAS and OpenMP do not obey later. mpirun runs in a session
# of its own so that Ctrl-C reaches the ranks through tell_ranks alone (a second Ctrl-C ends them
# at once), and is told when this script is killed.
run_ranks() {
  local ranks=$1 threads=$2 flags launcher outer_traps signalled status
  shift 2
  mapfile -t flags < <(mpi_flags "$ranks" "$threads")
  # Seconds from one rank's failure to SIGTERM for the others, and from there to SIGKILL; the default is 1.
  export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-3}
  # A rank's own standard error is never a terminal under mpirun, so it is told whether ours is.
  [[ -t 2 ]] && export CUTTLE_TERMINAL=1 || export CUTTLE_TERMINAL=0
  OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads MKL_NUM_THREADS=$threads \
    setsid setpriv --pdeathsig TERM mpirun "${flags[@]}" "$@" &
  launcher=$!
  outer_traps=$(trap -p INT TERM)
  trap 'signalled=yes; tell_ranks "$launcher"' INT TERM
  while true; do
    signalled='' status=0
    wait "$launcher" || status=$?
    [[ -n $signalled ]] || break
  done
  trap - INT TERM
  eval "$outer_traps"
  return "$status"
}
