#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/data/raw_batch.hpp"
#include "cuttle/data/sample.hpp"
#include "cuttle/model/block.hpp"
#include "cuttle/sense/batch.hpp"

namespace cuttle {

struct ArrayFile;
struct ModelRegistry;

/// What an encoder makes of the m samples that have its sense.
struct Feature {
  torch::Tensor pooled;  ///< [m, width]: the sample as one vector
  torch::Tensor tokens;  ///< [m, T, token width]: words, frames, patches; undefined: not asked for
  torch::Tensor mask;    ///< [m, T], 1 where a token is real; undefined: all
};

/// From one modality's raw bytes to features: `prepare` (decode, normalise, pad; no gradient, no
/// randomness), then a chain of blocks.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Tensors for the present samples of `raw`; `rows` is filled by the caller.
  virtual ModalityInput prepare(const RawModality& raw) const = 0;
  /// Whether prepare() is much arithmetic for each sample alone, its rows then padded to one
  /// length: prepare_row gives such a row, which may be kept.
  virtual bool dear_rows() const { return false; }
  virtual torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const;
  /// The chain, in order; its output is [m, width()].
  const Blocks& blocks() const { return blocks_; }
  std::int64_t width() const { return width_; }
  /// Columns of a token; width() where the whole sample is the one token.
  std::int64_t token_width() const { return token_width_ > 0 ? token_width_ : width_; }
  /// Where its blocks take steps [m, C, T] and their mask, as of a series, how many of them it
  /// looks at, 0: all. It may then read what another encoder makes of steps.
  virtual std::optional<std::int64_t> steps() const { return std::nullopt; }
  /// Whether values of a vector or series may be holes (NaN), and numbers of categories.
  virtual bool takes_holes() const { return false; }
  virtual bool takes_categories() const { return false; }
  /// Whether, in use, a sample's features are its own, whatever batch it is in.
  bool samples_apart() const;
  /// Whether an engine may compute whole tasks where all blocks are linear layers.
  virtual bool whole_tasks() const { return false; }
  /// Whether own kernels compute all blocks as one (linear_stack); these.
  bool stacked() const;
  const std::vector<LinearLayer>& stack() const { return stack_; }
  /// Whether, in use, features are the same bits whatever batch they are computed in.
  virtual bool batch_changes_no_bit() const { return false; }
  /// SHA-256 of the file that it holds, values that are no parameters or pieces of texts; empty:
  /// none.
  const std::string& held() const { return held_; }
  /// Whether all its values are held: nothing of it ever learns.
  bool fixed() const { return fixed_; }
  virtual Feature forward(const Tensors& parameters, const ModalityInput& input,
                          const Context& context, bool tokens = false) const;

 protected:
  /// What the blocks so far give is tokens of this width.
  void tokens_end_here(std::int64_t width) {
    token_blocks_ = blocks_.size();
    token_width_ = width;
  }
  /// Their values as [m, T, token width], from [m, C, T] or [m, C, H, W].
  virtual torch::Tensor as_tokens(const torch::Tensor& values) const;

  Blocks blocks_;
  std::int64_t width_ = 0;
  std::vector<LinearLayer> stack_;  ///< all blocks, if own kernels may compute them as one
  std::string held_;
  bool fixed_ = false;

 private:
  std::size_t token_blocks_ = 0;
  std::int64_t token_width_ = 0;
};

/// What an encoder of one modality is built from.
struct EncoderRequest {
  const ModalitySpec& spec;
  const Section& section;
  ParameterLayout& layout;       ///< declare parameters here, names starting with `prefix`
  std::string prefix;            ///< "encoder.<modality>"
  std::int64_t inner_steps = 0;  ///< of training
  const ModelRegistry& registry;
  torch::Device device = torch::kCPU;  ///< where it is meant to be computed
};
using EncoderType = Type<Encoder, EncoderRequest>;

/// In model/encoders, one file each; and `auto`, the usual one of the modality's kind.
std::map<std::string, EncoderType> builtin_encoders();

/// What a file of `cuttle-data weights` is for: the encoder, and the kind of its sense.
struct WeightsKind {
  std::string encoder, sense;
};
/// UserError if the file is none of these.
WeightsKind weights_kind(const std::string& path);

/// Keys of encoders that name a file which they hold: values that others trained, pieces of texts.
constexpr const char *kWeightsKey = "weights", *kPiecesKey = "pieces";
constexpr const char* kHeldFileKeys[] = {kWeightsKey, kPiecesKey};

/// Puts the file at `path`, which the encoder of a sense names by that key, into another file,
/// where the encoder finds it if it names that one. Nothing, if its weights are not from
/// `cuttle-data weights` (an encoder of another program).
void add_held_file(const std::string& key, const std::string& sense, const std::string& path,
                   ArrayFile& into);
bool has_held_file(const std::string& key, const std::string& sense, const ArrayFile& file);
/// Whether an array or an entry of the metadata belongs to such files.
bool is_of_held_file(const std::string& name);

}  // namespace cuttle
