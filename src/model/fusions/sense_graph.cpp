#include <torch/types.h>

#include <string>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct SenseGraphOptions : EmbeddingKeys {
  std::int64_t graph_layers = 2;
  std::string edges = "learned";
  void keys(Keys& keys) {
    EmbeddingKeys::keys(keys);
    keys.add("graph_layers", graph_layers, between(1, 64), "rounds of messages between senses");
    keys.add("edges", edges, one_of({"learned", "full"}),
             "how much each sense hears of each other; full: of all alike");
  }
};

/// Senses are the nodes of a graph, h_m = W_m x_m + b_m, and tell each other what they are (message
/// passing as in Gilmer et al. 2017, "Neural message passing for quantum chemistry", equations 1
/// and 2), round by round:
///   h_m <- h_m + tanh(U h_m + V sum over k of a_mk h_k + b),
/// a_mk a softmax of learned numbers, one an edge, over the other senses that a sample has (full:
/// of zeros). The embedding is the mean of the nodes that are there.
class SenseGraphFusion final : public Fusion {
 public:
  using Options = SenseGraphOptions;
  SenseGraphFusion(const FusionRequest& request, const Options& options)
      : width_(options.embedding), project_(request, request.widths, width_) {
    const auto senses = static_cast<std::int64_t>(request.widths.size());
    if (options.edges == "learned")
      edges_ = request.layout.add({"fusion.edges", {senses, senses}, Init::kZeros});
    for (std::int64_t i = 0; i < options.graph_layers; ++i) {
      const std::string name = "fusion.graph." + std::to_string(i);
      own_.emplace_back(request.layout, name + ".own", std::vector<std::int64_t>{width_, width_});
      heard_.push_back(request.layout.add({name + ".heard.weight", {width_, width_}}));
    }
  }

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    const std::int64_t n = senses.present.size(0), count = senses.present.size(1);
    const auto options = senses.present.options();
    const auto others = senses.present.unsqueeze(1) * (1.0 - torch::eye(count, options));
    const auto edges = edges_ < 0 ? torch::zeros({count, count}, options) : at(p, edges_);
    const auto shares =
        torch::softmax(edges.expand({n, count, count}).masked_fill(others == 0, -1e30), 2) * others;
    auto h = project_.of(p, senses);
    for (std::size_t i = 0; i < own_.size(); ++i) {
      const auto heard = torch::linear(shares.matmul(h), at(p, heard_[i]));
      h = h + torch::tanh(affine(p, own_[i], h) + heard);
    }
    return one_part(mean_where_real(h, senses.present));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::int64_t width_, edges_ = -1;
  SenseLayers project_;
  std::vector<Affine> own_;
  std::vector<std::int64_t> heard_;
};

}  // namespace

FusionType row_of_sense_graph() {
  return type_of<SenseGraphFusion, FusionType>("messages along the edges of a graph of senses",
                                               "Gilmer et al. 2017");
}

}  // namespace cuttle
