#include "cuttle/data/sample.hpp"
#include "fuzz/fuzz.hpp"

// What is taken for a graph is one in all its parts, and is made of all of its bytes. The first
// byte says how many features a node has, and whether edges have a direction.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cuttle;
  if (size == 0) return 0;
  return fuzz::refused_or_fine([&] {
    ModalitySpec spec{"graph", ModalityKind::kGraph, {1 + data[0] % 8}, 0.0, {}, {}};
    spec.directed = data[0] >= 128;
    const GraphView graph = view_graph(data + 1, static_cast<std::int64_t>(size) - 1, spec);
    CUTTLE_EXPECT(graph.nodes > 0 && graph.features == data + 5);
    CUTTLE_EXPECT(graph.features + 4 * graph.nodes * spec.shape[0] == graph.pairs);
    CUTTLE_EXPECT(graph.pairs + 8 * graph.edges == data + size);
    std::array<std::int32_t, 2> before{-1, -1};
    for (std::int64_t i = 0; i < graph.edges; ++i) {
      const auto [first, second] = graph.edge(i);
      CUTTLE_EXPECT(first >= 0 && first < graph.nodes && second >= 0 && second < graph.nodes);
      CUTTLE_EXPECT((spec.directed || first <= second) && before < graph.edge(i));
      before = graph.edge(i);
    }
  });
}
