#include "cuttle/config/run_config.hpp"

#include "config/config_problems.hpp"
#include "config/config_reader.hpp"
#include "config/config_schema.hpp"
#include "config/cross_check.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {

RunConfig parse_config(const std::string& yaml, const std::string& origin,
                       const std::vector<std::string>& overrides) {
  RunConfig config;
  ConfigSchema schema(config);
  ConfigProblems problems(origin);
  ConfigReader reader(schema, problems);
  reader.read_file_text(yaml);
  int n = 0;
  for (const std::string& assignment : overrides) reader.read_override(assignment, ++n);
  if (reader.readable()) cross_check(config, reader, problems);
  problems.throw_if_any();
  return config;
}

RunConfig load_config(const std::string& path, const std::vector<std::string>& overrides) {
  return parse_config(read_file(path, kLargestConfig), path, overrides);
}

}  // namespace cuttle
