/* A library for LD_PRELOAD that stands between cuttle and the system.

   CUTTLE_FAULT_CALLS=FOLDER   calls that change files, or read at an offset, whose path begins so are
                               counted, from 1
   CUTTLE_FAULT_LOG=FILE       each is noted there: "NUMBER FUNCTION PATH"
   CUTTLE_FAULT_AT=N:WHAT      at call N: "kill" the process before it, fail with ENOSPC, EIO or EROFS, or
                               "short": write half of the bytes, then kill
   CUTTLE_FAULT_REDUCE=N       MPI refuses the N-th MPI_Iallreduce
   CUTTLE_FAULT_RANK=RANK      of mpirun, where the above happens (default: all)
   CUTTLE_FAULT_CLOCK=SECONDS  the time of day jumps by so much (back if negative) after the 20th look */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_int calls;
static atomic_int looks;
static atomic_int reductions;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int chosen_rank(void) {
  const char* wanted = getenv("CUTTLE_FAULT_RANK");
  const char* mine = getenv("OMPI_COMM_WORLD_RANK");
  return !wanted || (mine && !strcmp(wanted, mine));
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* 0: go on; otherwise fail with this errno; -1: write half, then die. */
static int fault(const char* function, const char* path) {
  const char* folder = getenv("CUTTLE_FAULT_CALLS");
  if (!folder || !path || strncmp(path, folder, strlen(folder)) != 0 || !chosen_rank()) return 0;
  const int number = ++calls;
  const char* log = getenv("CUTTLE_FAULT_LOG");
  if (log) {
    char line[4200];
    const int length = snprintf(line, sizeof line, "%d %s %s\n", number, function, path);
    const int file = NEXT(open)(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (file >= 0 && NEXT(write)(file, line, length) == length) NEXT(close)(file);
  }
  const char* at = getenv("CUTTLE_FAULT_AT");
  if (!at || atoi(at) != number) return 0;
  const char* what = strchr(at, ':') + 1;
  if (!strcmp(what, "kill")) die();
  if (!strcmp(what, "short")) {
    if (strcmp(function, "write") != 0) die();
    return -1;
  }
  return !strcmp(what, "ENOSPC") ? ENOSPC : !strcmp(what, "EROFS") ? EROFS : EIO;
}

/* As above, of an open file. */
static int fault_of_file(const char* function, int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fault(function, path);
}

/* What a call does that is refused. */
static int refuse(int error) {
  errno = error;
  return -1;
}

#define FAIL_IF(refused)         \
  do {                           \
    const int code_ = refused;   \
    if (code_) return refuse(code_); \
  } while (0)

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (flags & (O_WRONLY | O_RDWR | O_CREAT)) FAIL_IF(fault("open", path));
  return NEXT(open)(path, flags, mode);
}

ssize_t write(int file, const void* bytes, size_t size) {
  const int error = fault_of_file("write", file);
  if (error == -1) {
    if (NEXT(write)(file, bytes, size / 2) >= 0) die();
  }
  FAIL_IF(error);
  return NEXT(write)(file, bytes, size);
}

ssize_t pread(int file, void* bytes, size_t size, off_t offset) {
  FAIL_IF(fault_of_file("pread", file));
  return NEXT(pread)(file, bytes, size, offset);
}

int fsync(int file) {
  FAIL_IF(fault_of_file("fsync", file));
  return NEXT(fsync)(file);
}

int rename(const char* from, const char* to) {
  FAIL_IF(fault("rename", to));
  return NEXT(rename)(from, to);
}

int mkdir(const char* path, mode_t mode) {
  FAIL_IF(fault("mkdir", path));
  return NEXT(mkdir)(path, mode);
}

int unlink(const char* path) {
  FAIL_IF(fault("unlink", path));
  return NEXT(unlink)(path);
}

int unlinkat(int folder, const char* name, int flags) {
  FAIL_IF(fault_of_file("unlinkat", folder));
  return NEXT(unlinkat)(folder, name, flags);
}

int rmdir(const char* path) {
  FAIL_IF(fault("rmdir", path));
  return NEXT(rmdir)(path);
}

int remove(const char* path) {
  FAIL_IF(fault("remove", path));
  return NEXT(remove)(path);
}

/* The realtime clock only: nobody can turn the monotonic one. */
int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = NEXT(clock_gettime)(clock, now);
  const char* jump = getenv("CUTTLE_FAULT_CLOCK");
  if (jump && clock == CLOCK_REALTIME && ++looks > 20) now->tv_sec += atol(jump);
  return result;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

int MPI_Iallreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                   MPI_Request* request) {
  const char* at = getenv("CUTTLE_FAULT_REDUCE");
  if (at && chosen_rank() && ++reductions == atoi(at)) return MPI_ERR_OTHER;
  return NEXT(MPI_Iallreduce)(from, to, count, type, op, comm, request);
}
