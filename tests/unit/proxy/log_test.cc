// Logs: a value that a stranger chose can neither forge a line nor break the JSON; levels; opening again.
#include "proxy/log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace proxy {
namespace {

class LogTest : public testing::Test {
 protected:
  void Open(conf::LogFormat format, conf::LogLevel level = conf::LogLevel::kInfo) {
    conf::Global global;
    global.logfile = file_;
    global.log_format = format;
    global.log_level = level;
    std::string error;
    ASSERT_TRUE(OpenLog(global, error)) << error;
  }
  std::vector<std::string> Lines(const std::string& file) {
    CloseLog();
    std::vector<std::string> lines;
    std::istringstream text(test_support::ReadFile(file));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  std::vector<std::string> Lines() { return Lines(file_); }
  std::string Only() {
    const auto lines = Lines();
    EXPECT_EQ(lines.size(), 1u);
    return lines.empty() ? "" : lines[0];
  }
  void TearDown() override { CloseLog(); }

  test_support::TemporaryFolder folder_;
  std::string file_ = folder_.File("log");
};

// A strict reader of one flat JSON object of strings and numbers: names and values in order, or "" as the first name
// where the text is not JSON. Strings must be UTF-8.
using Members = std::vector<std::pair<std::string, std::string>>;
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}
  Members Read() {
    Members members;
    bool good = Take('{');
    do {
      std::string name, value;
      good = good && String(name) && Take(':') && (Peek() == '"' ? String(value) : Number(value));
      members.emplace_back(name, value);
    } while (good && Take(','));
    good = good && Take('}') && at_ == text_.size();
    return good ? members : Members{{"", ""}};
  }

 private:
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  bool Number(std::string& out) {
    while (Peek() == '-' || Peek() == '.' || (Peek() >= '0' && Peek() <= '9')) out += text_[at_++];
    return !out.empty();
  }
  bool Continuation(std::string& out, int count) {
    for (; count > 0; --count) {
      if ((static_cast<unsigned char>(Peek()) & 0xc0) != 0x80) return false;
      out += text_[at_++];
    }
    return true;
  }
  bool String(std::string& out) {
    if (!Take('"')) return false;
    while (at_ < text_.size() && Peek() != '"') {
      const auto c = static_cast<unsigned char>(text_[at_++]);
      if (c < 0x20) return false;
      if (c == '\\') {
        const char escape = text_[at_++];
        if (escape == 'u') {
          out += static_cast<char>(std::stoi(std::string(text_.substr(at_, 4)), nullptr, 16));
          at_ += 4;
        } else if (std::string_view("\"\\/").find(escape) != std::string_view::npos) {
          out += escape;
        } else {
          return false;
        }
        continue;
      }
      out += static_cast<char>(c);
      if (c < 0x80) continue;
      const int more = c >= 0xf0 && c <= 0xf4 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc2 && c < 0xe0 ? 1 : -1;
      if (more < 0 || !Continuation(out, more)) return false;
    }
    return Take('"');
  }
  std::string_view text_;
  size_t at_ = 0;
};

std::string ValueOf(const Members& members, const std::string& name) {
  for (const auto& [key, value] : members) {
    if (key == name) return value;
  }
  return "no " + name;
}

TEST_F(LogTest, TextLineHasTimeLevelEventAndFields) {
  Open(conf::LogFormat::kText);
  Log(Level::kWarning, "login_failed", {{"user", "app"}, {"client", 42}});
  const std::string line = Only();
  EXPECT_NE(line.find(" warning login_failed user=app client=42"), std::string::npos) << line;
}

TEST_F(LogTest, ANameCannotForgeALine) {
  Open(conf::LogFormat::kText);
  const std::string evil = "x\n2026-01-01 00:00:00.000 +0000 info login user=\"admin\"\r\x1b[2J\x7f";
  Log(Level::kInfo, "login", {{"user", evil}, {"client", 1}});
  const std::string line = Only();  // one line: the newline did not go through
  EXPECT_EQ(line.find('\r'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos) << "an escape sequence would be run by the reader's terminal";
  EXPECT_EQ(line.find('\x7f'), std::string::npos);
  EXPECT_NE(line.find("\\x0a"), std::string::npos) << line;
  EXPECT_TRUE(line.ends_with("\\\"admin\\\"\\x0d\\x1b[2J\\x7f\" client=1")) << line;
}

TEST_F(LogTest, ANameCannotForgeAField) {
  Open(conf::LogFormat::kText);
  Log(Level::kInfo, "login",
      {{"user", "x client=7"}, {"a", "y\" z=\""}, {"b", "p=q"}, {"c", ""}, {"d", "back\\slash"}});
  EXPECT_TRUE(Only().ends_with(R"( user="x client=7" a="y\" z=\"" b="p=q" c="" d="back\\slash")"));
}

TEST_F(LogTest, AnAbsentFieldIsNotWritten) {
  for (const auto format : {conf::LogFormat::kText, conf::LogFormat::kJson}) {
    Open(format);
    Log(Level::kInfo, "close", {{"a", LogValue::Absent()}, {"b", LogValue::UnlessEmpty("")}, {"c", LogValue::UnlessEmpty("x")}});
    CloseLog();
  }
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].ends_with(" close c=x")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with(R"("event":"close","c":"x"})")) << lines[1];
}

TEST_F(LogTest, FormatMarksInValuesAreJustText) {
  Open(conf::LogFormat::kText);
  Log(Level::kInfo, "login", {{"user", "{}%s%v{0}"}});
  EXPECT_TRUE(Only().ends_with("user={}%s%v{0}"));
}

TEST_F(LogTest, JsonIsOneObjectForEachLine) {
  Open(conf::LogFormat::kJson);
  Log(Level::kInfo, "login", {{"user", "app"}, {"client", 42}});
  const Members members = JsonReader(Only()).Read();
  EXPECT_EQ(ValueOf(members, "event"), "login");
  EXPECT_EQ(ValueOf(members, "level"), "info");
  EXPECT_EQ(ValueOf(members, "user"), "app");
  EXPECT_EQ(ValueOf(members, "client"), "42");
  EXPECT_NE(ValueOf(members, "time"), "no time");
}

TEST_F(LogTest, JsonCarriesEveryAsciiByteUnchanged) {
  Open(conf::LogFormat::kJson);
  std::string every;
  for (char c = 1; c < 127; ++c) every += c;
  every += '\x7f';
  Log(Level::kInfo, "login", {{"user", every}, {"event", "forged"}});
  const Members members = JsonReader(Only()).Read();
  EXPECT_EQ(ValueOf(members, "user"), every);
  EXPECT_EQ(ValueOf(members, "event"), "login") << "the first one is ours";
}

TEST_F(LogTest, JsonStaysJsonWithAnyBytes) {
  Open(conf::LogFormat::kJson);
  const std::vector<std::string> values = {
      "\xff",     "a\xc3",        "\xc3\xa9",  "\xe2\x82",         "\xe2\x82\xac", "\xf0\x9f\x8c\x8a",
      "\xc0\x80", "\xed\xa0\x80", "\x80 tail", "\xf5\x80\x80\x80", "\xe2\x28\xa1"};
  for (const auto& value : values) Log(Level::kInfo, "login", {{"user", value}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), values.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(ValueOf(JsonReader(lines[i]).Read(), "event"), "login") << "not JSON: " << lines[i];
  }
  EXPECT_EQ(ValueOf(JsonReader(lines[2]).Read(), "user"), "\xc3\xa9");
  EXPECT_EQ(ValueOf(JsonReader(lines[4]).Read(), "user"), "\xe2\x82\xac");
  EXPECT_EQ(ValueOf(JsonReader(lines[5]).Read(), "user"), "\xf0\x9f\x8c\x8a");
  EXPECT_EQ(ValueOf(JsonReader(lines[8]).Read(), "user"), "\xef\xbf\xbd tail") << "U+FFFD in its place";
}

TEST_F(LogTest, LevelsBelowAreNotWritten) {
  Open(conf::LogFormat::kText, conf::LogLevel::kWarning);
  EXPECT_FALSE(WouldLog(Level::kInfo));
  EXPECT_TRUE(WouldLog(Level::kWarning));
  Log(Level::kDebug, "one", {});
  Log(Level::kInfo, "two", {});
  Log(Level::kWarning, "three", {});
  Log(Level::kError, "four", {});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].ends_with("three"));
  EXPECT_TRUE(lines[1].ends_with("four"));
}

TEST_F(LogTest, OpenedAgainAfterARotationWritesToTheNewFile) {
  Open(conf::LogFormat::kText);
  Log(Level::kInfo, "before", {});
  std::filesystem::rename(file_, file_ + ".1");
  Open(conf::LogFormat::kText);
  Log(Level::kInfo, "after", {});
  const auto now = Lines(), rotated = Lines(file_ + ".1");
  ASSERT_EQ(now.size(), 1u);
  ASSERT_EQ(rotated.size(), 1u);
  EXPECT_TRUE(now[0].ends_with("after"));
  EXPECT_TRUE(rotated[0].ends_with("before"));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsNamedAndTheOldLogStays) {
  Open(conf::LogFormat::kText);
  conf::Global global;
  global.logfile = folder_.path();  // a folder, not a file: also root cannot write it
  std::string error;
  EXPECT_FALSE(OpenLog(global, error));
  EXPECT_NE(error.find(folder_.path()), std::string::npos) << error;
  Log(Level::kInfo, "still here", {});
  EXPECT_TRUE(Only().ends_with("still here"));
}

TEST_F(LogTest, AClosedLogTakesLinesSilently) {
  Open(conf::LogFormat::kText);
  CloseLog();
  Log(Level::kError, "nobody listens", {});
  EXPECT_TRUE(Lines().empty());
}

}  // namespace
}  // namespace proxy
