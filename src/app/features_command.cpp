#include <memory>

#include "app/commands.hpp"
#include "app/print_told.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/feature_bank.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

/// The banks of a folder, or those that were removed from it.
ordered_json told_of(const std::string& root, const std::vector<FeatureBank::Found>& banks) {
  ordered_json told{{"bank", root}, {"features", ordered_json::array()}};
  double megabytes = 0;
  for (const auto& found : banks) {
    const double size = static_cast<double>(found.bytes) / 1e6;
    megabytes += size;
    told["features"].push_back({{"folder", found.folder},
                                {"megabytes", size},
                                {"days_unused", found.days_unused},
                                {"facts", found.facts}});
  }
  told["megabytes"] = megabytes;
  return told;
}

ExitCode keep_or_clear(const FeaturesArguments& arguments) {
  const std::string root = FeatureBank::root(arguments.bank);
  CUTTLE_VALIDATE(!root.empty(),
                  "there is no folder of features (neither CUTTLE_FEATURES nor HOME is set, or "
                  "--bank is none); name one: --bank FOLDER");
  const auto banks = arguments.clear ? FeatureBank::remove_unused(root, arguments.unused)
                                     : FeatureBank::list(root);
  if (arguments.clear) log_info("removed {} folders of features from {}", banks.size(), root);
  print_told(told_of(root, banks), arguments.json);
  return ExitCode::kDone;
}

}  // namespace

ExitCode features_command(const FeaturesArguments& arguments, MpiSession& session,
                          const Extensions& extensions) {
  if (arguments.config.empty()) return keep_or_clear(arguments);
  const RunConfig config =
      load_config(arguments.config, arguments.overrides, catalog_of(extensions));
  const std::string root = FeatureBank::root(config.data.feature_bank);
  CUTTLE_VALIDATE(!root.empty(),
                  "data.feature_bank: there is no folder (it is none, or neither CUTTLE_FEATURES "
                  "nor HOME is set); name one");
  return with_communicator(session, config.comm, [&](Communicator& comm) {
    std::unique_ptr<RunData> data;
    Assembly parts;
    together(comm, "opening the data", [&] {
      prepare_process(config, session.local_rank());
      data = RunData::open(config, extensions);
      parts = assemble(config, data->inputs(), extensions);
      bool fixed = false;
      for (std::size_t m = 0; m < parts.model->modalities().size(); ++m)
        fixed = fixed || parts.model->encoder(m).fixed();
      CUTTLE_VALIDATE(fixed,
                      "model.encoders: none holds weights of others (the features of the rest "
                      "change as they learn); nothing is computed ahead");
    });
    keep_with_features(comm, config, *data, *parts.model,
                       ParameterList::initial(parts.model->layout(), config.seed), true,
                       console_of(comm.rank()));
    if (comm.rank() == 0) print_told(told_of(root, FeatureBank::list(root)), arguments.json);
    return ExitCode::kDone;
  });
}

}  // namespace cuttle
