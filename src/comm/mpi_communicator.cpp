#include "comm/mpi_communicator.hpp"

#include <utility>

#include "comm/mpi_engine.hpp"

namespace cuttle {
namespace {

MPI_Op to_mpi(ReduceOp op) {
  return op == ReduceOp::kSum ? MPI_SUM : op == ReduceOp::kMax ? MPI_MAX : MPI_MIN;
}

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
    return reduce(name, shape, std::move(values), MPI_INT64_T, to_mpi(op));
  }
  Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view name,
                                                    std::vector<std::uint8_t> values) override {
    const auto shape = reduce_bytes_shape(values.size());
    return reduce(name, shape, std::move(values), MPI_UINT8_T, MPI_MAX);
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
                                 std::vector<T> values, MPI_Datatype type, MPI_Op op) {
    const auto held = std::make_shared<std::vector<T>>(std::move(values));
    const auto move = [held, type, op](Transfers& transfers) {
      transfers.all_reduce(held->data(), held->size(), sizeof(T), type, op);
    };
    return pending(held, engine_->start(name, shape, 0, {move}));
  }

  template <class T>
  Pending<T> pending(std::shared_ptr<T> result, std::shared_ptr<MpiOperation> operation) {
    return Pending<T>(
        [engine = engine_, result = std::move(result), operation = std::move(operation)] {
          engine->wait(*operation);
          return std::move(*result);
        });
  }

  std::shared_ptr<MpiEngine> engine_;  // shared with the Pendings
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm original, const CommOptions& options,
                                                    std::size_t largest_count) {
  return std::make_unique<MpiCommunicator>(
      std::make_shared<MpiEngine>(original, options.deadline_s, largest_count));
}

}  // namespace cuttle
