// auth_ident_file: its lines, its mistakes, and who may be whom.
#include "conf/ident.h"

#include <gmock/gmock.h>

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> MistakesOf(const std::string& text) {
  std::vector<std::string> lines;
  if (const auto maps = ParseIdent(text, "ident"); !maps) {
    for (const Mistake& mistake : maps.error()) lines.push_back(mistake.ToString());
  }
  return lines;
}

TEST(Ident, LinesOfAMapAddUp) {
  const auto maps = ParseIdent("# who is who\nops anna admin\nops anna app\nops root all\n other bert app # x\n\"my map\" \"CN x\" \"all\"\n", "ident");
  ASSERT_TRUE(maps.has_value());
  EXPECT_TRUE(maps->Allows("ops", "anna", "admin"));
  EXPECT_TRUE(maps->Allows("ops", "anna", "app"));
  EXPECT_FALSE(maps->Allows("ops", "anna", "anna"));
  EXPECT_TRUE(maps->Allows("ops", "root", "whoever"));
  EXPECT_FALSE(maps->Allows("ops", "bert", "app"));
  EXPECT_FALSE(maps->Allows("none", "anna", "app"));
  EXPECT_TRUE(maps->Allows("my map", "CN x", "all"));
  EXPECT_FALSE(maps->Allows("my map", "CN x", "app")) << "\"all\" in quotes is a name";
  EXPECT_TRUE(maps->Has("other"));
  EXPECT_FALSE(maps->Has("bert"));
}

TEST(Ident, WhoIsTheUser) {
  const auto maps = ParseIdent("ops anna admin\n", "ident");
  ASSERT_TRUE(maps.has_value());
  EXPECT_TRUE(IsUser({"x", "anna"}, "", &*maps, "anna"));
  EXPECT_FALSE(IsUser({"x", "anna"}, "", &*maps, "admin"));
  EXPECT_TRUE(IsUser({"x", "anna"}, "ops", &*maps, "admin"));
  EXPECT_FALSE(IsUser({"anna"}, "ops", &*maps, "anna")) << "with a map only the map counts";
  EXPECT_FALSE(IsUser({"anna"}, "ops", nullptr, "admin"));
  EXPECT_FALSE(IsUser({}, "", nullptr, ""));
  EXPECT_TRUE(IsUser({"anna"}, "", nullptr, "anna"));
}

TEST(Ident, EveryMistakeHasItsPlaceAndItsReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"ops anna", "three words, not 2"},
      {"ops anna admin more", "three words, not 4"},
      {"ops anna,bert admin", "no lists"},
      {"ops anna a,b", "no lists"},
      {"ops \"\" admin", "an empty name fits nobody"},
      {"ops /^(.*)@x$ \\1", "'/^(.*)@x$' is not supported: pgweir takes no regular expressions"},
      {"ops anna +staff", "'+staff' is not supported"},
      {"ops anna @file", "'@file' is not supported"},
      {"ops anna /x", "'/x' is not supported"},
      {"ops \"anna admin", "a line that has a double quote that does not end"},
  };
  for (const auto& [line, reason] : cases) {
    EXPECT_THAT(MistakesOf(std::string("\nx y z\n") + line + "\n"), ElementsAre(testing::AllOf(testing::StartsWith("ident:3: "), HasSubstr(reason)))) << line;
  }
  EXPECT_THAT(MistakesOf("a\nb c d\ne f\n"), ElementsAre(HasSubstr("ident:1: "), HasSubstr("ident:3: ")));
  EXPECT_THAT(MistakesOf("ops anna " + std::string(128, 'u')), ElementsAre(HasSubstr("must not be longer than 127 bytes")));
}

TEST(Ident, LimitIsToldOnce) {
  std::string many;
  for (size_t i = 0; i < kIdentLinesMax + 10; ++i) many += "m a b\n";
  EXPECT_THAT(MistakesOf(many), ElementsAre(HasSubstr("ident:" + std::to_string(kIdentLinesMax + 1) + ": more than 100000 lines")));
}

}  // namespace
}  // namespace conf
