// The grammar of pgbouncer.ini: lines, quoting, includes, connection strings.
#include "conf/ini_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class IniReader : public testing::Test {
 protected:
  IniDocument Read(const std::string& text) {
    return ReadIni(text, "main.ini", [this](const std::string& path) -> Parsed<std::string> {
      ++reads;
      const auto found = files.find(path);
      if (found == files.end()) return Refuse("no such file");
      return found->second;
    });
  }
  // "section.key=value@file:line" of every entry.
  std::vector<std::string> Lines(const std::string& text) {
    std::vector<std::string> lines;
    for (const IniSection& section : Read(text).sections) {
      for (const IniEntry& entry : section.entries) {
        lines.push_back(section.name + "." + entry.key + "=" + entry.value + "@" + entry.file + ":" +
                        std::to_string(entry.line));
      }
    }
    return lines;
  }
  std::vector<std::string> Wrong(const std::string& text) {
    std::vector<std::string> lines;
    for (const Mistake& mistake : Read(text).mistakes) lines.push_back(mistake.ToString());
    return lines;
  }
  std::map<std::string, std::string> files;
  int reads = 0;
};

TEST_F(IniReader, LinesOfEveryKind) {
  EXPECT_THAT(Lines("; comment\n# comment\n\n[databases]\n  shop = host=a port=1  \r\n\t; comment\n* =\n[ users ]\na-b.c_1=x"),
              ElementsAre("databases.shop=host=a port=1@main.ini:5", "databases.*=@main.ini:7", "users.a-b.c_1=x@main.ini:9"));
}

TEST_F(IniReader, TheValueIsTheRestOfTheLine) {
  EXPECT_THAT(Lines("[pgbouncer]\nserver_check_query = select 1; -- = # all of it\nadmin_users=a, b"),
              ElementsAre("pgbouncer.server_check_query=select 1; -- = # all of it@main.ini:2", "pgbouncer.admin_users=a, b@main.ini:3"));
}

TEST_F(IniReader, QuotedKeys) {
  EXPECT_THAT(Lines("[databases]\n'my db' = a=1\n\"it's\" = b=2\n'x=y'=c"),
              ElementsAre("databases.my db=a=1@main.ini:2", "databases.it's=b=2@main.ini:3", "databases.x=y=c@main.ini:4"));
}

TEST_F(IniReader, EverySectionHeaderBeginsOne) {
  const auto document = Read("[pgbouncer]\n[databases]\n[pgbouncer]\n");
  ASSERT_EQ(document.sections.size(), 3U);
  EXPECT_EQ(document.sections[2].line, 3);
}

TEST_F(IniReader, EveryWrongLineIsTold) {
  EXPECT_THAT(Wrong("early = 1\n[pgbouncer\nx = 1\n[pgbouncer] ; no\n[pgbouncer]\nnot a key\n'open = 1\n= 1\nmüll = 1\n%inklude x\n"
                    "%include\n%includex\n%include /no\n%include a\x01\n"),
              ElementsAre(HasSubstr("main.ini:1: key 'early' stands before every section"),
                          HasSubstr("main.ini:2: a section header must be [name]"), HasSubstr("main.ini:4: a section header"),
                          HasSubstr("main.ini:6: a line must be key = value: no = behind the key 'not'"),
                          HasSubstr("main.ini:7: the quotes around the key do not end"),
                          HasSubstr("main.ini:8: a line must be key = value, [section]"), HasSubstr("main.ini:9: a line must be"),
                          HasSubstr("main.ini:10: the only line that begins with %"), HasSubstr("main.ini:11: the only line"),
                          HasSubstr("main.ini:12: the only line"), HasSubstr("main.ini:13: %include: no such file"),
                          HasSubstr("main.ini:14: %include: the path must not hold control characters")));
}

TEST_F(IniReader, KeysBehindAnUnreadableHeaderBelongNowhere) {
  EXPECT_THAT(Lines("[pgbouncer]\na = 1\n[users\nb = 2\n[users]\nc = 3\n"),
              ElementsAre("pgbouncer.a=1@main.ini:2", "users.c=3@main.ini:6"));
}

TEST_F(IniReader, AnIncludedFileGoesOnInTheSectionAndMayChangeIt) {
  files = {{"more.ini", "b = 2\n[users]\nc = 3\n"}};
  EXPECT_THAT(Lines("[databases]\na = 1\n%include   more.ini  \nd = 4\n"),
              ElementsAre("databases.a=1@main.ini:2", "databases.b=2@more.ini:1", "users.c=3@more.ini:3", "users.d=4@main.ini:4"));
}

TEST_F(IniReader, TenIncludesDeepAndNoFurther) {
  for (int i = 1; i <= 10; ++i) files["f" + std::to_string(i)] = "%include f" + std::to_string(i + 1) + "\n";
  files["f10"] = "deep = 1\n";
  EXPECT_THAT(Lines("[users]\n%include f1\n"), ElementsAre("users.deep=1@f10:1"));
  files["f10"] = "%include f11\n";
  files["f11"] = "deeper = 1\n";
  EXPECT_THAT(Wrong("[users]\n%include f1\n"), ElementsAre(HasSubstr("f10:1: %include is nested more than 10 deep")));
}

TEST_F(IniReader, AFileThatIncludesItselfTwiceEnds) {
  files = {{"main.ini", "%include main.ini\n%include main.ini\n"}};
  EXPECT_THAT(Wrong("%include main.ini\n"), testing::Contains(HasSubstr("more than 200 %include in all")));
  EXPECT_EQ(reads, kMaxIncludes);
}

// "key=value;" of every pair, or the refusal.
std::string Pairs(const std::string& text) {
  const auto pairs = ParseConnectString(text);
  if (!pairs) return pairs.error();
  std::string all;
  for (const IniPair& pair : *pairs) all += pair.key + "=" + pair.value + ";";
  return all;
}

TEST(ConnectString, Pairs) {
  EXPECT_EQ(Pairs(""), "");
  EXPECT_EQ(Pairs("host=a port=5432"), "host=a;port=5432;");
  EXPECT_EQ(Pairs("  host =  a\tport= 1 "), "host=a;port=1;");
  EXPECT_EQ(Pairs("password='it''s a secret' user=x"), "password=it's a secret;user=x;");
  EXPECT_EQ(Pairs("password='' a=''''"), "password=;a=';");
  EXPECT_EQ(Pairs("password=a=b\\c'd"), "password=a=b\\c'd;");
}

TEST(ConnectString, Refusals) {
  const std::pair<const char*, const char*> cases[] = {
      {"host", "a key or a = is missing in pair 1"},     {"host=a port", "in pair 2"},
      {"=a", "in pair 1"},                               {"host=a b c=1", "in pair 2"},
      {"host='a", "a quote at 'host' that does not end"}, {"host='a'b", "needs a blank behind the quoted value of 'host'"},
      {"host='a''", "does not end"},                      {"host=", "has no value for 'host'"},
      {"password= dbname=x", "has no value for 'password'"},
  };
  for (const auto& [text, expected] : cases) EXPECT_THAT(Pairs(text), HasSubstr(expected)) << text;
}

TEST(ConnectString, ARefusalQuotesNoValue) {
  for (const char* text : {"password=se cret", "password='secret", "password='se'cret", "password= se=cret"}) {
    EXPECT_EQ(Pairs(text).find("cret"), std::string::npos) << Pairs(text);
  }
}

}  // namespace
}  // namespace conf
