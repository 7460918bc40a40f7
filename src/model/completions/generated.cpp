#include <torch/types.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct GeneratedOptions {
  std::int64_t noise = 16, hidden = 64;
  void keys(Keys& keys) {
    keys.add("completion_noise", noise, between(1, 65536),
             "normal numbers that a sense is made of, beside the other senses");
    keys.add("completion_hidden", hidden, between(1, 65536), "units of each sense's generator");
  }
};

/// Of each sense a generator (conditional: Mirza & Osindero 2014): two layers with GELU between
/// them make it from the features of the other senses (zeros for those that a sample lacks), from
/// which of them it has, and from noise. What teaches it by many (the objective `generative`) gets
/// noise drawn by the task's key; what stands in for a sense is made of none, z = 0, so that it is
/// the sample's own, and the same in training as in use.
class Generated final : public Completion {
 public:
  using Options = GeneratedOptions;
  Generated(const CompletionRequest& request, const Options& options) : noise_(options.noise) {
    std::int64_t all = 0;
    for (const std::int64_t width : request.widths) all += width + 1;
    for (std::size_t m = 0; m < request.widths.size(); ++m) {
      const std::string name = "completion." + request.modalities[m];
      const std::int64_t width = request.widths[m];
      layers_.push_back({{request.layout, name + ".0", {options.hidden, all - width - 1 + noise_}},
                         {request.layout, name + ".1", {width, options.hidden}}});
    }
  }

  Tensors said(const Tensors& p, const Senses& senses, const Context& context,
               torch::Tensor& known) const override {
    const auto& present = senses.present;
    known = (present.sum(1, true) - present > 0).to(present.scalar_type());
    Random random(context.key.with(Draw::kStandIns));
    Tensors all;
    for (std::size_t m = 0; m < layers_.size(); ++m) {
      auto noise = torch::zeros({present.size(0), noise_}, torch::kFloat64);
      if (context.mode == Mode::kTrain)
        std::generate_n(noise.data_ptr<double>(), noise.numel(), [&] { return random.normal(); });
      Tensors from{noise.to(present.options())};
      for (std::size_t b = 0; b < layers_.size(); ++b)
        if (b != m) {
          from.push_back(has_sense(senses, b) * senses.pooled[b]);
          from.push_back(has_sense(senses, b));
        }
      const auto& [first, second] = layers_[m];
      all.push_back(affine(p, second, torch::gelu(affine(p, first, torch::cat(from, 1)))));
    }
    return all;
  }

 private:
  struct Layers {
    Affine first, second;
  };
  std::int64_t noise_;
  std::vector<Layers> layers_;
};

}  // namespace

CompletionType row_of_generated() {
  return type_of<Generated, CompletionType>("a generator makes it of the other senses and noise",
                                            "Mirza & Osindero 2014");
}

}  // namespace cuttle
