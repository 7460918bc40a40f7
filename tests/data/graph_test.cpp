// Graphs in shards: what is no graph is refused, and says why, before anybody trusts it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/data/dataset.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

ModalitySpec graphs(bool directed = false) {
  ModalitySpec spec{"graph", ModalityKind::kGraph, {2}, 0.0, {}, {}};
  spec.directed = directed;
  return spec;
}

/// `nodes` as the bytes say, features for three, edges.
std::vector<std::uint8_t> stored(std::int32_t nodes, const std::vector<std::int32_t>& pairs) {
  const std::vector<float> features{0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f};
  std::vector<std::uint8_t> bytes(4 + 4 * features.size() + 4 * pairs.size());
  std::memcpy(bytes.data(), &nodes, 4);
  std::memcpy(bytes.data() + 4, features.data(), 4 * features.size());
  if (!pairs.empty()) std::memcpy(bytes.data() + 28, pairs.data(), 4 * pairs.size());
  return bytes;
}

GraphView view(const std::vector<std::uint8_t>& bytes, bool directed = false) {
  return view_graph(bytes.data(), static_cast<std::int64_t>(bytes.size()), graphs(directed));
}

TEST(graph, is_seen_where_it_lies) {
  const auto bytes = stored(3, {0, 1, 1, 1, 1, 2});
  const GraphView graph = view(bytes);
  EXPECT_EQ(graph.nodes, 3);
  EXPECT_EQ(graph.edges, 3);
  EXPECT_EQ(graph.features, bytes.data() + 4);
  EXPECT_EQ(graph.edge(1), (std::array<std::int32_t, 2>{1, 1}));
  EXPECT_EQ(graph.edge(2), (std::array<std::int32_t, 2>{1, 2}));
  EXPECT_EQ(view(stored(3, {})).edges, 0);
  EXPECT_EQ(view(stored(3, {0, 1, 1, 0, 2, 1}), true).edges, 3);
}

TEST(graph, is_refused_with_its_reason) {
  const auto refused = [](const std::vector<std::uint8_t>& bytes, const char* why) {
    EXPECT_THAT([&] { view(bytes); }, ThrowsMessage<UserError>(HasSubstr(why)));
  };
  refused({}, "it has 0 nodes");
  refused({1, 0, 0}, "it has 0 nodes");
  refused(stored(0, {}), "it has 0 nodes");
  refused(stored(-3, {}), "it has -3 nodes");
  refused(stored(1 << 24, {}), "it has 16777216 nodes");
  refused(stored((1 << 24) - 1, {}), "28 bytes are not enough for 16777215 nodes of 2 features");
  refused(stored(4, {}), "not enough for 4 nodes");
  auto cut = stored(3, {});
  cut.resize(24);
  refused(cut, "24 bytes are not enough for 3 nodes of 2 features");
  refused(stored(3, {0}), "4 bytes behind its nodes");
  refused(stored(3, {0, 1, 0, 3}), "edge 1 is at node 3 of 3");
  refused(stored(3, {-1, 1}), "edge 0 is at node -1 of 3");
  refused(stored(3, {0, 1, 0, 1}), "edge 1 does not come after the one before it");
  refused(stored(3, {0, 2, 0, 1}), "edge 1 does not come after the one before it");
  refused(stored(3, {1, 0}), "edge 0 goes from node 1 to 0");
  ModalitySpec wide = graphs();
  wide.shape = {std::int64_t{1} << 40};
  const auto bytes = stored(3, {});
  EXPECT_THAT([&] { view_graph(bytes.data(), 28, wide); },
              ThrowsMessage<UserError>(HasSubstr("not enough for 3 nodes of 1099511627776")));
}

/// With the checksums of a writer that knows no better.
TEST(graph, of_a_shard_is_named_when_it_is_read) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"vector", "graph"};
  options.shards = 1;
  ShardContent content = synthetic_shard(options, 0);
  const auto& offsets = content.arrays.at("/modalities/graph/offsets").bytes;
  std::int64_t second = 0, third = 0;
  std::memcpy(&second, offsets.data() + 8, 8);
  std::memcpy(&third, offsets.data() + 16, 8);
  auto& bytes = content.arrays.at("/modalities/graph/data").bytes;
  bytes[static_cast<std::size_t>(third - 4)] = 77;  // the node of an edge of the sample 1
  const auto crc = static_cast<std::uint32_t>(
      ::crc32_z(0, bytes.data() + second, static_cast<std::size_t>(third - second)));
  std::memcpy(content.arrays.at("/modalities/graph/crc32").bytes.data() + 4, &crc, 4);
  write_shard(folder / "a.h5", content);
  DataOptions from;
  from.shards = {folder / "a.h5"};
  const auto data = Dataset::open(from);
  std::vector<std::uint8_t> out;
  data->read(0, 1, out);
  const auto named = ThrowsMessage<UserError>(
      AllOf(HasSubstr("the graph of sample 1 ('class_000/1') in the shard '"),
            HasSubstr("a.h5' is none: edge "), HasSubstr(" is at node 77 of ")));
  EXPECT_THAT([&] { data->read(1, 1, out); }, named);
  from.in_memory = true;
  EXPECT_THAT([&] { Dataset::open(from); }, named);
}

}  // namespace
}  // namespace cuttle
