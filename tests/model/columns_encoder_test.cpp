// Encoder columns: against loops over numbers, with holes and categories that nobody knows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <cstring>
#include <string>

#include "cuttle/core/error.hpp"
#include "large_encoders.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using Rows = std::vector<std::vector<float>>;

const float kHole = std::nanf("");

/// Columns number, category of 3, number, category of 2.
ModalitySpec mixed() {
  ModalitySpec spec{"x", ModalityKind::kVector, {4}, 0.0, {1, 0, 3, 0}, {2, 1, 4, 1}};
  spec.columns = {"a", "colour", "b", "sex"};
  spec.categories = {{}, {"red", "green", "blue"}, {}, {"f", "m"}};
  spec.holes = true;
  return spec;
}
ModalitySpec numbers_alone() {
  ModalitySpec spec{"x", ModalityKind::kVector, {2}, 0.0, {}, {}};
  spec.holes = true;
  return spec;
}

std::shared_ptr<Model> made(const ModalitySpec& spec, const char* type = "columns",
                            const char* depth = "2") {
  ModelOptions options;
  options.encoders["x"] =
      Section(type, {{"width", "5"}, {"depth", depth}, {"embedding", "3"}, {"irregular", "false"}});
  return std::make_shared<Model>(options, std::vector<ModalitySpec>{spec}, kWay, 2,
                                 ModelRegistry{});
}

Batch batch_of(const Model& model, const Rows& rows, const std::vector<std::int64_t>& labels = {}) {
  RawBatch raw;
  raw.size = static_cast<std::int64_t>(rows.size());
  raw.labels = labels;
  raw.modalities.resize(1);
  for (const auto& row : rows) {
    std::vector<std::uint8_t> bytes(row.size() * sizeof(float));
    std::memcpy(bytes.data(), row.data(), bytes.size());
    append(raw.modalities[0], bytes);
  }
  return model.prepare(raw, kWay);
}

const Rows kRows{{3, 1, 11, 0},
                 {kHole, 2, -5, 1},
                 {2, kHole, kHole, kHole},
                 {0.5f, 3, 1, -1},  // a category beyond the last, and one before the first
                 {kHole, kHole, kHole, kHole}};

torch::Tensor parameter(const Model& model, const Tensors& p, const std::string& name) {
  for (std::int64_t i = 0; i < model.layout()->count(); ++i)
    if (model.layout()->spec(i).name == "encoder.x." + name) return p[static_cast<std::size_t>(i)];
  ADD_FAILURE() << name;
  return {};
}

/// Parameters without a zero among them.
Tensors moved(const Model& model) {
  const auto list = ParameterList::initial(model.layout(), 4, torch::kFloat64);
  torch::manual_seed(3);
  for (const auto& value : list.tensors()) value.add_(0.3 * torch::randn_like(value));
  return list.tensors();
}

/// Tokens [4, 3] of one row of mixed(), by the words of the encoder's description.
torch::Tensor tokens_of(const Model& model, const Tensors& p, const std::vector<float>& row) {
  const auto weight = parameter(model, p, "columns.weight"),
             bias = parameter(model, p, "columns.bias"), hole = parameter(model, p, "columns.hole"),
             table = parameter(model, p, "columns.table");
  const double a = (row[0] - 1.0) / 2.0, b = (row[2] - 3.0) / 4.0;
  const auto number = [&](float raw, double x, std::int64_t i) {
    return std::isnan(raw) ? hole[i] : weight[i] * x + bias[i];
  };
  const auto category = [&](float raw, int count, std::int64_t first, std::int64_t i) {
    const bool known = raw >= 0 && raw < static_cast<float>(count);
    return known ? table[first + static_cast<std::int64_t>(raw)] : hole[i];
  };
  return torch::stack({number(row[0], a, 0), number(row[2], b, 1), category(row[1], 3, 0, 2),
                       category(row[3], 2, 3, 3)});
}

TEST(Columns, AreTheTokensAndLayersOfTheirDescription) {
  const auto model = made(mixed());
  const auto p = moved(*model);
  const auto batch = batch_of(*model, kRows).to(torch::kFloat64);
  const auto found = model->encoder(0).forward(p, batch.modalities[0], {}, true);
  EXPECT_FALSE(found.mask.defined());
  ASSERT_EQ(found.tokens.sizes(), torch::IntArrayRef({5, 4, 3}));
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    const auto tokens = tokens_of(*model, p, kRows[i]);
    EXPECT_TRUE(torch::allclose(found.tokens[static_cast<std::int64_t>(i)], tokens, 1e-6, 1e-7));
    auto x = tokens.flatten();
    for (const char* layer : {"0", "1"})
      x = torch::relu(parameter(*model, p, std::string(layer) + ".weight").matmul(x) +
                      parameter(*model, p, std::string(layer) + ".bias"));
    EXPECT_TRUE(torch::allclose(found.pooled[static_cast<std::int64_t>(i)], x, 1e-6, 1e-7)) << i;
  }
}

TEST(Columns, HaveWhatTheyNeedAndNothingElse) {
  EXPECT_EQ(made(mixed(), "columns", "0")->layout()->parameters(),
            4 * 3 + 2 * 3 + 2 * 3 + 5 * 3 + 4 * 3 * kWay + kWay);
  EXPECT_EQ(made(numbers_alone(), "columns", "0")->layout()->parameters(),
            2 * 3 + 2 * 3 + 2 * 3 + 2 * 3 * kWay + kWay);
  auto categories = numbers_alone();
  categories.columns = {"a", "b"};
  categories.categories = {{"x"}, {"x", "y"}};
  EXPECT_EQ(made(categories, "columns", "0")->layout()->parameters(),
            2 * 3 + 3 * 3 + 2 * 3 * kWay + kWay);
  const auto start = ParameterList::initial(made(mixed())->layout(), 1).tensors();
  EXPECT_EQ(parameter(*made(mixed()), start, "columns.hole").abs().sum().item<double>(), 0);
}

TEST(Columns, OfASampleAreItsOwnAndWhatLiesInAHoleIsNotSeen) {
  torch::set_num_threads(1);
  const auto model = made(mixed());
  const auto p = ParameterList::initial(model->layout(), 4).tensors();
  const auto all = batch_of(*model, kRows);
  EXPECT_TRUE(all.modalities[0].values.isfinite().all().item<bool>());
  const auto together = features(*model, p, all);
  for (std::size_t i = 0; i < kRows.size(); ++i)
    EXPECT_TRUE(torch::allclose(together[static_cast<std::int64_t>(i)],
                                features(*model, p, batch_of(*model, {kRows[i]}))[0], 1e-5, 1e-6));
  auto other = kRows;
  for (auto& row : other)
    for (float& value : row)
      if (std::isnan(value)) value = -std::nanf("12345");
  EXPECT_TRUE(torch::equal(features(*model, p, batch_of(*model, other)), together));
}

class ColumnsGradient : public testing::Test {
 protected:
  ColumnsGradient() : model(made(mixed())), learner(learner_of("maml", "2", model)) {
    torch::set_num_threads(1);
    Random random({5, Stream::kTesting, 0, 0});
    task.support = draw(2, random);
    task.query = draw(3, random);
  }
  Batch draw(std::int64_t per_class, Random& random) const {
    Rows rows;
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < kWay * per_class; ++i) {
      labels.push_back(i / per_class);
      const auto normal = [&] { return static_cast<float>(3 * random.normal() + 2); };
      rows.push_back({normal(), static_cast<float>(random.below(3)), normal(),
                      static_cast<float>(random.below(2))});
      for (float& value : rows.back())
        if (random.uniform() < 0.25) value = kHole;
    }
    return batch_of(*model, rows, labels).to(torch::kFloat64);
  }
  double loss(const torch::Tensor& flat) const {
    const ParameterList at(model->layout(), flat);
    const auto outputs = learner->adapt(at, task.support, task.key)->predict(task.query);
    return learner->kind().loss(outputs, task.query).item<double>();
  }
  std::shared_ptr<Model> model;
  std::unique_ptr<const Learner> learner;
  Task task;
};

TEST_F(ColumnsGradient, EqualsFiniteDifferencesThroughInnerSteps) {
  const ParameterList start(model->layout(), model->layout()->flatten(moved(*model)));
  const auto gradient = learner->meta_gradient(start, task).gradient;
  const double norm = gradient.norm().item<double>();
  ASSERT_GT(norm, 1e-3);
  torch::manual_seed(5);
  for (auto direction : {gradient, torch::randn_like(gradient), torch::randn_like(gradient)}) {
    direction = direction / direction.norm();
    constexpr double kStep = 1e-6;
    const double difference =
        (loss(start.flat() + kStep * direction) - loss(start.flat() - kStep * direction)) /
        (2 * kStep);
    EXPECT_NEAR(difference, gradient.dot(direction).item<double>(), 1e-6 * norm);
  }
  const auto first = learner_of("fomaml", "2", model)->meta_gradient(start, task).gradient;
  EXPECT_GT((gradient - first).norm().item<double>(), 1e-3 * norm);
  const auto parts = model->layout()->views(gradient);
  for (std::int64_t i = 0; i < model->layout()->count(); ++i)
    EXPECT_GT(parts[static_cast<std::size_t>(i)].abs().max().item<double>(), 0.0)
        << model->layout()->spec(i).name;
  EXPECT_EQ(model->first_order_only(), "");
}

TEST(Columns, OtherEncodersAreRefusedWhereTheyWouldSeeNoNumbers) {
  const auto refused = [](const char* message) {
    return testing::ThrowsMessage<UserError>(HasSubstr(message));
  };
  EXPECT_THAT([] { made(mixed(), "mlp"); }, refused("columns of x hold numbers of categories"));
  EXPECT_THAT([] { made(numbers_alone(), "table"); },
              refused("x has holes (NaN: empty cells), of which table would make nothing but NaN"));
  auto series = spec_of(ModalityKind::kSeries);
  series.holes = true;
  EXPECT_THAT([&] { made(series, "gru"); }, refused("say irregular: true"));
  ModelOptions options;
  options.encoders["x"] = Section("gru", {{"irregular", "true"}});
  EXPECT_NO_THROW(Model(options, {series}, kWay, 2, ModelRegistry{}));
  EXPECT_THAT([&] { Model(options, {spec_of(ModalityKind::kText)}, kWay, 2, ModelRegistry{}); },
              refused("model.encoders.x.irregular: is about series"));
  EXPECT_EQ(made(numbers_alone(), "auto")->encoder(0).blocks()[0]->kind(), "column_tokens");
  EXPECT_NE(made(spec_of(ModalityKind::kSeries), "auto")->encoder(0).blocks()[0]->kind(),
            "column_tokens");
}

}  // namespace
}  // namespace cuttle
