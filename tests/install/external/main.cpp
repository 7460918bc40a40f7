// A program of one's own: every subcommand of cuttle, with types of each kind that cuttle does not
// have. Config files name them, and their keys, like cuttle's own.
#include <torch/torch.h>

#include <cstdio>
#include <fstream>

#include "cuttle/adapt/autograd.hpp"
#include "cuttle/app/app.hpp"
#include "cuttle/core/files.hpp"

namespace {

using cuttle::Batch;
using cuttle::Context;
using cuttle::Keys;
using cuttle::ParameterRole;
using cuttle::Tensors;

const torch::Tensor& at(const Tensors& parameters, std::int64_t i) {
  return parameters[static_cast<std::size_t>(i)];
}

/// A fixed scaling of the vector, then one linear layer; two columns of it are a token.
class ScaledLinear final : public cuttle::Encoder {
 public:
  struct Options {
    std::int64_t width = 8;
    double scale = 1.0;
    void keys(Keys& keys) {
      keys.add("width", width, cuttle::between(2, 1024), "columns of the layer; an even number");
      keys.add("scale", scale, cuttle::above(0), "the vector is multiplied by it");
    }
  };
  ScaledLinear(const cuttle::EncoderRequest& request, const Options& options)
      : features_(request.spec.shape.at(0)), scale_(options.scale) {
    width_ = options.width;
    blocks_.push_back(cuttle::make_linear_block(request.layout, request.prefix + ".linear",
                                                features_, width_, true));
    tokens_end_here(2);
  }
  cuttle::ModalityInput prepare(const cuttle::RawModality& raw) const override {
    auto* values = reinterpret_cast<const float*>(raw.bytes.data());
    const std::vector<float> copy(values, values + raw.bytes.size() / sizeof(float));
    cuttle::ModalityInput input;
    input.values = torch::tensor(copy).view({-1, features_}) * scale_;
    return input;
  }

 private:
  torch::Tensor as_tokens(const torch::Tensor& values) const override {
    return values.view({values.size(0), -1, 2});
  }

  std::int64_t features_;
  double scale_;
};

/// The mean over all tokens of all senses, each sense projected by a matrix of its own.
class TokenMean final : public cuttle::Fusion {
 public:
  struct Options {
    std::int64_t columns = 16;
    void keys(Keys& keys) {
      keys.add("columns", columns, cuttle::between(1, 1024), "that every token is projected to");
    }
  };
  TokenMean(const cuttle::FusionRequest& request, const Options& options)
      : columns_(options.columns) {
    for (std::size_t m = 0; m < request.modalities.size(); ++m)
      weights_.push_back(request.layout.add(
          {"fusion." + request.modalities[m] + ".weight", {columns_, request.token_widths[m]}}));
  }
  cuttle::Embedding forward(const Tensors& parameters, const cuttle::Senses& senses,
                            const Context&) const override {
    auto sum = torch::zeros({senses.present.size(0), columns_}, senses.present.options());
    auto count = torch::zeros({senses.present.size(0), 1}, senses.present.options());
    for (std::size_t m = 0; m < weights_.size(); ++m) {
      const auto real = senses.token_mask[m].unsqueeze(2);
      sum = sum + (torch::linear(senses.tokens[m], at(parameters, weights_[m])) * real).sum(1);
      count = count + real.sum(1);
    }
    return cuttle::one_part(sum / count.clamp_min(1.0));
  }
  std::vector<std::int64_t> part_widths() const override { return {columns_}; }
  bool wants_tokens() const override { return true; }

 private:
  std::int64_t columns_;
  std::vector<std::int64_t> weights_;
};

/// A number that is learned; its name is `name`.
std::int64_t add_number(cuttle::ParameterLayout& layout, const std::string& name,
                        ParameterRole role, double start) {
  cuttle::ParameterSpec spec{name, {1}, cuttle::Init::kConstant, role};
  spec.start = start;
  spec.outer.decay = false;
  return layout.add(spec);
}

/// Embeddings whose mean square is near a learned level.
class Level final : public cuttle::Objective {
 public:
  struct Options {
    double start = 1.0;
    void keys(Keys& keys) { keys.add("start", start, cuttle::above(0), "where the level starts"); }
  };
  Level(const cuttle::ObjectiveRequest& request, const Options& options)
      : level_(add_number(request.layout, request.prefix + ".level", ParameterRole::kObjective,
                          options.start)) {}
  torch::Tensor loss(const Tensors& parameters, const cuttle::Pass& pass, const Batch&,
                     const Context&) const override {
    return (pass.embedding.parts[0].square().mean() - at(parameters, level_)).square().sum();
  }

 private:
  std::int64_t level_;
};

/// Classes whose labels are trusted but for a share.
class Smoothed final : public cuttle::TaskKind {
 public:
  struct Options {
    double smoothing = 0.0;
    void keys(Keys& keys) {
      keys.add("smoothing", smoothing, cuttle::from_below(0, 1), "share of all classes in a label");
    }
  };
  Smoothed(const cuttle::TaskKindRequest&, const Options& options)
      : smoothing_(options.smoothing) {}

  std::int64_t outputs(std::int64_t way, std::int64_t) const override { return way; }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    namespace F = torch::nn::functional;
    return F::cross_entropy(outputs, batch.labels,
                            F::CrossEntropyFuncOptions().label_smoothing(smoothing_));
  }
  std::vector<std::string> metrics() const override { return {"sureness", "accuracy"}; }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto chances = torch::softmax(outputs.detach(), 1);
    const auto right = chances.argmax(1).eq(batch.labels).to(torch::kFloat64);
    return {chances.amax(1).mean().item<double>(), right.mean().item<double>()};
  }
  std::size_t score_column() const override { return 2; }
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return "accuracy"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    char text[80];
    std::snprintf(text, sizeof text, "%.1f %% right (+- %.1f)", 100 * mean,
                  100 * half_width.value_or(0.0));
    return text;
  }
  bool classes() const override { return true; }

 private:
  double smoothing_;
};

/// Adapts nothing: the model's own head, times a learned number, trained on the query sets. A
/// learner needs no more than this.
class Frozen final : public cuttle::Learner {
 public:
  struct Options {
    double sharpness = 1.0;
    void keys(Keys& keys) {
      keys.add("sharpness", sharpness, cuttle::above(0), "where the factor of the logits starts");
    }
    cuttle::Demands demands() const { return {}; }
  };
  Frozen(const cuttle::LearnerRequest& request, const Options& options)
      : Learner(request),
        sharpness_(add_number(request.layout, "learner.sharpness", ParameterRole::kLearner,
                              options.sharpness)) {}

  cuttle::TaskResult meta_gradient(const cuttle::ParameterList& parameters,
                                   const cuttle::Task& task) const override {
    const auto leaves = cuttle::as_leaves(parameters.tensors());
    cuttle::Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const auto pass = look(*model_, sharpness_, leaves, task.query, context);
    const Judged judged = judge(leaves, pass, task.query, context);
    return result_of(cuttle::gradient_of(judged.loss, leaves, false), judged, seen);
  }
  std::unique_ptr<cuttle::Adapted> adapt(const cuttle::ParameterList& parameters, const Batch&,
                                         const cuttle::RandomKey&) const override {
    return std::make_unique<Head>(model_, sharpness_, parameters.tensors());
  }
  std::unique_ptr<cuttle::Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                           std::int64_t) const override {
    return std::make_unique<Head>(model_, sharpness_,
                                  model_->layout()->views(state.at("parameters")));
  }

 private:
  static cuttle::Pass look(const cuttle::Model& model, std::int64_t sharpness,
                           const Tensors& parameters, const Batch& batch, const Context& context) {
    auto pass = model.look(parameters, batch, context);
    pass.outputs =
        at(parameters, sharpness) * model.classify(parameters, pass.embedding, batch.way);
    return pass;
  }

  class Head final : public cuttle::Adapted {
   public:
    Head(std::shared_ptr<const cuttle::Model> model, std::int64_t sharpness, Tensors values)
        : model_(std::move(model)), sharpness_(sharpness), values_(std::move(values)) {}
    torch::Tensor predict(const Batch& batch) const override {
      const torch::NoGradGuard no_grad;
      Context context;
      context.mode = cuttle::Mode::kUse;
      return look(*model_, sharpness_, values_, batch, context).outputs;
    }
    std::map<std::string, torch::Tensor> state() const override {
      return {{"parameters", model_->layout()->flatten(values_)}};
    }

   private:
    std::shared_ptr<const cuttle::Model> model_;
    std::int64_t sharpness_;
    Tensors values_;
  };

  std::int64_t sharpness_;
};

/// One value of every step, as spreadsheets read it: written with each checkpoint, all or nothing.
class Csv final : public cuttle::Sink {
 public:
  struct Options {
    std::string value = "loss";
    void keys(Keys& keys) {
      keys.add("value", value, cuttle::plain_word(), "which one; also the name of the file");
    }
  };
  Csv(const cuttle::SinkRequest& request, const Options& options)
      : path_(request.run_folder + "/" + options.value + ".csv"), value_(options.value) {}

  void begin(std::int64_t step) override {
    std::ifstream before(path_);
    for (std::string line; std::getline(before, line) && std::stoll(line) <= step;)
      text_ += line + "\n";
  }
  void step(const cuttle::StepReport& report) override {
    for (const auto& [name, value] : report.values)
      if (name == value_) text_ += std::to_string(report.step) + "," + std::to_string(value) + "\n";
  }
  void sync() override { cuttle::write_file_atomically(path_, text_); }

 private:
  std::string path_, value_, text_;
};

/// Every element moves by the learning rate, against the sign of its gradient; nothing is kept from
/// step to step.
class SignDescent final : public cuttle::Optimizer {
 public:
  struct Options {
    double dead_zone = 0.0;
    void keys(Keys& keys) {
      keys.add("dead_zone", dead_zone, cuttle::at_least(0), "gradients up to it move nothing");
    }
  };
  SignDescent(const cuttle::OptimizerRequest&, const Options& options)
      : dead_zone_(options.dead_zone) {}

  std::vector<std::string> slots() const override { return {}; }
  void update(const cuttle::OptimizerStretch& stretch) const override {
    const auto& gradient = stretch.gradient;
    stretch.values.sub_(gradient.sign() * gradient.abs().gt(dead_zone_), stretch.rate);
  }

 private:
  double dead_zone_;
};

}  // namespace

int main(int argc, char** argv) {
  using namespace cuttle;
  Extensions extensions;
  extensions.model.encoders["scaled_linear"] =
      type_of<ScaledLinear, EncoderType>("vectors: a fixed scaling, then one linear layer", "");
  extensions.model.fusions["token_mean"] =
      type_of<TokenMean, FusionType>("the mean over the tokens of all senses", "");
  extensions.learners["frozen"] = learner_type<Frozen>("adapts nothing", "");
  extensions.objectives["level"] =
      type_of<Level, ObjectiveType>("embeddings of a learned mean square", "");
  extensions.targets["smoothed"] =
      type_of<Smoothed, TaskKindType>("classes, with smoothed labels", "Szegedy et al. 2016");
  extensions.sinks["csv"] = type_of<Csv, SinkType>("one value of every step", "");
  extensions.optimizers["sign_descent"] =
      type_of<SignDescent, OptimizerType>("by the sign of the gradient", "Bernstein et al. 2018");
  return run_app(argc, argv, extensions);
}
