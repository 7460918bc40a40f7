#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cuttle {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): a bijection
/// of the counter under a key; no state. Tested against the vectors published with Random123.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// What a stream of random numbers is for. Values are part of the meaning of a seed: never
/// renumber.
enum class Stream : std::uint8_t {
  kInit = 0,        ///< initial parameters (step and slot: a hash of the parameter's name)
  kTrain = 1,       ///< training episodes (outer step, slot in the meta-batch)
  kValidation = 2,  ///< fixed validation episode list (step 0, slot = episode)
  kTest = 3,        ///< fixed test episode list
  kModel = 4,  ///< draws inside a task: dropout, modality dropout (key of the task, counted by use)
  kTesting = 5,  ///< tests of cuttle itself
  kMissing = 6,  ///< senses that data shall seem to lack (step: a hash of whose, by name)
  kFolds = 7,    ///< how classes are dealt into folds (step: a hash of a class's name)
};

/// What is drawn by a task's own key, a use of Stream::kModel each; in one place, so that no two of
/// one task share their numbers. Values are part of the meaning of a seed: never renumber.
/// (Learners that act number the uses of their environments' keys themselves.)
enum class Draw : std::uint8_t {
  kSupportSenses = 1,  ///< modality dropout in training
  kQuerySenses = 2,
  kEvaluatedSupportSenses = 3,  ///< senses that an evaluation hides
  kEvaluatedQuerySenses = 4,
  kSupportCopies = 5,  ///< versions of samples that are classes of their own
  kQueryCopies = 6,
  kSupportOrder = 8,      ///< in which learners that read one by one do
  kCodes = 9,             ///< which codes labels have (caml)
  kInnerBatches = 9,      ///< of reptile, which has no codes
  kShares = 10,           ///< of the classes among queries
  kSupportVersions = 11,  ///< augmentation
  kQueryVersions = 12,
  kLatents = 13,     ///< latent codes of classes
  kLite = 14,        ///< support samples that gradients go through
  kQueryOrder = 15,  ///< of mann in training
  kAnswers = 15,     ///< by a model of itself, where tasks are embedded
  kMixup = 16,
  kSupportDropout = 18,
  kQueryDropout = 19,
  kStandIns = 20,  ///< noise that missing senses are made of
  kSmote = 21,
  kOutside = 22,  ///< samples of no class of an episode
  kOutsideSenses = 23,
};

/// Names one stream of numbers: a pure function of these five and nothing else, so the same on
/// every rank, world size and after every resume.
///
/// Layout: the seed is Philox's 64-bit key; the 128-bit counter is, from its lowest word up,
///   word 0: block, counts groups of four 32-bit draws   word 1: slot
///   word 2: step, low 32 bits                           word 3: step, high 16 bits | stream << 16
///   | use << 24
/// The fields do not overlap and Philox is a bijection of the counter: two keys of one seed that
/// differ in any field share no block. Changing the layout changes the meaning of every seed.
struct RandomKey {
  std::uint64_t seed = 0;
  Stream stream = Stream::kTesting;
  std::uint64_t step = 0;  ///< below 2^48
  std::uint32_t slot = 0;

  /// The same key for another purpose (a training task's dropout, say). `use` below 256 tells draws
  /// apart.
  RandomKey with(Stream other, std::uint8_t use = 0) const;
  RandomKey with(Draw draw) const { return with(Stream::kModel, static_cast<std::uint8_t>(draw)); }
  std::uint8_t use = 0;
};

/// Draws from the stream that a key names, in order. Cheap to make; copies continue independently.
class Random {
 public:
  explicit Random(const RandomKey& key) : key_(key) {}

  std::uint32_t bits() {  ///< 32 uniform bits; a stream has 2^34 of them
    if (used_ == 4) refill();
    return buffer_[used_++];
  }
  std::uint64_t below(std::uint64_t n);  ///< uniform in [0, n), n > 0, without bias
  double uniform();                      ///< [0, 1), 53 bits
  double normal();                       ///< N(0, 1), Box-Muller
  /// The first `count` of a random permutation of 0..n-1 (count <= n); O(count) memory.
  std::vector<std::int64_t> sample(std::int64_t n, std::int64_t count);
  /// `count` different places in `weights` (all positive), one after the other, each with a chance
  /// in proportion to its weight among those that are left: Algorithm A of Efraimidis and Spirakis
  /// 2006, "Weighted random sampling with a reservoir". Takes one draw for every weight.
  std::vector<std::int64_t> sample(const std::vector<double>& weights, std::int64_t count);

 private:
  void refill();

  RandomKey key_;
  std::uint64_t block_ = 0;
  std::size_t used_ = 4;
  std::array<std::uint32_t, 4> buffer_{};
};

}  // namespace cuttle
