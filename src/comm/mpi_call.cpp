#include "comm/mpi_call.hpp"

namespace cuttle {

std::string mpi_reason(int code) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) return fmt::format("error {}", code);
  return std::string(text, static_cast<std::size_t>(length));
}

MpiDuplicate::MpiDuplicate(MPI_Comm original) {
  CUTTLE_MPI_CALL(MPI_Comm_dup(original, &comm_));
  CUTTLE_MPI_CALL(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
}

MpiDuplicate::~MpiDuplicate() {
  if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
}

}  // namespace cuttle
