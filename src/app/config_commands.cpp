#include <fmt/ranges.h>

#include <iostream>

#include "app/commands.hpp"
#include "app/train_folds.hpp"
#include "cuttle/train/trainer.hpp"

namespace cuttle {

ExitCode validate_command(const ConfigArguments& arguments, const Extensions& extensions) {
  const RunConfig config = load_for_folds(arguments.config, arguments.overrides, arguments.folds,
                                          catalog_of(extensions));
  WarningsOnce warnings;
  const auto obstacles =
      arguments.folds > 0 ? find_obstacles_of_folds(config, arguments.folds, extensions, warnings)
                          : find_obstacles(config, extensions);
  CUTTLE_VALIDATE(obstacles.empty(), "{}: its keys are fine, but training would not start:\n{}",
                  arguments.config, fmt::join(obstacles, "\n"));
  std::cout << arguments.config << " is fine\n";
  return ExitCode::kDone;
}

ExitCode dump_default_command(const ConfigArguments& arguments, const Extensions& extensions) {
  const Catalog catalog = catalog_of(extensions);
  std::cout << dump_config(parse_config("{}", "defaults", arguments.overrides, catalog), catalog,
                           /*documented=*/true);
  return ExitCode::kDone;
}

}  // namespace cuttle
