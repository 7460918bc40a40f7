#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/span.hpp"
#include "reduce/block_units.hpp"

namespace cuttle {

/// What columns come to over the rows of all ranks.
struct ColumnResults {
  std::int64_t rows = 0;
  std::vector<float> means;  ///< of the first columns: exact sum / rows, rounded once
  std::vector<double> sums;  ///< of the others: rounded once
};

/// The exact sums that exact_sum() promises, and means made from them. Keeps its buffers from call
/// to call: 16 MB where the rows are long, and a byte for eight columns.
class ColumnSums {
 public:
  explicit ColumnSums(Communicator& comm) : comm_(comm) {}

  /// Collective. The rows have `means` columns, then `sums`. `ranges`: of this rank's rows.
  /// `most_rows`: over all ranks there are no more, and all ranks say the same number.
  ColumnResults run(std::string_view name, Span<const std::vector<float>> rows, std::size_t means,
                    std::size_t sums, const BlockRanges& ranges, std::int64_t most_rows);

 private:
  struct Piece {
    std::size_t first, count;
    Pending<std::vector<std::int64_t>> sums;
  };

  void agree_on_units(const BlockRanges& mine, std::int64_t most_rows);
  void add_narrow();
  Piece start_piece(std::size_t first);
  void settle(Piece& piece);
  void settle_block(std::size_t first, std::size_t count, const std::int64_t* sums);
  void add_wide();
  void add_wide(const std::vector<std::size_t>& columns);

  Communicator& comm_;
  std::string name_;
  Span<const std::vector<float>> rows_;
  std::size_t means_ = 0, columns_ = 0;
  BlockRanges ranges_;
  int row_bits_ = 0;
  ColumnResults results_;
  std::vector<std::vector<std::int64_t>> idle_;  // buffers of pieces
};

}  // namespace cuttle
