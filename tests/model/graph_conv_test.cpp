// graph_conv: its formula written apart, from dense matrices; what the order of nodes, padding and
// other graphs must not change; that edges, their direction and numbers of neighbours count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "large_encoders.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using Edges = std::vector<std::array<std::int32_t, 2>>;

std::shared_ptr<Model> graphs_by(const Section& section, const ModalitySpec& spec) {
  ModelOptions options;
  options.encoders["x"] = section;
  return std::make_shared<Model>(options, std::vector<ModalitySpec>{spec}, kWay, 2,
                                 ModelRegistry{});
}

ModalitySpec graph_spec(bool directed = false) {
  ModalitySpec spec = spec_of(ModalityKind::kGraph);
  spec.mean = {0.5f, -1.0f};
  spec.stddev = {2.0f, 0.25f};
  spec.directed = directed;
  return spec;
}

/// Features [N, kChannels] and edges, as a shard has them.
std::vector<std::uint8_t> stored(const torch::Tensor& features, Edges edges) {
  std::sort(edges.begin(), edges.end());
  const auto nodes = static_cast<std::int32_t>(features.size(0));
  const auto numbers = features.to(torch::kFloat32).contiguous();
  std::vector<std::uint8_t> bytes(4 + numbers.nbytes() + 8 * edges.size());
  std::memcpy(bytes.data(), &nodes, 4);
  std::memcpy(bytes.data() + 4, numbers.data_ptr(), numbers.nbytes());
  if (!edges.empty())
    std::memcpy(bytes.data() + 4 + numbers.nbytes(), edges.data(), 8 * edges.size());
  return bytes;
}

std::vector<std::vector<std::uint8_t>> draw_graphs() {
  Random random({6, Stream::kTesting, 0, 0});
  std::vector<std::vector<std::uint8_t>> graphs;
  for (const std::int64_t nodes : {4, 1, 9, 23}) graphs.push_back(draw_graph(nodes, 0.3, random));
  return graphs;
}

/// sum_j x_j / sqrt(d_i d_j) by a matrix, x being features with a one behind them; D^-1/2 (A + I)
/// D^-1/2 X W, then the mean of all.
TEST(GraphConv, IsTheFormulaOfThePaper) {
  for (const bool directed : {false, true}) {
    const auto spec = graph_spec(directed);
    const auto model =
        graphs_by({"graph_conv", {{"width", "6"}, {"depth", "3"}, {"norm", "none"}}}, spec);
    auto start = ParameterList::initial(model->layout(), 4, torch::kFloat64);
    torch::manual_seed(2);
    for (const auto& value : start.tensors()) value.add_(0.3 * torch::randn_like(value));
    const auto p = start.tensors();
    EXPECT_EQ(model->layout()->spec(0).name, "encoder.x.0.conv.lin.weight");
    EXPECT_EQ(model->layout()->spec(1).name, "encoder.x.0.conv.bias");
    const auto graphs = draw_graphs();
    const auto input = sequences(*model, graphs).to(torch::kFloat64).modalities[0];
    const auto found = model->encoder(0).forward(p, input, {}, true);
    for (std::size_t g = 0; g < graphs.size(); ++g) {
      const auto view =
          view_graph(graphs[g].data(), static_cast<std::int64_t>(graphs[g].size()), spec);
      auto a = torch::eye(view.nodes, torch::kFloat64);
      for (std::int64_t i = 0; i < view.edges; ++i) {
        const auto [from, to] = view.edge(i);
        a[to][from] = 1;
        if (!directed) a[from][to] = 1;
      }
      const auto degrees = a.sum(1);
      auto x = torch::empty({view.nodes, kChannels});
      std::memcpy(x.data_ptr(), view.features, x.nbytes());
      x = ((x - torch::tensor(spec.mean)) / torch::tensor(spec.stddev)).to(torch::kFloat64);
      x = torch::cat({x, torch::ones({view.nodes, 1}, torch::kFloat64)}, 1);
      for (std::size_t layer = 0; layer < 3; ++layer)
        x = torch::relu(
            (a / torch::outer(degrees, degrees).sqrt()).matmul(x).matmul(p[2 * layer].t()) +
            p[2 * layer + 1]);
      const auto row = static_cast<std::int64_t>(g);
      EXPECT_TRUE(torch::allclose(found.pooled[row], x.mean(0), 1e-10, 1e-12)) << g;
      EXPECT_TRUE(torch::allclose(found.tokens[row].narrow(0, 0, view.nodes), x, 1e-10, 1e-12));
      EXPECT_EQ(found.mask[row].sum().item<double>(), static_cast<double>(view.nodes));
    }
  }
}

TEST(GraphConv, TheOrderOfNodesSaysNothing) {
  torch::manual_seed(3);
  const auto features = torch::randn({6, kChannels});
  const Edges edges{{0, 1}, {1, 2}, {2, 3}, {1, 4}, {0, 5}};
  const std::vector<std::int64_t> places{4, 0, 5, 2, 1, 3};  // where each node goes
  auto moved = torch::empty_like(features);
  for (std::size_t i = 0; i < places.size(); ++i)
    moved[places[i]] = features[static_cast<std::int64_t>(i)];
  for (const bool directed : {false, true}) {
    Edges others;
    for (const auto& [from, to] : edges) {
      const auto a = static_cast<std::int32_t>(places[static_cast<std::size_t>(from)]),
                 b = static_cast<std::int32_t>(places[static_cast<std::size_t>(to)]);
      others.push_back(directed || a < b ? std::array{a, b} : std::array{b, a});
    }
    const auto model = graphs_by({"graph_conv", {{"norm", "layer"}}}, graph_spec(directed));
    const auto p = ParameterList::initial(model->layout(), 4).tensors();
    const auto seen = cuttle::features(
        *model, p, sequences(*model, {stored(features, edges), stored(moved, others)}));
    EXPECT_TRUE(torch::allclose(seen[0], seen[1], 1e-5, 1e-6));
    others.pop_back();
    const auto less = cuttle::features(*model, p, sequences(*model, {stored(moved, others)}));
    EXPECT_FALSE(torch::allclose(seen[0], less[0], 1e-3, 1e-3));
  }
}

TEST(GraphConv, PaddingChangesNoBitAndOtherGraphsNothing) {
  torch::set_num_threads(1);
  for (const auto dtype : {torch::kFloat32, torch::kFloat64}) {
    const auto model = graphs_by(
        {"graph_conv", {{"width", "64"}, {"depth", "3"}, {"norm", "none"}}}, graph_spec());
    const auto p = ParameterList::initial(model->layout(), 4, dtype).tensors();
    const auto graphs = draw_graphs();
    const auto batch = sequences(*model, graphs).to(dtype);
    const auto together = features(*model, p, batch);
    for (const std::int64_t more : {1, 7}) {
      Batch padded = batch;
      auto& input = padded.modalities[0];
      input.values = torch::constant_pad_nd(input.values, {0, more});
      input.mask = torch::constant_pad_nd(input.mask, {0, more});
      EXPECT_TRUE(torch::equal(features(*model, p, padded), together));
    }
    for (std::size_t i = 0; i < graphs.size(); ++i)
      EXPECT_TRUE(torch::allclose(together[static_cast<std::int64_t>(i)],
                                  features(*model, p, sequences(*model, {graphs[i]}).to(dtype))[0],
                                  1e-5, 1e-6))
          << i;
    const auto both = concatenate(sequences(*model, {graphs[1], graphs[0]}).to(dtype), batch);
    EXPECT_TRUE(torch::allclose(features(*model, p, both).narrow(0, 2, 4), together, 1e-5, 1e-6));
  }
}

/// With nothing to go by but the one that every node has: hubs and leaves, and which way edges go.
TEST(GraphConv, NeighboursAreCountedWhereFeaturesAreAllAlike) {
  const auto alike = torch::full({5, kChannels}, 0.5);
  const Edges star{{0, 1}, {0, 2}, {0, 3}, {0, 4}}, path{{0, 1}, {1, 2}, {2, 3}, {3, 4}};
  for (const bool directed : {false, true}) {
    const auto model = graphs_by({"graph_conv", {{"norm", "none"}}}, graph_spec(directed));
    const auto p = ParameterList::initial(model->layout(), 4).tensors();
    Edges back;
    for (const auto& [from, to] : star) back.push_back({to, from});
    std::vector<std::vector<std::uint8_t>> samples{stored(alike, star), stored(alike, path)};
    if (directed) samples.push_back(stored(alike, back));
    const auto seen = cuttle::features(*model, p, sequences(*model, samples));
    for (std::int64_t i = 0; i < seen.size(0); ++i)
      EXPECT_FALSE(torch::allclose(seen[i], seen[(i + 1) % seen.size(0)], 1e-3, 1e-3)) << i;
  }
}

TEST(GraphConv, AnEdgeToItselfSaysNothingMore) {
  torch::manual_seed(3);
  const auto features = torch::randn({3, kChannels});
  const auto model = graphs_by({"graph_conv"}, graph_spec());
  const auto p = ParameterList::initial(model->layout(), 4).tensors();
  const auto plain = cuttle::features(*model, p, sequences(*model, {stored(features, {{0, 1}})}));
  EXPECT_TRUE(torch::equal(
      plain, cuttle::features(*model, p,
                              sequences(*model, {stored(features, {{0, 0}, {0, 1}, {2, 2}})}))));
}

TEST(GraphConv, IsTheUsualEncoderOfGraphsAndOfNothingElse) {
  EXPECT_THAT(graphs_by({"auto"}, graph_spec())->encoder(0).blocks()[1]->kind(),
              "graph_conv_norm_relu");
  EXPECT_THAT([] { graphs_by({"graph_conv"}, spec_of(ModalityKind::kSeries)); },
              testing::ThrowsMessage<UserError>(
                  HasSubstr("graph_conv needs a modality of kind graph, but x is series")));
  EXPECT_THAT([] { graphs_by({"gru"}, graph_spec()); },
              testing::ThrowsMessage<UserError>(HasSubstr("but x is graph")));
}

}  // namespace
}  // namespace cuttle
