#include "reduce/column_sums.hpp"

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "reduce/fixed_point.hpp"
#include "reduce/odd_quotient.hpp"

// A float is an integer of 24 bits times a power of two. If a block's exponents lie close enough
// together (over all rows of all ranks; almost always so), every value is an integer of the block's
// smallest unit and the sum fits into 63 bits: integer addition is exact and associative. Mostly 51
// bits do; then a rank adds its own rows as doubles, which is exact too and much faster. The few
// wide blocks are added in 9 limbs for each column.
namespace cuttle {
namespace {

constexpr std::size_t kPieceColumns = 1 << 20;  // in one collective: its buffers stay in a cache
constexpr std::size_t kWideBlock = 1 << 16;     // wide columns in one collective: 5 MB of limbs

int bits_to_count(std::int64_t rows) {  // smallest n with 2^n >= rows
  int bits = 0;
  while ((std::int64_t{1} << bits) < rows) ++bits;
  return bits;
}

}  // namespace

ColumnResults ColumnSums::run(std::string_view name, Span<const std::vector<float>> rows,
                              std::size_t means, std::size_t sums, const BlockRanges& ranges,
                              std::int64_t most_rows) {
  CUTTLE_EXPECT(means == 0 || most_rows <= kMostRows);
  name_ = name;
  rows_ = rows;
  means_ = means;
  columns_ = means + sums;
  results_ = {};
  results_.means.reserve(means);
  results_.sums.resize(sums);
  agree_on_units(ranges, most_rows);
  add_narrow();
  add_wide();
  return std::move(results_);
}

void ColumnSums::agree_on_units(const BlockRanges& mine, std::int64_t most_rows) {
  row_bits_ = bits_to_count(most_rows);
  ranges_.replace(comm_.all_reduce_max(name_ + " exponents", mine.bytes()).wait());
}

// One piece is in flight while the next is added up: ranks need not keep step, and the meeting of
// that collective takes no time of its own. There is always a piece, for it counts the rows.
void ColumnSums::add_narrow() {
  std::optional<Piece> before;
  std::size_t first = 0;
  do {
    Piece piece = start_piece(first);
    first += piece.count;
    if (before) settle(*before);
    before.emplace(std::move(piece));
  } while (first < columns_);
  settle(*before);
}

ColumnSums::Piece ColumnSums::start_piece(std::size_t first) {
  const std::size_t count = std::min(kPieceColumns, columns_ - first);
  std::vector<std::int64_t> sums;
  if (!idle_.empty()) {
    sums = std::move(idle_.back());
    idle_.pop_back();
  }
  sums.resize(count + (first == 0));
  std::vector<BlockUnit> units;
  for (std::size_t begin = 0; begin < count; begin += kChunkColumns) {
    const std::size_t end = std::min(begin + kChunkColumns, count);
    units.clear();
    for (std::size_t c = begin; c < end; c += kBlockColumns) {
      units.emplace_back(ranges_, (first + c) / kBlockColumns, row_bits_);
    }
    add_in_units(rows_, first + begin, end - begin, units.data(), sums.data() + begin);
  }
  if (first == 0) sums.back() = static_cast<std::int64_t>(rows_.size());
  return {first, count, comm_.all_reduce(name_ + " sum", std::move(sums), ReduceOp::kSum)};
}

void ColumnSums::settle(Piece& piece) {
  std::vector<std::int64_t> sums = piece.sums.wait();
  if (piece.first == 0) results_.rows = sums.back();
  for (std::size_t begin = 0; begin < piece.count; begin += kChunkColumns) {
    const std::size_t end = std::min(begin + kChunkColumns, piece.count);
    // Growing with the chunks: the zeros that this writes are overwritten while in the cache.
    const std::size_t known = std::min(piece.first + end, means_);
    if (results_.means.size() < known) results_.means.resize(known);
    for (std::size_t c = begin; c < end; c += kBlockColumns)
      settle_block(piece.first + c, std::min(kBlockColumns, end - c), sums.data() + c);
  }
  idle_.push_back(std::move(sums));
}

void ColumnSums::settle_block(std::size_t first, std::size_t count, const std::int64_t* sums) {
  const BlockUnit unit(ranges_, first / kBlockColumns, row_bits_);
  const std::size_t means = std::clamp(means_, first, first + count) - first;
  if (means > 0 && results_.rows > 0)
    means_from_units(sums, means, unit, results_.rows, results_.means.data() + first);
  if (means < count)
    from_units(sums + means, count - means, unit, results_.sums.data() + (first + means - means_));
}

void ColumnSums::add_wide() {
  std::vector<std::size_t> found;
  for (std::size_t block = 0; block < ranges_.blocks(); ++block) {
    if (BlockUnit(ranges_, block, row_bits_).width != Width::kWide) continue;
    const std::size_t end = std::min((block + 1) * kBlockColumns, columns_);
    for (std::size_t c = block * kBlockColumns; c < end; ++c) found.push_back(c);
    if (found.size() < kWideBlock) continue;
    add_wide(found);
    found.clear();
  }
  if (!found.empty()) add_wide(found);
}

void ColumnSums::add_wide(const std::vector<std::size_t>& columns) {
  std::vector<std::int64_t> limbs(columns.size() * kFixedLimbs, 0);
  for (const auto& row : rows_) {
    for (std::size_t k = 0; k < columns.size(); ++k) {
      fixed_add(limbs.data() + k * kFixedLimbs, bits_of(row[columns[k]]));
    }
  }
  limbs = comm_.all_reduce(name_ + " wide sum", std::move(limbs), ReduceOp::kSum).wait();
  for (std::size_t k = 0; k < columns.size(); ++k) {
    const std::int64_t* sum = limbs.data() + k * kFixedLimbs;
    if (columns[k] < means_)
      results_.means[columns[k]] = fixed_mean(sum, results_.rows);
    else
      results_.sums[columns[k] - means_] = fixed_value(sum);
  }
}

}  // namespace cuttle
