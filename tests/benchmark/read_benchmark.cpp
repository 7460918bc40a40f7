#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/task/episode.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

constexpr int kSamples = 40000;  // reads of each measurement, in random order

/// Prints one line: samples per second, the best of three.
double measure(const char* name, const std::function<std::int64_t()>& run) {
  double best = 0.0;
  for (int i = 0; i < 3; ++i) {
    const Timer timer;
    const auto samples = static_cast<double>(run());
    best = std::max(best, samples / timer.seconds());
  }
  fmt::print("{:<44}{:>12.0f} samples/s\n", name, best);
  return best;
}

/// Image rows by H5Dread with a hyperslab each: what reading through HDF5 costs at least.
std::int64_t read_by_hdf5(const std::string& path, const std::vector<std::int64_t>& rows,
                          std::int64_t side) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t dataset = H5Dopen2(file, "/modalities/image/data", H5P_DEFAULT);
  const hid_t space = H5Dget_space(dataset);
  const auto edge = static_cast<hsize_t>(side);
  const hsize_t count[4] = {1, edge, edge, 1}, bytes = edge * edge;
  const hid_t memory = H5Screate_simple(1, &bytes, nullptr);
  std::vector<std::uint8_t> out(bytes);
  for (const std::int64_t row : rows) {
    const hsize_t start[4] = {static_cast<hsize_t>(row), 0, 0, 0};
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, count, nullptr);
    H5Dread(dataset, H5T_NATIVE_UINT8, memory, space, H5P_DEFAULT, out.data());
  }
  H5Sclose(memory);
  H5Sclose(space);
  H5Dclose(dataset);
  H5Fclose(file);
  return static_cast<std::int64_t>(rows.size());
}

std::int64_t read_by_dataset(const Dataset& data, const std::vector<std::int64_t>& rows) {
  std::vector<std::uint8_t> out;
  for (const std::int64_t row : rows) {
    out.clear();
    data.read(row, 0, out);
  }
  return static_cast<std::int64_t>(rows.size());
}

std::int64_t materialise_many(const Dataset& data, const EpisodePlanner& planner) {
  std::int64_t samples = 0;
  for (std::uint64_t step = 0; samples < kSamples; ++step) {
    const Episode episode = materialise(data, planner.plan({1, Stream::kTesting, step}));
    samples += episode.support.size + episode.query.size;
  }
  return samples;
}

void run() {
  const TempFolder folder;
  SyntheticOptions options;
  options.classes = {100, 1, 1};
  options.samples_per_class = 40;
  options.image_side = 28;
  options.shards = 1;
  DataOptions data_options;
  data_options.shards = write_synthetic_shards(folder.path(), options);
  const auto all = Dataset::open(data_options);
  data_options.modalities = {"image"};
  const auto images = Dataset::open(data_options);
  data_options.in_memory = true;
  const auto memory = Dataset::open(data_options);

  Random random(RandomKey{1, Stream::kTesting});
  std::vector<std::int64_t> rows(kSamples);
  for (std::int64_t& row : rows)
    row = static_cast<std::int64_t>(random.below(images->samples().size()));
  fmt::print("images of 28 x 28 bytes, random order, one thread, file in the page cache\n");
  const double raw = measure("H5Dread, one hyperslab each, no checksum", [&] {
    return read_by_hdf5(data_options.shards[0], rows, options.image_side);
  });
  const double read =
      measure("Dataset::read, with checksum", [&] { return read_by_dataset(*images, rows); });
  measure("Dataset::read, in memory", [&] { return read_by_dataset(*memory, rows); });
  const EpisodePlanner image_planner(*images, Split::kTrain, {}), planner(*all, Split::kTrain, {});
  measure("plan and materialise, 5-way 1-shot 15 queries",
          [&] { return materialise_many(*images, image_planner); });
  measure("the same with five modalities (6.6 kB)",
          [&] { return materialise_many(*all, planner); });
  fmt::print("Dataset::read / H5Dread = {:.2f}\n", read / raw);
}

}  // namespace
}  // namespace cuttle

int main() {
  try {
    cuttle::run();
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
