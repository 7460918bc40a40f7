#include "adapt/embed.hpp"

#include <torch/types.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "adapt/fast_weights.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
Embedding joined(const std::vector<Embedding>& pieces) {
  Embedding all = pieces[0];
  for (std::size_t p = 0; p < all.parts.size(); ++p) {
    Tensors rows;
    for (const auto& piece : pieces) rows.push_back(piece.parts[p]);
    all.parts[p] = torch::cat(rows);
  }
  Tensors masks;
  for (const auto& piece : pieces) {
    masks.push_back(piece.mask);
    all.complete = all.complete && piece.complete;
  }
  all.mask = torch::cat(masks);
  return all;
}

Embedding embed_support(const Model& model, const Tensors& parameters, const Batch& support,
                        Context context, Statistics& given, std::int64_t at_once) {
  if (model.uses_support()) context.record = &given;
  if (at_once == 0 || at_once >= support.size || model.uses_support())
    return model.embed(parameters, support, context);
  std::vector<Embedding> pieces;
  for (std::int64_t first = 0; first < support.size; first += at_once) {
    std::vector<std::int64_t> rows(
        static_cast<std::size_t>(std::min(at_once, support.size - first)));
    std::iota(rows.begin(), rows.end(), first);
    pieces.push_back(model.embed(parameters, select_rows(support, rows), context));
  }
  return joined(pieces);
}

namespace {

/// LITE (Bronskill et al. 2021, equation 8): every sample's embedding as it is, but only those of
/// H = model.lite samples, drawn by the task's key, have a graph, and theirs counts N/H times: an
/// unbiased estimate of the gradient of whatever is made of the N embeddings. What the support's
/// norms saw counts as given.
Embedding embed_lite(const Model& model, const Tensors& parameters, const Batch& support,
                     Context context, Statistics& given) {
  Embedding all;
  {
    const torch::NoGradGuard no_grad;
    all = embed_support(model, parameters, support, context, given, model.lite());
  }
  Random random(context.key.with(Draw::kLite));
  const auto drawn = random.sample(support.size, model.lite());
  if (model.uses_support()) context.given = &given;
  const Embedding some = model.embed(parameters, select_rows(support, drawn), context);
  const double share = static_cast<double>(support.size) / static_cast<double>(model.lite());
  const auto places = torch::tensor(drawn, torch::kInt64).to(all.mask.device());
  all.weights = some.weights;  // of the fusion, with the graph
  if (some.mask.requires_grad())
    all.mask = all.mask.index_add(0, places, share * (some.mask - some.mask.detach()));
  for (std::size_t p = 0; p < all.parts.size(); ++p) {
    const auto& part = some.parts[p];
    all.parts[p] = all.parts[p].index_add(0, places, share * (part - part.detach()));
  }
  return all;
}

}  // namespace

Embedded embed_both(const Model& model, const Tensors& parameters, const Batch& support,
                    const Batch& query, Context context) {
  Embedded both;
  const bool lite =
      model.lite() > 0 && model.lite() < support.size && torch::GradMode::is_enabled();
  if (!model.uses_support() && !lite) {
    both.seen = concatenate(support, query);
    both.pass = model.look(parameters, both.seen, context);
    both.support = rows_of(both.pass.embedding, 0, support.size);
    both.query = rows_of(both.pass.embedding, support.size, query.size);
    return both;
  }
  Statistics given;
  both.support = lite ? embed_lite(model, parameters, support, context, given)
                      : embed_support(model, parameters, support, context, given, 0);
  if (model.uses_support()) context.given = &given;
  both.seen = query;
  both.pass = model.look(parameters, query, context);
  both.query = both.pass.embedding;
  return both;
}

torch::Tensor as_one(const Embedding& embedding) {
  if (embedding.parts.size() == 1) return embedding.parts[0];
  Tensors columns = embedding.parts;
  columns.push_back(embedding.mask);
  return torch::cat(columns, 1);
}

std::int64_t width_as_one(const Fusion& fusion) {
  const auto widths = fusion.part_widths();
  const auto sum = std::accumulate(widths.begin(), widths.end(), std::int64_t{0});
  return widths.size() == 1 ? sum : sum + static_cast<std::int64_t>(widths.size());
}

torch::Tensor answers_of(const Batch& batch, std::int64_t width, const torch::TensorOptions& like) {
  if (batch.labels.defined() && !batch.targets.defined())
    return torch::one_hot(batch.labels, width).to(like.dtype());
  return batch.targets.to(like.dtype());
}

std::int64_t width_of_answers(const LearnerRequest& request) {
  return request.kind->values() ? request.inputs.target_width : request.inputs.outputs;
}

torch::Tensor members_of(const Batch& batch, const torch::TensorOptions& like) {
  return torch::zeros({batch.size, batch.way}, like)
      .scatter_(1, batch.labels.unsqueeze(1), 1.0)
      .t();
}

Tensors prototypes_of(const Embedding& samples, const torch::Tensor& share) {
  Tensors prototypes;
  for (std::size_t p = 0; p < samples.parts.size(); ++p) {
    const auto members =
        samples.complete ? share : share * samples.mask.select(1, static_cast<std::int64_t>(p));
    const auto count = members.sum(1, true);
    prototypes.push_back(members.matmul(samples.parts[p]) / count.masked_fill(count.eq(0), 1.0));
    prototypes.push_back(count);
  }
  return prototypes;
}

torch::Tensor known_of(const Embedding& query, std::size_t part, const torch::Tensor& count) {
  const bool all = query.complete && query.parts.size() == 1 && count.is_cpu();
  if (all && count.min().item<double>() > 0) return {};
  return query.mask.narrow(1, static_cast<std::int64_t>(part), 1) *
         count.gt(0).to(query.parts[part].dtype()).view({1, -1});
}

torch::Tensor minus_squared_distances(const torch::Tensor& x, const torch::Tensor& means) {
  return 2.0 * x.matmul(means.t()) - x.square().sum(1, true) - means.square().sum(1).unsqueeze(0);
}

std::vector<PartLogits> nearness_to(const Tensors& prototypes, const Embedding& query,
                                    const torch::Tensor& log_scale) {
  std::vector<PartLogits> parts;
  for (std::size_t p = 0; p < query.parts.size(); ++p) {
    const auto &means = prototypes[2 * p], &count = prototypes[2 * p + 1], &q = query.parts[p];
    const auto known = known_of(query, p, count);
    if (log_scale.defined()) {
      parts.push_back({log_scale.exp() * unit_rows(q).matmul(unit_rows(means).t()), known});
      continue;
    }
    parts.push_back({minus_squared_distances(q, means), known});
  }
  return parts;
}

torch::Tensor neutral_where_unknown(const torch::Tensor& logits, const torch::Tensor& known) {
  if (!known.defined()) return logits;
  const auto others = known.gt(0).sum(1, true).clamp_min(1);
  return torch::where(known.gt(0), logits, logits.sum(1, true) / others);
}

torch::Tensor combined(const Fusion& fusion, const std::vector<PartLogits>& parts,
                       const torch::Tensor& weights) {
  return parts.size() == 1 ? parts[0].logits : fusion.combine(parts, weights).logits;
}

torch::Tensor logits_of(const Fusion& fusion, const std::vector<PartLogits>& parts,
                        const torch::Tensor& weights) {
  const auto together = fusion.combine(parts, weights);
  return neutral_where_unknown(together.logits, together.known);
}

Embedding rows_of(const Embedding& embedding, std::int64_t first, std::int64_t count) {
  Embedding rows;
  for (const auto& part : embedding.parts) rows.parts.push_back(part.narrow(0, first, count));
  rows.mask = embedding.mask.narrow(0, first, count);
  rows.weights = embedding.weights;
  rows.complete = embedding.complete;
  return rows;
}

std::map<std::string, torch::Tensor> state_of(const Model& model, const Tensors& parameters,
                                              const Batch& support) {
  std::map<std::string, torch::Tensor> state{{"parameters", model.layout()->kept(parameters)}};
  if (support.labels.defined()) state["support.labels"] = support.labels;
  if (support.targets.defined()) state["support.targets"] = support.targets;
  for (std::size_t m = 0; m < support.modalities.size(); ++m) {
    const std::string name = "support." + model.modalities()[m].name;
    const auto& input = support.modalities[m];
    state[name + ".rows"] = input.rows;
    if (input.values.defined()) state[name + ".values"] = input.values;
    if (input.mask.defined()) state[name + ".mask"] = input.mask;
    if (input.encoded) state[name + ".encoded"] = torch::ones({1}, torch::kInt64);
  }
  return state;
}

Tensors parameters_in(const Model& model, const std::map<std::string, torch::Tensor>& state,
                      const std::string& name) {
  const ParameterLayout& layout = *model.layout();
  const auto flat = state_entry(state, name, -1);
  if (flat.numel() == layout.flat_size()) return layout.views(flat);  // older versions kept all
  return layout.from_kept(state_entry(state, name, layout.kept_size()));
}

Batch support_in(const Model& model, const std::map<std::string, torch::Tensor>& state,
                 std::int64_t way) {
  const auto entry = [&](const std::string& name) {
    const auto found = state.find(name);
    return found == state.end() ? torch::Tensor() : found->second;
  };
  Batch support;
  support.labels = entry("support.labels");
  support.targets = entry("support.targets");
  CUTTLE_REQUIRE(support.labels.defined() || support.targets.defined(),
                 "the adapted model has no entry 'support.labels'");
  support.size = support.labels.defined() ? support.labels.numel() : support.targets.size(0);
  support.way = way;
  for (const auto& spec : model.modalities()) {
    const std::string name = "support." + spec.name;
    ModalityInput input{entry(name + ".values"), entry(name + ".mask"), entry(name + ".rows"),
                        entry(name + ".encoded").defined()};
    CUTTLE_REQUIRE(input.rows.defined(), "the adapted model has no entry '{}.rows'", name);
    support.modalities.push_back(std::move(input));
  }
  return support;
}

}  // namespace cuttle
