// The encoder of tables: columns in the support's own units, against loops over numbers.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cuttle/model/model.hpp"

namespace cuttle {
namespace {

using Rows = std::vector<std::vector<double>>;

Batch batch_of(const Rows& rows) {
  Batch batch;
  batch.size = static_cast<std::int64_t>(rows.size());
  Tensors all;
  for (const auto& row : rows) all.push_back(torch::tensor(row, torch::kFloat64));
  batch.modalities.push_back({torch::stack(all), {}, torch::arange(batch.size)});
  return batch;
}

struct Table {
  explicit Table(std::int64_t columns, const char* depth = "1") {
    ModelOptions options;
    options.encoders["x"] = Section("table", {{"width", "3"}, {"depth", depth}});
    const ModalitySpec x{"x", ModalityKind::kVector, {columns}, 0.0, {}, {}};
    model = std::make_unique<Model>(options, std::vector<ModalitySpec>{x}, 0, 0, ModelRegistry{});
    parameters = ParameterList::initial(model->layout(), 3, torch::kFloat64).tensors();
  }
  /// Embeddings of queries in the light of a support set; of the support itself without one.
  torch::Tensor seen(const Rows& rows, const Rows& support = {}) const {
    Statistics given;
    Context context;
    if (!support.empty()) {
      given = model->look_at(parameters, batch_of(support), context);
      context.given = &given;
      for (const auto& entry : given.moments) EXPECT_TRUE(entry.second.of_input);
    }
    return model->embed(parameters, batch_of(rows), context).parts[0];
  }
  std::unique_ptr<Model> model;
  Tensors parameters;
};

/// (x - mean) / deviation of each column that varies in the support, cut at 10, times the root of
/// all columns over those.
Rows in_units(const Rows& rows, const Rows& support) {
  const std::size_t columns = rows[0].size();
  const auto n = static_cast<double>(support.size());
  Rows result(rows.size(), std::vector<double>(columns, 0.0));
  double varying = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    double mean = 0, variance = 0;
    for (const auto& row : support) mean += row[c] / n;
    for (const auto& row : support) variance += (row[c] - mean) * (row[c] - mean) / n;
    if (variance < 1e-9) continue;
    ++varying;
    for (std::size_t i = 0; i < rows.size(); ++i)
      result[i][c] = std::clamp((rows[i][c] - mean) / std::sqrt(variance), -10.0, 10.0);
  }
  for (auto& row : result)
    for (auto& value : row)
      value *= std::sqrt(static_cast<double>(columns) / std::max(varying, 1.0));
  return result;
}

double farthest(const torch::Tensor& x, const torch::Tensor& y) {
  return (x - y).abs().max().item<double>();
}

const Rows kSupport{{1.0, 300.0, 0.1, 0.0}, {2.0, 100.0, 0.1, 0.0}, {4.0, 250.0, 0.1, 0.0}};
const Rows kQueries{{0.5, 120.0, 0.1, 0.0}, {9.0, -800.0, 7.0, 3.0}, {200.0, 1e6, 0.1, 0.0}};

torch::Tensor layer(const Table& table, const Rows& units) {
  return torch::linear(batch_of(units).modalities[0].values, table.parameters[0],
                       table.parameters[1]);
}

TEST(TableEncoder, ColumnsAreInTheSupportsUnits) {
  const Table table(4);
  EXPECT_LT(farthest(table.seen(kSupport), layer(table, in_units(kSupport, kSupport))), 1e-12);
  const auto queries = table.seen(kQueries, kSupport);
  EXPECT_LT(farthest(queries, layer(table, in_units(kQueries, kSupport))), 1e-12);
  EXPECT_LT(farthest(queries.narrow(0, 1, 1), table.seen({kQueries[1]}, kSupport)), 1e-12);
}

TEST(TableEncoder, TheUnitOfAColumnDoesNotMatter) {
  const Table table(4);
  const auto other = [](Rows rows) {
    for (auto& row : rows) row = {1000 * row[0] - 7, 0.01 * row[1] + 3, row[2], row[3]};
    return rows;
  };
  EXPECT_LT(farthest(table.seen(other(kQueries), other(kSupport)), table.seen(kQueries, kSupport)),
            1e-9);
}

TEST(TableEncoder, NothingVariesInOneRow) {
  const Table table(4);
  const auto seen = table.seen(kQueries, {kSupport[0]});
  EXPECT_LT(farthest(seen, layer(table, Rows(3, std::vector<double>(4, 0.0)))), 1e-12);
  EXPECT_FALSE(table.model->samples_apart() && !table.model->uses_support());
}

TEST(TableEncoder, LayersHaveReluBetweenThem) {
  const Table table(4, "2");
  const auto hidden = torch::relu(layer(table, in_units(kQueries, kSupport)));
  EXPECT_LT(farthest(table.seen(kQueries, kSupport),
                     torch::linear(hidden, table.parameters[2], table.parameters[3])),
            1e-12);
}

}  // namespace
}  // namespace cuttle
