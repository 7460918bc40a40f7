#include "cuttle/kernels/jobs.hpp"

#include "kernels/paths.hpp"

namespace cuttle::kernels {

template <class T>
std::int64_t padded(std::int64_t columns) {
  const std::int64_t lanes = isa<T>().lanes;
  return (columns + lanes - 1) / lanes * lanes;
}

template <class T>
void run(const Product<T>& job) {
  isa<T>().product(job);
}
template <class T>
void run(const Dots<T>& job) {
  isa<T>().dots(job);
}
template <class T>
void run(const Transposition<T>& job) {
  isa<T>().transpose(job);
}
template <class T>
void run(const Cells<T>& job) {
  isa<T>().cells(job);
}
template <class T>
void run(const LayerNorm<T>& job) {
  isa<T>().norm(job);
}
template <class T>
void run(const LayerNormBack<T>& job) {
  isa<T>().norm_back(job);
}

template std::int64_t padded<float>(std::int64_t);
template void run(const Product<float>&);
template void run(const Dots<float>&);
template void run(const Transposition<float>&);
template void run(const Cells<float>&);
template void run(const LayerNorm<float>&);
template void run(const LayerNormBack<float>&);
template std::int64_t padded<double>(std::int64_t);
template void run(const Product<double>&);
template void run(const Dots<double>&);
template void run(const Transposition<double>&);
template void run(const Cells<double>&);
template void run(const LayerNorm<double>&);
template void run(const LayerNormBack<double>&);

}  // namespace cuttle::kernels
