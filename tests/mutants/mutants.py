"""Errors that a test must notice: by test, by file, a text that the file has once and what stands there instead.

A change of the file that moves or rewrites such a line needs the line here too (test_list.py says so at once). A mutant
must compile and must not compute the same; what only costs time or precision is none.
"""

from typing import NamedTuple

from fusion_mutants import COMPLETIONS, FUSIONS
from kernel_mutants import KERNELS
from learner_mutants import ADAPT
from pretrained_mutants import PRETRAINED
from sense_mutants import SENSE
from task_mutants import TASK

MODEL = {**FUSIONS, "attention_kernels_test": {
    "src/model/blocks/attention.cpp": [
        ("mask.size(1)}), -1e30)", "mask.size(1)}), -1.0)"),
        ("std::sqrt(static_cast<double>(queries.size(3)))", "std::sqrt(static_cast<double>(x.size(2)))"),
        ("torch::gelu(", "torch::relu("),
        ("torch::linear(normed(w, LayerWeights::kNorm1, x)", "torch::linear(x"),
    ],
    "src/kernels/attention.hpp": [
        ("if (!of.lacks_all()) set_absent(T{0});", "set_absent(T{0});"),
        ("set_absent(T{-1e30});", ""),
        ("if (lacks_all)", "if (lacks_all && n < 0)"),
    ],
    "src/kernels/row_steps.hpp": [
        ("share + x * bell", "share + bell"),
        ("- of_mean - unit * of_unit", "- of_mean"),
        ("load<Vec>(of_x + c) + change * over", "change * over"),
    ],
    "src/kernels/pre_norm_layer.cpp": [
        ("wide[i] *= slopes[i]", "wide[i] *= inner[i]"),
    ],
}, "references": {
    **FUSIONS["references"],
    "src/model/norms/support.cpp": [
        ("moments.find(affine_.weight)", "moments.begin()"),
    ],
    "src/model/norms/task.cpp": [
        ("(own.variance + (own.mean - mean).square())", "(own.variance + (support.mean - mean).square())"),
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
        ("1e-12", "1.0"),
    ],
    "src/model/model.cpp": [
        ("index_fill_(0, rows, 1.0)", "fill_(1.0)"),
    ],
    "src/model/heads/cosine.cpp": [
        ("scale_ * torch::linear(", "torch::linear("),
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
    "src/model/blocks/fused_block.cpp": [
        ("(torch::stack(variances) + (all - mean).square())", "torch::stack(variances)"),
        ("static_cast<double>(part.size(0))", "1.0"),
    ],
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
}, "model_test": {
    "src/model/model.cpp": [
        ("1 / (1 - dropout_)", "1 + dropout_"),
        ("place += part.size(1);", ""),
        ("!frozen_[0] && !drops()", "!frozen_[0]"),
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

EVALUATION = {"app.units": {
    "src/sense/batch.cpp": [
        ("(values - origins()) / scales()", "values / scales()"),
        ("values * scales() + origins()", "values * scales()"),
    ],
    "src/train/fit_senses.cpp": [
        ("set->classes_of(Split::kTrain)", "set->classes_of(Split::kAll)"),
        ("scale > 0 ? std::sqrt(scale) : 1", "scale > 0 ? scale : 1"),
    ],
    "src/train/evaluator.cpp": [
        ("query.targets = units.to_own(precise(query.targets));", ""),
    ],
    "src/app/predict_command.cpp": [
        ("model.parts.kind->in_own_units(given.outputs, model.parts.model->units())", "given.outputs"),
    ],
    "include/cuttle/task/task_kind.hpp": [
        ("rescaled(outputs, units.origins(),", "rescaled(outputs, units.scales(),"),
    ],
    "src/app/episode_answers.cpp": [
        ("outputs / key_plan.temperature", "2 * outputs / key_plan.temperature"),
    ],
}, "evaluation_test": {
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
        ("{torch::zeros_like(logits[i]), logits[i]}", "{logits[i], torch::zeros_like(logits[i])}"),
    ],
    "src/train/outside.cpp": [
        ("(to - known.begin())) / 2", "(from - known.begin())) / 2"),
        ("(19 * sorted.size() + 19) / 20 - 1", "19 * sorted.size() / 20"),
        ("return distance <= farthest;", "return distance < farthest;"),
        ("distances[i] <= farthest && right", "right"),
        ("classes_[i]) == task.classes.end()", "classes_[i]) != task.classes.end()"),
        ("found == ids.end() || shared > way", "found == ids.end() || shared >= way"),
        ("std::min(all, task.query.size)", "all"),
    ],
    "src/train/evaluator.cpp": [
        ("judge_probabilities(task, outputs, 1.0, labels, found.raw)",
         "judge_probabilities(task, outputs, plan.temperature, labels, found.raw)"),
        ("right = task.query.targets.gt(0.5).flatten();", "right = z.gt(0).eq(task.query.targets).flatten();"),
        ("judge_outside(own.distances, right, others.distances)",
         "judge_outside(others.distances, right, own.distances)"),
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
TARGETS = {"references": "reference_dump", "app.audio": "cuttle", "app.fitted": "cuttle", "app.units": "cuttle",
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
