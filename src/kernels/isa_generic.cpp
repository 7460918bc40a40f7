#define CUTTLE_VECTOR_BYTES 16
#define CUTTLE_TILE_ROWS 6
#include "kernels/isa_body.hpp"

namespace cuttle::kernels {

template <>
const Isa<float>& generic_isa<float>() {
  return kIsa<float>;
}
template <>
const Isa<double>& generic_isa<double>() {
  return kIsa<double>;
}

}  // namespace cuttle::kernels
