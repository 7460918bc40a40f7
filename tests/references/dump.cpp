// Small models, what they are given and what they make of it, in float64, one safetensors file a
// case: test_references.py computes all of it anew from the parameters and inputs.
//   reference_dump OUT_FOLDER

#include <fmt/format.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/adapt/autograd.hpp"
#include "cuttle/adapt/learner.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/safetensors.hpp"
#include "cuttle/sense/raw.hpp"

namespace cuttle {
namespace {

using Words = std::map<std::string, std::string>;

constexpr std::int64_t kWay = 3;

/// `encoders`: the type by sense. `keys`: of whatever type has them. A learner makes it a task,
/// else it is a batch through the model.
struct Case {
  std::string name;
  Words encoders;
  std::string fusion = "concat", head = "linear", learner = "";
  Words keys = {};
};

std::vector<Case> tasks(const Words& three) {
  std::vector<Case> all;
  for (const std::string fusion : {"concat", "gated", "late"})
    for (const std::string refine : {"0", "1", "3"})
      all.push_back({fmt::format("protonet_{}_{}", fusion, refine),
                     three,
                     fusion,
                     "linear",
                     "protonet",
                     {{"norm", "none"}, {"refine", refine}, {"part_loss", "0"}}});
  for (const std::string fusion : {"concat", "late"})
    all.push_back({"protonet_cosine_" + fusion,
                   three,
                   fusion,
                   "linear",
                   "protonet",
                   {{"norm", "none"},
                    {"refine", "1"},
                    {"distance", "cosine"},
                    {"part_loss", fusion == "late" ? "0.7" : "0"}}});
  for (const std::string late_by : {"product", "vote"})
    all.push_back({"protonet_sample_" + late_by,
                   three,
                   "late",
                   "linear",
                   "protonet",
                   {{"norm", "none"},
                    {"refine", "1"},
                    {"part_loss", "0"},
                    {"late_weights", "sample"},
                    {"late_by", late_by}}});
  all.push_back({"protonet_parts",
                 three,
                 "late",
                 "linear",
                 "protonet",
                 {{"norm", "none"}, {"refine", "0"}, {"part_loss", "0.7"}}});
  for (const std::string norm : {"support", "task", "layer", "group", "instance"}) {
    Words keys{{"norm", norm}, {"refine", "0"}, {"part_loss", "0"}};
    if (norm == "group") keys["norm_groups"] = "3";
    all.push_back({"protonet_" + norm, three, "concat", "linear", "protonet", keys});
  }
  return all;
}

std::vector<Case> cases() {
  const Words three{{"series", "series_conv"}, {"text", "char_conv"}, {"vector", "mlp"}};
  const Words none{{"norm", "none"}};
  std::vector<Case> all{
      {"char_conv", {{"text", "char_conv"}}},
      {"char_conv_plain", {{"text", "char_conv"}}, "concat", "cosine", "", {{"fused", "false"}}},
      {"series_conv", {{"series", "series_conv"}}},
      {"series_conv_plain",
       {{"series", "series_conv"}},
       "concat",
       "linear",
       "",
       {{"fused", "false"}}},
      {"series_conv_none", {{"series", "series_conv"}}, "concat", "linear", "", none},
      {"mel_conv", {{"audio", "mel_conv"}}},
      {"mel_conv_none", {{"audio", "mel_conv"}}, "concat", "cosine", "", none},
      {"gru_text", {{"text", "gru"}}},
      {"gru_series", {{"series", "gru"}}, "concat", "cosine", "", {{"bidirectional", "false"}}},
      {"gru_audio", {{"audio", "gru"}}, "concat", "linear", "", {{"depth", "1"}}},
      {"transformer_text", {{"text", "transformer"}}},
      {"transformer_series", {{"series", "transformer"}}, "concat", "cosine"},
      {"transformer_steps", {{"series", "transformer"}}, "concat", "linear", "", {{"patch", "3"}}},
      {"transformer_audio", {{"audio", "transformer"}}},
      {"transformer_image", {{"image", "transformer"}}},
      {"transformer_heads",
       {{"text", "transformer"}},
       "concat",
       "linear",
       "",
       {{"width", "64"}, {"depth", "1"}}},
      {"concat", three},
      {"concat_cosine", three, "concat", "cosine", "", {{"head_scale", "3.5"}}},
      {"concat_zeros", three, "concat", "linear", "", {{"missing", "zeros"}}},
      {"gated", three, "gated"},
      {"late", three, "late"},
      {"late_cosine", three, "late", "cosine"},
      {"late_adapter", three, "late", "linear", "", {{"adapter", "4"}}},
      {"cross_attention", three, "cross_attention"},
      {"cross_attention_transformer",
       {{"series", "transformer"}, {"text", "transformer"}},
       "cross_attention"},
      {"cross_attention_gru", {{"series", "gru"}, {"text", "gru"}}, "cross_attention"},
      {"film_text", three, "film", "linear", "", {{"film_by", "text"}}},
      {"sense_graph_full", three, "sense_graph", "linear", "", {{"edges", "full"}}},
      {"late_product", three, "late", "linear", "", {{"late_by", "product"}}},
      {"late_vote", three, "late", "linear", "", {{"late_by", "vote"}}},
      {"late_sample", three, "late", "linear", "", {{"late_weights", "sample"}}},
  };
  for (const std::string fusion :
       {"self_attention", "co_attention", "bottleneck", "product_of_experts", "low_rank", "tensor",
        "bilinear", "film", "sense_graph", "deep_sets"})
    all.push_back({fusion, three, fusion});
  for (const std::string over_time : {"gru", "transformer", "average"})
    all.push_back({"frames_" + over_time,
                   {{"video", "frames"}},
                   over_time == "gru" ? "cross_attention" : "concat",
                   "linear",
                   "",
                   {{"frame.type", "transformer"},
                    {"frame.width", "6"},
                    {"frame.depth", "1"},
                    {"over_time.type", over_time},
                    {"over_time.width", "4"},
                    {"over_time.depth", "2"}}});
  all.push_back({"graph_conv", {{"graph", "graph_conv"}}, "cross_attention"});
  all.push_back({"graph_conv_none", {{"graph", "graph_conv"}}, "concat", "linear", "", none});
  for (auto& task : tasks(three)) all.push_back(std::move(task));
  return all;
}

ModalitySpec spec_of(const std::string& sense) {
  if (sense == "text") return {sense, ModalityKind::kText, {}, 0.0, {}, {}};
  if (sense == "series") return {sense, ModalityKind::kSeries, {3}, 0.0, {}, {}};
  if (sense == "image") return {sense, ModalityKind::kImage, {8, 12, 2}, 0.0, {}, {}};
  if (sense == "video") return {sense, ModalityKind::kVideo, {8, 12, 2}, 0.0, {}, {}};
  if (sense == "graph") return {sense, ModalityKind::kGraph, {3}, 0.0, {}, {}};
  if (sense == "audio") return {sense, ModalityKind::kAudio, {}, 16000.0, {}, {}};
  return {sense, ModalityKind::kVector, {5}, 0.0, {}, {}};
}

/// Sample i lacks senses so that every subset occurs, the empty one too; in the support of a task
/// (`bare`) class 2 lacks the sense 1 altogether, so that some comparisons are between nothing.
bool lacks(std::int64_t i, std::size_t m, bool bare) {
  if (bare && i % kWay == 2 && m == 1) return true;
  return ((i * 5 + 3) % 8 >> m & 1) != 0;
}

/// Of so many nodes and edges together, any edges, the same one more than once, too.
torch::Tensor graph_of(std::int64_t features, std::int64_t steps) {
  const std::int64_t nodes = (steps + 1) / 2, edges = steps - nodes;
  const auto row = torch::zeros({features + 3, 13}, torch::kFloat64);
  row.narrow(0, 0, features).narrow(1, 0, nodes).normal_();
  row.select(0, features).narrow(0, 0, nodes).fill_(1);
  row.narrow(0, features + 1, 2)
      .narrow(1, nodes, edges)
      .copy_(torch::randint(0, nodes, {2, edges}, torch::kInt64));
  return row;
}

/// Sequences of 1 to 13 steps; 13 and 7 are odd, so pooling meets a last step without a partner.
ModalityInput input_of(const ModalitySpec& spec, std::int64_t m) {
  const auto floats = torch::kFloat64;
  ModalityInput input;
  if (spec.kind == ModalityKind::kVector) {
    input.values = torch::randn({m, spec.shape[0]}, floats);
    return input;
  }
  if (spec.kind == ModalityKind::kImage) {
    input.values = torch::randn({m, spec.shape[2], spec.shape[0], spec.shape[1]}, floats);
    return input;
  }
  input.mask = torch::zeros({m, 13}, floats);
  for (std::int64_t i = 0; i < m; ++i) input.mask[i].narrow(0, 0, 13 - (5 * i) % 13).fill_(1.0);
  if (spec.kind == ModalityKind::kVideo) {  // what is beyond a video's end is not looked at
    input.values = torch::randn({m, spec.shape[0], spec.shape[1], spec.shape[2], 13}, floats);
  } else if (spec.kind == ModalityKind::kGraph) {
    Tensors graphs;
    for (std::int64_t i = 0; i < m; ++i)
      graphs.push_back(graph_of(spec.shape[0], 13 - (5 * i) % 13));
    input.values = torch::stack(graphs);
  } else if (spec.kind == ModalityKind::kText) {
    input.values = torch::randint(1, kTextTokens, {m, 13}, torch::kInt64);
    input.values = input.values * input.mask.to(torch::kInt64);
  } else {
    const std::int64_t channels = spec.kind == ModalityKind::kAudio ? 40 : spec.shape[0];
    input.values = torch::randn({m, channels, 13}, floats) * input.mask.unsqueeze(1);
  }
  return input;
}

Batch batch_of(const std::vector<ModalitySpec>& specs, std::int64_t size, bool bare) {
  Batch batch;
  batch.size = size;
  batch.way = kWay;
  batch.labels = torch::arange(size, torch::kInt64).remainder(kWay);
  for (std::size_t m = 0; m < specs.size(); ++m) {
    std::vector<std::int64_t> rows;
    for (std::int64_t i = 0; i < size; ++i)
      if (specs.size() == 1 || !lacks(i, m, bare)) rows.push_back(i);
    ModalityInput input = input_of(specs[m], static_cast<std::int64_t>(rows.size()));
    input.rows = torch::tensor(rows, torch::kInt64);
    batch.modalities.push_back(std::move(input));
  }
  return batch;
}

/// What a file is made of.
class Record {
 public:
  void add(const std::string& name, const torch::Tensor& tensor) {
    if (!tensor.defined()) return;
    const auto flat = tensor.detach().contiguous();
    const auto count = static_cast<std::size_t>(flat.numel());
    if (flat.scalar_type() == torch::kInt64)
      arrays_.push_back(pack_array<std::int64_t>(name, flat.sizes().vec(),
                                                 {flat.const_data_ptr<std::int64_t>(), count}));
    else
      arrays_.push_back(
          pack_array<double>(name, flat.sizes().vec(), {flat.const_data_ptr<double>(), count}));
  }
  void add(const std::string& prefix, const Batch& batch, const std::vector<ModalitySpec>& specs) {
    add(prefix + ".labels", batch.labels);
    for (std::size_t m = 0; m < specs.size(); ++m) {
      const std::string name = prefix + "." + specs[m].name;
      add(name + ".rows", batch.modalities[m].rows);
      add(name + ".values", batch.modalities[m].values);
      add(name + ".mask", batch.modalities[m].mask);
    }
  }
  void add(const std::string& prefix, const ParameterLayout& layout, const Tensors& values) {
    for (std::int64_t i = 0; i < layout.count(); ++i)
      add(prefix + "." + layout.spec(i).name, values[static_cast<std::size_t>(i)]);
  }
  void write(const std::string& path, const Words& metadata) const {
    write_file_atomically(path, encode_safetensors(arrays_, metadata));
  }

 private:
  std::vector<NamedArray> arrays_;
};

/// No parameter at its start: zeros would hide what multiplies them.
ParameterList shaken(const std::shared_ptr<const ParameterLayout>& layout) {
  ParameterList parameters = ParameterList::initial(layout, 3, torch::kFloat64).clone();
  for (const auto& value : parameters.tensors()) value.add_(torch::randn_like(value), 0.3);
  return parameters;
}

/// A batch through the model; the gradient is that of sum(outputs * probe).
void pass(const Model& model, const ParameterList& parameters, Record& record) {
  const Batch batch = batch_of(model.modalities(), 11, false);
  const Tensors leaves = as_leaves(parameters.tensors());
  const Pass seen = model.look(leaves, batch, {});
  const auto outputs = model.classify(leaves, seen.embedding, kWay);
  const auto probe = torch::randn({batch.size, kWay}, torch::kFloat64);
  record.add("batch", batch, model.modalities());
  record.add("probe", probe);
  record.add("outputs", outputs);
  for (std::size_t p = 0; p < seen.embedding.parts.size(); ++p)
    record.add("embedding." + std::to_string(p), seen.embedding.parts[p]);
  record.add("gradient", *model.layout(), gradient_of((outputs * probe).sum(), leaves, false));
}

/// A task through a learner: what it predicts after adaptation, and its meta-gradient.
void task(const Learner& learner, const ParameterList& parameters, Record& record) {
  const Model& model = learner.model();
  Task task;
  task.support = batch_of(model.modalities(), 8, true);
  task.query = batch_of(model.modalities(), 11, false);
  const auto result = learner.meta_gradient(parameters, task);
  record.add("support", task.support, model.modalities());
  record.add("query", task.query, model.modalities());
  record.add("outputs", learner.adapt(parameters, task.support, {})->predict(task.query));
  record.add("loss", torch::tensor(result.values[0], torch::kFloat64));
  record.add("gradient", *model.layout(), model.layout()->views(result.gradient));
}

void write(const Case& wanted, const std::string& folder) {
  torch::manual_seed(1);
  Words keys{{"width", "6"},        {"depth", "3"},         {"embedding", "5"},
             {"fusion_width", "8"}, {"fusion_layers", "2"}, {"bottleneck_tokens", "3"},
             {"rank", "2"},         {"factors", "3"},       {"tensor_width", "2"},
             {"graph_layers", "2"}};
  for (const auto& [key, value] : wanted.keys) keys[key] = value;
  ModelOptions options;
  options.fusion = Section(wanted.fusion, keys);
  options.head = Section(wanted.head, keys);
  std::vector<ModalitySpec> specs;
  Words metadata{{"fusion", wanted.fusion}, {"head", wanted.head}, {"learner", wanted.learner}};
  for (const auto& [sense, type] : wanted.encoders) {
    options.encoders[sense] = Section(type, keys);
    specs.push_back(spec_of(sense));
    metadata["encoder." + sense] = type;
  }
  metadata.insert(keys.begin(), keys.end());
  const auto model = std::make_shared<Model>(options, specs, wanted.learner.empty() ? kWay : 0, 1,
                                             ModelRegistry{});
  Record record;
  const auto finish = [&](const auto& how) {
    const ParameterList parameters = shaken(model->layout());
    record.add("parameter", *model->layout(), parameters.tensors());
    how(parameters);
    record.write(folder + "/" + wanted.name + ".safetensors", metadata);
  };
  if (wanted.learner.empty()) {
    finish([&](const ParameterList& parameters) { pass(*model, parameters, record); });
    return;
  }
  const Section section(wanted.learner, keys), target("class");
  const std::shared_ptr<const TaskKind> kind = builtin_task_kinds().at("class").make({target});
  const auto learner = make_learner(builtin_learners(), {section,
                                                         model,
                                                         kind,
                                                         std::make_shared<const Objectives>(),
                                                         model->declare(),
                                                         {specs, 0, 6, kWay, 8}});
  finish([&](const ParameterList& parameters) { task(*learner, parameters, record); });
}

}  // namespace
}  // namespace cuttle

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    for (const auto& wanted : cuttle::cases()) cuttle::write(wanted, argv[1]);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
  return 0;
}
