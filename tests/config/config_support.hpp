#pragma once

#include <string>
#include <vector>

#include "cuttle/config/run_config.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {

/// Types with the keys of cuttle's own, but nothing behind them: this stage knows no learner or
/// encoder, and its tests need no tensors.
namespace stand_in {

struct Loop {
  std::int64_t inner_steps = 1, eval_inner_steps = 0;
  bool diagnostics = false;
  double inner_lr = 0.4;
  void keys(Keys& keys) {
    keys.add("inner_steps", inner_steps, at_least(0), "steps in training");
    keys.add("eval_inner_steps", eval_inner_steps, at_least(0), "0: as in training");
    keys.add("diagnostics", diagnostics, anything(), "record every step");
    keys.add("inner_lr", inner_lr, above(0), "rate");
  }
};
struct Maml : Loop {
  std::string keep = "parameters";
  void keys(Keys& keys) {
    Loop::keys(keys);
    keys.add("keep", keep, one_of({"parameters", "all", "sqrt"}), "for the way back");
  }
};
struct Reptile : Loop {
  std::string inner_optimizer = "sgd";
  void keys(Keys& keys) {
    keys.add("inner_steps", inner_steps, at_least(1), "steps in training");
    keys.add("eval_inner_steps", eval_inner_steps, at_least(0), "0: as in training");
    keys.add("inner_lr", inner_lr, above(0), "rate");
    keys.add("inner_optimizer", inner_optimizer, one_of({"sgd", "adam"}), "of inner steps");
    keys.add("diagnostics", diagnostics, anything(), "record every step");
  }
};
struct ProtoNet {
  double part_loss = 0.0;
  std::int64_t refine = 0;
  void keys(Keys& keys) {
    keys.add("part_loss", part_loss, at_least(0), "weight of each sense's own loss");
    keys.add("refine", refine, between(0, 100), "refinements");
  }
};

struct RunningNorm {
  double momentum = 0.1;
  void keys(Keys& keys) { keys.add("norm_momentum", momentum, above_to(0, 1), "of averages"); }
};
struct Conv4 {
  std::int64_t width = 64, depth = 4;
  Section norm{"batch"};
  bool fused = true;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "filters");
    keys.add("depth", depth, between(1, 64), "blocks");
    keys.choose("norm", norm, "norm", "after each convolution");
    keys.add("fused", fused, anything(), "own kernels");
  }
};
struct Auto : Conv4 {
  std::int64_t max_length = 0;
  void keys(Keys& keys) {
    Conv4::keys(keys);
    keys.add("max_length", max_length, at_least(0), "0: all");
  }
};
/// Another width by default, and another norm.
struct ResNet12 {
  std::int64_t width = 32;
  Section norm{"running"};
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "filters of the first stage");
    keys.choose("norm", norm, "norm", "after each convolution");
  }
};
/// Without a norm.
struct Mlp {
  std::int64_t width = 64;
  void keys(Keys& keys) { keys.add("width", width, between(1, 65536), "hidden units"); }
};

struct Concat {
  std::string missing = "embedding";
  void keys(Keys& keys) {
    keys.add("missing", missing, one_of({"embedding", "zeros"}), "in place of an absent one");
  }
};
struct Gated {
  std::int64_t embedding = 64;
  void keys(Keys& keys) { keys.add("embedding", embedding, between(1, 65536), "width"); }
};
struct Cosine {
  double scale = 10.0;
  void keys(Keys& keys) { keys.add("head_scale", scale, above(0), "of logits"); }
};
struct Adam {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  void keys(Keys& keys) {
    keys.add("beta1", beta1, from_below(0, 1), "of the mean");
    keys.add("beta2", beta2, from_below(0, 1), "of the mean square");
    keys.add("epsilon", epsilon, above(0), "beside the root");
  }
};
struct Sgd {
  double momentum = 0.0;
  void keys(Keys& keys) { keys.add("momentum", momentum, from_below(0, 1), "of steps"); }
};
struct Contrastive {
  double temperature = 0.1;
  void keys(Keys& keys) { keys.add("temperature", temperature, above(0), "of similarities"); }
};

struct Console {
  double every_s = 10.0;
  void keys(Keys& keys) { keys.add("every_s", every_s, at_least(0), "seconds between lines"); }
};
struct Board {
  std::int64_t every = 1;
  void keys(Keys& keys) { keys.add("every", every, at_least(1), "steps between points"); }
};

template <class Options>
TypeInfo type() {
  return {"a stand-in", "", keys_of<Options>()};
}

inline TypeInfo of_values() {
  TypeInfo row = type<NoOptions>();
  row.of_values = true;
  return row;
}

}  // namespace stand_in

inline Catalog make_small_catalog() {
  using namespace stand_in;
  return {{"learner",
           {{"maml", type<Maml>()},
            {"fomaml", type<Loop>()},
            {"anil", type<Loop>()},
            {"reptile", type<Reptile>()},
            {"protonet", type<ProtoNet>()}}},
          {"encoder",
           {{"auto", type<Auto>()},
            {"conv4", type<Conv4>()},
            {"resnet12", type<ResNet12>()},
            {"mlp", type<Mlp>()}}},
          {"norm",
           {{"batch", type<NoOptions>()},
            {"none", type<NoOptions>()},
            {"running", type<RunningNorm>()}}},
          {"fusion",
           {{"concat", type<Concat>()}, {"gated", type<Gated>()}, {"late", type<NoOptions>()}}},
          {"completion", {{"none", type<NoOptions>()}}},
          {"head", {{"linear", type<NoOptions>()}, {"cosine", type<Cosine>()}}},
          {"target", {{"class", type<NoOptions>()}, {"value", of_values()}}},
          {"source", {{"episodes", type<NoOptions>()}}},
          {"objective", {{"contrastive", type<Contrastive>()}}},
          {"optimizer", {{"adam", type<Adam>()}, {"sgd", type<Sgd>()}}},
          {"sink",
           {{"console", type<Console>()},
            {"jsonl", type<NoOptions>()},
            {"tensorboard", type<Board>()}}}};
}

/// What configs of these tests can name, unless they say otherwise.
inline const Catalog& small_catalog() {
  static const Catalog catalog = make_small_catalog();
  return catalog;
}

/// The message that `body` ends with; "" if it does not.
template <class Body>
std::string message_of(const Body& body) {
  try {
    body();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

inline RunConfig read(const std::string& yaml, const std::vector<std::string>& overrides = {},
                      const Catalog& catalog = small_catalog()) {
  return parse_config(yaml, "x.yaml", overrides, catalog);
}

/// The report for a text under the name x.yaml; "" if it is accepted.
inline std::string report_of(const std::string& yaml,
                             const std::vector<std::string>& overrides = {},
                             const Catalog& catalog = small_catalog()) {
  return message_of([&] { read(yaml, overrides, catalog); });
}

/// The same for a text that an older program wrote.
inline RunConfig read_saved(const std::string& yaml,
                            const std::vector<std::string>& overrides = {}) {
  return parse_saved(yaml, "x.yaml", overrides, small_catalog());
}
inline std::string saved_report_of(const std::string& yaml,
                                   const std::vector<std::string>& overrides = {}) {
  return message_of([&] { read_saved(yaml, overrides); });
}

inline std::string dump(const RunConfig& config, bool documented = false,
                        const Catalog& catalog = small_catalog()) {
  return dump_config(config, catalog, documented);
}

inline std::vector<ConfigChange> compare(const RunConfig& was, const RunConfig& is,
                                         const Catalog& catalog = small_catalog()) {
  return compare_configs(was, is, catalog);
}

/// The options that the config's learner gets, and those of one modality's encoder.
template <class Options>
Options learner_of(const RunConfig& config) {
  return options_of<Options>(config.adapt);
}
template <class Options>
Options encoder_of(const RunConfig& config, const std::string& modality) {
  return options_of<Options>(config.model.encoders.at(modality).network);
}

}  // namespace cuttle
