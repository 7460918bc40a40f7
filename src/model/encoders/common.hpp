#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "cuttle/model/encoder.hpp"
#include "cuttle/sense/log_mel.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/pretrained/pieces.hpp"

// What the built-in encoders have in common.
namespace cuttle {

/// Refuses a modality of another kind, by key.
void expect_kind(const EncoderRequest& request, std::initializer_list<ModalityKind> kinds);

/// The keys of a norm inside an encoder.
void tell_norm(Keys& keys, Section& norm, bool& fused);
void tell_max_length(Keys& keys, std::int64_t& max_length);
void tell_hears(Keys& keys, std::string& hears);
void tell_pieces(Keys& keys, std::string& pieces);
void tell_irregular(Keys& keys, bool& irregular);
/// The norm that the options ask for; the request and `norm` must outlive it.
NormOptions norm_of(const EncoderRequest& request, const Section& norm, bool fused);

/// Keys of a stack of blocks.
struct BlockOptions {
  std::int64_t width = 64, depth = 4;
  void keys(Keys& keys);
};
/// The same with norms.
struct NormedOptions : BlockOptions {
  Section norm{"support"};
  bool fused = true;
  void keys(Keys& keys);
};
/// The same over time.
struct SequenceOptions : NormedOptions {
  std::int64_t max_length = 0;
  void keys(Keys& keys);
};

/// "encoder.image.2"
std::string block_name(const EncoderRequest& request, std::int64_t i);

/// The mean over real steps, [m, C, T] -> [m, C], by a running sum: LibTorch's other sums group
/// steps by how many there are, padding among them.
torch::Tensor running_mean(const torch::Tensor& values, const torch::Tensor& mask);

/// Reads samples as sequences, by the kind of their sense: characters or pieces as tokens [m, T],
/// frames of sounds (log-mel bands or MFCCs) and standardised steps of series as [m, C, T].
class SequenceReader : public Encoder {
 public:
  ModalityInput prepare(const RawModality& raw) const override;
  bool dear_rows() const override { return mel_.has_value(); }
  torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const override;
  std::optional<std::int64_t> steps() const override;
  bool takes_holes() const override { return irregular_; }

 protected:
  /// Refuses other kinds; the rest are the keys' (tell_max_length, tell_hears, tell_pieces,
  /// tell_irregular).
  SequenceReader(const EncoderRequest& request, std::initializer_list<ModalityKind> kinds,
                 std::int64_t max_length, const std::string& hears = "mels",
                 const std::string& pieces = "", bool irregular = false);
  const ModalitySpec& spec() const { return spec_; }
  /// Of a step; of characters none.
  std::int64_t channels() const;
  /// How many different ones texts are made of.
  std::int64_t tokens() const { return pieces_ ? pieces_->tokens() : kTextTokens; }

 private:
  ModalitySpec spec_;
  std::int64_t max_length_;  ///< in the units of what is read: characters or pieces, samples, steps
  std::optional<LogMel> mel_;
  std::optional<TextPieces> pieces_;  ///< of texts; none: characters
  bool mfcc_, irregular_;
};

/// Convolutions over time, pooled by two while the sequence is long, ending in mean and maximum
/// over time; tokens are the steps before that.
class SequenceEncoder : public SequenceReader {
 protected:
  using SequenceReader::SequenceReader;
  /// `in`: channels of the signal that the first block gets.
  void add_sequence_blocks(const EncoderRequest& request, const SequenceOptions& options,
                           std::int64_t in);
};

}  // namespace cuttle
