#include "cuttle/task/objective.hpp"

#include "cuttle/core/error.hpp"

namespace cuttle {

Objectives make_objectives(const std::map<std::string, ObjectiveOptions>& wanted,
                           const std::map<std::string, ObjectiveType>& types, Model& model,
                           const TaskKind& kind) {
  Objectives objectives;
  ProblemList problems;
  for (const auto& [name, options] : wanted) {
    problems.attempt([&, &name = name, &options = options] {
      const auto& type = find_type(types, "objectives." + name + ".type", options.objective.type);
      objectives.push_back(
          {name, options.weight, options.where != "outer", options.where != "inner",
           type.make({options.objective, model, model.declare(), "objective." + name, kind})});
      const WeightedObjective& made = objectives.back();
      CUTTLE_VALIDATE(made.outer || !made.objective->players(),
                      "objectives.{}.where: {} has two players, and inner loops move one of them "
                      "(the other would stay as it was drawn); use outer, or both",
                      name, options.objective.type);
      if (made.objective->wants_tokens()) model.give_tokens();
    });
  }
  problems.throw_if_any();
  return objectives;
}

}  // namespace cuttle
