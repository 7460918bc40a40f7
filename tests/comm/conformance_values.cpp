#include <gmock/gmock.h>

#include <cstdint>
#include <limits>

#include "comm/conformance.hpp"

namespace cuttle {
namespace {

using Integers = std::vector<std::int64_t>;
using Bytes = std::vector<std::uint8_t>;

void knows_itself(Communicator& comm) {
  EXPECT_GE(comm.rank(), 0);
  EXPECT_LT(comm.rank(), comm.size());
  EXPECT_FALSE(comm.backend().empty());
  const auto ranks = comm.all_gather("ranks", std::to_string(comm.rank())).wait();
  EXPECT_EQ(ranks.size(), static_cast<std::size_t>(comm.size()));
  for (int rank = 0; rank < comm.size(); ++rank) EXPECT_EQ(ranks[rank], std::to_string(rank));
}

void sums_exactly(Communicator& comm) {
  const std::int64_t n = comm.size(), big = std::int64_t{1} << 58, mine = comm.rank() + 1;
  const auto total = comm.all_reduce("sum", {mine, -mine, big + mine, 1, 0}, ReduceOp::kSum).wait();
  const std::int64_t triangle = n * (n + 1) / 2;
  EXPECT_EQ(total, (Integers{triangle, -triangle, n * big + triangle, n, 0}));
}

void finds_extremes(Communicator& comm) {
  const auto lowest = std::numeric_limits<std::int64_t>::min(),
             highest = std::numeric_limits<std::int64_t>::max();
  const std::int64_t rank = comm.rank(), last = comm.size() - 1;
  const Integers values = {rank, -rank, rank == last ? lowest : highest,
                           rank == last ? highest : lowest};
  EXPECT_EQ(comm.all_reduce("max", values, ReduceOp::kMax).wait(),
            (Integers{last, 0, last == 0 ? lowest : highest, highest}));
  EXPECT_EQ(comm.all_reduce("min", values, ReduceOp::kMin).wait(),
            (Integers{0, -last, lowest, last == 0 ? highest : lowest}));
}

void finds_the_largest_bytes(Communicator& comm) {
  const auto rank = static_cast<std::uint8_t>(comm.rank());
  const auto last = static_cast<std::uint8_t>(comm.size() - 1);
  const auto far = static_cast<std::uint8_t>(200 + rank);  // above 127: bytes are unsigned
  const Bytes most =
      comm.all_reduce_max("bytes", {rank, 0, 255, far, static_cast<std::uint8_t>(9 - rank)}).wait();
  EXPECT_EQ(most, (Bytes{last, 0, 255, static_cast<std::uint8_t>(200 + last), 9}));
}

void takes_empty_vectors(Communicator& comm) {
  EXPECT_TRUE(comm.all_reduce("no integers", {}, ReduceOp::kSum).wait().empty());
  EXPECT_TRUE(comm.all_reduce_max("no bytes", {}).wait().empty());
  EXPECT_EQ(comm.broadcast("no text", "", 0).wait(), "");
  EXPECT_EQ(comm.all_gather("no texts", "").wait(), std::vector<std::string>(comm.size()));
}

void broadcasts_from_every_root(Communicator& comm) {
  for (int root = 0; root < comm.size(); ++root) {
    const std::string sent = std::string("from\0root ", 10) + std::to_string(root) + "\n";
    const std::string given = comm.rank() == root ? sent : std::string(comm.rank() * 100, 'x');
    EXPECT_EQ(comm.broadcast("text", given, root).wait(), sent);
  }
  const std::string given = comm.rank() == 0 ? "" : "not empty";
  EXPECT_EQ(comm.broadcast("nothing", given, 0).wait(), "");
}

std::string piece_of(int rank, std::size_t unit) {
  return std::string(static_cast<std::size_t>(rank) * unit, static_cast<char>('a' + rank % 26)) +
         std::string(rank % 2, '\0');
}

void gathers_ragged_texts(Communicator& comm) {
  for (const std::size_t unit : {std::size_t{0}, std::size_t{1}, std::size_t{300000}}) {
    const auto all = comm.all_gather("pieces", piece_of(comm.rank(), unit)).wait();
    EXPECT_EQ(all.size(), static_cast<std::size_t>(comm.size()));
    for (int rank = 0; rank < comm.size(); ++rank)
      EXPECT_TRUE(all[rank] == piece_of(rank, unit)) << rank;
  }
}

void moves_large_vectors(Communicator& comm) {
  constexpr std::int64_t kLength = 300000;
  Integers values(kLength);
  for (std::int64_t i = 0; i < kLength; ++i) values[i] = i * (comm.rank() + 1);
  const std::int64_t n = comm.size();
  const auto total = comm.all_reduce("large", std::move(values), ReduceOp::kSum).wait();
  ASSERT_EQ(total.size(), static_cast<std::size_t>(kLength));
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < kLength; ++i) wrong += total[i] != i * n * (n + 1) / 2;
  EXPECT_EQ(wrong, 0);
  Bytes bytes(1000003, static_cast<std::uint8_t>(comm.rank()));
  EXPECT_TRUE(comm.all_reduce_max("large bytes", std::move(bytes)).wait() ==
              Bytes(1000003, static_cast<std::uint8_t>(comm.size() - 1)));
}

}  // namespace

std::vector<ConformanceCase> value_cases() {
  return {{"KnowsItself", 60, knows_itself},
          {"SumsExactly", 60, sums_exactly},
          {"FindsExtremes", 60, finds_extremes},
          {"FindsTheLargestBytes", 60, finds_the_largest_bytes},
          {"TakesEmptyVectors", 60, takes_empty_vectors},
          {"BroadcastsFromEveryRoot", 60, broadcasts_from_every_root},
          {"GathersRaggedTexts", 60, gathers_ragged_texts},
          {"MovesLargeVectors", 60, moves_large_vectors}};
}

}  // namespace cuttle
