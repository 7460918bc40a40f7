#include "cuttle/core/hash.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "cuttle/core/error.hpp"

/// Every OpenSSL call goes through here: they return 1 on success.
#define CUTTLE_OPENSSL_CALL(call)                                                        \
  CUTTLE_REQUIRE((call) == 1, "OpenSSL cannot compute a SHA-256: {} failed ({})", #call, \
                 ERR_error_string(ERR_get_error(), nullptr))

namespace cuttle {
namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

struct Sha256::State {
  struct ContextDeleter {
    void operator()(EVP_MD_CTX* made) const { EVP_MD_CTX_free(made); }
  };
  std::unique_ptr<EVP_MD_CTX, ContextDeleter> context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  state_->context.reset(EVP_MD_CTX_new());
  CUTTLE_OPENSSL_CALL(state_->context != nullptr);
  CUTTLE_OPENSSL_CALL(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(const void* data, std::size_t bytes) {
  CUTTLE_EXPECT(state_ != nullptr);
  CUTTLE_OPENSSL_CALL(EVP_DigestUpdate(state_->context.get(), data, bytes));
}

std::string Sha256::hex() {
  CUTTLE_EXPECT(state_ != nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  CUTTLE_OPENSSL_CALL(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &length));
  state_.reset();
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.hex();
}

std::string sha256_file(const std::string& path) {
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rbe"));
  CUTTLE_REQUIRE(file, "cannot open '{}' to hash it: {}", path, std::strerror(errno));
  Sha256 hash;
  std::vector<char> piece(std::size_t{1} << 20);
  for (;;) {
    const std::size_t got = std::fread(piece.data(), 1, piece.size(), file.get());
    hash.update(piece.data(), got);
    if (got == piece.size()) continue;
    CUTTLE_REQUIRE(!std::ferror(file.get()), "cannot read '{}' to hash it: {}", path,
                   std::strerror(errno));
    return hash.hex();
  }
}

}  // namespace cuttle
