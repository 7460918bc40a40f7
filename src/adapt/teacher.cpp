#include "adapt/teacher.hpp"

#include <torch/types.h>

#include "cuttle/core/error.hpp"

namespace cuttle {

void TeacherOptions::keys(Keys& keys) {
  keys.add("teacher", teacher, anything(),
           "run folder or checkpoint of a like run on the same data, whose answers are learned "
           "beside the labels (self-distillation); \"\": none");
  keys.add("teacher_weight", teacher_weight, above_to(0, 1),
           "of the teacher's answers in the loss; the labels have the rest");
  keys.add("temperature", temperature, above(0),
           "that logits of teacher and student are divided by");
}

std::optional<Teacher> Teacher::of(const TeacherOptions& options, ParameterLayout& layout,
                                   std::vector<std::string> alike) {
  if (options.teacher.empty()) {
    const TeacherOptions usual;
    const bool weight = options.teacher_weight != usual.teacher_weight;
    CUTTLE_VALIDATE(!weight && options.temperature == usual.temperature,
                    "adapt.{}: has no effect without a teacher; name a run in adapt.teacher, or "
                    "remove the key",
                    weight ? "teacher_weight" : "temperature");
    return std::nullopt;
  }
  Teacher made(options);
  const std::string prefix = "learner.teacher.";
  const std::int64_t declared = layout.count();
  for (std::int64_t place = 0; place < declared; ++place) {
    ParameterSpec spec = layout.spec(place);
    if (spec.role != ParameterRole::kBody && spec.role != ParameterRole::kLearner) continue;
    spec.name = prefix + spec.name;
    spec.role = ParameterRole::kLearner;
    spec.section = ParameterSection::kFrozen;
    made.places_.emplace_back(place, layout.add(std::move(spec)));
    layout.leave_to_training(made.places_.back().second);
  }
  layout.copy({"adapt.teacher", options.teacher, prefix, std::move(alike)});
  return made;
}

Tensors Teacher::in_place(Tensors parameters) const {
  for (const auto& [own, taught] : places_)
    parameters[static_cast<std::size_t>(own)] = parameters[static_cast<std::size_t>(taught)];
  return parameters;
}

torch::Tensor Teacher::loss(const torch::Tensor& by_labels, const torch::Tensor& outputs,
                            const torch::Tensor& taught) const {
  const double weight = options_.teacher_weight, t = options_.temperature;
  const auto said = torch::log_softmax(outputs / t, 1), wanted = torch::log_softmax(taught / t, 1);
  return (1 - weight) * by_labels + weight * t * t * (wanted.exp() * (wanted - said)).sum(1).mean();
}

}  // namespace cuttle
