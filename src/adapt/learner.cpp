#include "cuttle/adapt/learner.hpp"

#include <fmt/ranges.h>

#include "adapt/learners.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

LearnerFactory maml(bool second_order) {
  return [=](std::shared_ptr<const Model> model, const AdaptOptions& options) {
    return make_maml(std::move(model), options, second_order);
  };
}

}  // namespace

double Learner::cost(std::int64_t support, std::int64_t query) const {
  constexpr double kGradient = 3;  // a forward pass and twice as much back
  return kGradient * static_cast<double>(query + options_.inner_steps * support);
}

LearnerRegistry builtin_learners() {
  return {{"maml", {maml(true), true, true}},
          {"fomaml", {maml(false), true, false}},
          {"anil", {make_anil, true, false}},
          {"reptile", {make_reptile, true, false}},
          {"protonet", {make_protonet, false, false}}};
}

const LearnerType& find_learner(const LearnerRegistry& learners, const std::string& algorithm) {
  const auto found = learners.find(algorithm);
  if (found != learners.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& entry : learners) names.push_back(entry.first);
  throw UserError(fmt::format("adapt.algorithm: '{}' is unknown; there are {}", algorithm,
                              fmt::join(names, ", ")));
}

std::unique_ptr<const Learner> make_learner(const LearnerRegistry& learners,
                                            std::shared_ptr<const Model> model,
                                            const AdaptOptions& options) {
  const LearnerType& type = find_learner(learners, options.algorithm);
  const std::string block = type.second_order ? model->first_order_only() : "";
  CUTTLE_VALIDATE(block.empty(),
                  "adapt.algorithm: {} needs second derivatives, but {} has none (its gradient "
                  "would be silently "
                  "wrong); choose fomaml, reptile or protonet, or another encoder",
                  options.algorithm, block);
  return type.make(std::move(model), options);
}

}  // namespace cuttle
