#define CUTTLE_VECTOR_BYTES 32
#define CUTTLE_TILE_ROWS 6
#include "kernels/isa_body.hpp"

namespace cuttle::kernels {

template <>
const Isa<float>& avx2_isa<float>() {
  return kIsa<float>;
}
template <>
const Isa<double>& avx2_isa<double>() {
  return kIsa<double>;
}

}  // namespace cuttle::kernels
