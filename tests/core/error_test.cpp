#include "cuttle/core/error.hpp"

#include <gmock/gmock.h>

namespace cuttle {
namespace {

using testing::HasSubstr;

template <class Exception, class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Exception& problem) {
    EXPECT_EQ(typeid(problem), typeid(Exception));
    return problem.what();
  }
  ADD_FAILURE() << "nothing of that type was thrown";
  return {};
}

TEST(Error, ValidateBlamesTheUserAndFormats) {
  EXPECT_EQ(
      message_of<UserError>([] { CUTTLE_VALIDATE(1 > 2, "way is {} (no class to draw)", 0); }),
      "way is 0 (no class to draw)");
  EXPECT_NO_THROW(CUTTLE_VALIDATE(2 > 1, "never formatted"));
}

TEST(Error, RequireBlamesTheWorld) {
  EXPECT_EQ(message_of<Error>([] { CUTTLE_REQUIRE(false, "disk {}", "full"); }), "disk full");
}

TEST(Error, ExpectNamesTheConditionAndThePlace) {
  const int way = 3;
  const auto text = message_of<Error>([&] { CUTTLE_EXPECT(way == 4); });
  EXPECT_THAT(text, HasSubstr("way == 4"));
  EXPECT_THAT(text, HasSubstr("error_test.cpp"));
}

TEST(Error, PeerLostIsNotAUserError) {
  EXPECT_THROW(throw PeerLost("rank 3"), Error);
  EXPECT_FALSE((std::is_base_of_v<UserError, PeerLost>));
}

TEST(ProblemList, TellsEachLineOnceAndLetsOtherErrorsPass) {
  ProblemList problems;
  problems.throw_if_any();
  problems.attempt([] { throw UserError("a\nb"); });
  problems.attempt([] {});
  problems.attempt([] { throw UserError("b\nc"); });
  EXPECT_EQ(problems.lines(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_THROW(problems.attempt([] { throw Error("not the user's"); }), Error);
  try {
    problems.throw_if_any();
    FAIL();
  } catch (const UserError& all) {
    EXPECT_STREQ(all.what(), "a\nb\nc");
  }
}

}  // namespace
}  // namespace cuttle
