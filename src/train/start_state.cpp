#include "train/start_state.hpp"

#include <torch/types.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/assembly.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

void check_resume(const RunConfig& config, const Catalog& catalog, const CheckpointContent& content,
                  const std::string& folder, const std::map<std::string, std::string>& facts) {
  std::string refused;
  for (const auto& change : compare_configs(
           parse_saved(content.config_yaml, folder + "/config.yaml", {}, catalog), config, catalog))
    if (!change.allowed)
      refused += fmt::format("\n  {}: was {}, is {} ({})", change.key, change.was, change.is,
                             change.reason);
  CUTTLE_VALIDATE(refused.empty(),
                  "{}: the config differs in keys that a resumed run may not change (its result "
                  "would be neither the "
                  "old run's nor the new one's):{}\nuse the old values, or start a new run with "
                  "train.init_from",
                  folder, refused);
  const auto was = [&](const std::string& name) {
    const auto found = content.facts.find(name);
    return found == content.facts.end() ? std::string("unknown") : found->second;
  };
  CUTTLE_VALIDATE(
      was("data_fingerprint") == facts.at("data_fingerprint"),
      "{}: the data is not what the run was trained and validated on (fingerprint {:.12} "
      "then, {:.12} now); give the same shards, or start a new run with train.init_from",
      folder, was("data_fingerprint"), facts.at("data_fingerprint"));
  for (const auto& spec : modalities_from_json(was("modalities")))
    CUTTLE_VALIDATE(!spec.centred,
                    "{}: an earlier version trained it on {} without the level of each recording, "
                    "which this one has (the rest of the run would hear other sounds); go on with "
                    "the version that wrote it, or start a new run; eval, adapt and predict use it "
                    "as it is",
                    folder, spec.name);
  for (const auto& change : changed_facts(content.facts, facts))
    log_warning(
        "{} differs from the checkpoint's ({} then, {} now): the bits may differ from an "
        "uninterrupted run",
        change.name, change.then, change.now);
}

std::string encoder_prefix(const std::string& modality) {
  return "encoder." + modality + ".";
}

/// Whether a modality is the same in two lists of specs (modalities_to_json).
bool same_input(const std::string& modality, const std::string& one, const std::string& other) {
  const auto spec_in = [&](const std::string& text) {
    std::vector<ModalitySpec> found;
    for (auto& spec : modalities_from_json(text))
      if (spec.name == modality) found.push_back(std::move(spec));
    return modalities_to_json(found);
  };
  return spec_in(one) == spec_in(other);
}

/// `origin`: the key, and whose encoder it takes.
void warn_of_other_input(const std::string& origin, const std::string& modality,
                         const CheckpointContent& content,
                         const std::map<std::string, std::string>& facts) {
  const auto then = content.facts.find("modalities");
  if (then != content.facts.end() && !same_input(modality, then->second, facts.at("modalities")))
    log_warning(
        "{} was trained on {} of another shape, rate or standardisation (its features may mean "
        "little here)",
        origin, modality);
}

/// Everything that another rank needs, as the bytes of one safetensors file. `resumes`: all of it,
/// not only parameters.
std::string pack(const CheckpointContent& content, bool resumes) {
  std::vector<NamedArray> all;
  for (const auto& [file, arrays] : content.files)
    for (const auto& array : arrays) {
      all.push_back(array);
      all.back().name = file + "/" + array.name;
    }
  return encode_safetensors(all, {{"state", content.state_json},
                                  {"step", std::to_string(content.step)},
                                  {"resumes", resumes ? "yes" : "no"}});
}

CheckpointContent unpack(const std::string& bytes, bool& resumes) {
  auto file = decode_safetensors(bytes, "the state from rank 0");
  CheckpointContent content;
  resumes = file.metadata.at("resumes") == "yes";
  content.state_json = file.metadata.at("state");
  content.step = std::stoll(file.metadata.at("step"));
  for (auto& array : file.arrays) {
    const auto slash = array.name.find('/');
    const std::string name = array.name.substr(0, slash);
    array.name = array.name.substr(slash + 1);
    content.files[name].push_back(std::move(array));
  }
  return content;
}

/// The parameters of the run, or checkpoint, `from` for its encoder of this modality.
std::vector<NamedArray> frozen_encoder(const std::string& modality, const std::string& from,
                                       const std::map<std::string, std::string>& facts) {
  const auto source = find_checkpoint(expand_variables(from), true);
  const CheckpointContent& content = *source.content;
  log_info("frozen encoder of {} from {}", modality, source.folder);
  std::vector<NamedArray> arrays;
  if (const auto found = content.files.find("parameters"); found != content.files.end())
    for (const auto& array : found->second)
      if (array.name.rfind(encoder_prefix(modality), 0) == 0) arrays.push_back(array);
  CUTTLE_VALIDATE(!arrays.empty(),
                  "model.encoders.{}.frozen_from: {} has no encoder of that modality; give a run "
                  "that was trained on it",
                  modality, source.folder);
  warn_of_other_input(fmt::format("model.encoders.{}.frozen_from: {}", modality, source.folder),
                      modality, content, facts);
  return arrays;
}

/// Rank 0's part: the bytes that all ranks start from; empty: the initial state.
std::string read_start(const RunConfig& config, const Catalog& catalog,
                       const std::string& run_folder, bool resume,
                       const std::map<std::string, std::string>& facts) {
  if (resume) {
    const auto latest = load_latest(run_folder);
    for (const auto& reason : latest.refused) log_warning("a checkpoint is not used: {}", reason);
    CUTTLE_VALIDATE(latest.content || latest.refused.empty(),
                    "{}: none of its checkpoints can be used; see the warnings above", run_folder);
    if (latest.content) {
      check_resume(config, catalog, *latest.content, latest.folder, facts);
      log_info("resuming from {} (step {})", latest.folder, latest.content->step);
      return pack(*latest.content, true);
    }
    log_info("{} has no checkpoint yet: starting at step 0", run_folder);
  }
  CheckpointContent start;
  if (!config.train.init_from.empty()) {
    const auto source = find_checkpoint(expand_variables(config.train.init_from), true);
    log_info("parameters from {}", source.folder);
    start = *source.content;
    for (const auto& spec : modalities_from_json(facts.at("modalities")))
      warn_of_other_input("train.init_from: " + source.folder, spec.name, start, facts);
  }
  for (const auto& [modality, encoder] : config.model.encoders)
    if (!encoder.frozen_from.empty())
      start.files["frozen." + modality] = frozen_encoder(modality, encoder.frozen_from, facts);
  return start.files.empty() ? std::string() : pack(start, false);
}

/// Every rank reads its own config file; a rank that got another one would compute another run.
void agree_on_config(Communicator& comm, const RunConfig& config, const Catalog& catalog) {
  const auto texts = comm.all_gather("config", dump_config(config, catalog)).wait();
  for (std::size_t rank = 1; rank < texts.size(); ++rank) {
    if (texts[rank] == texts[0]) continue;
    std::string keys;
    for (const auto& change :
         compare_configs(parse_config(texts[0], "config of rank 0", {}, catalog),
                         parse_config(texts[rank], "config of another rank", {}, catalog), catalog))
      keys += fmt::format("\n  {}: {} on rank 0, {} on rank {}", change.key, change.was, change.is,
                          rank);
    throw UserError(fmt::format(
        "the config of rank {} differs from that of rank 0 (they would compute different "
        "runs):{}\nlaunch all ranks with the same file and overrides",
        rank, keys));
  }
}

/// Says where the ranks are, and whether their processors could disagree about bits.
void announce_hosts(Communicator& comm, const std::string& processor, int threads) {
  std::map<std::string, int> hosts, processors;
  for (const auto& text : comm.all_gather("hosts", whereabouts().host + "\n" + processor).wait()) {
    const auto end = text.find('\n');
    ++hosts[text.substr(0, end)];
    ++processors[text.substr(end + 1)];
  }
  std::string list;
  for (const auto& [host, ranks] : hosts)
    list += fmt::format("{}{} ({} rank{})", list.empty() ? "" : ", ", host, ranks,
                        ranks == 1 ? "" : "s");
  if (hosts.size() > 1) log_info("hosts: {}", list);
  const int here = hosts[whereabouts().host];
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (here * threads > cores)
    log_warning(
        "{} rank{} of {} thread{} share the {} cores of {} (they wait for each other); start fewer",
        here, here == 1 ? "" : "s", threads, threads == 1 ? "" : "s", cores, whereabouts().host);
  if (processors.size() > 1)
    log_warning(
        "the ranks run on {} kinds of processor, such as {} and {}: another placement of "
        "the ranks may give other bits",
        processors.size(), processors.begin()->first, processors.rbegin()->first);
}

/// A task is not divided, so more ranks than tasks make nothing faster.
void announce_idle(const Communicator& comm, std::int64_t tasks) {
  if (comm.size() > tasks)
    log_warning(
        "{} of {} ranks have no task in a step of {} (they only wait); start fewer, or raise "
        "episode.meta_batch_size",
        comm.size() - tasks, comm.size(), tasks);
}

}  // namespace

void start_state(Communicator& comm, const RunConfig& config, const Catalog& catalog,
                 const std::string& run_folder, bool resume,
                 const std::map<std::string, std::string>& facts, TrainState& state,
                 RunProgress& progress) {
  std::string bytes;
  together(comm, "reading the checkpoint", [&] {
    if (comm.rank() == 0) bytes = read_start(config, catalog, run_folder, resume, facts);
  });
  bytes = comm.broadcast("starting state", std::move(bytes), 0).wait();
  if (bytes.empty()) return;
  together(comm, "loading the checkpoint", [&] {
    bool resumes = false;
    const auto content = unpack(bytes, resumes);
    if (resumes) {
      from_checkpoint(content, run_folder, state, progress);
      return;
    }
    const auto layout = state.parameters.shared_layout();
    auto flat = state.parameters.flat();
    if (!config.train.init_from.empty())
      flat = flat_from_arrays(*layout, content.files.at("parameters"), config.train.init_from);
    for (const auto& [modality, encoder] : config.model.encoders)
      if (!encoder.frozen_from.empty())
        copy_parameters(*layout, content.files.at("frozen." + modality), encoder.frozen_from,
                        encoder_prefix(modality), flat);
    state.parameters = ParameterList(layout, flat);
  });
}

std::map<std::string, std::string> agreed_environment(Communicator& comm, const RunConfig& config,
                                                      const Catalog& catalog) {
  agree_on_config(comm, config, catalog);
  const auto facts = environment_facts(config);
  std::vector<Fact> all;
  for (const auto& name : {"binary_sha256", "libtorch", "libc", "threads"})
    all.push_back({name, facts.at(name)});
  for (const auto& name : {"instruction_set", "kernels"})
    all.push_back({name, facts.at(name),
                   "where processors differ, set CUTTLE_INSTRUCTION_SET on all hosts to what each "
                   "has: avx2 or generic"});
  agree(comm, all);
  announce_hosts(comm, facts.at("processor"), static_cast<int>(config.threads));
  announce_idle(comm, config.episode.meta_batch_size);
  return facts;
}

void agree_on_start(Communicator& comm, const std::map<std::string, std::string>& facts,
                    const TrainState& state) {
  std::vector<Fact> all{{"data_fingerprint", facts.at("data_fingerprint")},
                        {"parameters", state.parameters.sha256()},
                        {"step", std::to_string(state.step)}};
  for (const auto& slot : state.slots)
    all.push_back({"optimizer." + slot.name,
                   ParameterList(state.parameters.shared_layout(), slot.values).sha256()});
  agree(comm, all);
}

}  // namespace cuttle
