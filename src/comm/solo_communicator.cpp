#include <utility>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// A Pending that is ready with `value`.
template <class T>
Pending<T> ready(T value) {
  return Pending<T>([held = std::move(value)]() mutable { return std::move(held); });
}

class SoloCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string backend() const override { return "solo"; }

  Pending<std::vector<std::int64_t>> all_reduce(std::string_view, std::vector<std::int64_t> values,
                                                ReduceOp) override {
    return ready(std::move(values));
  }
  Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view,
                                                    std::vector<std::uint8_t> values) override {
    return ready(std::move(values));
  }
  Pending<std::string> broadcast(std::string_view, std::string bytes, int root) override {
    CUTTLE_EXPECT(root == 0);
    return ready(std::move(bytes));
  }
  Pending<std::vector<std::string>> all_gather(std::string_view, std::string bytes) override {
    std::vector<std::string> all(1);
    all[0] = std::move(bytes);
    return ready(std::move(all));
  }
};

}  // namespace

std::unique_ptr<Communicator> make_solo_communicator() {
  return std::make_unique<SoloCommunicator>();
}

}  // namespace cuttle
