#include <torch/types.h>

#include "task/rows.hpp"

namespace cuttle {
namespace {

/// Tasks whose samples have some numbers of their embedding taken away.
class Dropped final : public TaskSource {
 public:
  Dropped(std::unique_ptr<const TaskSource> source, const Model& model)
      : source_(std::move(source)), model_(model) {}

  EpisodeSize size(const RandomKey& key) const override { return source_->size(key); }
  Task make(const RandomKey& key) const override {
    Task task = source_->make(key);
    task.support.kept = model_.dropout(task.support.size, task.key.with(Draw::kSupportDropout));
    task.query.kept = model_.dropout(task.query.size, task.key.with(Draw::kQueryDropout));
    return task;
  }
  std::string left_out() const override { return source_->left_out(); }

 private:
  std::unique_ptr<const TaskSource> source_;
  const Model& model_;
};

}  // namespace

std::unique_ptr<const TaskSource> with_dropout(std::unique_ptr<const TaskSource> source,
                                               const Model& model) {
  return std::make_unique<Dropped>(std::move(source), model);
}

}  // namespace cuttle
