#include <torch/types.h>

#include <memory>

#include "cuttle/core/error.hpp"
#include "task/objectives/common.hpp"
#include "task/objectives/summary.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct AutoencoderOptions {
  std::int64_t hidden = 128;
  void keys(Keys& keys) {
    keys.add("hidden", hidden, between(1, 65536), "units of each sense's decoder");
  }
};

/// From the embedding that all senses share, a decoder for each sense makes it again (Ngiam et al.
/// 2011, bimodal deep autoencoder): its summary, or its features where the encoder stays as it is.
/// The loss of a sense is the share of its square that is not made again, sum (made - sense)^2 /
/// sum sense^2; mean over the senses that samples have.
class Autoencoder final : public Objective {
 public:
  using Options = AutoencoderOptions;
  Autoencoder(const ObjectiveRequest& request, const Options& options) {
    std::int64_t code = 0;
    for (const std::int64_t width : request.model.fusion().part_widths()) code += width;
    for (std::size_t m = 0; m < request.model.modalities().size(); ++m) {
      const ModalitySpec& spec = request.model.modalities()[m];
      frozen_.push_back(request.model.frozen(m));
      const std::int64_t width = frozen_[m] ? request.model.encoder(m).width()
                                            : summary_width(request.model.encoder(m), spec);
      decoders_.emplace_back(request.layout, request.prefix + "." + spec.name, code, options.hidden,
                             width);
    }
  }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch& batch,
                     const Context&) const override {
    Tensors parts = pass.embedding.parts;
    if (!pass.embedding.complete)
      for (std::size_t i = 0; i < parts.size(); ++i)
        parts[i] = parts[i] * pass.embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1);
    const auto code = torch::cat(parts, 1);
    auto sum = torch::zeros({}, code.options());
    std::int64_t senses = 0;
    for (std::size_t m = 0; m < decoders_.size(); ++m) {
      const ModalityInput& input = batch.modalities[m];
      if (input.rows.numel() == 0) continue;
      const auto sense = (frozen_[m] ? pass.features[m].pooled : summary_of(input))
                             .detach()
                             .to(code.scalar_type());
      const auto made = decoders_[m](p, code.index_select(0, input.rows));
      sum = sum + (made - sense).square().sum() / (sense.square().sum() + 1e-6);
      ++senses;
    }
    return senses == 0 ? sum : sum / static_cast<double>(senses);
  }

 private:
  std::vector<bool> frozen_;
  std::vector<TwoLayers> decoders_;
};

}  // namespace

ObjectiveType row_of_autoencoder() {
  return type_of<Autoencoder, ObjectiveType>("every sense is made again from the shared embedding",
                                             "Ngiam et al. 2011");
}

}  // namespace cuttle
