#include "cuttle/task/objective.hpp"

namespace cuttle {

Objectives make_objectives(const std::map<std::string, ObjectiveOptions>& wanted,
                           const std::map<std::string, ObjectiveType>& types, const Model& model,
                           ParameterLayout& layout) {
  Objectives objectives;
  for (const auto& [name, options] : wanted) {
    const auto& type = find_type(types, "objectives." + name + ".type", options.objective.type);
    objectives.push_back({name, options.weight, options.where != "outer", options.where != "inner",
                          type.make({options.objective, model, layout, "objective." + name})});
  }
  return objectives;
}

}  // namespace cuttle
