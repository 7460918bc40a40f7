#include "reduce/column_sums.hpp"

#include <algorithm>
#include <array>

#include "cuttle/core/error.hpp"
#include "reduce/fixed_point.hpp"

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

void ColumnSums::run(std::string_view name, Span<const std::vector<float>> rows,
                     std::size_t columns, const BlockRanges& ranges, std::int64_t most_rows,
                     const Sink& sink) {
  name_ = name;
  rows_ = rows;
  columns_ = columns;
  agree_on_units(ranges, most_rows);
  add_narrow(sink);
  add_wide(sink);
}

void ColumnSums::agree_on_units(const BlockRanges& mine, std::int64_t most_rows) {
  row_bits_ = bits_to_count(most_rows);
  ranges_.replace(comm_.all_reduce_max(name_ + " exponents", mine.bytes()).wait());
}

// One piece is in flight while the next is added up: ranks need not keep step, and the meeting of
// that collective takes no time of its own. There is always a piece, for it counts the rows.
void ColumnSums::add_narrow(const Sink& sink) {
  std::optional<Piece> before;
  std::size_t first = 0;
  do {
    Piece piece = start_piece(first);
    first += piece.count;
    if (before) settle(*before, sink);
    before.emplace(std::move(piece));
  } while (first < columns_);
  settle(*before, sink);
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

void ColumnSums::settle(Piece& piece, const Sink& sink) {
  std::vector<std::int64_t> sums = piece.sums.wait();
  if (piece.first == 0) total_rows_ = sums.back();
  std::array<double, kChunkColumns> values;
  for (std::size_t begin = 0; begin < piece.count; begin += kChunkColumns) {
    const std::size_t end = std::min(begin + kChunkColumns, piece.count);
    for (std::size_t c = begin; c < end; c += kBlockColumns) {
      const BlockUnit unit(ranges_, (piece.first + c) / kBlockColumns, row_bits_);
      from_units(sums.data() + c, std::min(kBlockColumns, end - c), unit,
                 values.data() + (c - begin));
    }
    sink(total_rows_, piece.first + begin, Span<const double>(values.data(), end - begin));
  }
  idle_.push_back(std::move(sums));
}

void ColumnSums::add_wide(const Sink& sink) {
  std::vector<std::size_t> found;
  for (std::size_t block = 0; block < ranges_.blocks(); ++block) {
    if (BlockUnit(ranges_, block, row_bits_).width != Width::kWide) continue;
    const std::size_t end = std::min((block + 1) * kBlockColumns, columns_);
    for (std::size_t c = block * kBlockColumns; c < end; ++c) found.push_back(c);
    if (found.size() < kWideBlock) continue;
    add_wide(found, sink);
    found.clear();
  }
  if (!found.empty()) add_wide(found, sink);
}

void ColumnSums::add_wide(const std::vector<std::size_t>& columns, const Sink& sink) {
  std::vector<std::int64_t> limbs(columns.size() * kFixedLimbs, 0);
  for (const auto& row : rows_) {
    for (std::size_t k = 0; k < columns.size(); ++k) {
      fixed_add(limbs.data() + k * kFixedLimbs, bits_of(row[columns[k]]));
    }
  }
  limbs = comm_.all_reduce(name_ + " wide sum", std::move(limbs), ReduceOp::kSum).wait();
  for (std::size_t k = 0; k < columns.size(); ++k) {
    const double value = fixed_value(limbs.data() + k * kFixedLimbs);
    sink(total_rows_, columns[k], Span<const double>(&value, 1));
  }
}

}  // namespace cuttle
