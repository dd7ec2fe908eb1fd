// The question about a session: which names may stand in it, what its rows say, and rows that are none of it.
#include "protocol/session_check.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/wire_messages.h"
#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Settings = SessionQuestion::Settings;
using Values = std::vector<Setting>;

std::string RowBody(const test_support::Values& values) { return test_support::DataRow(values).substr(5); }

size_t CountOf(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// --- the question
// ------------------------------------------------------------------------------------------------------

TEST(IsPlainNameTest, LowerCaseAsciiWithoutQuotes) {
  for (const char* name : {"work_mem", "app.x", "a", "_x", "x$1", "app.x.y", "0", "a b", "a,b", "a{b", "a}b", "a-b"})
    EXPECT_TRUE(IsPlainName(name)) << name;
  for (const char* name :
       {"", "Work_mem", "a'b", "a\"b", "a\\b", "a\nb", "\xc3\xa4"}) {
    EXPECT_FALSE(IsPlainName(name)) << name;
  }
  EXPECT_FALSE(IsPlainName(std::string_view("a\0b", 3)));
}

TEST(IsPlainNameTest, NoByteThatCouldEndTheLiteralIsPlain) {
  for (int value = 0; value < 256; ++value) {
    const char c = static_cast<char>(value);
    const bool is_plain = value >= ' ' && value <= '~' && (value < 'A' || value > 'Z') &&
                          std::string_view("\"'\\").find(c) == std::string_view::npos;
    EXPECT_EQ(IsPlainName(std::string("a") + c), is_plain) << value;
    EXPECT_EQ(IsPlainName(std::string(1, c) + "a"), is_plain) << value;
  }
}

TEST(QuestionSqlTest, AsksForNothingMoreThanItIsTold) {
  EXPECT_TRUE(SessionQuestion{}.empty());
  EXPECT_EQ(QuestionSql({}), "");
  for (const SessionQuestion& question :
       {SessionQuestion{Settings::kAll, {}, 0}, SessionQuestion{Settings::kNamed, {"a"}, 0},
        SessionQuestion{Settings::kNamed, {}, kChannels}}) {
    EXPECT_FALSE(question.empty());
    EXPECT_FALSE(QuestionSql(question).empty());
  }
  const std::string named = QuestionSql({Settings::kNamed, {"work_mem"}, 0});
  EXPECT_NE(named.find("work_mem"), std::string::npos);
  EXPECT_EQ(named.find("source OPERATOR(pg_catalog.=) 'session'"), std::string::npos);
  const std::string all = QuestionSql({Settings::kAll, {}, 0});
  EXPECT_NE(all.find("source OPERATOR(pg_catalog.=) 'session'"), std::string::npos);
  EXPECT_EQ(all.find("unnest"), std::string::npos);
}

TEST(QuestionSqlTest, OnePartForEachThing) {
  const std::vector<std::pair<uint32_t, std::string>> things = {
      {kTempObjects, "'temp'"}, {kHoldCursors, "'hold'"}, {kAdvisoryLocks, "'advisory'"}, {kChannels, "'channels'"}};
  for (uint32_t asked = 1; asked <= kEveryThing; ++asked) {
    const std::string sql = QuestionSql({Settings::kAll, {"role", "app.x"}, asked});
    size_t parts = 2;
    for (const auto& [bit, name] : things) {
      EXPECT_EQ(sql.find(name) != std::string::npos, (asked & bit) != 0) << name << " in " << asked;
      parts += (asked & bit) != 0;
    }
    EXPECT_EQ(CountOf(sql, " UNION ALL "), parts - 1);
    EXPECT_TRUE(sql.starts_with("SELECT "));
  }
}

// In an array literal, an unquoted null is no name but NULL: current_setting would be asked for nothing.
TEST(QuestionSqlTest, EveryNameIsQuoted) {
  const std::string sql = QuestionSql({Settings::kNamed, {"null", "app.x", "role"}, 0});
  EXPECT_NE(sql.find("'{\"null\",\"app.x\",\"role\"}'"), std::string::npos) << sql;
}

// What a session may hide in tables and functions of the same name is not what is asked.
TEST(QuestionSqlTest, EverythingIsNamedWithItsSchema) {
  const std::string sql = QuestionSql({Settings::kAll, {"role"}, kEveryThing});
  for (const char* name :
       {"pg_settings", "pg_depend", "pg_cursors", "pg_locks", "current_setting(",
        "pg_my_temp_schema(", "pg_backend_pid(", "pg_listening_channels(", "lower(", "unnest(", "text[]"}) {
    EXPECT_GT(CountOf(sql, name), 0u) << name;
    EXPECT_EQ(CountOf(sql, name), CountOf(sql, std::string("pg_catalog.") + name)) << name;
  }
}

// --- the answer
// --------------------------------------------------------------------------------------------------------

TEST(SessionFindingTest, SettingsByTheirSource) {
  SessionFinding finding;
  const std::vector<test_support::Values> rows = {
      {"set", "work_mem", "1GB", "session"},        {"set", "lock_timeout", "0", "default"},
      {"set", "jit", "off", "configuration file"},  {"set", "app.x", "", std::nullopt},
      {"set", "app.y", std::nullopt, std::nullopt}, {"set", "app.z", std::nullopt, "session"},
  };
  for (const auto& row : rows) EXPECT_TRUE(finding.ReadRow(RowBody(row), "user"));
  EXPECT_EQ(finding.set, (Values{{"work_mem", "1GB"}, {"app.x", ""}})) << "a custom one is in no catalogue";
  EXPECT_EQ(finding.defaults, (std::vector<std::string>{"lock_timeout", "jit", "app.y", "app.z"}));
  EXPECT_EQ(finding.things, 0u);
}

TEST(SessionFindingTest, WhoTheSessionIs) {
  SessionFinding at_rest;
  EXPECT_TRUE(at_rest.ReadRow(RowBody({"set", "role", "none", "session"}), "user"));
  EXPECT_TRUE(at_rest.ReadRow(RowBody({"set", "session_authorization", "user", std::nullopt}), "user"));
  EXPECT_TRUE(at_rest.set.empty());
  EXPECT_EQ(at_rest.defaults, (std::vector<std::string>{"role", "session_authorization"}));
  SessionFinding changed;
  EXPECT_TRUE(changed.ReadRow(RowBody({"set", "role", "other", "default"}), "user"));
  EXPECT_TRUE(changed.ReadRow(RowBody({"set", "session_authorization", "user2", std::nullopt}), "user"));
  EXPECT_EQ(changed.set, (Values{{"role", "other"}, {"session_authorization", "user2"}}));
}

// Asked for by name and found among all: the first row counts.
TEST(SessionFindingTest, ASettingIsFoundOnce) {
  SessionFinding finding;
  for (const char* value : {"1", "2"})
    EXPECT_TRUE(finding.ReadRow(RowBody({"set", "work_mem", value, "session"}), "user"));
  EXPECT_EQ(finding.set, (Values{{"work_mem", "1"}}));
}

TEST(SessionFindingTest, ThingsByTheirName) {
  SessionFinding finding;
  const std::vector<std::pair<std::string, uint32_t>> things = {
      {"temp", kTempObjects}, {"hold", kHoldCursors}, {"advisory", kAdvisoryLocks}, {"channels", kChannels}};
  uint32_t found = 0;
  for (const auto& [name, bit] : things) {
    EXPECT_TRUE(finding.ReadRow(RowBody({name, std::nullopt, std::nullopt, std::nullopt}), "user"));
    found |= bit;
    EXPECT_EQ(finding.things, found);
  }
  EXPECT_EQ(found, uint32_t{kEveryThing});
}

TEST(SessionFindingTest, RowsOfAnotherQuestionAreRefused) {
  SessionFinding finding;
  const std::vector<test_support::Values> rows = {
      {},
      {"set"},
      {"set", "a", "b"},
      {"set", "a", "b", "session", "more"},
      {std::nullopt, "a", "b", "session"},
      {"set", std::nullopt, "b", "session"},
      {"", "a", "b", "session"},
      {"sets", "a", "b", "session"},
      {"Temp", std::nullopt, std::nullopt, std::nullopt},
  };
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_FALSE(finding.ReadRow(RowBody(rows[i]), "user")) << i;
  EXPECT_TRUE(finding.set.empty() && finding.defaults.empty() && finding.things == 0);
}

TEST(SessionFindingTest, CutAtEveryByte) {
  for (const test_support::Values& row : {test_support::Values{"set", "work_mem", "1GB", "session"},
                                          test_support::Values{"temp", std::nullopt, std::nullopt, std::nullopt}}) {
    const std::string body = RowBody(row);
    for (size_t size = 0; size < body.size(); ++size) {
      const ExactCopy copy(std::string_view(body).substr(0, size));
      SessionFinding finding;
      EXPECT_FALSE(finding.ReadRow(copy.view(), "user")) << size;
      EXPECT_TRUE(finding.set.empty() && finding.defaults.empty() && finding.things == 0) << size;
    }
    EXPECT_TRUE(SessionFinding().ReadRow(ExactCopy(body).view(), "user"));
  }
}

TEST(SessionFindingTest, LengthsThatLie) {
  for (const uint32_t length : {1u, 0x7fffffffu, 0x80000000u, 0xfffffffeu}) {
    const ExactCopy copy(std::string("\0\4", 2) + Big32(3) + "set" + Big32(1) + "a" + Big32(length));
    SessionFinding finding;
    EXPECT_FALSE(finding.ReadRow(copy.view(), "user")) << length;
  }
}

TEST(SessionFindingTest, RandomBytesNeverReadBeyondTheRow) {
  std::mt19937 dice(1);
  const std::string body = RowBody({"set", "work_mem", "1GB", "session"});
  for (int turn = 0; turn < 20'000; ++turn) {
    std::string bytes = body;
    for (int i = 0; i < 3; ++i) bytes[dice() % bytes.size()] = static_cast<char>(dice() % 3 == 0 ? 0xff : dice());
    SessionFinding finding;
    const bool is_row = finding.ReadRow(ExactCopy(bytes).view(), "user");
    ASSERT_EQ(finding.set.size() + finding.defaults.size() + (finding.things != 0), is_row ? 1u : 0u);
  }
}

}  // namespace
}  // namespace protocol
