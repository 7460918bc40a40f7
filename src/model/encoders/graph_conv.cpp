#include <torch/types.h>

#include <memory>

#include "model/encoders/common.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Graphs as graph_input has them, [m, F + 3, T]: their nodes alone, [m, F + 1, N], and the links
/// between these. The one that each node has beside its features stays: a sum of neighbours counts
/// them by it. An edge from a node to itself says nothing more than the node does.
class NodesAndLinks final : public Block {
 public:
  explicit NodesAndLinks(const ModalitySpec& spec)
      : width_(spec.shape[0] + 1), directed_(spec.directed) {}
  std::string kind() const override { return "nodes_and_links"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    const auto node = input.values.select(1, width_ - 1);
    const auto counts = node.sum(1).to(torch::kInt64);
    const auto most = counts.amax().item<std::int64_t>();
    const auto first = (counts.cumsum(0) - counts).unsqueeze(1);  // node of each sample
    const auto ends = input.values.narrow(1, width_, 2).transpose(0, 1);
    const auto edge = input.mask.gt(node).logical_and(ends[0] != ends[1]);
    const auto pairs = (ends.to(torch::kInt64) + first).masked_select(edge).view({2, -1});
    return {input.values.narrow(1, 0, width_).narrow(2, 0, most), node.narrow(1, 0, most),
            directed_ ? pairs : torch::cat({pairs, pairs.flip(0)}, 1)};
  }

 private:
  std::int64_t width_;
  bool directed_;
};

/// A graph convolution (Kipf and Welling 2017, equation 2), norm and ReLU, [m, in, N] ->
/// [m, out, N]: node i becomes b + sum_j W x_j / sqrt(d_i d_j) over itself and those that link to
/// it, d counting these; names and arithmetic of torch_geometric.nn.GCNConv. Padding is left out,
/// so that it changes no bit.
class GraphConvBlock final : public Block {
 public:
  GraphConvBlock(ParameterLayout& layout, const std::string& name, std::int64_t in,
                 std::int64_t out, const NormOptions& norm)
      : conv_(layout, name + ".conv.lin.weight", name + ".conv.bias", {out, in}),
        norm_(make_norm(layout, name + ".norm", out, norm)) {}
  std::string kind() const override { return "graph_conv_norm_relu"; }
  bool samples_apart() const override { return norm_->samples_apart(); }
  bool uses_support() const override { return norm_->uses_support(); }
  bool trains_apart() const override { return norm_->trains_apart(); }
  Signal forward(const Tensors& p, const Signal& input, const Context& context) const override {
    const auto from = input.links.select(0, 0), to = input.links.select(0, 1);
    const std::int64_t graphs = input.mask.size(0), most = input.mask.size(1);
    const auto real = input.mask.flatten().nonzero().squeeze(1);
    const auto x = input.values.transpose(1, 2).flatten(0, 1).index_select(0, real);
    const auto one = torch::ones({x.size(0), 1}, x.options());
    const auto share = one.index_add(0, to, one.index_select(0, from)).rsqrt();
    const auto own = torch::matmul(x, at(p, conv_.weight).t()) * share;
    const auto all = own.index_add(0, to, own.index_select(0, from)) * share + at(p, conv_.bias);
    const auto out =
        torch::zeros({graphs * most, all.size(1)}, x.options()).index_copy(0, real, all);
    const auto nodes = out.view({graphs, most, -1}).transpose(1, 2);
    return {torch::relu(norm_->forward(p, nodes, input.mask, context)), input.mask, input.links};
  }

 private:
  Affine conv_;
  std::unique_ptr<const Norm> norm_;
};

/// [m, C, N] -> [m, C]
class MeanOfNodes final : public Block {
 public:
  std::string kind() const override { return "mean_of_nodes"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    return {running_mean(input.values, input.mask), {}};
  }
};

struct GraphConvOptions : BlockOptions {
  Section norm{"support"};
  GraphConvOptions() { depth = 2; }
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "of a node after each layer");
    keys.add("depth", depth, between(1, 64), "layers: how far away nodes are that one hears of");
    keys.choose("norm", norm, "norm", "after each layer");
  }
};

/// Graphs of any size through layers of graph convolution, ending in the mean of their nodes, which
/// are the tokens.
class GraphConvEncoder final : public Encoder {
 public:
  using Options = GraphConvOptions;
  GraphConvEncoder(const EncoderRequest& request, const Options& options) : spec_(request.spec) {
    expect_kind(request, {ModalityKind::kGraph});
    blocks_.push_back(std::make_unique<NodesAndLinks>(spec_));
    const auto norm = norm_of(request, options.norm, /*fused=*/false);
    std::int64_t in = spec_.shape[0] + 1;
    for (std::int64_t i = 0; i < options.depth; ++i) {
      blocks_.push_back(std::make_unique<GraphConvBlock>(request.layout, block_name(request, i), in,
                                                         options.width, norm));
      in = options.width;
    }
    tokens_end_here(in);
    blocks_.push_back(std::make_unique<MeanOfNodes>());
    width_ = in;
  }
  ModalityInput prepare(const RawModality& raw) const override { return graph_input(raw, spec_); }

 private:
  ModalitySpec spec_;
};

}  // namespace

EncoderType row_of_graph_conv() {
  return type_of<GraphConvEncoder, EncoderType>("graphs: graph convolutions, mean of the nodes",
                                                "Kipf and Welling 2017");
}

}  // namespace cuttle
