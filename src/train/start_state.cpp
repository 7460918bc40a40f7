#include "train/start_state.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>
#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/assembly.hpp"
#include "cuttle/train/environment.hpp"
#include "train/start_parameters.hpp"

namespace cuttle {
namespace {

void check_resume(const RunConfig& config, const Catalog& catalog, const CheckpointContent& content,
                  const std::string& folder, const std::map<std::string, std::string>& facts) {
  std::string refused;
  const RunConfig kept = parse_saved(content.config_yaml, folder + "/config.yaml", {}, catalog);
  for (const auto& change : compare_configs(kept, config, catalog))
    if (!change.allowed)
      refused += fmt::format("\n  {}: was {}, is {} ({})", change.key, change.was, change.is,
                             change.reason);
  CUTTLE_VALIDATE(
      refused.empty(),
      "{}: the config differs in keys that a resumed run may not change (its result "
      "would be neither the old run's nor the new one's):{}\nuse the old values (it may "
      "change {}), or start a new run from these weights, which may differ in all: "
      "train.init_from={}",
      folder, refused, fmt::join(keys_that_may_change(kept, catalog), ", "), folder);
  const auto entry = [](const std::map<std::string, std::string>& of, const std::string& name) {
    const auto found = of.find(name);
    return found == of.end() ? std::string() : found->second;
  };
  const auto was = [&](const std::string& name) {
    return content.facts.count(name) > 0 ? content.facts.at(name) : std::string("unknown");
  };
  CUTTLE_VALIDATE(
      was("data_fingerprint") == facts.at("data_fingerprint"),
      "{}: the data is not what the run was trained and validated on (fingerprint {:.12} "
      "then, {:.12} now); give the same shards, or start a new run with train.init_from",
      folder, was("data_fingerprint"), facts.at("data_fingerprint"));
  CUTTLE_VALIDATE(entry(content.facts, "files_fingerprint") == entry(facts, "files_fingerprint"),
                  "{}: sampling_weights is not the file that the run was trained by (later tasks "
                  "would be drawn otherwise than earlier ones); give the same, or start a new run "
                  "with train.init_from",
                  folder);
  check_held_files(content.facts, entry(facts, kHeldFiles), folder);
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
  content.files = {{"parameters", {}}, {"optimizer", {}}};  // a model may have none
  for (auto& array : file.arrays) {
    const auto slash = array.name.find('/');
    const std::string name = array.name.substr(0, slash);
    array.name = array.name.substr(slash + 1);
    content.files[name].push_back(std::move(array));
  }
  return content;
}

/// Rank 0's part: the bytes that all ranks start from; empty: the initial state.
std::string read_start(const RunConfig& config, const Catalog& catalog, const RunFolder& folder,
                       const std::map<std::string, std::string>& facts,
                       const ParameterList& initial) {
  if (folder.resume) {
    const auto latest = load_latest(folder.path);
    for (const auto& reason : latest.refused) log_warning("a checkpoint is not used: {}", reason);
    CUTTLE_VALIDATE(latest.content || latest.refused.empty(),
                    "{}: none of its checkpoints can be used; see the warnings above", folder.path);
    if (latest.content) {
      check_resume(config, catalog, *latest.content, latest.folder, facts);
      log_info("resuming from {} (step {})", latest.folder, latest.content->step);
      return pack(*latest.content, true);
    }
    log_info("{} has no checkpoint yet: starting at step 0", folder.path);
  }
  if (!starts_from_another(config) && initial.layout().copied().empty()) return {};
  const auto start = start_parameters(config, catalog, initial, facts, folder.strict_init);
  CheckpointContent content;
  content.files["parameters"] = parameter_arrays(start.layout(), start.flat());
  return pack(content, false);
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
                 const RunFolder& folder, const std::map<std::string, std::string>& facts,
                 TrainState& state, RunProgress& progress) {
  std::string bytes;
  together(comm, "reading the checkpoint", [&] {
    if (comm.rank() == 0) bytes = read_start(config, catalog, folder, facts, state.parameters);
  });
  bytes = comm.broadcast("starting state", std::move(bytes), 0).wait();
  if (bytes.empty()) return;
  together(comm, "loading the checkpoint", [&] {
    bool resumes = false;
    const auto content = unpack(bytes, resumes);
    if (resumes) return from_checkpoint(content, folder.path, state, progress);
    const auto layout = state.parameters.shared_layout();
    state.parameters = ParameterList(
        layout, flat_from_arrays(*layout, content.files.at("parameters"), folder.path));
  });
}

std::vector<ModalitySpec> start_statistics(Communicator& comm, const RunConfig& config,
                                           const RunFolder& folder) {
  const auto& encoders = config.model.encoders;
  const bool fits = std::any_of(encoders.begin(), encoders.end(),
                                [](const auto& entry) { return !entry.second.fitted.empty(); });
  const bool takes = config.train.init_statistics == "source";
  if (!takes && !(fits && folder.resume)) return {};
  std::string text;
  together(comm, "reading the statistics", [&] {
    if (comm.rank() != 0) return;
    // A run's never change: any of its checkpoints has them.
    const auto own = folder.resume ? load_latest(folder.path) : LatestCheckpoint();
    text = own.content ? own.content->facts.at("modalities")
                       : modalities_to_json(takes ? source_statistics(config)
                                                  : std::vector<ModalitySpec>());
  });
  return modalities_from_json(comm.broadcast("statistics", std::move(text), 0).wait());
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
  // Each rank fits preprocessing itself, and processors may round otherwise.
  if (const auto senses = facts.find("modalities"); senses != facts.end())
    all.push_back({"modalities", sha256(senses->second)});
  for (const char* name : {"files_fingerprint", kHeldFiles})
    if (const auto files = facts.find(name); files != facts.end())
      all.push_back({files->first, files->second});
  for (const auto& slot : state.slots)
    all.push_back({"optimizer." + slot.name,
                   ParameterList(state.parameters.shared_layout(), slot.values).sha256()});
  agree(comm, all);
}

}  // namespace cuttle
