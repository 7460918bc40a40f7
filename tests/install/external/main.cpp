// A program of one's own: every subcommand of cuttle, with an encoder and a learner that cuttle
// does not have.
#include <torch/torch.h>

#include "cuttle/app/app.hpp"

namespace {

using cuttle::ModalityInput;
using cuttle::Tensors;

/// A fixed scaling of the vector, then one linear layer.
class ScaledLinear final : public cuttle::Encoder {
 public:
  explicit ScaledLinear(const cuttle::EncoderRequest& request)
      : features_(request.spec.shape.at(0)), scale_(std::stod(request.options.extra.at("scale"))) {
    width_ = request.options.width;
    blocks_.push_back(cuttle::make_linear_block(request.layout, request.prefix + ".linear",
                                                features_, width_, true));
  }
  ModalityInput prepare(const cuttle::RawModality& raw) const override {
    auto* values = reinterpret_cast<const float*>(raw.bytes.data());
    const std::vector<float> copy(values, values + raw.bytes.size() / sizeof(float));
    ModalityInput input;
    input.values = torch::tensor(copy).view({-1, features_}) * scale_;
    return input;
  }

 private:
  std::int64_t features_;
  double scale_;
};

/// Adapts nothing: the model's own head, trained on the query sets. A learner needs no more than
/// this.
class Frozen final : public cuttle::Learner {
 public:
  using Learner::Learner;

  cuttle::TaskResult meta_gradient(const cuttle::ParameterList& parameters,
                                   const cuttle::Task& task) const override {
    Tensors leaves;
    for (const auto& value : parameters.tensors())
      leaves.push_back(value.detach().requires_grad_(true));
    const auto logits = model_->forward(leaves, task.query, {});
    const auto loss = torch::nn::functional::cross_entropy(logits, task.query.labels);
    cuttle::TaskResult result;
    result.gradient =
        model_->layout()->flatten(torch::autograd::grad({loss}, leaves, {}, false, false, true));
    result.query_loss = loss.item<double>();
    result.query_accuracy =
        logits.argmax(1).eq(task.query.labels).to(torch::kFloat64).mean().item<double>();
    return result;
  }
  std::unique_ptr<cuttle::Adapted> adapt(const cuttle::ParameterList& parameters,
                                         const cuttle::Batch&) const override {
    return std::make_unique<Head>(model_, parameters.tensors());
  }
  std::unique_ptr<cuttle::Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                           std::int64_t) const override {
    return std::make_unique<Head>(model_, model_->layout()->views(state.at("parameters")));
  }

 private:
  class Head final : public cuttle::Adapted {
   public:
    Head(std::shared_ptr<const cuttle::Model> model, Tensors values)
        : model_(std::move(model)), values_(std::move(values)) {}
    torch::Tensor predict(const cuttle::Batch& batch) const override {
      const torch::NoGradGuard no_grad;
      return model_->forward(values_, batch, {});
    }
    std::map<std::string, torch::Tensor> state() const override {
      return {{"parameters", model_->layout()->flatten(values_)}};
    }

   private:
    std::shared_ptr<const cuttle::Model> model_;
    Tensors values_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  cuttle::Extensions extensions;
  extensions.model.encoders["scaled_linear"] = [](const cuttle::EncoderRequest& request) {
    return std::make_unique<const ScaledLinear>(request);
  };
  extensions.learners["frozen"] = {
      [](std::shared_ptr<const cuttle::Model> model, const cuttle::AdaptOptions& options) {
        return std::make_unique<const Frozen>(std::move(model), options);
      }};
  return cuttle::run_app(argc, argv, extensions);
}
