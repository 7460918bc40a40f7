"""Errors in what is asked of tasks: kinds, objectives, sources (mutants.py)."""

TASK = {"objective_test": {
    "src/task/objectives/contrastive.cpp": [
        ("return 0.5 *", "return"),
        ("temperature_;\n      const auto own", "1.0;\n      const auto own"),
        ("same / same.sum(1, true)", "same"),
        ("labels.unsqueeze(1).eq(labels)", "labels.unsqueeze(1).eq(labels).logical_not()"),
    ],
    "src/task/objectives/common.cpp": [
        ("real.sum(1).clamp_min(1)", "real.sum(1).clamp_min(3)"),
        ("(stretch + 1) * length", "(stretch + 2) * length"),
        ("torch::gelu(", "torch::relu("),
        ("senses.present.select(1, place) * known.select(1, place)", "senses.present.select(1, place)"),
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
    "src/task/objectives/generative.cpp": [
        ("made[m].detach()", "made[m]"),
        ("frozen(p, tells)", "p"),
        ("x = x.detach()", "x = x * 1.0"),
        ("seen(given, m, made[m], rows)", "seen(still, m, made[m], rows)"),
        ("against(-of_real)", "against(of_real)"),
        ("torch::relu(1.0 + scores)", "torch::relu(scores)"),
        ("-to_fool.mean()", "to_fool.mean()"),
        ("(fooled - fooled.detach())", "fooled"),
        ("!all && !even", "!all && even"),
        ("all || !even", "all || even"),
        ("static_cast<double>(senses)", "3.5"),
        ("columns.push_back(b == m ? x", "columns.push_back(b != m ? x"),
    ],
    "src/task/objective.cpp": [
        ("made.outer || !made.objective->players()", "true"),
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
        ("static_cast<double>(count)", "2.0"),
        ("sense.square().sum() + 1e-6", "1.0"),
    ],
    "src/task/objectives/temporal.cpp": [
        ("k == 0 ? torch::zeros_like(far) : far", "far"),
        ("two_before = before;\n    before", "two_before = far.expand({n, size});\n    before"),
        ("1.0 - cosines", "-cosines"),
        ("static_cast<double>(2 * s - 1)", "static_cast<double>(2 * s)"),
    ],
    "src/task/objectives/mixing.cpp": [
        ("made.parts[i] = weight_a.narrow(1, at, 1)", "made.parts[i] = weight_b.narrow(1, at, 1)"),
        ("weight_a = weight_a * has_a / all;", "weight_a = weight_a * has_a;"),
        ("weight_a * mask_a + weight_b * mask_b;", "mask_a;"),
    ],
    "src/task/objectives/mixup.cpp": [
        ("* std::pow(1 - random.uniform(), 1 / shape)", "* (1 - random.uniform())"),
        ("d = shape - 1.0 / 3", "d = shape"),
        ("(1 - share) * kind_.loss(answers, asked_of(batch, second))",
         "(1 - share) * kind_.loss(answers, asked_of(batch, first))"),
    ],
    "src/task/objectives/smote.cpp": [
        ("made < most; ++made", "made + 1 < most; ++made"),
        ("row[a] < row[b]", "row[a] > row[b]"),
        ("if (other != sample) others", "others"),
        ("share.push_back(1 - random.uniform())", "share.push_back(0.5 + random.uniform())"),
        ("asked_of(batch, first)", "asked_of(batch, std::vector<std::int64_t>(first.size(), 0))"),
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
    "src/task/sources/minibatches.cpp": [
        ("weights_.push_back(1 / counts", "weights_.push_back(counts"),
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
        ("std::exp2(item.relevance) - 1", "item.relevance"),
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
        ("lowest_ + spacing_ * level", "lowest_ + level"),
        ("((values - lowest_) / spacing_)", "(values - lowest_)"),
        ("level.gt(step)", "level.ge(step + 2)"),
        ("(came - went)", "(1 - went)"),
        (".cumprod(2)", ""),
        ("{chance - off[t].item<double>(), chance}", "{off[t].item<double>(), chance}"),
        ("std::abs(level - std::round(level)) <= kRounding", "true"),
    ],
    "src/task/kinds/quantile.cpp": [
        ("(quantiles_[i] - 1) * error", "-quantiles_[i] * error"),
        ("return {told[0], told[2]};", "return {part(outputs, 1), part(outputs, 2)};"),
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
        ("of_known[i] -= rate * of_step[i]", "of_known[i] = -rate * of_step[i]"),
        ("if (by_support) passed.push_back(known_.back());", ""),
        ("by_support ? support_.size : 0", "0"),
        ("lambda[i] -= rate * slope[i]", "lambda[i] += rate * slope[i]"),
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
