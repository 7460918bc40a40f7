"""Errors that a test must notice: by test, by file, a text that the file has once and what stands there instead.

A change of the file that moves or rewrites such a line needs the line here too (test_list.py says so at once). A mutant
must compile and must not compute the same; what only costs time or precision is none.
"""

from typing import NamedTuple

from fusion_mutants import FUSIONS
from kernel_mutants import KERNELS
from learner_mutants import ADAPT
from pretrained_mutants import PRETRAINED
from sense_mutants import SENSE

MODEL = {**FUSIONS, "references": {
    **FUSIONS["references"],
    "src/model/norms/support.cpp": [
        ("moments.find(affine_.weight)", "moments.begin()"),
    ],
    "src/model/norms/task.cpp": [
        ("(own.variance + (own.mean - mean).square())", "(own.variance + (support.mean - mean).square())"),
    ],
    "src/model/blocks/attention.cpp": [
        ("mask.size(1)}), -1e30)", "mask.size(1)}), -1.0)"),
        ("std::sqrt(static_cast<double>(x.size(2) / heads_))", "std::sqrt(static_cast<double>(x.size(2)))"),
        ("torch::gelu(", "torch::relu("),
        ("torch::linear(layer_norm(p, norm1_, x), of(in_.weight)", "torch::linear(x, of(in_.weight)"),
    ],
    "src/model/encoders/gru.cpp": [
        ("(1.0 - input.mask.t().unsqueeze(2)) * 1e30", "(1.0 - input.mask.t().unsqueeze(2))"),
        ("d == 0 ? all : all.flip(0)", "all"),
        ("out[d] = out[d].flip(0);", "out[d] = out[d] + 0.0;"),
        ("torch::addcmul(rest[t], gate[0], back[1])), h, gate[1])",
         "torch::addcmul(rest[t], gate[1], back[1])), h, gate[0])"),
        ("gates[t] + back[0]", "gates[t]"),
        ("torch::cat({running_mean(input.values, input.mask), most}, 1)", "torch::cat({most, most}, 1)"),
    ],
    "src/model/encoders/common.cpp": [
        ("cumsum(2).select(2, -1) / real.sum(2).clamp_min(1.0)", "cumsum(2).select(2, -1)"),
    ],
    "src/model/encoders/frames.cpp": [
        ("input.values.movedim(-1, 1).flatten(0, 1)", "input.values.movedim(-1, 0).flatten(0, 1)"),
        ("spread.view({videos, longest, -1}).transpose(1, 2)", "spread.view({longest, videos, -1}).permute({1, 2, 0})"),
    ],
    "src/model/encoders/graph_conv.cpp": [
        ("input.mask.gt(node).logical_and(ends[0] != ends[1])", "input.mask.gt(node)"),
        ("directed_ ? pairs : torch::cat({pairs, pairs.flip(0)}, 1)", "pairs"),
        ("(ends.to(torch::kInt64) + first)", "ends.to(torch::kInt64)"),
        ("index_select(0, from)).rsqrt()", "index_select(0, from)).reciprocal()"),
        ("own.index_add(0, to, own.index_select(0, from)) * share", "own * share"),
        ("torch::zeros({graphs * most, all.size(1)}, x.options()).index_copy(0, real, all)",
         "torch::constant_pad_nd(all, {0, 0, 0, graphs * most - all.size(0)})"),
    ],
    "src/model/blocks/embedding.cpp": [
        ("angle.sin(), angle.cos()", "angle.cos(), angle.sin()"),
        ("-std::log(1e4)", "-std::log(1e3)"),
        (".amax(2);", ".amin(2);"),
        (" + at(p, places_),", ","),
        ("torch::conv2d(x, weight, bias, size)", "torch::conv2d(x.transpose(2, 3), weight, bias, size)"),
    ],
    "src/model/encoders/transformer.cpp": [
        ("real.sum(1).clamp_min(1.0)", "static_cast<double>(real.size(1))"),
    ],
    "src/model/blocks/blocks.cpp": [
        ("real.sum(2).clamp_min(1.0)", "static_cast<double>(real.size(2))"),
        ("torch::cat({mean, most}, 1)", "torch::cat({mean, mean}, 1)"),
        ("x * input.mask.unsqueeze(1), input.mask", "x, input.mask"),
        ("layer_.relu ? torch::relu(x) : x", "layer_.relu ? x.abs() : x"),
    ],
    "src/model/model.cpp": [
        ("index_fill_(0, rows, 1.0)", "fill_(1.0)"),
    ],
    "src/model/heads/cosine.cpp": [
        ("scale_ * torch::linear(", "torch::linear("),
        ("1e-12", "1.0"),
    ],
    "src/adapt/embed.cpp": [
        ("logits.sum(1, true) / others", "logits.sum(1, true) / (others + 1)"),
        ("share * samples.mask.select(1, static_cast<std::int64_t>(p))", "share * samples.mask.select(1, 0)"),
        ("2.0 * x.matmul(", "x.matmul("),
        ("- means.square().sum(1).unsqueeze(0)", ""),
        ("log_scale.exp() * unit_rows(q)", "log_scale.exp() * q"),
    ],
    "src/adapt/learners/protonet.cpp": [
        ("torch::softmax(logits, 1)", "torch::softmax(0.2 * logits, 1)"),
        ("return loss / static_cast<double>(parts.size());", "return loss;"),
        ("options_.part_loss * loss_of_parts(", "loss_of_parts("),
        ("i < options_.refine; ++i", "i + 1 < options_.refine; ++i"),
    ],
}, "app.audio": {
    "src/sense/mfcc.cpp": [
        ("all.select(1, 0).mul_(std::sqrt(0.5));", ""),
        (" + 2.0 * (later(2) - later(-2))", " + (later(2) - later(-2))"),
        ("slopes(changes)}", "changes}"),
    ],
    "src/sense/log_mel.cpp": [
        ("torch::hann_window(window_, torch::kFloat32)", "torch::ones({window_}, torch::kFloat32)"),
        ("(hertz - edge[0]) / (edge[1] - edge[0])", "(hertz - edge[0]) / (edge[2] - edge[0])"),
        (".matmul(filters_) + 1e-6)", ".matmul(filters_) + 0.1)"),
    ],
}, **PRETRAINED, "large_encoders_test": {
    **PRETRAINED["large_encoders_test"],
    "src/model/encoders/frames.cpp": [
        ("input.mask.flatten().nonzero()", "torch::ones_like(input.mask).flatten().nonzero()"),
        ("frame_->prepare(frames_of(bytes, size, picture_, most_)).values",
         "frame_->prepare(frames_of(bytes, size, picture_)).values"),
    ],
    "src/model/encoders/graph_conv.cpp": [
        ("directed_ ? pairs", "!directed_ ? pairs"),
        ("own.index_add(0, to, own.index_select(0, from))", "own.index_add(0, from, own.index_select(0, to))"),
    ],
    "src/sense/raw.cpp": [
        ("row.select(0, width).narrow(0, 0, graph.nodes).fill_(1);", "row.select(0, width).fill_(1);"),
        (".copy_(standardise(features.view({graph.nodes, width}), spec).t())",
         ".copy_(features.view({graph.nodes, width}).t())"),
    ],
    "src/model/encoders/columns.cpp": [
        ("at(p, weight_) + at(p, bias_)", "at(p, weight_) - at(p, bias_)"),
        ("(code < sizes_.to(device))", "(code <= sizes_.to(device))"),
        ("code + firsts_.to(device), 0", "code, 0"),
        ("rows.select(1, 1) > 0;", "rows.select(1, 1) > -1;"),
    ],
    "src/model/model.cpp": [
        ("!spec.holes || encoder.takes_holes()", "spec.holes || encoder.takes_holes()"),
    ],
}, "norms_test": {
    "src/model/norms/batch_statistics.cpp": [
        ("(real.sum(over, true) * (channels / groups)).clamp_min(1.0)", "real.sum(over, true).clamp_min(1.0)"),
        ("(rows - mean.unsqueeze(1)).square().matmul(real)", "(rows - mean.unsqueeze(1)).abs().matmul(real)"),
        ("? result * mask.unsqueeze(1) : result", "? result * 1.0 : result"),
    ],
    "src/model/norms/support.cpp": [
        ("return found->second;", "return std::nullopt;"),
        ("torch::zeros_like(scale), torch::ones_like(scale)", "torch::zeros_like(scale), 2 * torch::ones_like(scale)"),
    ],
    "src/model/norms/task.cpp": [
        ("at(p, blend_), found->second, own", "at(p, blend_), own, own"),
        ("a * (support.variance + (support.mean - mean).square())", "a * support.variance"),
        ("static_cast<double>(support.samples)", "1.0"),
    ],
    "src/model/norms/running.cpp": [
        ("if (context.mode == Mode::kUse) how.given", "if (context.mode != Mode::kUse) how.given"),
        ("moments.variance * unbiased", "moments.variance / unbiased"),
    ],
    "src/kernels/norm_terms.hpp": [
        ("b(-a * k.plain / k.count)", "b(0)"),
        ("variance(-a * k.inv_std * k.inv_std * k.centered / 2)", "variance(-a * k.inv_std * k.centered / 2)"),
        ("of_tangent * dgamma * r * s) * r / k.count", "of_tangent * dgamma * r) * r / k.count"),
    ],
    "src/kernels/dense_terms.hpp": [
        ("std::max(deviations[c], 0.0) + count * offset * offset", "std::max(deviations[c], 0.0) + count * offset"),
        ("static_cast<T>(mean - element(batch.inputs.bias, c))", "static_cast<T>(mean)"),
    ],
    "src/kernels/dense_path.cpp": [
        ("at.pixels * (b + centered * element(saved.offset, k))", "at.pixels * b"),
    ],
    "src/kernels/dense_second.cpp": [
        ("static_cast<T>(of.mean - tangent.bias(c))", "static_cast<T>(of.mean)"),
        (" + known.plain * tangent.bias(c)", ""),
        ("e * (tangent.plain(at, c) - at.pixels * of.mean)", "e * tangent.plain(at, c)"),
    ],
}, "frozen_test": {
    "src/model/sample_cache.cpp": [
        ("if (raw.changed)", "if (batch.size == 0)"),
        ("raw.copies.empty() ? 0 : raw.copies[i]", "0"),
        ("[{samples[i], copy}]", "[{samples[i], 0}]"),
    ],
}, "batch_test": {
    "src/sense/augment/numbers.cpp": [
        ("else if (!is_category(spec, c))", "else"),
        ("spec.holes ? std::nanf", "!spec.holes ? std::nanf"),
        ("i % static_cast<std::size_t>(spec.shape[0]), how.noise", "0, how.noise"),
        ("random.uniform() >= how.edges", "random.uniform() < how.edges"),
    ],
    "src/sense/batch.cpp": [
        ("random.uniform() < rate && left > 1", "random.uniform() < rate && left > 0"),
    ],
    "src/sense/augment/augment.cpp": [
        ("random = drawn;", "random = frame == from.begin() ? drawn : random;"),
        ("m, static_cast<std::uint32_t>(i)}", "m, 0}"),
        ("batch.labels[j] == batch.labels[i]", "batch.labels[j] >= 0"),
        ("1 + static_cast<std::int64_t>(random", "static_cast<std::int64_t>(random"),
        ("key.seed, batch.samples[i]", "key.seed, 0"),
        ("static_cast<std::uint32_t>(copy)}", "0}"),
        ("made.changed = copies.empty();", "made.changed = true;"),
    ],
    "src/sense/augment/audio.cpp": [
        ("std::sin(2 * angle * high) - std::sin", "std::sin(2 * angle * high) + std::sin"),
    ],
}}

COMPLETIONS = {"completion_test": {
    "src/model/completions/completion.cpp": [
        ("(1.0 - own) * known", "known * (1.0 - known)"),
        ("senses.present + (1.0 - senses.present) * known", "torch::ones_like(senses.present)"),
    ],
    "src/model/completions/predicted.cpp": [
        ("1.0 / others.clamp_min(1)", "torch::ones_like(others)"),
        ("present.sum(1, true) - present", "present.sum(1, true) * torch::ones_like(present)"),
        ("present.narrow(1, static_cast<std::int64_t>(b), 1) *", "1.0 *"),
    ],
    "src/model/completions/retrieved.cpp": [
        ("sum / count.clamp_min(1) / temperature_", "sum / temperature_"),
        (" / temperature_", ""),
        ("count * there.select(1, static_cast<std::int64_t>(a)) > 0", "count > 0"),
        ("given ? context.given->senses : senses.pooled", "senses.pooled"),
        ("if (a != b) {", "if (true) {"),
    ],
}}

TASK = {"objective_test": {
    "src/task/objectives/contrastive.cpp": [
        ("return 0.5 *", "return"),
        ("temperature_;\n      const auto own", "1.0;\n      const auto own"),
    ],
    "src/task/objectives/common.cpp": [
        ("real.sum(1).clamp_min(1)", "real.sum(1).clamp_min(3)"),
        ("(stretch + 1) * length", "(stretch + 2) * length"),
        ("torch::gelu(", "torch::relu("),
    ],
    "src/task/objectives/common.hpp": [
        ("sum / static_cast<double>(pairs)", "sum / static_cast<double>(pairs + 1)"),
    ],
    "src/task/objectives/correlation.cpp": [
        ("return x - x.mean(0, true);", "return x;"),
        ("return 1.0 - (", "return -("),
        ("(1.0 - own).square()", "(1.0 - own)"),
        ("(c.square().sum() - own.square().sum())", "c.square().sum()"),
    ],
    "src/task/objectives/adversarial.cpp": [
        ("-reversal_)", "reversal_)"),
        ("x.detach() * (1.0 - factor)", "x.detach()"),
    ],
    "src/task/objectives/co_learning.cpp": [
        (" - std::log(2.0)", ""),
        ("temperature_ - 1e4 * itself", "temperature_"),
        ("features - features.mean(0, true)", "features"),
    ],
    "src/task/objectives/autoencoder.cpp": [
        ("sense.square().sum() + 1e-6", "1.0"),
        ("static_cast<double>(senses)", "1.0"),
        ("code.index_select(0, input.rows)", "code.narrow(0, 0, input.rows.numel())"),
    ],
    "src/task/objectives/completion.cpp": [
        ("senses.present.select(1, place) * known.select(1, place)", "senses.present.select(1, place)"),
        ("static_cast<double>(count)", "2.0"),
        ("sense.square().sum() + 1e-6", "1.0"),
    ],
    "src/task/objectives/temporal.cpp": [
        ("k == 0 ? torch::zeros_like(far) : far", "far"),
        ("two_before = before;\n    before", "two_before = far.expand({n, size});\n    before"),
        ("1.0 - cosines", "-cosines"),
        ("static_cast<double>(2 * s - 1)", "static_cast<double>(2 * s)"),
    ],
    "src/adapt/surface/surface.cpp": [
        ("objective.weight * objective.objective", "objective.objective"),
    ],
    "src/adapt/learner.cpp": [
        ("judged.loss + weight * loss", "judged.loss + 2 * weight * loss"),
    ],
}, "task_plan_test": {
    "src/task/plan/planner.cpp": [
        ("static_cast<std::uint64_t>(most - least + 1)", "static_cast<std::uint64_t>(most - least)"),
        ("plan.query.end(), drawn.begin() + shot, drawn.end()",
         "plan.query.end(), drawn.begin(), drawn.begin() + query"),
        ("info.present != 0 && (info.complete || !options.complete)", "info.complete || !options.complete"),
        ("weights_.push_back(likely[i])", "weights_.push_back(likely[weights_.size()])"),
        ("!likely.empty() && likely[i] == 0", "false"),
        ("static_cast<std::int64_t>(plan.classes.size());\n  plan.classes.push_back",
         "static_cast<std::int64_t>(class_id);\n  plan.classes.push_back"),
    ],
    "src/core/random.cpp": [
        ("-std::log(1.0 - uniform()) / weight", "-std::log(1.0 - uniform()) * weight"),
        ("keys[static_cast<std::size_t>(i)].second", "keys[keys.size() - 1 - static_cast<std::size_t>(i)].second"),
        ("-std::log(1.0 - uniform()) / weight", "(1.0 - weight * uniform())"),
    ],
    "src/task/plan/sampling_weights.cpp": [
        ("found.push_back(place->second);", "found.push_back(others.begin()->second);"),
        ("std::isfinite(weight) && weight >= 0", "weight >= 0"),
        ("return sha256(bytes_of(path));", "return sha256(path);"),
    ],
    "src/task/plan/group_split.cpp": [
        ("in_query + rest >= query", "in_query + rest > query"),
    ],
    "src/task/plan/schedule.cpp": [
        ("std::min(micro_batch, total - slot)", "micro_batch"),
        ("share + (rank < longer)", "share + (rank <= longer)"),
        ("cost_of[a] > cost_of[b]", "cost_of[a] < cost_of[b]"),
    ],
    "src/task/plan/materialise.cpp": [
        ("episode.query.targets = read_targets(data, plan.query)",
         "episode.query.targets = read_targets(data, plan.support)"),
    ],
}, "table_encoder_test": {
    "src/model/encoders/table.cpp": [
        ("seen.variance > kRounding", "seen.variance >= kRounding"),
        (".clamp(-kMost, kMost)", ".clamp(-2 * kMost, 2 * kMost)"),
        ("context.record->moments[affine_.weight] = seen",
         "context.record->moments[affine_.weight] = {seen.mean, 2 * seen.variance}"),
        (" * share.rsqrt()", ""),
    ],
}, "raw_test": {
    "src/model/encoders/raw_features.cpp": [
        ("middle > 0 && middle <= scale", "middle >= 0 && middle < scale"),
        ("weights / weights.sum(1, true)", "weights / weights.sum(1, true).max()"),
        ("std::min(first + 3, characters.size())", "std::min(first + 2, characters.size())"),
        ("count[~crc %", "count[crc %"),
        ("if (in(0x400, 0x40f)) return code + 80;", ""),
        ("i += characters.back().size())", "++i)"),
        ("(1 - part) * from[before][c]", "from[before][c]"),
        ("/*periodic=*/false", "/*periodic=*/true"),
        ("bands.std(0, /*unbiased=*/false)", "bands.std(0, /*unbiased=*/true)"),
        ("features.std(0, /*unbiased=*/false)", "features.std(0, /*unbiased=*/true)"),
        (".clamp_max(kDegrees - 1)", ".clamp_max(kDegrees - 2)"),
        (".unfold(0, window_, hop_)", ".unfold(0, window_, window_)"),
    ],
    "src/model/encoders/raw.cpp": [
        ("options_.standardise ? cuttle::standardise(x, spec_) : x", "x"),
    ],
    "src/model/model.cpp": [
        ("return feature.pooled.options();", "return feature.pooled.options().dtype(torch::kFloat64);"),
    ],
}, "sources_test": {
    "src/task/sources/from_shards.cpp": [
        ("if (how.support()) augment", "if (how.query()) augment"),
    ],
    "src/task/mixture.cpp": [
        ("left -= parts_[i].weight", "left -= total_ / 3"),
    ],
    "include/cuttle/task/task_kind.hpp": [
        ("1.6448536269514722", "1.96"),
    ],
    "src/task/kinds/class.cpp": [
        ("(smoothing_ - 1) * right", "-right"),
        ("(1 - right.exp()).pow(focus_)", "right.exp().pow(focus_)"),
        ("(share * cost).sum() / share.sum()", "(share * cost).mean()"),
    ],
    "src/task/kinds/labels.cpp": [
        ("unseen.exp().pow(options_.focus_present)", "seen.exp().pow(options_.focus_present)"),
        ("(seen.exp() - options_.margin)", "(seen.exp() + options_.margin)"),
        ("q.pow(options_.focus_absent)", "seen.exp().pow(options_.focus_absent)"),
        ("logit[at] > 0);\n      }", "logit[at] > 0.5);\n      }"),
        ("{2 * counts.right, counts.either}", "{counts.right, counts.either}"),
        ("either == 0 ? FigureTerm{}", "either == 0 ? FigureTerm{1, 1}"),
        ("labels <= kMostTargetsTold", "labels <= kMostTargetsTold + 1"),
    ],
    "src/task/scores.cpp": [
        ("sum += tied.relevant * found / seen;", "sum += tied.relevant * (found - tied.relevant / 2) / seen;"),
        ("above + tied.relevant / 2", "above + tied.relevant"),
        ("std::exp2(r) - 1", "r"),
        ("group.from + i + 2", "group.from + i + 1"),
        ("return cut <= group.from ? 0", "return cut < 1 ? 0"),
        ("std::min(cut - group.from, group.values.size())", "group.values.size()"),
        ("left *= others / places;", "left *= others / (places + 1);"),
    ],
    "src/task/value_figures.cpp": [
        ("(y - y.mean(0, true))", "(y - y.mean())"),
        ("{all - off, all}", "{off, all}"),
    ],
    "src/task/kinds/ordinal.cpp": [
        ("level.gt(step)", "level.ge(step + 2)"),
        ("(came - went)", "(1 - went)"),
        (".cumprod(2)", ""),
        ("{chance - off[t].item<double>(), chance}", "{off[t].item<double>(), chance}"),
        ("level == std::floor(level)", "true"),
    ],
    "src/task/kinds/quantile.cpp": [
        ("(quantiles_[i] - 1) * error", "-quantiles_[i] * error"),
        ("quantiles_{0.5, options.low, options.high}", "quantiles_{0.5, options.high, options.low}"),
        ("scale.repeat({1, 3}) + origin.repeat({1, 3})", "scale.repeat({1, 3}) - origin.repeat({1, 3})"),
        ("y.ge(low) & y.le(high)", "y.ge(low)"),
    ],
    "src/task/kinds/ranking.cpp": [
        ("y.unsqueeze(1).gt(y.unsqueeze(0))", "y.unsqueeze(1).ge(y.unsqueeze(0))"),
        ("torch::softmax(y, 0)", "torch::softmax(y, 1)"),
        ("clamp_min(1)", "clamp_min(100)"),
    ],
    "src/task/kinds/value.cpp": [
        ("(within * (2 * error - within))", "(within * error)"),
        ("bound_ == 0 ? std::optional", "bound_ >= 0 ? std::optional"),
    ],
    "src/task/kinds/gaussian.cpp": [
        (".square() / 2 + deviation.log()", ".square() + deviation.log()"),
        ("least_ + (1 - least_)", "(1 - least_)"),
        ("deviations(outputs) * scale}", "(deviations(outputs) * scale).clamp_min(least_)}"),
    ],
    "src/task/sources/causal_tables.cpp": [
        ("random.sample(size.support - 1, size.way - 1)", "random.sample(size.support, size.way - 1)"),
        ("shifts[static_cast<std::size_t>(label)]", "shifts[static_cast<std::size_t>(0 * label)]"),
        ("i < size.way ? i", "i < 0 ? i"),
        ("i < size.support; ++i) squares", "i < size.support + size.query; ++i) squares"),
    ],
    "src/task/sources/sinusoids.cpp": [
        ("M_PI * random.uniform()", "2 * M_PI * random.uniform()"),
        ("-5.0 + 10.0 * random.uniform()", "5.0 * random.uniform()"),
    ],
    "src/task/sources/tabular_mdp.cpp": [
        ("rewards_.push_back(1.0 + random.normal())", "rewards_.push_back(random.normal())"),
        ("-std::log1p(-random.uniform())", "random.uniform()"),
    ],
}, "task_stream_test": {
    "src/task/task_stream.cpp": [
        ("static_cast<std::uint64_t>(step),", "static_cast<std::uint64_t>(step / 2),"),
    ],
}, "perceptron_test": {
    "src/task/kinds/value.cpp": [
        ("torch::mse_loss(", "torch::l1_loss("),
    ],
    "src/adapt/surface/perceptron.cpp": [
        ("to[i] = from[i] - rate_ * gradient[i]", "to[i] = from[i] + rate_ * gradient[i]"),
        ("to[i] = from[i] - each[i] * gradient[i]", "to[i] = from[i] - (each[i] + rate_) * gradient[i]"),
        ("of_rates[i] -= lambda[i] * slope[i]", "of_rates[i] += lambda[i] * slope[i]"),
        ("rates.scaled(lambda, size, direction)", "(rates.scaled(lambda, size, direction), lambda)"),
        ("pull * (theta[i] - first[i])", "pull * theta[i]"),
    ],
    "src/adapt/surface/perceptron_head.cpp": [
        ("of_known[i] += of_step[i]", "of_known[i] = of_step[i]"),
        ("if (second_order) passed.push_back(known.back());", ""),
        ("lambda[i] += slope[i]", "lambda[i] -= slope[i]"),
    ],
    "src/adapt/surface/perceptron_pass.cpp": [
        ("static_cast<double>(direction[i]) * static_cast<double>(work->gradient[i])", "0.0"),
        ("product, kept[0].item<T>(), weights", "product, T{1}, weights"),
    ],
    "src/adapt/learners/meta_curvature.cpp": [
        ("b + b.matmul(own(1))", "b + b.matmul(own(1).t())"),
        ("c + own(0).t().matmul(c)", "c + own(0).matmul(c)"),
        ("c.matmul((g + g.matmul(own(1).t())).t())", "c.matmul(g.t())"),
    ],
}, "linear_stack_test": {
    "src/kernels/mlp.cpp": [
        ("given[i] <= 0 ? T{} : last[i]", "given[i] < -1 ? T{} : last[i]"),
    ],
    "src/model/blocks/linear_stack.cpp": [
        ("work.dense(along.activations.back(), ", "work.dense(work.point.activations.back(), "),
        ("moved.defined() ? moved", "moved.defined() && false ? moved"),
        ("of_x ? slope : nullptr", "nullptr"),
    ],
}}

REDUCE = {"mean_test": {
    "src/reduce/block_units.cpp": [
        ("from_magic(sums[i]) / rows * unit", "static_cast<float>(from_magic(sums[i])) / rows * unit"),
        ("odd_quotient(magnitude << shift, false, rows)", "(magnitude << shift) / 2048.0 / rows"),
    ],
    "src/reduce/odd_quotient.hpp": [
        ("(leading & 0x7ff) != 0 || ", ""),
        (" || quotient * divisor != value", ""),
        ("bool inexact = rest ||", "bool inexact = (rest && leading == 0) ||"),
    ],
}, "block_units_test": {
    "src/reduce/block_units.hpp": [
        ("bits <= 51 ?", "bits <= 52 ?"),
        ("bits <= 63 ?", "bits <= 64 ?"),
    ],
    "src/reduce/block_units.cpp": [
        ("255 - (least >> 23) - (least < kFirstNormal)", "255 - (least >> 23)"),
    ],
}, "exact_sum_test": {
    "src/reduce/fixed_point.cpp": [
        ("i < top - 2; ++i", "i < 0; ++i"),
        ("negative ? -high : high", "negative ? -low : high"),
        ("for (auto& sum : sums) sum = -sum;", "for (auto& sum : sums) sum = ~sum;"),
    ],
}, "meta_reducer_test": {
    "src/reduce/meta_reducer.cpp": [
        ("result.tasks > 0 && (result.skipped == 0 || policy_ == NonFinite::kSkipTask)", "result.tasks > 0"),
        ("sums.sums[i] / tasks", "sums.sums[i] / (tasks + 1)"),
    ],
}, "interval_test": {
    "src/reduce/interval.cpp": [
        ("deviation * deviation, kLargest", "std::abs(deviation), kLargest"),
        ("spread[c] / (n - 1.0) / n", "spread[c] / n / n"),
        ("result[c].mean * row[2 * c + 1]", "result[c].mean"),
        ("spread[c] * n / (n - 1.0)", "spread[c] * n / n / n"),
        ("counts[c] += row[2 * c + 1] != 0", "counts[c] += row[2 * c + 1] >= 0"),
    ],
}}

EVALUATION = {"evaluation_test": {
    "src/task/kinds/class.cpp": [
        ("!std::isnan(a) : a < b", "!std::isnan(a) : a > b"),
    ],
    "src/train/evaluator.cpp": [
        ("task.query = keep_modalities(task.query, plan.modalities);", ""),
        ("line.query_loss = means[c + 1 + metrics].mean;", "line.query_loss = means[c].mean;"),
        ("static_cast<std::uint32_t>(number)", "static_cast<std::uint32_t>(number / 2)"),
        ("found.counts->add(truth, taken_for)", "found.counts->add(taken_for, truth)"),
    ],
    "src/train/comparison.cpp": [
        ("row[0] - row[i]", "row[i] - row[0]"),
        ("i == 1 ? logits : others + logits", "logits"),
    ],
}, "calibration_test": {
    "src/train/calibration.cpp": [
        ("squared_[column] = sum / pairs;", "squared_[column] = sum;"),
        ("both * squared_distances(part, means_[p]) / squared_[column]", "both * squared_distances(part, means_[p])"),
        ("torch::where(shared.gt(0), sum / shared,", "torch::where(shared.gt(0), sum,"),
        ("distances.end() - std::lower_bound", "distances.end() - std::upper_bound"),
        ("static_cast<double>(1 + farther)", "static_cast<double>(farther)"),
        ("plan.episode.way >= 3 ? plan.episode.way - 1 : plan.episode.way", "plan.episode.way"),
        ("(right + 1) / static_cast<double>(z.size(0) + 2)", "right / static_cast<double>(z.size(0))"),
        ("(known ? asked.known : asked.other)", "(known ? asked.other : asked.known)"),
    ],
    "src/train/evaluator.cpp": [
        ("judge_probabilities(task, outputs, 1.0, found.raw)",
         "judge_probabilities(task, outputs, plan.temperature, found.raw)"),
    ],
    "src/train/reliability.hpp": [
        ("sums_[at + 1] += right;", "sums_[at + 1] += !right;"),
    ],
}, "known_tasks_test": {
    "src/train/known_tasks.cpp": [
        ("block.values) / block.unit;", "block.values);"),
        ("sum / shared", "sum"),
        ("block.has.sum().item<double>() - 1", "block.has.sum().item<double>()"),
        ("std::lower_bound(held_out_", "std::upper_bound(held_out_"),
    ],
    "src/train/nearness.cpp": [
        ("-far.square() / temperature", "-far / temperature"),
        ("votes += share.view({classes, draws}).sum(1);", "votes += std::get<0>(share.view({classes, draws}).max(1));"),
        ("votes += 1.0 / static_cast<double>(classes);", "votes += 1.0;"),
        ("(1 - floor) * mean + floor", "mean + floor"),
        ("torch::minimum(nearest,", "torch::maximum(torch::zeros_like(nearest),"),
        ("key.slot / draws_", "key.slot % sets_.size()"),
    ],
}, "confusion_matrix_test": {
    "src/metrics/confusion_matrix.cpp": [
        ("result.macro_f1 += score.f1;", "result.macro_f1 += score.recall;"),
        ("*mean /= static_cast<double>(present);", "*mean /= static_cast<double>(present + 1);"),
        ("result.accuracy = ratio(right, total);", "result.accuracy = ratio(right, total + 1);"),
    ],
}}

AREAS = {"kernels": KERNELS, "sense": SENSE, "model": {**MODEL, **COMPLETIONS}, "task": TASK, "adapt": ADAPT,
         "reduce": REDUCE, "evaluation": EVALUATION}
# What is built for a test, where that is no program of the same name.
TARGETS = {"references": "reference_dump", "app.audio": "cuttle", "app.fitted": "cuttle",
           "pretrained": "pretrained_peer"}


class Mutant(NamedTuple):
    area: str
    test: str  # its name in ctest
    file: str
    text: str
    replacement: str

    @property
    def target(self):
        return TARGETS.get(self.test, self.test)

    def __str__(self):
        return f"{self.file}: {self.text!r} -> {self.replacement!r}"


MUTANTS = [Mutant(area, test, file, *change) for area, tests in AREAS.items() for test, files in tests.items()
           for file, changes in files.items() for change in changes]
