#include "cuttle/core/files.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>

#include "cuttle/core/error.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 30;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  return names;
}

TEST(Files, WhatIsWrittenIsRead) {
  const TempFolder folder;
  const std::string bytes("a\0b\n", 4);
  write_file_atomically(folder / "f", bytes);
  EXPECT_EQ(read_file(folder / "f", kPlenty), bytes);
  write_file_atomically(folder / "f", "");
  EXPECT_EQ(read_file(folder / "f", 0), "");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("f"));
}

TEST(Files, ReadNamesThePathAndTheReason) {
  const TempFolder folder;
  EXPECT_THAT(
      [&] { read_file(folder / "missing", kPlenty); },
      ThrowsMessage<UserError>(testing::AllOf(HasSubstr("missing"), HasSubstr("No such file"))));
  EXPECT_THAT([&] { read_file(folder.path(), kPlenty); },
              ThrowsMessage<UserError>(HasSubstr("not a regular file")));
}

TEST(Files, OutputsTakeTheirOwnPlaceAndNoOthers) {
  const TempFolder folder;
  write_file_atomically(folder / "input", "bytes");
  std::filesystem::create_symlink("input", folder / "link");
  std::filesystem::create_symlink("behind", folder / "to_nothing");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto refused = [](const std::string& path, const std::vector<std::string>& inputs,
                          const char* why) {
    EXPECT_THAT([&] { check_output(path, inputs); }, ThrowsMessage<UserError>(HasSubstr(why)));
  };
  check_output(folder / "new", {folder / "input"});
  check_output(folder / "input", {});
  check_output(folder / "to_nothing", {});
  refused(folder / "input", {folder / "other", folder / "input"}, "would be overwritten");
  refused(folder / "link", {folder / "input"}, "would be overwritten");
  refused(folder / "pipe", {}, "no regular file");
  refused(folder.path(), {}, "a folder");
  refused(folder / "missing/new", {}, "its folder is");
  EXPECT_THROW(write_file_atomically(folder / "pipe", "bytes"), UserError);
  write_file_atomically(folder / "to_nothing", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "to_nothing"));
  EXPECT_EQ(read_file(folder / "behind", kPlenty), "new");
  EXPECT_THAT(names_in(folder.path()),
              testing::UnorderedElementsAre("input", "link", "to_nothing", "behind", "pipe"));
}

TEST(Files, ReadDoesNotWaitForAPipe) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(read_file(folder / "pipe", kPlenty), UserError);
}

TEST(Files, ReadRefusesMoreThanTheLimit) {
  const TempFolder folder;
  write_file_atomically(folder / "f", "12345");
  EXPECT_EQ(read_file(folder / "f", 5), "12345");
  EXPECT_THAT([&] { read_file(folder / "f", 4); }, ThrowsMessage<UserError>(HasSubstr("5 bytes")));
  std::filesystem::resize_file(folder / "f",
                               std::uint64_t{1} << 40);  // sparse: allocating it first would fail
  EXPECT_THROW(read_file(folder / "f", kPlenty), UserError);
}

TEST(Files, AnUnfinishedFileIsNotThere) {
  const TempFolder folder;
  write_file_atomically(folder / "f", "old");
  {
    UnfinishedFile file(folder / "f");
    file.write("half");
    EXPECT_EQ(read_file(folder / "f", kPlenty), "old");
  }
  EXPECT_EQ(read_file(folder / "f", kPlenty), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("f"));
  UnfinishedFile file(folder / "f");
  file.write("in ");
  file.write("pieces");
  file.finish();
  EXPECT_EQ(read_file(folder / "f", kPlenty), "in pieces");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("f"));
}

TEST(Files, AFailedWriteLeavesTheOldFileAndNoTemporary) {
  const TempFolder folder;
  write_file_atomically(folder / "f", "old");
  // A file size limit stands in for a full disk: write() fails half-way.
  const auto previous_handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit previous{};
  ::getrlimit(RLIMIT_FSIZE, &previous);
  struct rlimit small = previous;
  small.rlim_cur = 4096;
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THAT([&] { write_file_atomically(folder / "f", std::string(100000, 'n')); },
              ThrowsMessage<Error>(testing::AllOf(HasSubstr("cannot write"), HasSubstr("/f'"))));
  ::setrlimit(RLIMIT_FSIZE, &previous);
  ::signal(SIGXFSZ, previous_handler);
  EXPECT_EQ(read_file(folder / "f", kPlenty), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("f"));
}

TEST(Files, AFailedRenameLeavesNoTemporary) {
  const TempFolder folder;
  make_folders(folder / "target/inside");
  EXPECT_THROW(write_file_atomically(folder / "target", "x"), Error);
  EXPECT_THAT(names_in(folder.path()), ElementsAre("target"));
  EXPECT_THROW(write_file_atomically(folder / "no/such/f", "x"), Error);
}

TEST(Files, WriteInTheCurrentFolder) {
  const TempFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  EXPECT_NO_THROW(write_file_atomically("plain_name", "x"));
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(folder / "plain_name", kPlenty), "x");
}

TEST(Files, MakeFoldersIsMkdirMinusP) {
  const TempFolder folder;
  make_folders(folder / "a/b/c");
  make_folders(folder / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
  write_file_atomically(folder / "f", "x");
  EXPECT_THAT([&] { make_folders(folder / "f/g"); }, ThrowsMessage<UserError>(HasSubstr("f/g")));
  EXPECT_THROW(make_folders(folder / "f"), UserError);
}

TEST(Files, WhatKilledWritersLeftIsRemovedAndNothingElse) {
  const TempFolder folder;
  for (const char* name : {"f", "f.tmp.17", "f.tmp.18", "f.tmp", "g.tmp.17", "f.tmp.d"})
    write_file_atomically(folder / name, "x");
  remove_unfinished(folder / "f");
  EXPECT_THAT(expand_paths(folder / "*"),
              ElementsAre(folder / "f", folder / "f.tmp", folder / "g.tmp.17"));
  remove_unfinished(folder / "nowhere/f");
}

TEST(Files, SyncPath) {
  const TempFolder folder;
  EXPECT_NO_THROW(sync_path(folder.path()));
  EXPECT_THROW(sync_path(folder / "missing"), Error);
}

TEST(Files, ExpandPathsSortsWhatMatches) {
  const TempFolder folder;
  for (const char* name : {"s10.h5", "s2.h5", "S3.h5", "other.txt", "a[1].h5"}) {
    write_file_atomically(folder / name, "");
  }
  EXPECT_THAT(expand_paths(folder / "?*.h5"), ElementsAre(folder / "S3.h5", folder / "a[1].h5",
                                                          folder / "s10.h5", folder / "s2.h5"));
  EXPECT_THAT(expand_paths(folder / "s2.h5"), ElementsAre(folder / "s2.h5"));
  EXPECT_THAT(expand_paths(folder / "a[1].h5"), ElementsAre(folder / "a[1].h5"));
  EXPECT_THAT(expand_paths(folder / "missing"), IsEmpty());
  EXPECT_THAT(expand_paths(folder / "*.none"), IsEmpty());
}

TEST(Files, AFolderThatLooksLikeAPatternIsItself) {
  const TempFolder folder;
  for (const char* name :
       {"d [1]/a.h5", "d [1]/b.h5", "d 1/c.h5", "d [1]/.hidden.h5", "e/[x]/f.h5"}) {
    make_folders(std::filesystem::path(folder / name).parent_path().string());
    write_file_atomically(folder / name, "");
  }
  EXPECT_THAT(expand_paths(folder / "d [1]/*.h5"),
              ElementsAre(folder / "d [1]/a.h5", folder / "d [1]/b.h5"));
  EXPECT_THAT(expand_paths(folder / "d [1]/[b-z].h5"), ElementsAre(folder / "d [1]/b.h5"));
  EXPECT_THAT(expand_paths(folder / "*/[x]//f.h5"), ElementsAre(folder / "e/[x]//f.h5"));
  EXPECT_THAT(expand_paths(folder / "d*/?.h5"),
              ElementsAre(folder / "d 1/c.h5", folder / "d [1]/a.h5", folder / "d [1]/b.h5"));
  std::filesystem::remove_all(folder / "d [1]");
  EXPECT_THAT(expand_paths(folder / "d [1]/*.h5"), ElementsAre(folder / "d 1/c.h5"));
}

TEST(Files, PatternsOfTheCurrentFolder) {
  const TempFolder folder;
  write_file_atomically(folder / "a.h5", "");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const auto found = expand_paths("*.h5");
  std::filesystem::current_path(before);
  EXPECT_THAT(found, ElementsAre("a.h5"));
}

TEST(Files, HomeAndVariablesAreExpanded) {
  const TempFolder folder;
  ::setenv("HOME", folder.path().c_str(), 1);
  ::setenv("CUTTLE_TEST_D", "data", 1);
  ::unsetenv("CUTTLE_TEST_NONE");
  make_folders(folder / "data");
  write_file_atomically(folder / "data/a.h5", "");
  EXPECT_EQ(expand_variables("~"), folder.path());
  EXPECT_EQ(expand_variables("~/x"), folder / "x");
  EXPECT_EQ(expand_variables("~other/x"), "~other/x");
  EXPECT_EQ(expand_variables("a~/x"), "a~/x");
  EXPECT_EQ(expand_variables("/$CUTTLE_TEST_D/b${CUTTLE_TEST_D}c$"), "/data/bdatac$");
  EXPECT_EQ(expand_variables("${open/$ x"), "${open/$ x");
  EXPECT_THAT(expand_paths("~/$CUTTLE_TEST_D/*.h5"), ElementsAre(folder / "data/a.h5"));
  EXPECT_THAT([] { expand_variables("a/${CUTTLE_TEST_NONE}/b"); },
              ThrowsMessage<UserError>(
                  testing::AllOf(HasSubstr("'a/${CUTTLE_TEST_NONE}/b'"),
                                 HasSubstr("the variable CUTTLE_TEST_NONE is not set"))));
  // What exists as it is written stays so.
  for (const char* name : {"$CUTTLE_TEST_D", "$CUTTLE_TEST_NONE"}) {
    make_folders(folder / name);
    write_file_atomically(folder / name + "/b.h5", "");
    EXPECT_EQ(expand_variables(folder / name), folder / name);
    EXPECT_THAT(expand_paths(folder / name + "/*.h5"), ElementsAre(folder / name + "/b.h5"));
  }
}

}  // namespace
}  // namespace cuttle
