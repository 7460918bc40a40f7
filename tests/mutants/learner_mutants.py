"""The mutants of the adapt stage: what learners compute."""

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
        ("(query * layers_->key(p, x)).sum(1, true)", "(x.narrow(1, 0, 1) - 1e30)"),
    ],
}, "task_layers_test": {
    "src/adapt/task_layers.cpp": [
        ("{passed, support.back()}", "{passed}"),
        ("{support.back(), query.back()}", "{query.back(), query.back()}"),
        ("return static_cast<T>(weight);", "return static_cast<T>(weight > 0);"),
        ("(model.lite() > 0 &&", "(model.lite() < 0 &&"),
        ("objectives.empty() && complete", "(true || objectives.empty()) && complete"),
        ("made_shapes.size() == 1 && JoinedMap", "JoinedMap"),
        ("if (!means->complete) return std::nullopt;", ""),
        ("add_scaled(count, T{1}, &shares", "add_scaled(count, T{0}, &shares"),
    ],
    "src/adapt/support_learner.cpp": [
        ("result.gradient += made.of_parameters", "result.gradient -= made.of_parameters"),
        ("{made.of_support, made.of_query}", "{made.of_support * 0, made.of_query}"),
    ],
    "src/adapt/joined_map.hpp": [
        ("after.bias[y] + dot(middle_,", "after.bias[y] + T{0} * dot(middle_,"),
        ("add_scaled(middle_, of_shift_[room(y)],", "add_scaled(middle_, T{0},"),
        ("job.source[job.sources++] =", "job.source[0] ="),
        ("add_times_rows(outputs_, middle_,", "add_times_rows(0, middle_,"),
    ],
    "src/adapt/plain_rows.hpp": [
        ("solve_row(i, n - 1 - i, x + (i + 1) * columns)", "solve_row(i, 0, x)"),
        ("sums[i % kSums] += a[i] * b[i]", "sums[i % kSums] = a[i] * b[i]"),
    ],
    "src/adapt/learners/prototype_layer.hpp": [
        ("shift[c] = -dot(", "shift[c] = dot("),
        ("shares_.end()) <= 1", "shares_.end()) >= 0"),
        ("-share(i) * of_layer[", "share(i) * of_layer["),
    ],
    "src/adapt/learners/protonet.cpp": [
        ("scale_ >= 0 || options_.part_loss > 0.0", "options_.part_loss > 0.0"),
    ],
    "src/adapt/learners/pretrain.cpp": [
        ("std::copy_n(of_layer + weights(), rows_.way,", "std::copy_n(of_layer, rows_.way,"),
        ("!options_.cosine() && !teacher_", "!teacher_"),
    ],
    "src/adapt/learners/ridge_layer.hpp": [
        ("= root(i) * support.answer(i, c)", "= support.answer(i, c)"),
        ("scale(T{-1}, b);", ""),
        ("= scale_ * weight_[", "= weight_["),
        ("add_scaled(way_, root(i), &dual_[", "add_scaled(way_, T{1}, &dual_["),
        ("-ridge_ * dot(", "ridge_ * dot("),
    ],
    "src/adapt/learners/decoding_layers.hpp": [
        (" + dot(r_width_, first + support.width, r_.data())", ""),
        ("support_.labels ? support_.labels[sample] : 0", "0 * sample"),
        ("T{1} / counts_[room(mean_of(sample))]", "T{1} / counts_[0 * room(sample)]"),
        ("of_r.data() + mean_of(i) * width_", "of_r.data()"),
        ("add_scaled(r_width_, of_bias[h], r_.data(), of_first", "add_scaled(r_width_, T{0}, r_.data(), of_first"),
        ("add_scaled(features, T{1}, of_x", "add_scaled(features, T{0}, of_x"),
    ],
    "src/adapt/learners/neural_process.cpp": [
        ("options_.attention || (in", "(in"),
        ("{0, 0, 0, means_ - support.way}", "{0, 0, means_ - support.way, 0}"),
    ],
    "src/adapt/learners/code_layer.hpp": [
        ("times(-rate(loop_.weight_rate), of_weights)", "times(rate(loop_.weight_rate), of_weights)"),
        ("(first[i] - last.z[i])", "(last.z[i] - first[i])"),
        ("p[c * n_step_] * (along[c * n_step_] - mean)", "p[c * n_step_] * (along[c * n_step_] + mean)"),
        ("direction[room(i + c)] += gain * by;", "direction[room(i + c)] -= gain * by;"),
        ("of_second[room(j + width_ + c)] =", "of_second[room(j + width_ + c)] = 0 *"),
        ("of_both[room(r * both_step_ + n_ + m)] += of;", "of_both[room(r * both_step_ + n_ + i)] += of;"),
        ("share(m) / counts", "share(i) / counts"),
        ("(deviation - T{1} / deviation)", "deviation"),
        ("    row[l] -= along;", ""),
        ("to_features(moved, weights);", ""),
        ("pairs_step_, of_second.data(), false, second_.data());", "pairs_step_, of_second.data());"),
    ],
    "src/adapt/learners/slot_sequence.hpp": [
        ("write[least] += T{1} - share", "write[least] += share"),
        ("std::find(chosen, chosen + j, i) == chosen + j &&", ""),
        ("static_cast<T>(SlotMemory::kUsageKept) * was", "was"),
        ("unit * (of_unit[room(c)] - along * key[c])", "unit * (of_unit[room(c)] + along * key[c])"),
        ("*= -is.shrink[i]", "*= is.shrink[i]"),
        ("of.sharpness += of_score", "of.sharpness -= of_score"),
        (" - of_write[room(least[j])]", ""),
        ("= share * of_write[room(i)]", "= of_write[room(i)]"),
        ("of_memory(c)[least[j]] = T{};", "of_memory(c)[least[j]] += T{};"),
        ("of.cell[room(u)] = of_cell * forget[u]", "of.cell[room(u)] = T{}"),
    ],
    "src/adapt/learners/slot_task.hpp": [
        ("if (t > 0) answer_of(support, query, t - 1, before)", "answer_of(support, query, t, before)"),
        ("answer_of(support, query, support.size - 1,", "answer_of(support, query, 0,"),
        ("rows->of_row(i)", "rows->of_row(0)"),
    ],
    "src/adapt/column_loss.hpp": [
        ("of_z[label] -= T{1} / static_cast<T>(batch.size)", "of_z[label] += T{1} / static_cast<T>(batch.size)"),
        ("*= along[o * stride] - mean", "*= along[o * stride] + mean"),
        ("T{2} / (count * static_cast<T>(outputs)) *", "T{1} / (count * static_cast<T>(outputs)) *"),
    ],
    "src/adapt/learners/curved_descent.hpp": [
        ("if (l == 0 && &step != &first) {", "if (&step != &first) {"),
        ("multiply(layer.outer.turned(), layer.out, p", "multiply(layer.outer, layer.out, p"),
        ("multiply(layer.inner.turned(), layer.in, q", "multiply(layer.inner, layer.in, q"),
        ("layer.of_bias_curve[o] += c * slope", "layer.of_bias_curve[o] -= c * slope"),
        ("along = c * (T{1} + layer.of_bias[o])", "along = c"),
        ("for (std::int64_t k = steps - 1; k >= 0; --k) back", "for (std::int64_t k = steps - 1; k > 0; --k) back"),
        ("add_scaled(layer.in * step.stride, T{1}, q", "add_scaled(layer.in * step.stride, T{2}, q"),
        ("out : layout.spec(of_outputs).shape[1]", "out : out"),
    ],
    "src/adapt/learners/meta_curvature.cpp": [
        ("surface().learns_on_kernels(theta, task.support)", "surface().on_kernels(theta, task.support)"),
        ("fast.size() == 2 * perceptron.size()", "!fast.empty()"),
    ],
    "src/adapt/learners/attention_rows.hpp": [
        ("std::log(support.weights[", "T{0} * std::log(support.weights["),
        ("if (!cosine) start", "if (cosine) start"),
        ("!cosine && i < n; ++i) {", "!cosine && i < 0; ++i) {"),
        ("-factor * dot(", "factor * dot("),
        ("- within) / count", "+ within) / count"),
        ("row[i] *= of[room(i)] - mean", "row[i] *= of[room(i)]"),
        ("add_scaled(n * stride, T{1}, of_g", "add_scaled(n * stride, T{0}, of_g"),
        ("support.of_row(order[room(i)])", "support.of_row(i)"),
    ],
    "src/adapt/learners/context_rows.hpp": [
        ("return reversed_ ? count - 1 - t : t;", "return t;"),
        ("share[i] * (of[i] - mean)", "share[i] * of[i]"),
        ("if (k > 0) past_", "if (k > 1) past_"),
        ("if (k == 0) break;", "if (k <= 1) break;"),
        ("add_scaled(size, T{1}, of_f.data(), of_x);", "add_scaled(size, T{0}, of_f.data(), of_x);"),
        ("read_.back(of_said.data(), known, of_g.data());", ""),
        ("std::fill(of_h.begin(), of_h.end(), T{});", ""),
        ("room(row * stride_)], width_, place_ + row * step_", "room(row * stride_)], width_, place_ + row * width_"),
    ],
    "src/adapt/learners/matching.cpp": [
        ("!every_class_is_in(task.support)", "false"),
        ("attention.order = order_of(task.support.size, task.key)",
         "attention.order = order_of(task.support.size, {})"),
    ],
    "src/adapt/learners/caml_task.hpp": [
        ("+ std::log(support_.weights[room(s)])", ""),
        ("- mean) / root", ") / root"),
        ("label[w * task_.codes + task_.order[room(c)]]", "label[w * task_.codes + c]"),
    ],
}, "imaml_test": {
    "src/adapt/learners/imaml.cpp": [
        ("part - shift[j] / options_.lambda", "part + shift[j] / options_.lambda"),
        ("scale * v + hessian(v) / options_.lambda", "v + hessian(v) / options_.lambda"),
        ("demands.inner_steps = 0;", "demands.inner_steps = inner_steps;"),
    ],
    "src/adapt/updates/proximal.cpp": [
        ("lambda_ * (at.theta[i] - start[i])", "lambda_ * (start[i] - at.theta[i])"),
    ],
    "src/adapt/linear_systems.cpp": [
        ("(next / left) * direction", "(left / next) * direction"),
        ("if (curvature <= 0) return at_sphere(x, direction, whole);", ""),
        ("(std::sqrt(b * b - a * c) - b) / a", "(std::sqrt(b * b - a * c) + b) / a"),
        ("x = x + (b - a(x)) / scale", "x = x + (b - a(x))"),
    ],
}, "inner_loop_proofs_test": {
    "src/adapt/learners/meta_curvature.cpp": [
        ("g + g.matmul(own(2).t())", "g + g.matmul(own(2))"),
        ("g + own(1).matmul(g)", "own(1).matmul(g)"),
        ('options.curvature == "mc2" ? matrix', 'options.curvature == "mc1" ? matrix'),
    ],
    "src/adapt/learners/cavia.cpp": [
        ("leaves.back() = phi;", ""),
        ("gradient[i] = gradient[i] + part[i];", "gradient[i] = part[i];"),
    ],
    "src/adapt/context_layers.cpp": [
        ("const bool norm = weight.dim() == bias.dim();", "const bool norm = false;"),
        ("bias = bias * scale;", ""),
        (".norm.weight", ".no_norm.weight"),
    ],
}, "maml_pp_test": {
    "src/adapt/learners/maml_pp.cpp": [
        ("(rates_[i])][k]", "(rates_[i])][k / 2]"),
        ("adjoint.theta[rates][k] -= ", "adjoint.theta[rates][k] += "),
        ("-at.theta[rates][k] * of_theta[i]", "-at.theta[rates][0] * of_theta[i]"),
        ("key.step >= ", "key.step > "),
        ("1.0 - done / fading, kLeast", "1.0 - done / fading, kLeast / 3"),
        ("return 1.0 - early * static_cast<double>(steps - 1);", "return early;"),
    ],
    "src/adapt/descent.cpp": [
        ("outer_loss(at_k.theta, task, k, context)", "outer_loss(at_k.theta, task, k + 1, context)"),
        ("back = back || share(k, task.key) > 0", "back = back || share(k, task.key) > 1"),
    ],
}, "perceptron_test": {
    "src/adapt/learners/cluster_shares.hpp": [
        ("(of[room(k)] - mean)", "(of[room(k)] + mean)"),
        ("scale * (of[i] - along * values[i])", "scale * (of[i] + along * values[i])"),
        ("[k * places_.width + r] -= each;", "[k * places_.width + r] += each;"),
        ("of_moments[spread] * per", "of_moments[spread] * 2 * per"),
        ("of_logit * logits_[room(k)]", "of_logit"),
        ("std::sqrt(variance + kLeast)", "variance"),
    ],
    "src/adapt/learners/maml_clusters.cpp": [
        ("of_shares[k] += dot(", "of_shares[k - 1] += dot("),
        ("clusters.shares()[k], lambda,", "T{1}, lambda,"),
    ],
    "src/adapt/surface/perceptron.cpp": [
        ("solve(hessian, wanted)", "solve(hessian, wanted.clone().mul_(2))"),
        ("mlp.loss(support.view, theta, point);", ""),
        ("slope[i] += pull * (theta[i] - first[i]);", "slope[i] -= pull * (theta[i] - first[i]);"),
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
        ("descend(start_in_use(parameters, support, key), support", "descend(parameters.tensors(), support"),
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
    "src/kernels/mlp.cpp": [
        ("Factors<T>{deltas, 1, stride, a, left, size}", "Factors<T>{deltas, 1, stride, a, left, size - 1}"),
        ("bias.source[s] = {&one, 0, 0, deltas,", "bias.source[0] = {&one, 0, 0, deltas,"),
        ("std::copy_n(bias_row, out, to[l].bias);", ";"),
    ],
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
        ("scores + log_counts(support.batch, query.mask.options())", "scores"),
        ("seen.select(1, 0)", "seen.mean(1)"),
        ("{0, code.size(1) - copied.size(1)}", "{code.size(1) - copied.size(1), 0}"),
        ("known = layer->looking(p, known, shown);", "layer->looking(p, known, shown);"),
        ("{lesson[kLayers + 2 * i], lesson[kLayers + 2 * i + 1]}", "{lesson[kLayers], lesson[kLayers + 1]}"),
        ("answers = (answers - origin) / scale", "answers = answers - origin"),
        ("scale > 1e-6 * answers.abs().amax(0, true)", "scale > 0"),
    ],
    "src/adapt/learners/neural_process.cpp": [
        ("scores + lesson[2]", "scores"),
        (" / members.sum(1, true).clamp_min(1)", ""),
        (".clamp_min(1)", ""),
        ("{x, answers}", "{x, 0 * answers}"),
        ("kind_->outputs(way, way)", "way"),
    ],
}, "memory_test": {
    "src/adapt/learners/mann.cpp": [
        ("answers.narrow(0, answers.size(0) - 1, 1)", "answers.narrow(0, 0, 1)"),
        ("index_select(0, order.argsort())", "index_select(0, order)"),
        ("(cost(known[6], support.batch) + cost(said, task.query))", "(cost(said, task.query))"),
        ("return i <= k;", "return i < k + 2;"),
        ("[&](std::int64_t i) { return i == k; }", "[&](std::int64_t i) { return i >= k; }"),
    ],
    "src/adapt/learners/slot_memory.cpp": [
        ("gate * was.read + (1 - gate) * least", "gate * least + (1 - gate) * was.read"),
        ("was.memory * (1 - least.sum(1)).unsqueeze(2)", "was.memory"),
        ("kUsageKept * was.usage", "0.5 * was.usage"),
        ("torch::cat({input, was.recalled()}, 1)", "torch::cat({input, 0 * was.recalled()}, 1)"),
        ("matmul(heads(*add_))", "matmul(heads(*key_))"),
    ],
    "src/adapt/learners/meta_networks.cpp": [
        ("represent(p, x, of_q)", "torch::relu(fast_->represent(p, x))"),
        ("hidden_(p, x) + mixed(lesson[2], x)", "hidden_(p, x)"),
        ("static_cast<double>(x.size(0)) * kind_->loss", "kind_->loss"),
    ],
}, "metaoptnet_test": {
    "src/adapt/learners/svm.cpp": [
        ("if (at[i] >= caps_[i]) direction[i] = 0.0;", ""),
        ("level = sum / free;", "level = sum / static_cast<double>(way_);"),
    ],
    "src/adapt/learners/metaoptnet.cpp": [
        ("-optimum.t().matmul(", "optimum.t().matmul("),
        ("most * weights.to(doubles)", "most * weights.to(doubles).sqrt()"),
        ("known_of(query, i, solved[2 * i + 1])", "known_of(query, i, torch::ones_like(solved[2 * i + 1]))"),
        ("log_scale.exp() * query", "log_scale * query"),
    ],
}, "floor_test": {
    "src/adapt/learners/floor.cpp": [
        ("return options_.unit ? unit_rows(x) : x;", "return x;"),
        ("(knows.cumsum(0) - 1)", "knows.cumsum(0).clamp_max(known.way - 1)"),
        ("known_of(query, i, knows.to(like))", "known_of(query, i, torch::ones_like(knows).to(like))"),
        ("joined({both.support, both.query})", "both.query"),
        ("request.layout.freeze();", ""),
    ],
    "src/adapt/floor/training_centre.cpp": [
        ("(mean / filled.masked_fill(filled.eq(0), 1))", "mean"),
    ],
    "src/adapt/floor/head.cpp": [
        ("(weights * x.square().sum(1)).sum() / weights.sum()", "x.square().sum(1).mean()"),
        ("unit.x.t().matmul(at) / length", "unit.x.t().matmul(at)"),
        ("weights.matmul(x) / weights.sum()", "x.mean(0)"),
    ],
    "src/adapt/floor/nearest_mean.cpp": [
        ("by_cosine_ ? unit_rows(known.means()) : known.means()", "known.means()"),
    ],
    "src/adapt/floor/mahalanobis.cpp": [
        ("(known.weights / known.weights.sum()).sqrt()",
         "torch::full_like(known.weights, 1.0 / known.weights.numel()).sqrt()"),
        ("std::sqrt(1 - shrinkage_)", "(1 - shrinkage_)"),
        ("/ static_cast<double>(rest.size(1));", ";"),
        ("/*upper=*/false", "/*upper=*/true"),
    ],
    "src/adapt/floor/ridge.cpp": [
        ("root * gram * root.t()", "root * gram"),
        ("(root * known.one_hot(), torch", "(known.one_hot(), torch"),
    ],
    "src/adapt/floor/logistic.cpp": [
        ("(p - known.one_hot()) + penalty() * at", "(p - known.one_hot())"),
        ("(moved - p * moved.sum(1, true))", "moved"),
        ("loss() >= before) length /= 2", "loss() >= before) break"),
        ("gain <= kLast * before", "gain <= 1e-2 * before"),
    ],
    "src/adapt/floor/linear_svm.cpp": [
        ("/ penalty();", "* penalty();"),
        ("known.one_hot().t() * known.weights", "known.one_hot().t()"),
    ],
    "src/adapt/floor/cache.cpp": [
        ("unit_rows(known.x)", "known.x"),
        ("known.weights.unsqueeze(1) * known.one_hot()", "known.one_hot()"),
    ],
}, "adapted_test": {
    "src/adapt/embed.cpp": [
        ('if (input.encoded) state[name + ".encoded"]', 'if (input.encoded) state[name + ".features"]'),
    ],
}, "pretrain_test": {
    "src/adapt/learners/pretrain.cpp": [
        ("return kind_->support_loss(classify(options_, known,", "return kind_->loss(classify(options_, known,"),
        ("model_->embed(theirs, whole, in_use())", "model_->embed(theirs, whole, {})"),
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
        ("to_go - others_baseline(to_go)", "to_go"),
        ("(advantage - advantage.mean())", "advantage"),
        ("/ (advantage.std(false) + kLeast)", "/ 2.0"),
        ("returns_to_go(trial.rewards, options.discount)", "returns_to_go(trial.rewards, 1.0)"),
    ],
    "src/adapt/learners/recurrent_agent.cpp": [
        ("last ? 1.0 : 0.0", "last ? 0.0 : 1.0"),
        ("options_.reward_scale * rewards.back()", "rewards.back()"),
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
        ("(values.abs() - by).clamp_min(0)", "(values.abs() - by)"),
    ],
}}
