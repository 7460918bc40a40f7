#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cuttle {

/// Incremental SHA-256 (OpenSSL), lower-case hex.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(const void* data, std::size_t bytes);
  std::string hex();  ///< ends the computation; call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);
/// Of a whole file, read in pieces. Throws Error with the path if it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace cuttle
