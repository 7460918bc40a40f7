#include <fmt/ranges.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <filesystem>
#include <limits>
#include <numeric>

#include "app/adapted_file.hpp"
#include "app/commands.hpp"
#include "app/given_samples.hpp"
#include "app/loaded_run.hpp"
#include "app/npy_file.hpp"
#include "cuttle/core/csv.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/signals.hpp"

namespace cuttle {
namespace {

/// What is written, row by row.
struct Embedded {
  Tensors embedding;            ///< [1, width] a sample
  std::vector<Tensors> pooled;  ///< by sense
  std::vector<Tensors> tokens;  ///< by sense, [T, width] of the samples that have it
  std::vector<std::vector<std::int64_t>> offsets;  ///< by sense, samples + 1
  std::string lines;                               ///< of samples.csv
};

std::unique_ptr<Dataset> opened(const GivenSamples& given, const LoadedRun& run,
                                const Extensions& extensions) {
  return open_for(run.inputs.modalities, shards_only(given.shards()), extensions, given.name());
}

/// The statistics that queries take from a support set, where norms, or a completion, ask for them.
Statistics statistics_of(const LoadedRun& run, const EmbedArguments& arguments,
                         const Extensions& extensions) {
  const Model& model = *run.parts.model;
  CUTTLE_VALIDATE(model.uses_support() || arguments.support.empty(),
                  "--support: nothing of this model goes by a support set; leave it out");
  if (!model.uses_support()) return {};
  CUTTLE_VALIDATE(!arguments.support.empty(),
                  "{}: its norms, or what stands in for senses, go by a support set (what it makes "
                  "of a sample differs with it); give one: --support FOLDER",
                  arguments.run);
  const GivenSamples given(arguments.support, arguments.run);
  const auto data = opened(given, run, extensions);
  std::vector<std::int64_t> all(data->samples().size());
  std::iota(all.begin(), all.end(), 0);
  Context context;
  context.mode = Mode::kUse;
  return model.look_at(run.parameters.tensors(), model.prepare(read_batch(*data, all), 1), context);
}

/// All parts side by side, zeros where a sample lacks one.
torch::Tensor as_row(const Embedding& embedding) {
  Tensors parts;
  for (std::size_t i = 0; i < embedding.parts.size(); ++i)
    parts.push_back(embedding.parts[i] *
                    embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1).gt(0));
  return torch::cat(parts, 1);
}

/// [T, width]: those of the sample; undefined: its encoder gives none.
torch::Tensor real_tokens(const Feature& feature) {
  if (!feature.tokens.defined() || !feature.mask.defined())
    return feature.tokens.defined() ? feature.tokens[0] : feature.tokens;
  return feature.tokens[0].index_select(0, feature.mask[0].nonzero().squeeze(1));
}

/// A sample at a time, so that what is made of it is the same bits whatever else is given.
Embedded embed(const LoadedRun& run, const Dataset& data, const Statistics& given, bool tokens) {
  const Model& model = *run.parts.model;
  const Tensors& parameters = run.parameters.tensors();
  Context context;
  context.mode = Mode::kUse;
  if (model.uses_support()) context.given = &given;
  const std::size_t senses = model.modalities().size();
  Embedded made{{},
                std::vector<Tensors>(senses),
                std::vector<Tensors>(senses),
                std::vector<std::vector<std::int64_t>>(senses, {0}),
                "sample,class,group\n"};
  const torch::NoGradGuard no_graph;
  SignalWatch signals;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(data.samples().size()); ++i) {
    CUTTLE_REQUIRE(signals.take() != SignalRequest::kStop, "interrupted; nothing is written");
    const Batch batch = model.prepare(read_batch(data, {i}), 1);
    const Pass pass = model.look(parameters, batch, context);
    made.embedding.push_back(as_row(pass.embedding));
    for (std::size_t m = 0; m < senses; ++m) {
      const Encoder& encoder = model.encoder(m);
      const ModalityInput& input = batch.modalities[m];
      const bool there = input.values.defined();
      made.pooled[m].push_back(
          there ? pass.features[m].pooled
                : torch::full({1, encoder.width()}, std::numeric_limits<float>::quiet_NaN()));
      torch::Tensor rows;
      if (there && tokens)
        rows =
            real_tokens(model.gives_tokens() ? pass.features[m]
                                             : encoder.forward(parameters, input, context, true));
      if (rows.defined()) made.tokens[m].push_back(rows);
      made.offsets[m].push_back(made.offsets[m].back() + (rows.defined() ? rows.size(0) : 0));
    }
    const SampleInfo& info = data.samples()[static_cast<std::size_t>(i)];
    const auto name_in = [](const std::vector<std::string>& names, std::int32_t id) {
      return id < 0 ? std::string() : csv_field(names[static_cast<std::size_t>(id)]);
    };
    made.lines += fmt::format("{},{},{}\n", csv_field(data.sample_name(i)),
                              name_in(data.class_names(), info.class_id),
                              name_in(data.group_names(), info.group_id));
  }
  return made;
}

}  // namespace

ExitCode embed_command(const EmbedArguments& arguments, const Extensions& extensions) {
  expect_one_process("embed");
  CUTTLE_VALIDATE(
      !std::filesystem::exists(arguments.out) || std::filesystem::is_empty(arguments.out),
      "--out: {} is there already; name a new folder", arguments.out);
  const LoadedRun run = load_run(arguments.run, true, {}, extensions, 0);
  const Model& model = *run.parts.model;
  CUTTLE_VALIDATE(
      model.samples_apart(),
      "{}: a norm goes by the batch at hand (what is made of a sample would change with "
      "its company); train with an inductive norm",
      arguments.run);
  torch::set_num_threads(1);
  const Statistics given = statistics_of(run, arguments, extensions);
  const GivenSamples samples(arguments.inputs, arguments.run);
  const auto data = opened(samples, run, extensions);
  CUTTLE_VALIDATE(!data->samples().empty(), "{}: there are no samples", samples.name());
  const Embedded made = embed(run, *data, given, arguments.tokens);
  make_folders(arguments.out);
  const auto path = [&](const std::string& name) { return arguments.out + "/" + name; };
  for (std::size_t m = 0; m < model.modalities().size(); ++m) {
    const std::string& sense = model.modalities()[m].name;
    write_npy(path(sense + ".npy"), torch::cat(made.pooled[m]));
    if (!arguments.tokens || made.tokens[m].empty()) continue;
    write_npy(path(sense + ".tokens.npy"), torch::cat(made.tokens[m]));
    write_npy(path(sense + ".offsets.npy"), torch::tensor(made.offsets[m], torch::kInt64));
  }
  write_npy(path("embedding.npy"), torch::cat(made.embedding));
  write_file_atomically(path("samples.csv"), made.lines);
  log_info("{} samples in {} columns: {}", data->samples().size(), made.embedding[0].size(1),
           arguments.out);
  return ExitCode::kDone;
}

}  // namespace cuttle
