#include "app/npy_file.hpp"

#include <fmt/ranges.h>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {

void write_npy(const std::string& path, const torch::Tensor& tensor) {
  const auto values = tensor.contiguous();
  CUTTLE_EXPECT(values.scalar_type() == torch::kFloat32 || values.scalar_type() == torch::kInt64);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}",
                                   values.scalar_type() == torch::kInt64 ? "<i8" : "<f4",
                                   fmt::join(values.sizes(), ", "));
  constexpr std::size_t kBefore = 10, kAligned = 64;
  header.append(kAligned - (kBefore + header.size() + 1) % kAligned, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  UnfinishedFile file(path);
  file.write(bytes);
  file.write({static_cast<const char*>(values.data_ptr()), values.nbytes()});
  file.finish();
}

}  // namespace cuttle
