// cuttle with fault points: CUTTLE_FAULT=POINT:RANK:CALL[:nan] makes the CALL-th call (from 1) of a
// point throw on that rank; `adapt` may give a loss that is not a number instead. The linker
// (--wrap, see CMakeLists.txt) puts these functions in the way of the real ones, so the program
// under test is the one that people run.

#include <torch/types.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

#include "cuttle/app/app.hpp"
#include "cuttle/checkpoint/checkpoint.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/reduce/meta_reducer.hpp"
#include "cuttle/task/episode.hpp"
#include "step/meta_gradients.hpp"

namespace cuttle {
namespace {

struct Fault {
  std::string point;
  int rank = -1, call = 0;
  bool nan = false;
  int seen = 0;

  Fault() {
    const char* text = std::getenv("CUTTLE_FAULT");
    const char* mine = std::getenv("OMPI_COMM_WORLD_RANK");
    std::string wanted, number, what;
    std::istringstream words(text ? text : "");
    std::getline(words, point, ':');
    std::getline(words, wanted, ':');
    std::getline(words, number, ':');
    nan = std::getline(words, what, ':') && what == "nan";
    if (!wanted.empty() && wanted == (mine ? mine : "0")) call = std::atoi(number.c_str());
  }
  /// True at the call that was asked for.
  bool hits(const char* where) { return point == where && ++seen == call; }
  void maybe_throw(const char* where) {
    if (hits(where)) throw std::runtime_error(std::string("fault point '") + where + "'");
  }
};

Fault& fault() {
  static Fault one;
  return one;
}

}  // namespace

#define REAL(name) asm("__real_" name)
#define WRAP(name) asm("__wrap_" name)
#define PLAN "_ZNK6cuttle14EpisodePlanner4planERKNS_9RandomKeyE"
#define READ "_ZN6cuttle11materialiseERKNS_7DatasetERKNS_11EpisodePlanE"
#define ADAPT                                                                                      \
  "_ZN6cuttle22for_each_meta_gradientERKNS_7LearnerERKNS_13ParameterListERKSt6vectorINS_4TaskESaI" \
  "S7_EERKSt8functionIFvRKS7_RKNS_10TaskResultEEE"
#define REDUCE "_ZN6cuttle11MetaReducer6reduceEl"
#define CHECKPOINT                                                                           \
  "_ZN6cuttle15save_checkpointERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKNS_1" \
  "7CheckpointContentEiSt8optionalIlE"

// A member function takes its object like a first argument (Itanium C++ ABI).
EpisodePlan real_plan(const EpisodePlanner*, const RandomKey&) REAL(PLAN);
EpisodePlan wrap_plan(const EpisodePlanner* self, const RandomKey& key) WRAP(PLAN);
EpisodePlan wrap_plan(const EpisodePlanner* self, const RandomKey& key) {
  fault().maybe_throw("plan");
  return real_plan(self, key);
}

Episode real_read(const Dataset&, const EpisodePlan&) REAL(READ);
Episode wrap_read(const Dataset& data, const EpisodePlan& plan) WRAP(READ);
Episode wrap_read(const Dataset& data, const EpisodePlan& plan) {
  fault().maybe_throw("read");
  return real_read(data, plan);
}

using Use = std::function<void(const Task&, const TaskResult&)>;
void real_adapt(const Learner&, const ParameterList&, const std::vector<Task>&, const Use&)
    REAL(ADAPT);
void wrap_adapt(const Learner& learner, const ParameterList& parameters,
                const std::vector<Task>& tasks, const Use& use) WRAP(ADAPT);
void wrap_adapt(const Learner& learner, const ParameterList& parameters,
                const std::vector<Task>& tasks, const Use& use) {
  real_adapt(learner, parameters, tasks, [&](const Task& task, const TaskResult& result) {
    TaskResult changed = result;
    if (fault().nan && fault().hits("adapt")) changed.values[0] = std::nan("");
    if (!fault().nan) fault().maybe_throw("adapt");
    use(task, changed);
  });
}

Reduced real_reduce(MetaReducer*, std::int64_t) REAL(REDUCE);
Reduced wrap_reduce(MetaReducer* self, std::int64_t request) WRAP(REDUCE);
Reduced wrap_reduce(MetaReducer* self, std::int64_t request) {
  fault().maybe_throw("reduce");
  return real_reduce(self, request);
}

std::string real_save(const std::string&, const CheckpointContent&, int,
                      std::optional<std::int64_t>) REAL(CHECKPOINT);
std::string wrap_save(const std::string& folder, const CheckpointContent& content, int keep,
                      std::optional<std::int64_t> best) WRAP(CHECKPOINT);
std::string wrap_save(const std::string& folder, const CheckpointContent& content, int keep,
                      std::optional<std::int64_t> best) {
  fault().maybe_throw("checkpoint");
  return real_save(folder, content, keep, best);
}

}  // namespace cuttle

int main(int argc, char** argv) {
  return cuttle::run_app(argc, argv, {});
}
