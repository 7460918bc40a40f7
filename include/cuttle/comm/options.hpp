#pragma once

#include <string>

namespace cuttle {

struct CommOptions {
  std::string backend =
      "auto";  ///< auto (nccl if every rank has its own device, else mpi) | mpi | nccl
  double deadline_s =
      300.0;  ///< a collective that takes longer ends the run with the names of the absent ranks
};

}  // namespace cuttle
