#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/context.hpp"
#include "cuttle/model/norm.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// Activations on their way through blocks; mask [m, T] for sequences (undefined: everything is
/// real). links: of graphs, whose nodes are the steps, int64 [2, e]: from which to which one there
/// is an edge, real steps being numbered through all samples.
struct Signal {
  torch::Tensor values;
  torch::Tensor mask;
  torch::Tensor links = {};
};

/// A linear layer as an engine sees it: where its parameters are, what it computes.
struct LinearLayer {
  std::int64_t weight = 0, bias = 0;  ///< in the layout: [out, in], [out]
  std::int64_t in = 0, out = 0;
  bool relu = false;
};

/// A typed piece of a model: no weights and no state of its own, only the places of its parameters
/// in the layout. A model is a structure of blocks that can be walked, so that an engine may
/// replace known kinds by fused code.
class Block {
 public:
  virtual ~Block() = default;
  virtual std::string kind() const = 0;
  /// `parameters` are all tensors of the layout that the block was declared in.
  virtual Signal forward(const Tensors& parameters, const Signal& input,
                         const Context& context) const = 0;
  /// False when an operation inside has no double backward: refused at start by second-order
  /// learners.
  virtual bool second_order() const { return true; }
  /// True promises that, in use, what a sample becomes does not depend on the others of its batch,
  /// as it does with batch norm.
  virtual bool samples_apart() const { return false; }
  /// Whether a norm inside takes its statistics from the support set (Norm::uses_support).
  virtual bool uses_support() const { return false; }
  /// Whether in training, too, it depends on no other sample but through the support's statistics.
  virtual bool trains_apart() const { return samples_apart() || uses_support(); }
  /// Whether own kernels compute it on CPUs, rather than LibTorch's operations.
  virtual bool fused() const { return false; }
  /// Set if it is a linear layer and nothing else.
  virtual const LinearLayer* linear() const { return nullptr; }
};

using Blocks = std::vector<std::unique_ptr<const Block>>;

/// Rows of x [n, width] made of length 1; zeros stay zeros. The sum under the root is kept above
/// zero, so that its gradient stays finite.
torch::Tensor unit_rows(const torch::Tensor& x);

/// How the norm of a block is built, and which code computes the block.
struct NormOptions {
  const Section& section;  ///< its type and keys
  const std::map<std::string, NormType>& types;
  std::int64_t steps = 0;  ///< most inner steps that will be taken
  bool fused = true;       ///< with the norm, by own kernels where they apply
};
std::unique_ptr<const Norm> make_norm(ParameterLayout& layout, const std::string& name,
                                      std::int64_t channels, const NormOptions& options);

/// 3x3 convolution (padding 1), batch norm, ReLU, 2x2 max-pool (floor); input [m, C, H, W].
/// Parameters <name>.conv.{weight,bias}, <name>.norm.{weight,bias}.
std::unique_ptr<const Block> make_conv_block(ParameterLayout& layout, const std::string& name,
                                             std::int64_t in, std::int64_t out,
                                             const NormOptions& norm);
/// The same over time: width-3 convolution, norm over real steps only, ReLU, max-pool by 2 if
/// `pool`; [m, C, T].
std::unique_ptr<const Block> make_sequence_block(ParameterLayout& layout, const std::string& name,
                                                 std::int64_t in, std::int64_t out,
                                                 const NormOptions& norm, bool pool);
/// x W^T + b, then ReLU if `relu`; [m, in] -> [m, out].
std::unique_ptr<const Block> make_linear_block(ParameterLayout& layout, const std::string& name,
                                               std::int64_t in, std::int64_t out, bool relu);
/// Rows of a table by int64 tokens [m, T] -> [m, width, T].
std::unique_ptr<const Block> make_token_block(ParameterLayout& layout, const std::string& name,
                                              std::int64_t tokens, std::int64_t width);
/// [m, C, H, W] -> [m, C*H*W].
std::unique_ptr<const Block> make_flatten_block();
/// Mean and maximum over real time steps: [m, C, T] -> [m, 2C].
std::unique_ptr<const Block> make_sequence_pool_block();

/// Heads of 32 columns; a narrower width has one. UserError naming `key` if the width cannot be
/// divided so.
std::int64_t attention_heads(const std::string& key, std::int64_t width);

/// A transformer layer, also in two halves, for tokens that look at others and are not looked at:
/// what the others show is computed once, whatever looks at it.
class AttentionLayer : public Block {
 public:
  /// Of tokens [m, T, W] before the layer: keys and values of each head, [m, heads, T, W / heads].
  struct Shown {
    torch::Tensor keys, values;
    torch::Tensor mask = {};  ///< [m, T], 1 where there is a token; undefined: everywhere
  };
  virtual Shown shown(const Tensors& parameters, const torch::Tensor& tokens) const = 0;
  /// Tokens [m, T, W] after the layer, each of which looks at all that is shown and at nothing else
  /// (so that forward() without padding is looking at what the same tokens show).
  virtual torch::Tensor looking(const Tensors& parameters, const torch::Tensor& tokens,
                                const Shown& at) const = 0;
};

constexpr double kLayerNormEpsilon = 1e-5;  ///< of all layer norms

/// Self-attention and a perceptron of four times the width, each behind a layer norm and added to
/// what came in (pre-norm: Xiong et al. 2020); [m, T, W] with mask [m, T]. Parameters and
/// arithmetic are those of torch.nn.TransformerEncoderLayer(W, heads, 4 * W, 0, "gelu",
/// norm_first=True), and its parameters follow each other as kernels::TransformerWeights has them.
std::unique_ptr<const AttentionLayer> make_transformer_layer(
    ParameterLayout& layout, const std::string& name, std::int64_t width, std::int64_t heads,
    ParameterRole role = ParameterRole::kBody);

}  // namespace cuttle
