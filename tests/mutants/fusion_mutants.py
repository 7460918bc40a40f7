"""Errors in how senses meet (mutants.py)."""

FUSIONS = {"references": {
    "src/model/fusion.cpp": [
        ("const auto share = known * weight;", "const auto share = known.clone();"),
        ("sum / total.masked_fill(total.eq(0), 1.0)", "sum"),
    ],
    "src/model/fusions/concat.cpp": [
        ("(1.0 - has_sense(senses, m))", "has_sense(senses, m)"),
        ('options.missing == "zeros"', 'options.missing == "none"'),
    ],
    "src/model/fusions/gated.cpp": [
        ("torch::tanh(", "torch::sigmoid("),
        ("senses.present == 0, -1e30", "senses.present == 0, 0.0"),
        ("torch::softmax(score, 1)", "torch::sigmoid(score)"),
    ],
    "src/model/fusions/late.cpp": [
        ("torch::softmax(at(p, weight_), 0)", "torch::softmax(2.0 * at(p, weight_), 0)"),
        ("features[m] + torch::linear(", "torch::linear("),
        ("torch::relu(affine", "torch::tanh(affine"),
        ("senses.present == 0, -1e30", "senses.present == 0, 0.0"),
        ("torch::softmax(score, 1) * senses.present.sum(1, true)", "torch::softmax(score, 1)"),
        ("static_cast<double>(logits.size()) * shares[m]", "shares[m]"),
        ("torch::where(can.gt(0), said, mean)", "torch::where(can.gt(0), said, 0.0 * mean)"),
        ("torch::log_softmax(logits[m], 1) + weight", "logits[m] + weight"),
        ("sum.masked_fill(sum.eq(0), 1.0).log()", "sum.masked_fill(sum.eq(0), 1.0)"),
        ("share.amax(1, true)", "known.amax(1, true)"),
    ],
    "src/model/fusions/cross_attention.cpp": [
        (" + at(p, sense_[m])", ""),
        ("real.push_back(senses.token_mask[m]);", "real.push_back(torch::ones_like(senses.token_mask[m]));"),
        ("signal.values.select(1, 0)", "signal.values.mean(1)"),
    ],
    "src/model/fusions/self_attention.cpp": [
        ("p, senses), senses.present}", "p, senses), torch::ones_like(senses.present)}"),
        ("mean_where_real(signal.values, senses.present)", "signal.values.mean(1)"),
    ],
    "src/model/fusions/co_attention.cpp": [
        ("shown.mask = mask;", "shown.mask = torch::ones_like(mask);"),
        ("if (other == m) continue;", "if (other != m) continue;"),
        ("mean_where_real(tokens[m], senses.token_mask[m])", "tokens[m].mean(1)"),
        ("tokens = std::move(next);", "if (layer == 0) tokens = std::move(next);"),
    ],
    "src/model/fusions/bottleneck.cpp": [
        (" * has_sense(senses, m).unsqueeze(2)", ""),
        ("shared = sum / count;", "shared = sum / count.square();"),
        ("shared.mean(1)", "shared.select(1, 0)"),
        ("tokens[m] = seen.narrow(1, shared_, tokens[m].size(1));", "tokens[m] = tokens[m] + 0.0;"),
    ],
    "src/model/fusions/product_of_experts.cpp": [
        ("senses.present.unsqueeze(2) == 0, -1e30", "senses.present.unsqueeze(2) == 0, 0.0"),
        ("share.narrow(1, 1, mean.size(1))", "share.narrow(1, 0, mean.size(1))"),
        ("torch::zeros({mean.size(0)", "torch::ones({mean.size(0)"),
    ],
    "src/model/fusions/low_rank.cpp": [
        ("1.0 + factors_.of(", "factors_.of("),
        (".view({-1, rank_, width_}).sum(1)", ".view({-1, width_, rank_}).sum(2)"),
        ("product * factor", "product + factor"),
    ],
    "src/model/fusions/tensor.cpp": [
        ("torch::cat({one, h}, 1)", "torch::cat({h, one}, 1)"),
        ("senses.pooled[m]) * has_sense(senses, m)", "senses.pooled[m])"),
    ],
    "src/model/fusions/bilinear.cpp": [
        ("torch::tanh(", "torch::sin("),
        ("0.5 * (sum.square()", "(sum.square()"),
        (" * senses.present.unsqueeze(2)", ""),
        (".view({-1, width_, factors_}).sum(2)", ".view({-1, factors_, width_}).sum(1)"),
        ("(sum + pairs)", "pairs"),
    ],
    "src/model/fusions/film.cpp": [
        ("(1.0 + by.narrow(1, 0, width_)) * h", "by.narrow(1, 0, width_) * h"),
        ("senses.pooled[by_]) * has_sense(senses, by_)", "senses.pooled[by_])"),
        ("static_cast<std::size_t>(found - names.begin())", "0"),
        ("senses.pooled[m]) * has_sense(senses, m)", "senses.pooled[m])"),
    ],
    "src/model/fusions/sense_graph.cpp": [
        ("(1.0 - torch::eye(count, options))", "torch::ones({count, count}, options)"),
        ("-1e30), 2) * others", "-1e30), 2)"),
        ("h = h + torch::tanh(", "h = torch::tanh("),
        ("at(p, heard_[i])", "at(p, heard_[0])"),
        ("mean_where_real(h, senses.present)", "h.mean(1)"),
    ],
    "src/model/fusions/deep_sets.cpp": [
        ("torch::relu(phi_.of", "torch::tanh(phi_.of"),
        (" * senses.present.unsqueeze(2)", ""),
        ("outer_, torch::relu(", "outer_, torch::tanh("),
    ],
    "src/model/fusions/senses.cpp": [
        ("mask.sum(1, true).clamp_min(1.0)", "static_cast<double>(mask.size(1))"),
        (" * mask.unsqueeze(2)", ""),
    ],
}, "fusions_test": {
    "src/model/fusions/low_rank.cpp": [
        ("senses.pooled[m] * has_sense(senses, m)", "senses.pooled[m]"),
    ],
    "src/model/fusions/product_of_experts.cpp": [
        ("torch::softmax(torch::cat({prior, logs}, 1), 1)",
         "torch::cat({prior, logs}, 1).exp() / torch::cat({prior, logs}, 1).exp().sum(1, true)"),
    ],
    "src/model/fusions/film.cpp": [
        ("found != names.end() || options.film_by.empty()", "true"),
    ],
    "src/model/fusions/tensor.cpp": [
        ("columns <= kMostColumns", "columns <= 1e9"),
        ("+ 1e-9) - 1.0", "+ 1e-9)"),
    ],
}, "lite_test": {
    "src/adapt/embed.cpp": [
        ("all.mask.index_add(0, places, share * (some.mask - some.mask.detach()))", "all.mask + 0.0"),
    ],
}}

COMPLETIONS = {"completion_test": {
    "src/model/completions/completion.cpp": [
        ("(1.0 - own) * known", "known * (1.0 - known)"),
        ("in_use.mode = Mode::kUse", "in_use.mode = Mode::kTrain"),
        ("senses.present + (1.0 - senses.present) * known", "torch::ones_like(senses.present)"),
    ],
    "src/model/completions/generated.cpp": [
        ("present.sum(1, true) - present > 0", "present.sum(1, true) > 0"),
        ("context.mode == Mode::kTrain", "true"),
        ("if (b != m) {", "{"),
        ("from.push_back(has_sense(senses, b));", "from.push_back(1.0 - has_sense(senses, b));"),
        ("torch::gelu(", "torch::relu("),
        ("context.key.with(Draw::kStandIns)", "RandomKey{}"),
    ],
    "src/model/completions/predicted.cpp": [
        ("1.0 / others.clamp_min(1)", "torch::ones_like(others)"),
        ("present.sum(1, true) - present", "present.sum(1, true) * torch::ones_like(present)"),
        ("has_sense(senses, b) *", "1.0 *"),
    ],
    "src/model/completions/retrieved.cpp": [
        ("sum / count.clamp_min(1) / temperature_", "sum / temperature_"),
        (" / temperature_", ""),
        ("count * there.select(1, static_cast<std::int64_t>(a)) > 0", "count > 0"),
        ("given ? context.given->senses : senses.pooled", "senses.pooled"),
        ("if (a != b) {", "if (true) {"),
    ],
}}
