"""Errors that a test must notice: by test, by file, a text that the file has once and what stands there instead.

A change of the file that moves or rewrites such a line needs the line here too (test_list.py says so at once). A mutant
must compile and must not compute the same; what only costs time or precision is none.
"""

from typing import NamedTuple

MODEL = {"references": {
    "src/model/norms/support.cpp": [
        ("moments.find(affine_.weight)", "moments.begin()"),
    ],
    "src/model/norms/task.cpp": [
        ("(own.variance + (own.mean - mean).square())", "(own.variance + (support.mean - mean).square())"),
    ],
    "src/model/fusions/concat.cpp": [
        ("(1.0 - senses.present.narrow(1, static_cast<std::int64_t>(m), 1))",
         "senses.present.narrow(1, static_cast<std::int64_t>(m), 1)"),
        ('options.missing == "zeros"', 'options.missing == "none"'),
    ],
    "src/model/fusions/gated.cpp": [
        ("torch::tanh(", "torch::sigmoid("),
        ("senses.present == 0, -1e30", "senses.present == 0, 0.0"),
        ("torch::softmax(score, 1)", "torch::sigmoid(score)"),
    ],
    "src/model/fusions/late.cpp": [
        ("torch::softmax(at(p, weight_), 0)", "torch::softmax(2.0 * at(p, weight_), 0)"),
    ],
    "src/model/fusion.cpp": [
        ("const auto share = known * weight;", "const auto share = known.clone();"),
        ("sum / total.masked_fill(total.eq(0), 1.0)", "sum"),
    ],
    "src/model/fusions/cross_attention.cpp": [
        (" + at(p, sense_[m])", ""),
        ("real.push_back(senses.token_mask[m]);", "real.push_back(torch::ones_like(senses.token_mask[m]));"),
        ("signal.values.select(1, 0)", "signal.values.mean(1)"),
    ],
    "src/model/blocks/attention.cpp": [
        ("scores.masked_fill(padded, -1e30)", "scores.masked_fill(padded, -1.0)"),
        ("std::sqrt(static_cast<double>(width / heads_))", "std::sqrt(static_cast<double>(width))"),
        ("torch::gelu(", "torch::relu("),
        ("attend(p, layer_norm(p, norm1_, input.values), input.mask)", "attend(p, input.values, input.mask)"),
    ],
    "src/model/encoders/transformer.cpp": [
        ("angle.sin(), angle.cos()", "angle.cos(), angle.sin()"),
        ("-std::log(1e4)", "-std::log(1e3)"),
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
        ("2.0 * q.matmul(", "q.matmul("),
        ("log_scale.exp() * unit_rows(q)", "log_scale.exp() * q"),
    ],
    "src/adapt/learners/protonet.cpp": [
        ("torch::softmax(logits, 1)", "torch::softmax(0.2 * logits, 1)"),
        ("return loss / static_cast<double>(parts.size());", "return loss;"),
        ("options_.part_loss * loss_of_parts(", "loss_of_parts("),
        ("i < options_.refine; ++i", "i + 1 < options_.refine; ++i"),
    ],
}, "app.audio": {
    "src/sense/log_mel.cpp": [
        ("torch::hann_window(window_, torch::kFloat32)", "torch::ones({window_}, torch::kFloat32)"),
        ("power.matmul(filters_) + 1e-6", "power.matmul(filters_) + 0.1"),
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
        ("if (batch.modalities[modality].changed)", "if (batch.size == 0)"),
    ],
}, "batch_test": {
    "src/sense/batch.cpp": [
        ("random.uniform() < rate && left > 1", "random.uniform() < rate && left > 0"),
    ],
    "src/sense/augment/augment.cpp": [
        ("m, static_cast<std::uint32_t>(i)}", "m, 0}"),
        ("batch.labels[j] == batch.labels[i]", "batch.labels[j] >= 0"),
    ],
    "src/sense/augment/audio.cpp": [
        ("std::sin(2 * angle * high) - std::sin", "std::sin(2 * angle * high) + std::sin"),
    ],
}}

TASK = {"objective_test": {
    "src/task/objectives/contrastive.cpp": [
        ("sum + 0.5 * (", "sum + ("),
        (".t()) / temperature_", ".t()) * temperature_"),
        ("sum / static_cast<double>(pairs)", "sum / static_cast<double>(pairs + 1)"),
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
        ("static_cast<std::int64_t>(plan.classes.size());\n  plan.classes.push_back",
         "static_cast<std::int64_t>(class_id);\n  plan.classes.push_back"),
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
}, "sources_test": {
    "src/task/sources/from_shards.cpp": [
        ("if (how.support()) augment", "if (how.query()) augment"),
    ],
    "src/task/mixture.cpp": [
        ("left -= parts_[i].weight", "left -= total_ / 3"),
    ],
    "src/task/kinds/gaussian.cpp": [
        (".square() / 2 + deviation.log()", ".square() + deviation.log()"),
        ("least_ + (1 - least_)", "(1 - least_)"),
        ("1.6448536269514722", "1.96"),
    ],
    "src/task/sources/causal_tables.cpp": [
        ("random.sample(size.support - 1, size.way - 1)", "random.sample(size.support, size.way - 1)"),
        ("shifts[static_cast<std::size_t>(label)]", "shifts[static_cast<std::size_t>(0 * label)]"),
        ("i < size.way ? i", "i < 0 ? i"),
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
        ("to[i] = from[i] - rate * gradient[i]", "to[i] = from[i] + rate * gradient[i]"),
    ],
}}

ADAPT = {"meta_gradient_test": {
    "src/adapt/updates/sgd.cpp": [
        ("at.theta[i] - rate_ * at.gradient[i]", "at.theta[i] + rate_ * at.gradient[i]"),
        ("push_back(-rate_ * part)", "push_back(rate_ * part)"),
    ],
    "src/adapt/updates/adam.cpp": [
        ("static_cast<double>(k + 1)", "static_cast<double>(k + 2)"),
        ("(1.0 - kBeta) * gradient.square()", "(1.0 - kBeta) * gradient.abs()"),
    ],
    "src/adapt/descent.cpp": [
        ("sums[i] + terms[i]", "sums[i] + 0.5 * terms[i]"),
        ("std::int64_t k = steps - 1;", "std::int64_t k = steps - 2;"),
        ("context.inner_step = k;", "context.inner_step = 0;"),
    ],
    "src/adapt/surface/trajectory.cpp": [
        ("i < k; ++i", "i + 1 < k; ++i"),
        ("context.inner_step = k;", "context.inner_step = k / 2;"),
    ],
    "src/adapt/learners/anil.cpp": [
        ("options_.inner_steps, context, true)", "options_.inner_steps, context, false)"),
    ],
    "src/adapt/learners/reptile.cpp": [
        ("parameters.tensors()[i] - theta[i]", "theta[i] - parameters.tensors()[i]"),
    ],
}, "proofs_test": {
    "src/adapt/learners/meta_sgd.cpp": [
        ("at.theta[i] - at.theta[static_cast<std::size_t>(rates_[i])] * at.gradient[i]",
         "at.theta[i] + at.theta[static_cast<std::size_t>(rates_[i])] * at.gradient[i]"),
    ],
    "src/adapt/learners/lstm.cpp": [
        ("f * theta - i * g", "f * theta + i * g"),
        ("w[units + 1] * before", "w[units] * before"),
    ],
    "src/adapt/learners/r2d2.cpp": [
        ("weights.to(has.options()).sqrt()", "weights.to(has.options())"),
        (".amax());", ".amax().clamp_min(1.0));"),
        ("ridge * torch::eye(", "2.0 * ridge * torch::eye("),
        ("parameter_at(p, places.scale).exp() * outputs", "parameter_at(p, places.scale) * outputs"),
    ],
    "src/adapt/learners/snail.cpp": [
        (".triu(1)", ".triu(0)"),
        ("x.narrow(0, steps - dilation, 1)", "x.narrow(0, steps - 1, 1)"),
        ("{0, 0, dilation, 0}", "{0, 0, 0, dilation}"),
        ("(query * key_(p, x)).sum(1, true)", "(x.narrow(1, 0, 1) - 1e30)"),
    ],
}, "imaml_test": {
    "src/adapt/learners/imaml.cpp": [
        ("lambda_ * (at.theta[i] - start[i])", "lambda_ * (start[i] - at.theta[i])"),
        ("slope[still[j]] - shift[j] / lambda", "slope[still[j]] + shift[j] / lambda"),
        ("scale * v + as_one_vector(curved) / lambda", "v + as_one_vector(curved) / lambda"),
        ("demands.inner_steps = 0;", "demands.inner_steps = inner_steps;"),
    ],
    "src/adapt/linear_systems.cpp": [
        ("(next / left) * direction", "(left / next) * direction"),
        ("x = x + (b - a(x)) / scale", "x = x + (b - a(x))"),
    ],
}, "inner_loop_proofs_test": {
    "src/adapt/learners/meta_curvature.cpp": [
        ("g + g.matmul(own(2).t())", "g + g.matmul(own(2))"),
        ("g + own(1).matmul(g)", "own(1).matmul(g)"),
        ('options.curvature == "mc2" ? matrix', 'options.curvature == "mc1" ? matrix'),
    ],
    "src/adapt/learners/cavia.cpp": [
        ("leaves.back() = as_leaves({phi[static_cast<std::size_t>(k)]})[0];", ""),
        ("gradient[i] = gradient[i] + part[i];", "gradient[i] = part[i];"),
    ],
    "src/adapt/context_layers.cpp": [
        ("const bool norm = weight.dim() == bias.dim();", "const bool norm = false;"),
        ("bias = bias * scale;", ""),
        (".norm.weight", ".no_norm.weight"),
    ],
}, "maml_pp_test": {
    "src/adapt/learners/maml_pp.cpp": [
        ("(rates_[i])][k]", "(rates_[i])][0]"),
        ("key.step >= ", "key.step > "),
        ("1.0 - done / fading, kLeast", "1.0 - done / fading, 0.0"),
        ("return 1.0 - early * static_cast<double>(steps - 1);", "return early;"),
    ],
    "src/adapt/descent.cpp": [
        ("outer_loss(at_k.theta, task, k, context)", "outer_loss(at_k.theta, task, k + 1, context)"),
        ("back = back || share(k, task.key) > 0", "back = back || share(k, task.key) > 1"),
    ],
}, "maml_clusters_test": {
    "src/adapt/learners/maml_clusters.cpp": [
        ("square().mean(1);", "abs().mean(1);"),
        ("-parameter_at(p, sharpness_).exp()", "parameter_at(p, sharpness_).exp()"),
        ("share[static_cast<std::int64_t>(k) + 1]", "share[static_cast<std::int64_t>(k)]"),
        ("of_unit_scale(found->second)", "found->second"),
    ],
    "src/adapt/descent.cpp": [
        ("lambda = vector_jacobian(first, origin, lambda);", "lambda = vector_jacobian(origin, origin, lambda);"),
        ("trajectory.descend(start_in_use(parameters, support, key))", "trajectory.descend(parameters.tensors())"),
    ],
}, "leo_test": {
    "src/adapt/learners/leo.cpp": [
        ("codes[i].detach() - first[i]", "codes[i] - first[i]"),
        (".amax()})", ".amax().clamp_min(1.0)})"),
    ],
    "src/adapt/class_codes.cpp": [
        ("2.0 * deviation.log()", "deviation.log()"),
        ("(pairs * all.view({1, n, 1})).sum(1)", "(pairs * all.view({n, 1, 1})).sum(0)"),
        ("has * counts.to(has.options()) : has", "has : has"),
    ],
}, "kernels_test": {
    "src/kernels/cells.hpp": [
        ("next = f * c + i * g", "next = i * c + f * g"),
        ("of_h * o * (T(1) - out * out)", "of_h * o * out"),
        ("of_next * i * (T(1) - g * g)", "of_next * i * g * (T(1) - g)"),
    ],
    "src/kernels/lstm.cpp": [
        ("sum[k] += weights[k]", "sum[k] = weights[k]"),
        ("std::fill_n(block_of_h, block.size, T{});", ""),
    ],
}, "matching_test": {
    "src/adapt/layers.cpp": [
        ("gate[1].sigmoid() * cell + gate[0].sigmoid()", "gate[0].sigmoid() * cell + gate[1].sigmoid()"),
    ],
    "src/adapt/learners/matching.cpp": [
        ("h = output + x;", "h = output;"),
        ("x.flip(0)).flip(0)", "x)"),
        ("torch::cat({h, read}, 1), cell", "torch::cat({h, h}, 1), cell"),
        ("h.matmul(g.t()), 1)", "x.matmul(g.t()), 1)"),
        ("+ counts.index_select(0, rows)", "+ counts.index_select(0, rows).exp()"),
        ("has * of.sum(0, true).gt(0)", "has"),
        ("answers.index_select(0, rows)", "answers.narrow(0, 0, rows.size(0))"),
    ],
}, "comparing_test": {
    "src/adapt/learners/relation.cpp": [
        ("first.narrow(1, width_, width_)", "first.narrow(1, 0, width_)"),
        ("(outputs.sigmoid() - members", "(outputs - members"),
        ("known_of(query, i, classes[2 * i + 1])", "known_of(query, i, torch::ones_like(classes[2 * i + 1]))"),
    ],
    "src/adapt/learners/siamese.cpp": [
        ("torch::relu(options_.margin + score)", "torch::relu(options_.margin - score)"),
        (".logical_and(itself.logical_not())", ""),
        ("known.matmul(members);", "torch::ones_like(known).matmul(members);"),
        ("b.mask.select(1, column)", "1.0"),
    ],
    "src/adapt/triplets.cpp": [
        ("same.logical_not(), -kFar).amax(1, true)", "same.logical_not(), kFar).amin(1, true)"),
        ("torch::where(nearest.lt(kFar), nearest, last)", "nearest"),
        ("places_in(sorted, distance, true)", "places_in(sorted, margin + distance, true)"),
        ("(nearer * limits - sums)", "(limits - sums)"),
        ("same.sum(1) * other.sum(1)", "other.sum(1)"),
        ("torch::constant_pad_nd(real.cumsum(1), {1, 0})", "real.cumsum(1)"),
    ],
}, "context_test": {
    "src/adapt/learners/caml.cpp": [
        ("torch::eye(n, like) - 1 / count", "torch::eye(n, like)"),
        ("label = label.index_select(1, order)", "label = label.index_select(1, order.flip(0))"),
        ("scores + log_counts(support.batch, like)", "scores"),
        ("seen.select(1, 0)", "seen.mean(1)"),
        ("{0, code.size(1) - copied.size(1)}", "{code.size(1) - copied.size(1), 0}"),
        ("known.new_zeros({1, n})", "known.new_ones({1, n})"),
        ("answers = (answers - origin) / scale", "answers = answers - origin"),
    ],
    "src/adapt/learners/neural_process.cpp": [
        ("scores = scores + (*key_)(", "scores = (*key_)("),
        ("{x, answers}", "{x, 0 * answers}"),
        ("kind_->outputs(way, way)", "way"),
    ],
}, "memory_test": {
    "src/adapt/learners/mann.cpp": [
        ("gate * was.read + (1 - gate) * least", "gate * least + (1 - gate) * was.read"),
        ("was.memory * (1 - least.sum(1)).unsqueeze(2)", "was.memory"),
        ("kUsageKept = 0.95", "kUsageKept = 0.5"),
        ("answers.narrow(0, answers.size(0) - 1, 1)", "answers.narrow(0, 0, 1)"),
        ("torch::cat({input, was.recalled()}, 1)", "torch::cat({input, 0 * was.recalled()}, 1)"),
        ("matmul(heads(*add_))", "matmul(heads(*key_))"),
        ("index_select(0, order.argsort())", "index_select(0, order)"),
        ("(cost(known[6], support.batch) + cost(said, task.query))", "(cost(said, task.query))"),
    ],
    "src/adapt/learners/meta_networks.cpp": [
        ("represent(p, x, of_q)", "torch::relu(represent_(p, x))"),
        ("hidden_(p, x) + mixed(lesson[2], x)", "hidden_(p, x)"),
        ("static_cast<double>(n) * kind_->loss", "kind_->loss"),
    ],
}, "metaoptnet_test": {
    "src/adapt/learners/svm.cpp": [
        ("if (at[i] >= caps_[i]) direction[i] = 0.0;", ""),
        ("level = sum / free;", "level = sum / static_cast<double>(way_);"),
    ],
    "src/adapt/learners/metaoptnet.cpp": [
        ("-optimum.t().matmul(", "optimum.t().matmul("),
        ("most * weights.to(doubles)", "most * weights.to(doubles).sqrt()"),
        ("* solved[2 * i + 1]", ""),
        ("log_scale.exp() * query", "log_scale * query"),
    ],
}, "adapted_test": {
    "src/adapt/embed.cpp": [
        ('if (input.encoded) state[name + ".encoded"]', 'if (input.encoded) state[name + ".features"]'),
    ],
}, "pretrain_test": {
    "src/adapt/learners/pretrain.cpp": [
        ("return kind_->support_loss(classify(options_, known,", "return kind_->loss(classify(options_, known,"),
        ("model_->embed(theirs, batch, in_use())", "model_->embed(theirs, batch, {})"),
    ],
    "src/adapt/teacher.cpp": [
        ("wanted.exp() * (wanted - said)", "said.exp() * (said - wanted)"),
        ("weight * t * t *", "weight * t *"),
        ("(1 - weight) * by_labels", "by_labels"),
        ("= parameters[static_cast<std::size_t>(taught)]", "= parameters[static_cast<std::size_t>(own)]"),
        ("spec.section = ParameterSection::kFrozen;", ""),
    ],
    "src/adapt/task_classifier.cpp": [
        ("kMomentum = 0.9,", "kMomentum = 0.8,"),
        ("speed[i] + kDecay * values[i]", "speed[i] - kDecay * values[i]"),
    ],
    "src/adapt/task_features.cpp": [
        ("parameter_at(parameters, means_[i])) *", "0 * parameter_at(parameters, means_[i])) *"),
        ("(embedding.parts[i] * has).sum(0) / count", "embedding.parts[i].mean(0)"),
    ],
    "src/adapt/tuned_model.cpp": [
        ("put(p);", ""),
    ],
}, "rl2_test": {
    "src/adapt/learners/rl2.cpp": [
        ("memory_.last.expand({batch.size, -1})", "torch::zeros_like(memory_.last).expand({batch.size, -1})"),
        ("options.entropy * trial.entropy)", "options.entropy * trial.entropy.detach())"),
    ],
    "src/adapt/learners/recurrent_agent.cpp": [
        ("last ? 1.0 : 0.0", "last ? 0.0 : 1.0"),
    ],
}, "task_embedding_test": {
    "src/adapt/task_embedding.cpp": [
        ("(share * (x - mean).square()).sum(0)", "(share * x.square()).sum(0)"),
        ("matmul(centred).flatten() / count", "matmul(x).flatten() / count"),
        ("variance + kLeast", "variance.square() + kLeast"),
        ("drawn_from(p, random)", "drawn_from(p * p, random)"),
        ("kDraws * support.size", "kDraws"),
        ("mean = mean.detach();", "mean = mean + 0.0;"),
        ("const auto a = point / sum", "const auto a = point / point.sum()"),
    ],
}, "policy_gradient_test": {
    "src/adapt/learners/advantage.cpp": [
        ("discount * lambda * ahead", "lambda * ahead"),
        ("discount * next - value", "next - value"),
        ("static_cast<double>(n - 1)", "static_cast<double>(n)"),
        ("time.square(), time.pow(3)", "time.square(), time.square()"),
        ("seen, seen.square(), time", "seen, seen, time"),
    ],
    "src/adapt/learners/policy_gradient.cpp": [
        ("-(log_policy * advantages).sum()", "(log_policy * advantages).sum()"),
        ("torch::full({}, -earned,", "torch::full({}, earned,"),
    ],
}, "outer_optimizer_test": {
    "src/step/optimizers/adam.cpp": [
        ("m / (v.sqrt() + epsilon)", "m / (v + epsilon).sqrt()"),
    ],
    "src/step/optimizers/lion.cpp": [
        ("mean.mul(beta1)", "mean.mul(beta2)"),
    ],
    "src/step/outer_optimizer.cpp": [
        ("(mean.narrow(0, place - first, size) / share, momentum)", "(mean.narrow(0, place - first, size), momentum)"),
        ("rate * rule.rate", "rate + 0 * rule.rate"),
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
    ],
}}

EVALUATION = {"evaluation_test": {
    "src/task/kinds/class.cpp": [
        ("outputs.detach().argmax(1)", "outputs.detach().argmin(1)"),
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
}, "confusion_matrix_test": {
    "src/metrics/confusion_matrix.cpp": [
        ("result.macro_f1 += score.f1;", "result.macro_f1 += score.recall;"),
        ("*mean /= static_cast<double>(present);", "*mean /= static_cast<double>(present + 1);"),
        ("result.accuracy = ratio(right, total);", "result.accuracy = ratio(right, total + 1);"),
    ],
}}

AREAS = {"model": MODEL, "task": TASK, "adapt": ADAPT, "reduce": REDUCE, "evaluation": EVALUATION}
# What is built for a test, where that is no program of the same name.
TARGETS = {"references": "reference_dump", "app.audio": "cuttle"}


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
