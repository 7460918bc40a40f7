#include "comm/collective.hpp"

#include <fmt/format.h>

#include "comm/rank_list.hpp"

namespace cuttle {

std::string Collective::describe() const {
  return fmt::format("'{}' #{} ({})", name, sequence, shape);
}

std::uint64_t Collective::hash() const {
  std::uint64_t state = 0xcbf29ce484222325;
  for (const char c : describe()) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return state;
}

std::string reduce_shape(ReduceOp op, std::size_t length) {
  const char* verb = op == ReduceOp::kSum ? "sum" : op == ReduceOp::kMax ? "maximum" : "minimum";
  return fmt::format("{} of {} int64", verb, length);
}

std::string reduce_bytes_shape(std::size_t length) {
  return fmt::format("maximum of {} bytes", length);
}

std::string broadcast_shape(int root) {
  return fmt::format("broadcast from rank {}", root);
}

std::string gather_shape() {
  return "gather";
}

std::string mismatch_message(const std::vector<std::string>& descriptions) {
  std::vector<Saying> sayings;
  for (std::size_t rank = 0; rank < descriptions.size(); ++rank) {
    sayings.push_back({static_cast<int>(rank), descriptions[rank]});
  }
  return fmt::format(
      "the ranks met in different collectives (nothing was added up): {}; every rank must call the "
      "same collectives in the same order",
      group_sayings(sayings, "; "));
}

}  // namespace cuttle
