#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/task/objective.hpp"

namespace cuttle {

using Rows = std::vector<std::vector<std::int64_t>>;
using Values = std::map<std::string, std::string>;
using Table = std::vector<std::vector<double>>;

inline const Rows kRows{
    {0, 1, 2, 4, 5}, {0, 1, 3, 4, 5}, {1, 2, 4, 5}};  // by sense, of six samples

inline Table table_of(const torch::Tensor& x) {
  Table rows;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    rows.emplace_back();
    for (std::int64_t j = 0; j < x.size(1); ++j) rows.back().push_back(x[i][j].item<double>());
  }
  return rows;
}

/// Three senses of one objective, and a batch in which some samples lack some.
struct Bench {
  std::vector<ModalitySpec> specs = std::vector<ModalitySpec>(3);
  std::unique_ptr<Model> model;
  std::unique_ptr<const TaskKind> kind = builtin_task_kinds().at("class").make({Section("class")});
  std::unique_ptr<const Objective> objective;
  Tensors p;
  Batch batch;

  Bench(const std::string& type, const Values& keys, bool series = false, const Rows& rows = kRows,
        const std::string& completion = "none") {
    torch::set_num_threads(1);
    ModelOptions options;
    for (std::size_t m = 0; m < 3; ++m) {
      specs[m].name = std::string(1, static_cast<char>('a' + m));
      specs[m].kind = series ? ModalityKind::kSeries : ModalityKind::kVector;
      specs[m].shape = {3};
      options.encoders[specs[m].name] =
          series ? Section("gru", {{"width", "4"}})
                 : Section("mlp", {{"width", "5"}, {"depth", "1"}, {"fused", "false"}});
    }
    options.fusion = Section("gated", {{"embedding", "6"}});
    options.completion = Section(completion);
    model = std::make_unique<Model>(options, specs, 2, 1, ModelRegistry{});
    const Section section(type, keys);
    objective = builtin_objectives().at(type).make(
        {section, *model, model->declare(), "objective.o", *kind});
    if (objective->wants_tokens()) model->give_tokens();
    p = ParameterList::initial(model->layout(), 3, torch::kFloat64).tensors();
    torch::manual_seed(1);
    batch.size = 6;
    batch.way = 2;
    for (const auto& has : rows) {
      ModalityInput input;
      const auto n = static_cast<std::int64_t>(has.size());
      if (n > 0)
        input.values = torch::randn(
            series ? std::vector<std::int64_t>{n, 3, 7} : std::vector<std::int64_t>{n, 3},
            torch::kFloat64);
      if (n > 0 && series) {
        input.mask = (torch::arange(7) < torch::randint(2, 8, {n, 1})).to(torch::kFloat64);
        input.values = input.values * input.mask.unsqueeze(1);
      }
      input.rows = torch::tensor(has, torch::kInt64);
      batch.modalities.push_back(input);
    }
    batch.labels = torch::tensor({0, 1, 1, 0, 0, 1}, torch::kInt64);
  }
  torch::Tensor named(const std::string& name) const {
    for (std::int64_t i = 0; i < model->layout()->count(); ++i)
      if (model->layout()->spec(i).name == "objective.o." + name)
        return p[static_cast<std::size_t>(i)];
    ADD_FAILURE() << name;
    return {};
  }
  torch::Tensor loss(const Tensors& theta) const {
    return objective->loss(theta, model->look(theta, batch, {}), batch, {});
  }
  double value() const { return loss(p).item<double>(); }
  /// The mean of what `of_pair` makes of projections, or features, of the samples of both senses.
  template <class OfPair>
  double mean_of_pairs(bool projected, const OfPair& of_pair) const {
    const Pass pass = model->look(p, batch, {});
    double sum = 0;
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = a + 1; b < 3; ++b) {
        std::vector<std::int64_t> both;
        for (std::int64_t row = 0; row < batch.size; ++row)
          if (std::count(kRows[a].begin(), kRows[a].end(), row) +
                  std::count(kRows[b].begin(), kRows[b].end(), row) ==
              2)
            both.push_back(row);
        const auto of_sense = [&](std::size_t m) {
          const auto x = pass.senses.pooled[m].index_select(0, torch::tensor(both, torch::kInt64));
          return table_of(projected ? x.matmul(named(specs[m].name + ".weight").t()) : x);
        };
        sum += of_pair(of_sense(a), of_sense(b));
      }
    return sum / 3;
  }
};

}  // namespace cuttle
