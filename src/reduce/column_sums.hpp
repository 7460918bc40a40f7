#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/span.hpp"
#include "reduce/block_units.hpp"

namespace cuttle {

/// The exact sums that exact_sum() promises, handed out piece by piece. Keeps its buffers from call
/// to call: 16 MB where the rows are long, and a byte for eight columns.
class ColumnSums {
 public:
  /// Gets the number of rows of all ranks and the sums of the columns from `first` on, each column
  /// at least once; what comes last counts. At most kChunkColumns at a time.
  using Sink = std::function<void(std::int64_t rows, std::size_t first, Span<const double> sums)>;

  explicit ColumnSums(Communicator& comm) : comm_(comm) {}

  /// Collective. `ranges`: of this rank's rows. `most_rows`: over all ranks there are no more, and
  /// all ranks say the same number.
  void run(std::string_view name, Span<const std::vector<float>> rows, std::size_t columns,
           const BlockRanges& ranges, std::int64_t most_rows, const Sink& sink);

 private:
  struct Piece {
    std::size_t first, count;
    Pending<std::vector<std::int64_t>> sums;
  };

  void agree_on_units(const BlockRanges& mine, std::int64_t most_rows);
  void add_narrow(const Sink& sink);
  Piece start_piece(std::size_t first);
  void settle(Piece& piece, const Sink& sink);
  void add_wide(const Sink& sink);
  void add_wide(const std::vector<std::size_t>& columns, const Sink& sink);

  Communicator& comm_;
  std::string name_;
  Span<const std::vector<float>> rows_;
  std::size_t columns_ = 0;
  BlockRanges ranges_;
  int row_bits_ = 0;
  std::int64_t total_rows_ = 0;
  std::vector<std::vector<std::int64_t>> idle_;  // buffers of pieces
};

}  // namespace cuttle
