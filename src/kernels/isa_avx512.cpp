#define CUTTLE_VECTOR_BYTES 64
#define CUTTLE_TILE_ROWS 8
#include "kernels/isa_body.hpp"

namespace cuttle::kernels {

template <>
const Isa<float>& avx512_isa<float>() {
  return kIsa<float>;
}
template <>
const Isa<double>& avx512_isa<double>() {
  return kIsa<double>;
}

}  // namespace cuttle::kernels
