#include "cuttle/reduce/meta_reducer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "cuttle/core/error.hpp"
#include "cuttle/reduce/exact_sum.hpp"
#include "reduce/column_sums.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kTasksNamed = 3;  // per rank, in messages about tasks that were not finite

std::string describe_nonfinite(Span<const float> gradient, Span<const float> scalars) {
  if (const std::size_t i = first_nonfinite(scalars); i < scalars.size()) {
    return i == 0 ? fmt::format("the loss is {}", scalars[i])
                  : fmt::format("scalar {} beside the loss is {}", i, scalars[i]);
  }
  const std::size_t i = first_nonfinite(gradient);
  CUTTLE_EXPECT(i < gradient.size());
  return fmt::format("element {} of the gradient is {}", i, gradient[i]);
}

}  // namespace

struct MetaReducer::Workspace {
  explicit Workspace(Communicator& comm) : sums(comm) {}

  ColumnSums sums;
  BlockRanges ranges;      // of the good rows
  BlockRanges row_ranges;  // of the latest row
};

// What a rank knows before anything is added. Travels as its numbers followed by its two texts, and
// only when some rank is in trouble: usually the maxima over all ranks say enough.
struct MetaReducer::Ballot {
  enum Number {
    kGradientSize,
    kScalarCount,
    kGood,
    kBad,
    kRequest,
    kUserFailure,
    kNoteSize,
    kNumbers
  };
  std::array<std::int64_t, kNumbers> numbers{};
  std::string bad_note;
  std::string failure;  // empty: none

  std::string encode() const {
    std::string bytes(sizeof numbers, '\0');
    std::memcpy(bytes.data(), numbers.data(), sizeof numbers);
    return bytes + bad_note + failure;
  }

  static Ballot decode(const std::string& bytes) {
    Ballot ballot;
    CUTTLE_EXPECT(bytes.size() >= sizeof ballot.numbers);
    std::memcpy(ballot.numbers.data(), bytes.data(), sizeof ballot.numbers);
    const std::string texts = bytes.substr(sizeof ballot.numbers);
    const std::size_t note_size = static_cast<std::size_t>(ballot.numbers[kNoteSize]);
    CUTTLE_EXPECT(note_size <= texts.size());
    ballot.bad_note = texts.substr(0, note_size);
    ballot.failure = texts.substr(note_size);
    return ballot;
  }
};

MetaReducer::NonFinite MetaReducer::parse_policy(const std::string& word) {
  if (word == "fail") return NonFinite::kFail;
  if (word == "skip_task") return NonFinite::kSkipTask;
  if (word == "skip_step") return NonFinite::kSkipStep;
  throw UserError(
      fmt::format("reduce.on_nonfinite is '{}' (unknown); use fail, skip_task or skip_step", word));
}

MetaReducer::MetaReducer(Communicator& comm, std::size_t gradient_size,
                         const ReduceOptions& options)
    : comm_(comm),
      gradient_size_(gradient_size),
      policy_(parse_policy(options.on_nonfinite)),
      work_(std::make_unique<Workspace>(comm)) {}

MetaReducer::~MetaReducer() = default;

void MetaReducer::add(Span<const float> gradient, Span<const float> scalars,
                      std::string_view task_name) {
  CUTTLE_EXPECT(gradient.size() == gradient_size_);
  const std::int64_t scalar_count = static_cast<std::int64_t>(scalars.size());
  CUTTLE_EXPECT(scalar_count_ < 0 || scalar_count_ == scalar_count);
  scalar_count_ = scalar_count;
  if (good_ == rows_.size()) rows_.emplace_back();
  if (!copy(gradient, scalars, rows_[good_])) {
    if (++bad_ <= kTasksNamed) {
      bad_note_ += fmt::format("; rank {}, {}: {}", comm_.rank(), task_name,
                               describe_nonfinite(gradient, scalars));
    }
    return;
  }
  if (good_++ == 0) {
    std::swap(work_->ranges, work_->row_ranges);
  } else {
    work_->ranges.take(work_->row_ranges);
  }
}

// Measures what it copies while that is in the cache. False if a value is not finite.
bool MetaReducer::copy(Span<const float> gradient, Span<const float> scalars,
                       std::vector<float>& row) {
  row.resize(gradient.size() + scalars.size());
  work_->row_ranges.clear(row.size());
  bool finite = true;
  for (std::size_t begin = 0; begin < row.size(); begin += kChunkColumns) {
    const std::size_t end = std::min(begin + kChunkColumns, row.size());
    const std::size_t scalars_begin = std::clamp(gradient.size(), begin, end);
    if (begin < scalars_begin) {
      std::copy(gradient.data() + begin, gradient.data() + scalars_begin, row.data() + begin);
    }
    for (std::size_t c = scalars_begin; c < end; ++c) row[c] = scalars[c - gradient.size()];
    finite &= work_->row_ranges.take(begin, Span<const float>(row.data() + begin, end - begin));
  }
  return finite;
}

void MetaReducer::fail(const std::exception& cause) {
  failure_ = *cause.what() != '\0' ? cause.what() : "unknown failure";
  user_failure_ = dynamic_cast<const UserError*>(&cause) != nullptr;
}

MetaReducer::Ballot MetaReducer::take_ballot(std::int64_t request) {
  Ballot ballot;
  ballot.numbers = {static_cast<std::int64_t>(gradient_size_),
                    scalar_count_,
                    static_cast<std::int64_t>(good_),
                    bad_,
                    request,
                    user_failure_ ? 1 : 0,
                    static_cast<std::int64_t>(bad_note_.size())};
  ballot.bad_note = std::exchange(bad_note_, {});
  ballot.failure = std::exchange(failure_, {});
  good_ = 0;
  bad_ = 0;
  scalar_count_ = -1;
  user_failure_ = false;
  return ballot;
}

// Every rank counts the same ballots, so all of them throw, skip or go on together.
Reduced MetaReducer::count(const std::vector<Ballot>& ballots) const {
  Reduced result;
  result.request = ballots[0].numbers[Ballot::kRequest];
  std::string failures;
  bool all_user = true;
  std::int64_t scalar_count = -1;
  for (std::size_t rank = 0; rank < ballots.size(); ++rank) {
    const Ballot& ballot = ballots[rank];
    result.tasks += ballot.numbers[Ballot::kGood];
    result.skipped += ballot.numbers[Ballot::kBad];
    result.request = std::max(result.request, ballot.numbers[Ballot::kRequest]);
    result.skipped_note += ballot.bad_note;
    if (!ballot.failure.empty()) {
      failures += fmt::format("{}rank {}: {}", failures.empty() ? "" : "; ", rank, ballot.failure);
      all_user = all_user && ballot.numbers[Ballot::kUserFailure] != 0;
    }
    CUTTLE_REQUIRE(
        ballot.numbers[Ballot::kGradientSize] == ballots[0].numbers[Ballot::kGradientSize],
        "rank {} has {} parameters and rank 0 has {} (they cannot be averaged); start all "
        "ranks with the same config",
        rank, ballot.numbers[Ballot::kGradientSize], ballots[0].numbers[Ballot::kGradientSize]);
    const std::int64_t scalars = ballot.numbers[Ballot::kScalarCount];
    if (scalar_count < 0) scalar_count = scalars;
    CUTTLE_EXPECT(scalars < 0 || scalars == scalar_count);
  }
  if (!failures.empty() && all_user) throw UserError(failures);
  if (!failures.empty()) throw Error(failures);
  if (!result.skipped_note.empty()) result.skipped_note.erase(0, 2);
  if (result.skipped > 0 && policy_ == NonFinite::kFail) {
    throw Error(
        fmt::format("{} of {} tasks are not finite ({}) (their gradient would spoil the "
                    "parameters); lower the learning "
                    "rates, check the data, or set reduce.on_nonfinite to skip_task or skip_step",
                    result.skipped, result.tasks + result.skipped, result.skipped_note));
  }
  result.apply = result.tasks > 0 && (result.skipped == 0 || policy_ == NonFinite::kSkipTask);
  result.scalars.resize(static_cast<std::size_t>(std::max<std::int64_t>(scalar_count, 0)));
  return result;
}

// One small maximum, whatever the number of ranks. The ballots themselves are gathered, and then
// tell who and why, only if a rank failed, has a bad task, or another model.
Reduced MetaReducer::vote(const Ballot& mine, std::int64_t* most_tasks) {
  constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::min();
  const auto& numbers = mine.numbers;
  const std::int64_t size = numbers[Ballot::kGradientSize], scalars = numbers[Ballot::kScalarCount];
  const bool in_trouble = numbers[Ballot::kBad] > 0 || !mine.failure.empty();
  const std::vector<std::int64_t> most =
      comm_
          .all_reduce("step vote",
                      {in_trouble, numbers[Ballot::kRequest], numbers[Ballot::kGood], size, -size,
                       scalars, scalars < 0 ? kUnknown : -scalars},
                      ReduceOp::kMax)
          .wait();
  const bool all_alike = most[3] == -most[4] && (most[5] < 0 || most[5] == -most[6]);
  *most_tasks = most[2];
  if (most[0] != 0 || !all_alike) {
    std::vector<Ballot> ballots;
    for (const auto& bytes : comm_.all_gather("step ballots", mine.encode()).wait()) {
      ballots.push_back(Ballot::decode(bytes));
    }
    return count(ballots);
  }
  Reduced result;
  result.request = most[1];
  result.apply = most[2] > 0;
  result.scalars.resize(static_cast<std::size_t>(std::max<std::int64_t>(most[5], 0)));
  return result;
}

Reduced MetaReducer::reduce(std::int64_t request) {
  const Span<const std::vector<float>> rows(rows_.data(), good_);
  std::int64_t most_tasks = 0;
  Reduced result = vote(take_ballot(request), &most_tasks);
  if (!result.apply) {
    result.scalars.clear();
    return result;
  }
  if (rows.empty()) work_->ranges.clear(gradient_size_ + result.scalars.size());
  ColumnResults sums = work_->sums.run("gradient", rows, gradient_size_, result.scalars.size(),
                                       work_->ranges, comm_.size() * most_tasks);
  result.tasks = sums.rows;
  result.gradient = std::move(sums.means);
  const double tasks = static_cast<double>(sums.rows);
  for (std::size_t i = 0; i < sums.sums.size(); ++i) result.scalars[i] = sums.sums[i] / tasks;
  return result;
}

}  // namespace cuttle
