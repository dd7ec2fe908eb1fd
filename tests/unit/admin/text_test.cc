#include "admin/text.h"

#include <gtest/gtest.h>

namespace admin {
namespace {

TEST(Printable, KeepsWellFormedUtf8AndReplacesTheRest) {
  EXPECT_EQ(Printable("shop"), "shop");
  EXPECT_EQ(Printable("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98"), "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98");
  EXPECT_EQ(Printable("a\nb\x7f\x01"), "a?b??");
  EXPECT_EQ(Printable("\xff\xc3"), "??");
  EXPECT_EQ(Printable("\xc0\xaf"), "??") << "overlong";
  EXPECT_EQ(Printable("\xe0\x80\x80"), "???") << "overlong";
  EXPECT_EQ(Printable("\xed\xa0\x80"), "???") << "surrogate";
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "????") << "beyond U+10FFFF";
  EXPECT_EQ(Printable("\xe2\x82"), "??") << "cut off";
}

TEST(Printable, CutsAtTheLimitWithoutSplittingACharacter) {
  EXPECT_EQ(Printable("abcd", 4), "abcd");
  EXPECT_EQ(Printable("abcde", 4), "abcd...");
  EXPECT_EQ(Printable("abc\xc3\xa9", 4), "abc...");
}

TEST(Escape, HtmlAndJson) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">&'</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(JsonString("say \"hi\" \\ \n"), "\"say \\\"hi\\\" \\\\ ?\"");
}

}  // namespace
}  // namespace admin
