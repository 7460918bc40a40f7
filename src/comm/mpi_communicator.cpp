#include "comm/mpi_communicator.hpp"

#include <utility>

#include "comm/mpi_engine.hpp"

namespace cuttle {
namespace {

MPI_Op to_mpi(ReduceOp op) {
  return op == ReduceOp::kSum ? MPI_SUM : op == ReduceOp::kMax ? MPI_MAX : MPI_MIN;
}

/// Open MPI adds up in place by a tree that moves all of the data in each of its 2 log2(ranks)
/// rounds. Out of place and from this size on it scatters the sums over the ranks and gathers them,
/// which moves less than twice the data in all (nbc_iallreduce.c).
constexpr std::size_t kOutOfPlaceBytes = 65536;

/// What was sent, kept for results to come: fresh pages for each would cost as much as the sum. As
/// many as were in flight at once.
template <class T>
class Spares {
 public:
  std::vector<T> take(std::size_t size) {
    std::vector<T> taken;
    if (!idle_.empty()) {
      taken = std::move(idle_.back());
      idle_.pop_back();
    }
    taken.resize(size);
    return taken;
  }
  void keep(std::vector<T> values) { idle_.push_back(std::move(values)); }

 private:
  std::vector<std::vector<T>> idle_;
};

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(std::shared_ptr<MpiEngine> engine) : engine_(std::move(engine)) {}

  int rank() const override { return engine_->rank(); }
  int size() const override { return engine_->size(); }
  std::string backend() const override { return "mpi"; }

  Pending<std::vector<std::int64_t>> all_reduce(std::string_view name,
                                                std::vector<std::int64_t> values,
                                                ReduceOp op) override {
    const auto shape = reduce_shape(op, values.size());
    return reduce(name, shape, std::move(values), MPI_INT64_T, to_mpi(op), spare_integers_);
  }
  Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view name,
                                                    std::vector<std::uint8_t> values) override {
    const auto shape = reduce_bytes_shape(values.size());
    return reduce(name, shape, std::move(values), MPI_UINT8_T, MPI_MAX, spare_bytes_);
  }

  Pending<std::string> broadcast(std::string_view name, std::string bytes, int root) override {
    CUTTLE_EXPECT(0 <= root && root < size());
    const std::uint64_t announced = rank() == root ? bytes.size() : 0;
    const auto text = std::make_shared<std::string>(std::move(bytes));
    const auto move = [text, root](Transfers& transfers) {
      text->resize(transfers.length());
      transfers.broadcast(text->data(), text->size(), root);
    };
    return pending(text, engine_->start(name, broadcast_shape(root), announced, {move}));
  }

  // The lengths first, then each rank's bytes straight to their place.
  Pending<std::vector<std::string>> all_gather(std::string_view name, std::string bytes) override {
    const auto lengths = std::make_shared<std::vector<std::int64_t>>(size());
    const auto mine = std::make_shared<std::int64_t>(static_cast<std::int64_t>(bytes.size()));
    const auto texts = std::make_shared<std::vector<std::string>>(size());
    (*texts)[rank()] = std::move(bytes);
    const auto measure = [lengths, mine](Transfers& transfers) {
      transfers.all_gather(mine.get(), lengths->data());
    };
    const auto move = [lengths, texts](Transfers& transfers) {
      for (std::size_t rank = 0; rank < texts->size(); ++rank) {
        auto& text = (*texts)[rank];
        text.resize(static_cast<std::size_t>((*lengths)[rank]));
        transfers.broadcast(text.data(), text.size(), static_cast<int>(rank));
      }
    };
    return pending(texts, engine_->start(name, gather_shape(), 0, {measure, move}));
  }

 private:
  template <class T>
  Pending<std::vector<T>> reduce(std::string_view name, const std::string& shape,
                                 std::vector<T> values, MPI_Datatype type, MPI_Op op,
                                 const std::shared_ptr<Spares<T>>& spares) {
    const bool in_place = values.size() * sizeof(T) < kOutOfPlaceBytes;
    const auto held = std::make_shared<std::vector<T>>(in_place ? std::move(values)
                                                                : spares->take(values.size()));
    const auto sent = std::make_shared<std::vector<T>>(std::move(values));
    const auto move = [held, sent, in_place, type, op](Transfers& transfers) {
      transfers.all_reduce(in_place ? nullptr : sent->data(), held->data(), held->size(), sizeof(T),
                           type, op);
    };
    auto operation = engine_->start(name, shape, 0, {move});
    if (in_place) return pending(held, std::move(operation));
    return Pending<std::vector<T>>(
        [engine = engine_, spares, held, sent, operation = std::move(operation)] {
          engine->wait(*operation);
          spares->keep(std::move(*sent));
          return std::move(*held);
        });
  }

  template <class T>
  Pending<T> pending(std::shared_ptr<T> result, std::shared_ptr<MpiOperation> operation) {
    return Pending<T>(
        [engine = engine_, result = std::move(result), operation = std::move(operation)] {
          engine->wait(*operation);
          return std::move(*result);
        });
  }

  // Shared with the Pendings.
  std::shared_ptr<MpiEngine> engine_;
  std::shared_ptr<Spares<std::int64_t>> spare_integers_ = std::make_shared<Spares<std::int64_t>>();
  std::shared_ptr<Spares<std::uint8_t>> spare_bytes_ = std::make_shared<Spares<std::uint8_t>>();
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm original, const CommOptions& options,
                                                    std::size_t largest_count) {
  return std::make_unique<MpiCommunicator>(
      std::make_shared<MpiEngine>(original, options.deadline_s, largest_count));
}

}  // namespace cuttle
