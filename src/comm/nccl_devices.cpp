#include <map>
#include <vector>

#include "comm/nccl_check.hpp"
#include "comm/nccl_communicator.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

/// What a rank tells the others about its device: "host\nbus id", or "host\n\nwhy there is none".
std::string describe_device(int local_rank) {
  const std::string& host = whereabouts().host;
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  char bus_id[32] = "";
  if (status == cudaSuccess && count > 0) {
    status = cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, local_rank % count);
  }
  if (status == cudaSuccess && count > 0) return fmt::format("{}\n{}", host, bus_id);
  (void)cudaGetLastError();  // or the next check of somebody else would find it
  return fmt::format("{}\n\n{}", host,
                     status == cudaSuccess ? "no device" : cudaGetErrorString(status));
}

}  // namespace

int visible_cuda_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  (void)cudaGetLastError();
  return 0;
}

std::string nccl_obstacle(Communicator& control, int local_rank) {
  const std::vector<std::string> devices =
      control.all_gather("devices of all ranks", describe_device(local_rank)).wait();
  std::map<std::string, std::size_t> owners;
  for (std::size_t rank = 0; rank < devices.size(); ++rank) {
    const std::string& device = devices[rank];
    const std::string host = device.substr(0, device.find('\n'));
    if (const std::size_t reason = device.find("\n\n"); reason != std::string::npos) {
      return fmt::format("rank {} on {} sees no CUDA device: {}", rank, host,
                         device.substr(reason + 2));
    }
    const auto [owner, first] = owners.emplace(device, rank);
    if (!first) {
      return fmt::format(
          "ranks {} and {} on {} would share device {}: fewer devices than ranks on that host",
          owner->second, rank, host, device.substr(host.size() + 1));
    }
  }
  return "";
}

}  // namespace cuttle
