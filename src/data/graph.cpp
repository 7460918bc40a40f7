#include <cstring>

#include "cuttle/core/error.hpp"
#include "cuttle/data/sample.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kMostNodes = (1 << 24) - 1;  // numbers that float32 holds, too

std::int32_t number_at(const std::uint8_t* bytes) {
  std::int32_t number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

}  // namespace

std::array<std::int32_t, 2> GraphView::edge(std::int64_t i) const {
  return {number_at(pairs + 8 * i), number_at(pairs + 8 * i + 4)};
}

GraphView view_graph(const std::uint8_t* bytes, std::int64_t size, const ModalitySpec& spec) {
  GraphView graph;
  graph.nodes = size < 4 ? 0 : number_at(bytes);
  CUTTLE_VALIDATE(graph.nodes >= 1 && graph.nodes <= kMostNodes,
                  "it has {} nodes, a graph has 1 to {}", graph.nodes, kMostNodes);
  CUTTLE_VALIDATE(spec.shape.at(0) <= (size - 4) / 4 / graph.nodes,
                  "{} bytes are not enough for {} nodes of {} features", size, graph.nodes,
                  spec.shape[0]);
  const std::int64_t all = 4 * graph.nodes * spec.shape[0], rest = size - 4 - all;
  CUTTLE_VALIDATE(rest % 8 == 0, "{} bytes behind its nodes are no edges, of 8 each", rest);
  graph.edges = rest / 8;
  graph.features = bytes + 4;
  graph.pairs = graph.features + all;
  std::array<std::int32_t, 2> before{-1, -1};
  for (std::int64_t i = 0; i < graph.edges; ++i) {
    const auto pair = graph.edge(i);
    for (const std::int32_t node : pair)
      CUTTLE_VALIDATE(node >= 0 && node < graph.nodes, "edge {} is at node {} of {}", i, node,
                      graph.nodes);
    CUTTLE_VALIDATE(before < pair, "edge {} does not come after the one before it", i);
    CUTTLE_VALIDATE(spec.directed || pair[0] <= pair[1],
                    "edge {} goes from node {} to {}, and edges without a direction have the lower "
                    "one first",
                    i, pair[0], pair[1]);
    before = pair;
  }
  return graph;
}

}  // namespace cuttle
