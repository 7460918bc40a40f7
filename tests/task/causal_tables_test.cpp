// Tables of classes, of several widths and kinds of columns, as the source `causal_tables` draws
// them.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/task/task.hpp"

namespace cuttle {
namespace {

/// The source with these keys; `way` 1: of values.
struct TableSource {
  TableSource(std::map<std::string, std::string> values, std::int64_t way, std::int64_t shot,
              std::int64_t query)
      : section("causal_tables", std::move(values)) {
    episode.target = way > 1 ? "class" : "value";
    episode.of_values = way == 1;
    episode.way = way;
    episode.way_min = way > 1 ? 2 : 0;
    episode.shot = shot;
    episode.query = query;
    const auto row = builtin_sources().at("causal_tables");
    model = std::make_unique<Model>(ModelOptions{}, row.inputs(section).modalities, 1, 1,
                                    ModelRegistry{});
    source = row.make({section, episode, Split::kTrain, nullptr, *model, nullptr, 0.0});
  }
  Task task(std::uint32_t slot) const { return source->make(key(slot)); }
  static RandomKey key(std::uint32_t slot) { return {5, Stream::kTesting, 0, slot}; }

  Section section;
  EpisodeOptions episode;
  std::unique_ptr<Model> model;
  std::unique_ptr<const TaskSource> source;
};

TEST(CausalTables, ClassesAreAllInTheSupportAndTheColumnsTellThem) {
  const TableSource made(
      {{"features", "6"}, {"features_min", "2"}, {"latent", "3"}, {"mixed", "true"}}, 5, 1, 40);
  std::set<std::int64_t> ways, widths;
  int told = 0, tasks = 0;
  for (std::uint32_t slot = 0; slot < 60; ++slot) {
    const Task task = made.task(slot);
    const EpisodeSize size = made.source->size(TableSource::key(slot));
    ways.insert(size.way);
    ASSERT_EQ(task.support.way, size.way);
    ASSERT_EQ(task.support.size, size.way);
    ASSERT_EQ(task.query.size, 40 * size.way);
    EXPECT_FALSE(task.support.targets.defined());
    EXPECT_TRUE(torch::bincount(task.support.labels, {}, size.way).gt(0).all().item<bool>());
    EXPECT_LT(task.query.labels.max().item<std::int64_t>(), size.way);
    const auto x = task.query.modalities[0].values;
    ASSERT_EQ(x.size(1), 6);
    std::int64_t width = 6;
    while (x.select(1, width - 1).eq(0).all().item<bool>()) --width;
    widths.insert(width);
    // A query's neighbour among the others is of its class more often than by chance.
    const auto units = (x - x.mean(0)) / x.std(0).clamp_min(1e-6);
    auto far = (units.unsqueeze(1) - units.unsqueeze(0)).square().sum(2);
    far.fill_diagonal_(1e30);
    const auto nearest = task.query.labels.index_select(0, far.argmin(1));
    const double right = nearest.eq(task.query.labels).to(torch::kFloat64).mean().item<double>();
    const auto shares = torch::bincount(task.query.labels, {}, size.way).to(torch::kFloat64) /
                        static_cast<double>(task.query.size);
    told += right > shares.square().sum().item<double>() + 0.1;
    ++tasks;
  }
  EXPECT_EQ(ways, (std::set<std::int64_t>{2, 3, 4, 5}));
  EXPECT_EQ(widths, (std::set<std::int64_t>{2, 3, 4, 5, 6}));
  EXPECT_GT(told, tasks / 2);
}

TEST(CausalTables, MixedColumnsAreOfSeveralKindsAndValuesInOneUnit) {
  const TableSource made({{"features", "5"}, {"mixed", "true"}}, 1, 50, 50);
  int coarse = 0, fine = 0;
  double off = 0;
  for (std::uint32_t slot = 0; slot < 30; ++slot) {
    const Task task = made.task(slot);
    const auto y = task.support.targets.to(torch::kFloat64);
    EXPECT_NEAR(y.mean().item<double>(), 0.0, 1e-5);
    EXPECT_NEAR(y.square().mean().item<double>(), 1.0, 1e-4);
    off += std::abs(task.query.targets.mean().item<double>());
    for (std::int64_t c = 0; c < 5; ++c) {
      const auto column = task.query.modalities[0].values.select(1, c).contiguous();
      const float* first = column.data_ptr<float>();
      (std::set<float>(first, first + column.numel()).size() < 40 ? coarse : fine) += 1;
    }
  }
  EXPECT_GT(coarse, 10);
  EXPECT_GT(fine, 60);
  EXPECT_GT(off / 30, 0.05);  // the support does not tell where the query is
}

TEST(CausalTables, RefusesMoreColumnsAtLeastThanThereAre) {
  EXPECT_THROW(TableSource({{"features", "3"}, {"features_min", "4"}}, 1, 2, 2), UserError);
}

}  // namespace
}  // namespace cuttle
