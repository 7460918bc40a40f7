#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "cuttle/task/episode.hpp"
#include "task/fake_dataset.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::HasSubstr;

EpisodeOptions options_of(std::int64_t way, std::int64_t shot, std::int64_t query,
                          const char* groups = "free") {
  EpisodeOptions options = episodes_of(way, shot, query);
  options.groups = groups;
  return options;
}

RandomKey key_of(std::uint64_t step, std::uint32_t slot = 0) {
  return {5, Stream::kTrain, step, slot};
}

bool equal(const EpisodePlan& a, const EpisodePlan& b) {
  return a.classes == b.classes && a.support == b.support && a.query == b.query &&
         a.support_labels == b.support_labels && a.query_labels == b.query_labels;
}

/// What holds of every plan: counts, labels, classes of samples, no sample twice.
void expect_sound(const EpisodePlan& plan, const FakeDataset& data, std::int64_t shot,
                  std::int64_t query) {
  const std::size_t way = plan.classes.size();
  EXPECT_EQ(std::set<std::int32_t>(plan.classes.begin(), plan.classes.end()).size(), way);
  ASSERT_EQ(plan.support.size(), way * shot);
  ASSERT_EQ(plan.query.size(), way * query);
  ASSERT_EQ(plan.support_labels.size(), plan.support.size());
  ASSERT_EQ(plan.query_labels.size(), plan.query.size());
  std::set<std::int64_t> seen;
  const auto check = [&](const std::vector<std::int64_t>& samples,
                         const std::vector<std::int64_t>& labels, std::int64_t per_class) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      EXPECT_EQ(labels[i], static_cast<std::int64_t>(i) / per_class);
      EXPECT_EQ(data.samples()[samples[i]].class_id, plan.classes[labels[i]]);
      EXPECT_TRUE(seen.insert(samples[i]).second) << "sample " << samples[i] << " twice";
    }
  };
  check(plan.support, plan.support_labels, shot);
  check(plan.query, plan.query_labels, query);
}

std::set<std::int32_t> groups_of(const FakeDataset& data,
                                 const std::vector<std::int64_t>& samples) {
  std::set<std::int32_t> groups;
  for (const std::int64_t sample : samples) groups.insert(data.samples()[sample].group_id);
  return groups;
}

std::string complaint(const FakeDataset& data, const EpisodeOptions& options,
                      Split split = Split::kTrain) {
  try {
    EpisodePlanner(data, split, options);
  } catch (const UserError& problem) {
    return problem.what();
  }
  return "";
}

TEST(planner, plans_are_sound_and_of_their_split_only) {
  FakeDataset data;
  for (int i = 0; i < 12; ++i)
    data.add_class(i % 3 == 0 ? Split::kTest : Split::kTrain, {0, 0, 0, 0, 0, 0});
  const EpisodePlanner train(data, Split::kTrain, options_of(4, 2, 3));
  const EpisodePlanner test(data, Split::kTest, options_of(4, 2, 3));
  EXPECT_EQ(train.usable_classes(), 8);
  EXPECT_EQ(test.usable_classes(), 4);
  for (std::uint64_t step = 0; step < 300; ++step) {
    const EpisodePlan plan = train.plan(key_of(step));
    expect_sound(plan, data, 2, 3);
    for (const std::int32_t c : plan.classes) EXPECT_NE(c % 3, 0);
    for (const std::int32_t c : test.plan(key_of(step)).classes) EXPECT_EQ(c % 3, 0);
  }
}

TEST(planner, a_plan_depends_on_its_key_alone) {
  FakeDataset data;
  data.add_classes(20, Split::kTrain, {0, 0, 1, 1, 2, 2, 3, 3});
  for (const char* groups : {"free", "apart"}) {
    const EpisodePlanner one(data, Split::kTrain, options_of(5, 1, 3, groups));
    const EpisodePlanner other(data, Split::kTrain, options_of(5, 1, 3, groups));
    std::vector<EpisodePlan> forwards, backwards(50);
    for (std::uint64_t i = 0; i < 50; ++i) forwards.push_back(one.plan(key_of(i, 3)));
    std::thread([&] {
      for (std::uint64_t i = 50; i-- > 0;) backwards[i] = other.plan(key_of(i, 3));
    }).join();
    for (std::size_t i = 0; i < 50; ++i) EXPECT_TRUE(equal(forwards[i], backwards[i]));
    EXPECT_FALSE(equal(one.plan(key_of(1, 3)), one.plan(key_of(2, 3))));
    EXPECT_FALSE(equal(one.plan(key_of(1, 3)), one.plan(key_of(1, 4))));
    EXPECT_FALSE(equal(one.plan(key_of(1, 3)), one.plan(key_of(1, 3).with(Stream::kTest))));
    EXPECT_EQ(one.plan(key_of(9, 2)).key.slot, 2u);
  }
}

TEST(planner, classes_labels_and_samples_are_equally_likely) {
  FakeDataset data;
  data.add_classes(10, Split::kTrain, {0, 0, 0, 0});
  const EpisodePlanner planner(data, Split::kTrain, options_of(5, 1, 1));
  constexpr int kEpisodes = 4000;
  std::vector<double> drawn(10), first(10), support(40);
  for (int i = 0; i < kEpisodes; ++i) {
    const EpisodePlan plan = planner.plan(key_of(static_cast<std::uint64_t>(i)));
    ++first[plan.classes[0]];
    for (const std::int32_t c : plan.classes) ++drawn[c];
    for (const std::int64_t sample : plan.support) ++support[sample];
  }
  // Chi square with a limit that 1 in 10,000 right programs would miss; this one is fixed by its
  // seed.
  const auto chi_square = [](const std::vector<double>& counts, double share) {
    double sum = 0.0;
    for (const double count : counts)
      sum += std::pow(count - kEpisodes * share, 2) / (kEpisodes * share * (1 - share));
    return sum;
  };
  EXPECT_LT(chi_square(drawn, 0.5), 33.7);  // 9 degrees of freedom
  EXPECT_LT(chi_square(first, 0.1), 33.7);
  EXPECT_LT(chi_square(support, 0.125), 82.1);  // 39
  EXPECT_GT(chi_square(support, 0.125), 10.0);  // and not suspiciously even
}

TEST(planner, variable_way_and_shot_take_every_value) {
  FakeDataset data;
  data.add_classes(10, Split::kTrain, {0, 0, 0, 0, 0, 0});
  EpisodeOptions options = options_of(5, 4, 2);
  options.way_min = 3;
  options.shot_min = 2;
  const EpisodePlanner planner(data, Split::kTrain, options);
  std::map<std::size_t, int> ways, shots;
  for (std::uint64_t step = 0; step < 600; ++step) {
    const EpisodePlan plan = planner.plan(key_of(step));
    const std::size_t way = plan.classes.size(), shot = plan.support.size() / way;
    expect_sound(plan, data, static_cast<std::int64_t>(shot), 2);
    ++ways[way];
    ++shots[shot];
  }
  ASSERT_EQ(ways.size(), 3u);
  ASSERT_EQ(shots.size(), 3u);
  for (const std::size_t way : {3, 4, 5}) EXPECT_GT(ways[way], 140);
  for (const std::size_t shot : {2, 3, 4}) EXPECT_GT(shots[shot], 140);
}

TEST(planner, uneven_episodes_draw_each_class_its_shot) {
  FakeDataset data;
  data.add_classes(10, Split::kTrain, {0, 0, 1, 1, 2, 2, 3, 3});
  for (const char* groups : {"free", "apart"}) {
    EpisodeOptions options = options_of(4, 4, 2, groups);
    options.shot_min = 1;
    options.uneven = true;
    const EpisodePlanner planner(data, Split::kTrain, options);
    std::map<std::int64_t, int> shots;
    int uneven = 0;
    for (std::uint64_t step = 0; step < 300; ++step) {
      const EpisodePlan plan = planner.plan(key_of(step));
      std::vector<std::int64_t> of_class(4);
      for (std::size_t i = 0; i < plan.support.size(); ++i) {
        const auto label = static_cast<std::size_t>(plan.support_labels[i]);
        EXPECT_EQ(data.samples()[plan.support[i]].class_id, plan.classes[label]);
        ++of_class[label];
      }
      EXPECT_EQ(plan.query.size(), 8u);
      std::set<std::int64_t> seen(plan.support.begin(), plan.support.end());
      seen.insert(plan.query.begin(), plan.query.end());
      EXPECT_EQ(seen.size(), plan.support.size() + 8);
      for (const std::int64_t shot : of_class) ++shots[shot];
      const auto [least, most] = std::minmax_element(of_class.begin(), of_class.end());
      uneven += *least < *most;
      const EpisodeSize size = planner.size(key_of(step));
      EXPECT_EQ(size.way, 4);
      EXPECT_EQ(size.shot, *most);
      EXPECT_EQ(size.support, static_cast<std::int64_t>(plan.support.size()));
      EXPECT_EQ(size.query, 8);
    }
    ASSERT_EQ(shots.size(), 4u);
    for (const std::int64_t shot : {1, 2, 3, 4}) EXPECT_NEAR(shots[shot], 300, 75) << shot;
    EXPECT_GT(uneven, 280);  // all alike: 4 in 4^4
  }
}

TEST(planner, three_styles_one_for_support_two_for_query) {
  FakeDataset data;
  data.add_classes(20, Split::kTrain, {0, 1, 2, 0, 1, 2, 0, 1, 2});
  const EpisodePlanner planner(data, Split::kTrain, options_of(5, 1, 2, "apart"));
  std::map<std::int32_t, int> support_style;
  for (std::uint64_t step = 0; step < 300; ++step) {
    const EpisodePlan plan = planner.plan(key_of(step));
    expect_sound(plan, data, 1, 2);
    const auto support = groups_of(data, plan.support), query = groups_of(data, plan.query);
    ASSERT_EQ(support.size(), 1u);  // in the whole episode
    EXPECT_EQ(query.size(), 2u);
    EXPECT_EQ(query.count(*support.begin()), 0u);
    ++support_style[*support.begin()];
  }
  for (const std::int32_t style : {0, 1, 2}) EXPECT_NEAR(support_style[style], 100, 40);
}

TEST(planner, groups_of_a_class_stay_apart_however_uneven) {
  FakeDataset data;
  data.add_class(Split::kTrain, {0, 0, 0, 0, 0, 1});  // only group 0 can be the support of 3 shots
  data.add_class(Split::kTrain, {2, 2, 3, 3, 4, 4, 4, 4});
  data.add_class(Split::kTrain, {5, 5, 5, 6});
  data.add_class(Split::kTrain, {0, 0, 0, 0, 0, 0, 0, 0});  // one group: unusable
  data.add_class(Split::kTrain, {0, 0, 1, 1, 2});           // 3 of 2 groups, and one for query
  data.add_class(Split::kTrain, {0, 0, 1, 1});  // cannot give 3 and keep 1 apart: unusable
  const EpisodePlanner planner(data, Split::kTrain, options_of(4, 3, 1, "apart"));
  EXPECT_EQ(planner.usable_classes(), 4);
  for (std::uint64_t step = 0; step < 200; ++step) {
    const EpisodePlan plan = planner.plan(key_of(step));
    expect_sound(plan, data, 3, 1);
    for (std::int64_t label = 0; label < 4; ++label) {
      const auto support =
          groups_of(data, {plan.support.begin() + 3 * label, plan.support.begin() + 3 * label + 3});
      EXPECT_EQ(support.count(data.samples()[plan.query[label]].group_id), 0u);
    }
  }
}

TEST(planner, support_takes_a_sample_of_each_group_first) {
  FakeDataset data;
  data.add_classes(6, Split::kTrain, {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4});
  const EpisodePlanner three(data, Split::kTrain, options_of(1, 3, 6, "apart"));
  const EpisodePlanner four(data, Split::kTrain, options_of(1, 4, 9, "apart"));
  for (std::uint64_t step = 0; step < 100; ++step) {
    EXPECT_EQ(groups_of(data, three.plan(key_of(step)).support).size(), 3u);
    EXPECT_EQ(groups_of(data, four.plan(key_of(step)).support).size(),
              2u);  // query needs the other three
  }
}

TEST(planner, complete_asks_for_every_modality_and_nothing_is_never_drawn) {
  FakeDataset data;
  for (int i = 0; i < 6; ++i) data.add_class(Split::kTrain, {0, 0, 0, 0, 0, 0}, {3, 1, 3, 0, 3, 2});
  EpisodeOptions options = options_of(5, 1, 2);
  options.complete = true;
  const EpisodePlanner complete(data, Split::kTrain, options),
      any(data, Split::kTrain, options_of(5, 2, 3));
  for (std::uint64_t step = 0; step < 100; ++step) {
    const EpisodePlan plan = complete.plan(key_of(step));
    for (const std::int64_t sample : plan.support) EXPECT_EQ(data.samples()[sample].present, 3u);
    for (const std::int64_t sample : plan.query) EXPECT_EQ(data.samples()[sample].present, 3u);
    const EpisodePlan every = any.plan(key_of(step));  // all five that have something
    for (const std::int64_t sample : every.query) EXPECT_NE(data.samples()[sample].present, 0u);
    for (const std::int64_t sample : every.support) EXPECT_NE(data.samples()[sample].present, 0u);
  }
  options.query = 3;
  EXPECT_THAT(complaint(data, options), HasSubstr("1 + 3 complete samples"));
}

TEST(planner, says_how_many_classes_there_are_and_why) {
  FakeDataset data;
  data.add_classes(3, Split::kTrain, {0, 1, 2, 3});
  data.add_classes(4, Split::kTrain, {0, 1});
  EXPECT_THAT(complaint(data, options_of(5, 1, 2)),
              AllOf(HasSubstr("split train has 3 classes"), HasSubstr("need 5"),
                    HasSubstr("7 classes, 4 were left out"), HasSubstr("1 + 2 samples"),
                    HasSubstr("the largest has 4")));
  EXPECT_THAT(complaint(data, options_of(5, 1, 2, "apart")),
              HasSubstr("in groups that can be kept apart"));
  EXPECT_THAT(complaint(data, options_of(5, 1, 1), Split::kTest),
              HasSubstr("split test has 0 classes"));
  EXPECT_EQ(complaint(data, options_of(7, 1, 1)), "");
}

TEST(planner, names_the_classes_that_no_episode_has) {
  FakeDataset data;
  data.add_classes(6, Split::kTrain, {0, 1, 2, 3});
  data.add_class(Split::kTrain, {0, 1});  // class 6
  data.add_classes(5, Split::kTest, {0, 1});
  const auto told = [&](Split split, std::int64_t query, const char* groups = "free") {
    return EpisodePlanner(data, split, options_of(1, 1, query, groups)).left_out();
  };
  EXPECT_EQ(told(Split::kTrain, 1), "");
  EXPECT_EQ(told(Split::kTrain, 2),
            "split train: 6 of 7 classes can be used; left out is 'class 6', without 1 + 2 samples "
            "(shot + query)");
  data.add_class(Split::kTest, {0, 0, 0});
  EXPECT_EQ(told(Split::kTest, 1, "apart"),
            "split test: 5 of 6 classes can be used; left out is 'class 12', without 1 + 1 samples "
            "(shot + query) in groups that can be kept apart");
  EXPECT_EQ(told(Split::kTest, 2),
            "split test: 1 of 6 classes can be used; left out are 'class 7', 'class 8', 'class 9' "
            "and 2 more, without 1 + 2 samples (shot + query)");
}

TEST(planner, refuses_impossible_options) {
  FakeDataset data;
  data.add_classes(3, Split::kTrain, {0, 1, 2, 3});
  EXPECT_THAT(complaint(data, options_of(0, 1, 1)), HasSubstr("episode.way is 0"));
  EXPECT_THAT(complaint(data, options_of(1, -1, 1)), HasSubstr("episode.shot is -1"));
  EXPECT_THAT(complaint(data, options_of(1, 1, 0)), HasSubstr("episode.query is 0"));
  EXPECT_THAT(complaint(data, options_of(1, 1, 1, "together")),
              HasSubstr("episode.groups is 'together'"));
  EpisodeOptions options = options_of(2, 1, 1);
  options.way_min = 3;
  EXPECT_THAT(complaint(data, options), HasSubstr("episode.way_min is 3"));
  options.way_min = 0;
  options.shot_min = 2;
  EXPECT_THAT(complaint(data, options), HasSubstr("episode.shot_min is 2"));
}

}  // namespace
}  // namespace cuttle
