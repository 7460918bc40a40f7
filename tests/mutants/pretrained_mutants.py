"""The mutants of encoders with files of their own: weights of others and pieces of texts."""

PRETRAINED = {"pretrained": {
    "src/model/encoders/resnet.cpp": [
        ("torch::max_pool2d(conv_.forward(p, input.values), 3, 2, 1)",
         "torch::avg_pool2d(conv_.forward(p, input.values), 3, 2, 1)"),
        ("conv(1, {shape.in, shape.width, 3, shape.stride, {}, kRelu});",
         "conv(1, {shape.in, shape.width, 3, shape.stride});"),
        ("torch::relu(x + (shortcut_", "torch::abs(x + (shortcut_"),
    ],
    "src/model/encoders/vit.cpp": [
        (" + places_.in(p)", ""),
        ("norm_ ? layer_norm(p, *norm_, x, eps_) : x", "x"),
        ("attended(part(0), part(1), part(2), {})", "attended(part(1), part(0), part(2), {})"),
        ("x = input.values + affine(", "x = layer_norm(p, norm1_, input.values, shape_.eps) + affine("),
        ("values.narrow(1, 1, values.size(1) - 1)", "values"),
        ("weights.learns(layers, layers + 1)", "weights.learns(0, layers + 1)"),
    ],
    "src/model/encoders/token_table.cpp": [
        ("(input.values != kNoPieces)", "(input.values == input.values)"),
        ("(ids.empty()) ids.push_back(kNoPieces)", "(ids.size() < 2) ids.push_back(kNoPieces)"),
    ],
    "src/model/encoders/wav2vec2.cpp": [
        ("x.transpose(1, 2), kConvEps).transpose(1, 2);", "x.transpose(1, 2), kConvEps).transpose(1, 2).abs();"),
        ("{x.size(2)}, {}, {}, kConvEps)", "{x.size(2)}, {}, {}, 1e-2)"),
        (": i == 0  ? WaveConv::Norm::kEachChannel", ": i > 0  ? WaveConv::Norm::kEachChannel"),
        ("around.narrow(2, 0, longest)", "around.narrow(2, around.size(2) - longest, longest)"),
        ("norm2_, x + affine(p, down_, inner), !pre)", "norm1_, x + affine(p, down_, inner), !pre)"),
        ("normed(norm1_, input.values, pre)", "normed(norm2_, input.values, pre)"),
        ("return (frames - 1) * stride_ + kernel_;", "return frames * stride_ + kernel_;"),
        ("exact - exact.mean()", "exact"),
    ],
    "src/model/pretrained/byte_pair.cpp": [
        ("std::tie(rank, place) > std::tie(other.rank, other.place)",
         "std::tie(place, rank) > std::tie(other.place, other.rank)"),
        (" || merge->second.id != best.id", ""),
        ("find(left.previous);", ""),
        ("if (end < count && end > i + 1) --end;", ""),
        ("token.text.size() > found->text.size()", "token.text.size() < found->text.size()"),
        ("if (!is_white_space(c)) end = place;", "end = place;"),
        ("token.text = changed(token.text);", "changed(token.text);"),
        ("rules_.space_before && text[0] != ' '", "rules_.space_before"),
    ],
    "src/model/pretrained/byte_pair_file.cpp": [
        ("b >= 174", "b >= 173"),
        ("if (count == 1) rules_.characters", "if (count == 2) rules_.characters"),
        ("{rank++, id(left + right)}", "{rank, id(left + right)}"),
        ("(behind ? rules_.after : rules_.before)", "rules_.before"),
    ],
    "src/model/pretrained/code_points.cpp": [
        ("UTF8PROC_CATEGORY_NO)", "UTF8PROC_CATEGORY_ND)"),
        ("return std::prev(after)->letters ?", "return !std::prev(after)->letters ?"),
        ("UTF8PROC_STABLE | UTF8PROC_COMPOSE", "UTF8PROC_STABLE | UTF8PROC_DECOMPOSE"),
    ],
    "src/model/pretrained/attention.cpp": [
        ("1.702", "1.7"),
        ('activation == "gelu" ? "none" : "tanh"', '"tanh"'),
        ("queries.size(3)", "queries.size(2)"),
        ("(rows.square().sum(1, true) + 1e-24).sqrt()", "(rows.square().sum(1, true) + 1e-24)"),
    ],
    "src/model/pretrained/fixed_norm_conv.cpp": [
        ("return {all / 2, all - all / 2};", "return {all - all / 2, all / 2};"),
        ("mean_.to(torch::kFloat64) * scale", "mean_.to(torch::kFloat64)"),
        ("(x - mean_.to(x.dtype())", "(x + mean_.to(x.dtype())"),
    ],
    "src/model/pretrained/picture.cpp": [
        ("over % 4 == 3 ? over / 2 + 1 : over / 2", "over / 2"),
        ("resize * width / shorter", "(resize * width + shorter - 1) / shorter"),
        ("(x - mean_) / deviation_", "x / deviation_"),
    ],
    "src/model/pretrained/resample.cpp": [
        ("const double widened = std::max(scale, 1.0);", "const double widened = 1.0;"),
        ("constexpr double a = -0.5;", "constexpr double a = -0.75;"),
        ("window.first - first", "window.first"),
    ],
}, "large_encoders_test": {
    "src/model/pretrained/pieces.cpp": [
        ("for (auto& id : ids) ++id;", ""),
        ("if (ids.empty()) ids.push_back(0);", "if (ids.size() < 2) ids.push_back(0);"),
        ("most > 0 ? most :", "most > 2 ? most :"),
    ],
}}
