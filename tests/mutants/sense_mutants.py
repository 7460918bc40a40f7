"""Errors in how samples are read and made ready (mutants.py)."""

SENSE = {"data_test": {
    "src/data/class_folds.cpp": [
        ("entry->second.second == split", "true"),
        ("name.find('/', end + 1)", "name.npos"),
        ("if (splits > 1)", "if (splits > 3)"),
        ("a.size() < b.size()", "a.size() > b.size()"),
        ("folds[fold.number - 1]", "folds[0]"),
        ("info.split = split_of[static_cast<std::size_t>(info.class_id)];", "info.split = info.split;"),
    ],
    "src/data/training_moments.cpp": [
        ("info.split != Split::kTrain || ", ""),
        ("delta * (value - mean) * times", "delta * delta * times"),
        ("of.squares / of.count", "of.squares / (of.count - 1)"),
        ("first = graph.features;", ""),
    ],
    "src/data/senses_view.cpp": [
        ("known ? numbers[static_cast<std::size_t>(value)]", "known ? value"),
        ("return in_places(data_->hidden_in(split, task));", "return data_->hidden_in(split, task);"),
    ],
    "src/data/missing_senses.cpp": [
        ("!by_task() || !has_missing(options_, split)", "!by_task() && !has_missing(options_, split)"),
        ("task.seed, static_cast<int>(task.stream), task.step, task.slot", "task.seed, 1, task.step, task.slot"),
        ("if (left < 0)", "if (left < 0.1)"),
        ("i < samples_.size() && !by_task()", "i < samples_.size()"),
    ],
    "src/data/raw_batch.cpp": [
        ("(all & ~hidden) != 0 ? all & ~hidden : all", "all & ~hidden"),
    ],
    "src/data/graph.cpp": [
        ("graph.nodes >= 1 && graph.nodes <= kMostNodes", "graph.nodes >= 1"),
        ("(size - 4) / 4 / graph.nodes", "size / 4 / graph.nodes"),
        ("rest % 8 == 0", "rest % 4 == 0"),
        ("node >= 0 && node < graph.nodes", "node >= 0 && node <= graph.nodes"),
        ("before < pair", "before <= pair"),
        ("spec.directed || pair[0] <= pair[1]", "spec.directed || pair[0] < pair[1]"),
    ],
}, "fitted_test": {
    "src/sense/raw.cpp": [
        ("passed + (out[1][c][t - 1] > 0 ? 0 : d)", "passed + d"),
        ("static_cast<float>(std::log1p(d))", "static_cast<float>(d)"),
        ("std::max(0.0, time - now) / unit", "std::max(0.0, time - now) * unit"),
        ("t == 0 ? 0 : out[0][c][t - 1]", "0"),
        ("std::isnan(raw[t][clock]) ? now", "std::isnan(raw[t][clock]) ? 0.0"),
    ],
    "src/sense/fitted/columns.cpp": [
        ("std::sqrt(squares / count)", "std::sqrt(squares / (count - 1))"),
        ("push_back(first + mean)", "push_back(mean)"),
    ],
    "src/sense/fitted/scaling.cpp": [
        ("of.means[c] + most * of.deviations[c]", "most * of.deviations[c]"),
        ("(row[c] - shift[c]) / scale[c]", "row[c] / scale[c]"),
        ("column.back() - column.front()", "column.back()"),
        (", 0.0, 1.0)", ", 0.0, 0.5)"),
        ("value /= std::sqrt(squares)", "value /= squares"),
    ],
    "src/sense/fitted/impute.cpp": [
        ("(sorted[half - 1] + sorted[half]) / 2", "sorted[half]"),
        ("next - first > most) found", "next - first >= most) found"),
        ("if (known[first + c] == 0) continue;", ""),
        ("emplace_back(sum / shared, first)", "emplace_back(sum, first)"),
        ("i * rows.rows() / kept * rows.columns", "(rows.rows() - 1 - i) * rows.columns"),
    ],
    "src/sense/fitted/series.cpp": [
        ("values[i] - values[i - columns]", "values[i]"),
        ("++counts[i % season];", "counts[i % season] = 1;"),
        ("if (std::isnan(*value)) continue;", ""),
        ("-= means[i % means.size()]", "-= means[i % static_cast<std::size_t>(sample.columns)]"),
        ("start == 0 || start + length <= rows", "start == 0 || start + length < rows"),
        ("start += stride", "start += length"),
        ("std::min(r, rows - 1)", "std::min(r, rows - 2)"),
    ],
    "src/sense/fitted/silence.cpp": [
        ("-options.below / 10", "-options.below / 20"),
        ("squares / static_cast<double>(last - first)", "squares"),
        (" * frame + keep", " * frame"),
        ("first - std::min(first, keep)", "first"),
        ("sample.values, frame);", "sample.values, 1);"),
    ],
    "src/sense/fitted/words.cpp": [
        ("utf8proc_tolower(code)", "utf8proc_toupper(code)"),
        ("is_apostrophe(code) && end > at", "is_apostrophe(code) && end > at + 99"),
        (">= least) stopped", "> least) stopped"),
        ("if (!words_in(without).empty())", ""),
        ("code == '\\'' || code == 0x2019", "code == 0x2019"),
        ("words.push_back(lower(word)), word;", "words.push_back(word), word;"),
    ],
    "src/sense/fitted/tf_idf.cpp": [
        ("(1 + static_cast<double>(texts[word]))) + 1", "(1 + static_cast<double>(texts[word])))"),
        ("row[at] += idf[at];", "row[at] = idf[at];"),
        ("count >= options.texts", "count > options.texts"),
    ],
    "src/sense/fitted/pca.cpp": [
        ("vectors.t().flip(0)", "vectors.t()"),
        ("static_cast<double>(rows.rows() - 1)", "static_cast<double>(rows.rows())"),
        ("(row[c] - means[c]) * directions", "row[c] * directions"),
        ("options.columns == 0 ? varying", "options.columns == 0 ? rows.columns"),
    ],
}, "app.fitted": {
    "src/sense/fitted/fitted.cpp": [
        ("data.classes_of(Split::kTrain)", "data.classes_of(Split::kAll)"),
        ("applied(type, step, last ? first_of(samples) : samples)", "samples"),
    ],
}}
