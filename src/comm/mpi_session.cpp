#include "cuttle/comm/mpi_session.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "comm/mpi_call.hpp"
#include "comm/mpi_communicator.hpp"
#include "comm/world_size_guard.hpp"
#include "cuttle/core/error.hpp"

#ifdef CUTTLE_HAVE_NCCL
#include "comm/nccl_communicator.hpp"
#endif

namespace cuttle {
namespace {

int local_rank_of(MPI_Comm world, int rank) {
  MPI_Comm host = MPI_COMM_NULL;
  CUTTLE_MPI_CALL(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &host));
  int local = 0;
  CUTTLE_MPI_CALL(MPI_Comm_rank(host, &local));
  CUTTLE_MPI_CALL(MPI_Comm_free(&host));
  return local;
}

}  // namespace

struct MpiSession::State {
  int rank = 0;
  int size = 1;
  int local_rank = 0;
  std::vector<std::unique_ptr<Communicator>> controls;  // that NCCL communicators lean on

  State(int* argc, char*** argv) {
    int provided = MPI_THREAD_SINGLE;
    CUTTLE_MPI_CALL(MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided));
    try {
      CUTTLE_REQUIRE(provided >= MPI_THREAD_SERIALIZED,
                     "this MPI cannot be called from more than one thread, which prefetching "
                     "needs; use one built "
                     "with thread support ({})",
                     version());
      CUTTLE_MPI_CALL(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
      CUTTLE_MPI_CALL(MPI_Comm_rank(MPI_COMM_WORLD, &rank));
      CUTTLE_MPI_CALL(MPI_Comm_size(MPI_COMM_WORLD, &size));
      check_world_size(size, [](const char* name) -> const char* { return std::getenv(name); });
      local_rank = local_rank_of(MPI_COMM_WORLD, rank);
    } catch (...) {
      MPI_Finalize();
      throw;
    }
  }
  ~State() {
    controls.clear();
    MPI_Finalize();
  }
};

MpiSession::MpiSession(int* argc, char*** argv) : state_(std::make_unique<State>(argc, argv)) {}
MpiSession::~MpiSession() = default;

int MpiSession::rank() const {
  return state_->rank;
}
int MpiSession::size() const {
  return state_->size;
}
int MpiSession::local_rank() const {
  return state_->local_rank;
}

std::unique_ptr<Communicator> MpiSession::world(const CommOptions& options) {
  CUTTLE_VALIDATE(
      options.backend == "auto" || options.backend == "mpi" || options.backend == "nccl",
      "comm.backend is '{}'; use auto, mpi or nccl", options.backend);
  auto mpi = make_mpi_communicator(MPI_COMM_WORLD, options);
  if (options.backend == "mpi") return mpi;
#ifdef CUTTLE_HAVE_NCCL
  const bool wanted = options.backend == "nccl" || nccl_obstacle(*mpi, local_rank()).empty();
  if (wanted) {
    state_->controls.push_back(std::move(mpi));
    return make_nccl_communicator(*state_->controls.back(), local_rank(), options);
  }
#else
  CUTTLE_VALIDATE(
      options.backend != "nccl",
      "comm.backend is nccl, but this cuttle was built without NCCL; use auto or mpi, or configure "
      "with -DCUTTLE_NCCL=ON");
#endif
  if (size() == 1) return make_solo_communicator();
  return mpi;
}

void MpiSession::abort(int code) {
  std::fflush(nullptr);
  MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

void expect_one_process(const char* command) {
  check_one_process(command, [](const char* name) { return std::getenv(name); });
}

std::string MpiSession::version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  CUTTLE_MPI_CALL(MPI_Get_library_version(text, &length));
  const std::string all(text, static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(std::string("\n\0", 2)));
}

}  // namespace cuttle
