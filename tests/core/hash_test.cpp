#include "cuttle/core/hash.hpp"

#include <gtest/gtest.h>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

// FIPS 180-2, appendix B.
constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kOfTwoBlocks[] = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
constexpr char kOfMillionA[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
constexpr char kOfNothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Hash, PublishedVectors) {
  EXPECT_EQ(sha256("abc"), kOfAbc);
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), kOfTwoBlocks);
  EXPECT_EQ(sha256(std::string(1000000, 'a')), kOfMillionA);
  EXPECT_EQ(sha256(""), kOfNothing);
}

TEST(Hash, PiecesMakeTheWhole) {
  Sha256 hash;
  hash.update("a", 1);
  hash.update("", 0);
  hash.update("bc", 2);
  Sha256 moved = std::move(hash);
  EXPECT_EQ(moved.hex(), kOfAbc);
  EXPECT_THROW(moved.hex(), Error) << "the computation has ended";
}

TEST(Hash, FilesOfEverySizeAroundThePieces) {
  const TempFolder folder;
  const std::size_t piece = std::size_t{1} << 20;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{3}, piece - 1, piece, piece + 1, 2 * piece}) {
    const std::string bytes(size, 'x');
    write_file_atomically(folder / "f", bytes);
    EXPECT_EQ(sha256_file(folder / "f"), sha256(bytes)) << size;
  }
  EXPECT_THROW(sha256_file(folder / "missing"), Error);
  EXPECT_THROW(sha256_file(folder.path()), Error) << "a folder opens but cannot be read";
}

}  // namespace
}  // namespace cuttle
