# shellcheck shell=bash disable=SC2154  # variables of env.sh
# Shared by the .sbatch files; sourced in a batch script after env.sh. How a training runs inside a
# job, is asked to stop before its time is over, and goes back into the queue.

# ask_to_stop: the step ends, a checkpoint is written, the ranks leave with code 3. One rank that is
# asked stops all, so it is enough to reach those of this job on this host, whoever started them.
# srun and mpirun themselves would end the ranks at once.
ask_to_stop() {
  local file process
  for file in $(grep -lzx "SLURM_JOB_ID=$SLURM_JOB_ID" /proc/[0-9]*/environ 2>/dev/null || true); do
    process=${file%/environ}
    if [[ $(cat "$process/comm" 2>/dev/null || true) == cuttle ]]; then
      kill -TERM "${process#/proc/}" 2>/dev/null || true
    fi
  done
}

# start_ranks CPUS PROGRAM...: in the background; their launcher's id is $!. mpirun leaves this script's
# process group: what Slurm sends to the script must not reach it.
start_ranks() {
  local cpus=$1
  shift
  export OMP_NUM_THREADS=$cpus OPENBLAS_NUM_THREADS=$cpus MKL_NUM_THREADS=$cpus
  export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-3}
  # mpirun would wait for minutes for a host that is cut off: now it asks after 20 silent seconds, and again thrice.
  export OMPI_MCA_oob_tcp_keepalive_time=20 OMPI_MCA_oob_tcp_keepalive_intvl=5 OMPI_MCA_oob_tcp_keepalive_probes=3
  case $launcher in
    srun) srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task="$cpus" ${overcommit:+--overcommit} "$@" & ;;
    mpirun) setsid setpriv --pdeathsig TERM mpirun -n "$SLURM_NTASKS" ${overcommit:+--oversubscribe} "$@" & ;;
    *) fail "LAUNCHER is '$launcher'; use srun or mpirun" 2 ;;
  esac
}

# put_back REASON: the job waits in the queue again, under the same id, and goes on from the last
# checkpoint.
put_back() {
  printf '%s; back into the queue (restart %d)\n' "$1" $((${SLURM_RESTART_COUNT:-0} + 1))
  scontrol requeue "$SLURM_JOB_ID"
  exit 0  # not reached where Slurm ends the script at once
}

# train_in_job CONFIG RUN_FOLDER [KEY=VALUE...]: exits as cuttle does (README, exit codes) unless the
# job goes back into the queue: when it stopped because its time was nearly over, and, at most
# `max_crashes` times, when a rank was killed.
train_in_job() {
  local config=$1 folder=$2 cpus=${SLURM_CPUS_PER_TASK:-1} pid status caught time_over='' ended=''
  shift 2
  printf 'job %s, restart %d, on %s: %d ranks by %s\n' "$SLURM_JOB_ID" "${SLURM_RESTART_COUNT:-0}" \
    "$SLURM_JOB_NODELIST" "$SLURM_NTASKS" "$launcher"
  trap 'caught=yes time_over=yes; ask_to_stop' USR1
  trap 'caught=yes ended=yes; [[ $launcher == srun ]] || ask_to_stop' TERM  # srun: Slurm tells the ranks too
  start_ranks "$cpus" "$cuttle_root/build/release/cuttle" train "$config" "$@" "threads=$cpus" \
    --run-dir "$folder" --resume
  pid=$!
  while true; do
    caught='' status=0
    wait "$pid" || status=$?
    [[ -n $caught ]] || break
  done
  trap - USR1 TERM
  if [[ -n $ended ]]; then
    echo "the job was cancelled or preempted: left as it is (submit it again to go on)"
  elif ((status == 3)) && [[ -n $time_over ]]; then
    put_back "stopped with a checkpoint, since the job's time is nearly over"
  elif ((status >= 128)) && [[ -n $time_over ]]; then  # srun ends those that leave later than others
    put_back "stopped since the job's time is nearly over (exit code $status)"
  elif ((status >= 128 && ${SLURM_RESTART_COUNT:-0} < max_crashes)); then
    put_back "a rank was killed (exit code $status)"
  fi
  exit "$status"
}
