#include "comm/nccl_communicator.hpp"

#include <cstring>
#include <deque>
#include <exception>
#include <utility>

#include "comm/collective.hpp"
#include "comm/nccl_engine.hpp"

namespace cuttle {
namespace {

/// The share of the deadline that starting NCCL may use: a rank that fails early must outwait those
/// that still try.
constexpr double kStartShare = 0.8;

ncclRedOp_t to_nccl(ReduceOp op) {
  return op == ReduceOp::kSum ? ncclSum : op == ReduceOp::kMax ? ncclMax : ncclMin;
}

/// Pinned host memory, device memory and events of one collective in flight; reused.
struct Slot {
  explicit Slot(std::size_t bytes)
      : capacity(bytes),
        host(allocate_pinned(bytes)),
        device(allocate_device(bytes)),
        copied(make_event()),
        done(make_event()) {}

  std::size_t capacity;
  PinnedMemory host;
  DeviceMemory device;
  CudaEvent copied;  // the values are in device memory
  CudaEvent done;    // the result is in host memory
};

struct Reduction {
  std::string what;
  std::size_t count;
  std::size_t bytes;
  ncclDataType_t type;
  ncclRedOp_t op;
  Slot* slot;  // null for nothing to add
  Pending<std::vector<std::int64_t>> handshake;
  bool launched = false;
  std::exception_ptr failure;
};

/// Each collective first shakes hands on the control communicator, and goes to NCCL only when every
/// rank is known to be there with the same name, length and operation: NCCL itself would hang or
/// add up garbage, and name nobody. Starting copies to the device; waiting launches, in the order
/// of starting whatever the order of waiting, for NCCL needs one order on all ranks.
class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& control, int device, double deadline_s)
      : control_(control),
        resources_(new Resources(control.rank(), control.size(), device, deadline_s)) {}

  ~NcclCommunicator() override {
    if (resources_->engine.close()) {
      cudaStreamSynchronize(resources_->copies.get());
    } else {
      (void)resources_.release();  // freeing would wait for the kernel that hangs
    }
  }

  void join(const std::string& id, double seconds) { resources_->engine.join(id, seconds); }

  int rank() const override { return control_.rank(); }
  int size() const override { return control_.size(); }
  std::string backend() const override { return "nccl"; }

  Pending<std::vector<std::int64_t>> all_reduce(std::string_view name,
                                                std::vector<std::int64_t> values,
                                                ReduceOp op) override {
    const std::string shape = reduce_shape(op, values.size());
    return start(name, shape, std::move(values), ncclInt64, to_nccl(op));
  }
  Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view name,
                                                    std::vector<std::uint8_t> values) override {
    const std::string shape = reduce_bytes_shape(values.size());
    return start(name, shape, std::move(values), ncclUint8, ncclMax);
  }
  Pending<std::string> broadcast(std::string_view name, std::string bytes, int root) override {
    return control_.broadcast(name, std::move(bytes), root);
  }
  Pending<std::vector<std::string>> all_gather(std::string_view name, std::string bytes) override {
    return control_.all_gather(name, std::move(bytes));
  }

 private:
  struct Resources {
    Resources(int rank, int size, int device, double deadline_s)
        : engine(rank, size, device, deadline_s), copies(make_stream()) {}
    NcclEngine engine;
    CudaStream copies;  // to the device, while the engine's stream still adds up the one before
    std::vector<std::unique_ptr<Slot>> slots;
  };

  template <class T>
  Pending<std::vector<T>> start(std::string_view name, const std::string& shape,
                                std::vector<T> values, ncclDataType_t type, ncclRedOp_t op);
  Slot* stage(const void* values, std::size_t bytes);
  Slot* take_slot(std::size_t bytes);
  void launch_through(Reduction& last);
  void launch(Reduction& reduction);
  void meet(Reduction& reduction);
  void collect(Reduction& reduction, void* result);
  template <class Body>
  auto or_abort(const Body& body);

  Communicator& control_;
  std::unique_ptr<Resources> resources_;
  std::vector<Slot*> idle_;
  std::deque<std::shared_ptr<Reduction>> waiting_;  // started, not launched
  std::uint64_t sequence_ = 0;
};

/// Runs a step on the device. If it fails, this rank cannot meet the others in NCCL any more.
template <class Body>
auto NcclCommunicator::or_abort(const Body& body) {
  try {
    resources_->engine.enter();
    return body();
  } catch (...) {
    resources_->engine.abort();
    throw;
  }
}

template <class T>
Pending<std::vector<T>> NcclCommunicator::start(std::string_view name, const std::string& shape,
                                                std::vector<T> values, ncclDataType_t type,
                                                ncclRedOp_t op) {
  const std::size_t count = values.size();
  const std::size_t bytes = count * sizeof(T);
  const Collective what{++sequence_, std::string(name), shape};
  Slot* slot = or_abort([&] { return stage(values.data(), bytes); });
  // The control communicator compares names: one that holds the shape makes it compare shapes. The
  // quotes are for its messages: "'gradient', sum of 100 int64 by 'NCCL' #12 (maximum of 1 int64)".
  const std::string met_as = fmt::format("{}', {} by 'NCCL", name, shape);
  auto handshake = or_abort([&] { return control_.all_reduce(met_as, {0}, ReduceOp::kMax); });
  auto reduction = std::make_shared<Reduction>(
      Reduction{what.describe(), count, bytes, type, op, slot, std::move(handshake), false, {}});
  waiting_.push_back(reduction);
  return Pending<std::vector<T>>([this, reduction, values = std::move(values)]() mutable {
    launch_through(*reduction);
    collect(*reduction, values.data());
    return std::move(values);
  });
}

/// Sets the copy to the device going.
Slot* NcclCommunicator::stage(const void* values, std::size_t bytes) {
  if (bytes == 0) return nullptr;
  Slot* slot = take_slot(bytes);
  std::memcpy(slot->host.get(), values, bytes);
  const cudaStream_t copies = resources_->copies.get();
  CUTTLE_CUDA_CALL(
      cudaMemcpyAsync(slot->device.get(), slot->host.get(), bytes, cudaMemcpyHostToDevice, copies));
  CUTTLE_CUDA_CALL(cudaEventRecord(slot->copied.get(), copies));
  return slot;
}

Slot* NcclCommunicator::take_slot(std::size_t bytes) {
  std::size_t capacity = 4096;
  while (capacity < bytes) capacity *= 2;
  if (idle_.empty()) {
    resources_->slots.push_back(std::make_unique<Slot>(capacity));
    return resources_->slots.back().get();
  }
  Slot* slot = idle_.back();
  idle_.pop_back();
  if (slot->capacity < bytes) *slot = Slot(capacity);
  return slot;
}

void NcclCommunicator::launch_through(Reduction& last) {
  while (!last.launched) {
    const std::shared_ptr<Reduction> next = waiting_.front();
    waiting_.pop_front();
    next->launched = true;
    try {
      launch(*next);
    } catch (...) {
      next->failure = std::current_exception();  // for the one who waits for that collective
    }
  }
  if (last.failure) std::rethrow_exception(last.failure);
}

void NcclCommunicator::launch(Reduction& reduction) {
  meet(reduction);
  if (reduction.slot == nullptr) return;
  or_abort([&] {
    const Slot& slot = *reduction.slot;
    NcclEngine& engine = resources_->engine;
    CUTTLE_CUDA_CALL(cudaStreamWaitEvent(engine.stream(), slot.copied.get(), 0));
    engine.all_reduce(slot.device.get(), reduction.count, reduction.type, reduction.op,
                      reduction.what);
    CUTTLE_CUDA_CALL(cudaMemcpyAsync(slot.host.get(), slot.device.get(), reduction.bytes,
                                     cudaMemcpyDeviceToHost, engine.stream()));
    CUTTLE_CUDA_CALL(cudaEventRecord(slot.done.get(), engine.stream()));
  });
}

/// Waits for all ranks. If they meant different collectives, all of them learn it alike: that ends
/// the collective, not the communicator.
void NcclCommunicator::meet(Reduction& reduction) {
  NcclEngine& engine = resources_->engine;
  try {
    engine.enter();
    reduction.handshake.wait();
  } catch (const PeerLost&) {
    engine.abort();
    throw;
  } catch (const Error&) {
    if (reduction.slot != nullptr) {
      or_abort([&] { engine.wait(reduction.slot->copied.get(), reduction.what); });
      idle_.push_back(reduction.slot);
    }
    throw;
  }
}

void NcclCommunicator::collect(Reduction& reduction, void* result) {
  if (reduction.slot == nullptr) return;
  or_abort([&] { resources_->engine.wait(reduction.slot->done.get(), reduction.what); });
  std::memcpy(result, reduction.slot->host.get(), reduction.bytes);
  idle_.push_back(reduction.slot);
}

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& control, int local_rank,
                                                     const CommOptions& options) {
  const std::string obstacle = nccl_obstacle(control, local_rank);
  CUTTLE_VALIDATE(obstacle.empty(),
                  "{} (NCCL needs a device of its own for each rank); start at most one rank per "
                  "device, or set comm.backend to mpi",
                  obstacle);
  std::string id;
  std::unique_ptr<NcclCommunicator> made;
  together(control, "taking hold of the CUDA devices", [&] {
    const int device = local_rank % visible_cuda_devices();
    made = std::make_unique<NcclCommunicator>(control, device, options.deadline_s);
    if (control.rank() == 0) id = NcclEngine::make_id();
  });
  id = control.broadcast("NCCL id", std::move(id), 0).wait();
  // The vote at its end is also the barrier that keeps a rank from launching while another is still
  // allocating in its own start, which can deadlock in the driver.
  together(control, "starting NCCL", [&] { made->join(id, options.deadline_s * kStartShare); });
  return made;
}

}  // namespace cuttle
