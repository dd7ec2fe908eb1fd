// Examine and Sniff judge as PostgreSQL's own parser does: over texts written by hand (sql_corpus/) and over random ones.
//
// A line of sql_corpus/*.txt is a text, "⏎" a line break in it; lines that begin with "#" are comments. Before a text, "?"
// says that it is a false alarm and known as one, "!" that the parser (of version 15) refuses it.
// A refused text runs nothing on the server, whatever we take it for. Checked of it is that both halves see the same, and
// that each statement cut out of it which the parser takes alone is then judged as the parser does.
#include "tests/unit/protocol/sql_oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/unit/protocol/sql_texts.h"

namespace protocol {
namespace {

namespace fs = std::filesystem;

std::string Joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& sentence : sentences) all.append("\n  ").append(sentence);
  return all;
}

void CheckRefused(const std::string& sql) {
  const std::vector<SqlStatement> statements = Examine(sql, Backslash::kLiteral);
  SqlFlags flags = statements.size() > 1 ? SqlFlags{kSqlSeveral} : 0;
  for (const SqlStatement& statement : statements) {
    flags |= statement.flags;
    const Comparison alone = Compare(sql.substr(statement.begin, statement.end - statement.begin));
    EXPECT_EQ(Joined(alone.misses), "") << sql;
  }
  EXPECT_EQ(Sniff(sql, Backslash::kLiteral), flags) << sql;
}

struct Line {
  std::string place;
  char mark = 0;
  std::string sql;
};
std::vector<Line> ReadCorpus() {
  std::vector<Line> lines;
  for (const auto& file : fs::directory_iterator(fs::path(PGWEIR_SOURCE_DIR) / "tests/unit/protocol/sql_corpus")) {
    std::ifstream in(file.path());
    std::string sql;
    for (int number = 1; std::getline(in, sql); ++number) {
      if (sql.empty() || sql[0] == '#') continue;
      Line& line = lines.emplace_back(Line{file.path().filename().string() + ":" + std::to_string(number), 0, sql});
      if (sql[0] == '?' || sql[0] == '!') line.mark = sql[0], line.sql.erase(0, 1);
      constexpr std::string_view kBreak = "⏎";
      for (size_t at; (at = line.sql.find(kBreak)) != std::string::npos;) line.sql.replace(at, kBreak.size(), "\n");
    }
  }
  return lines;
}

TEST(SqlOracleTest, WrittenTextsAreJudgedAsTheParserDoes) {
  const std::vector<Line> lines = ReadCorpus();
  EXPECT_GT(lines.size(), 800u);
  for (const Line& line : lines) {
    SCOPED_TRACE(line.place + ": " + line.sql);
    const Comparison found = Compare(line.sql);
    EXPECT_EQ(found.refusal.empty(), line.mark != '!') << found.refusal;
    EXPECT_EQ(Joined(found.misses), "");
    if (line.mark == '?') EXPECT_FALSE(found.alarms.empty()) << "no false alarm any more: take the mark away";
    else EXPECT_EQ(Joined(found.alarms), "");
    if (!found.refusal.empty()) CheckRefused(line.sql);
  }
}

TEST(SqlOracleTest, RandomTextsAreJudgedAsTheParserDoes) {
  constexpr uint64_t kTexts = 20'000;
  uint64_t taken = 0;
  for (uint64_t seed = 0; seed < kTexts; ++seed) {
    const SqlText text = SqlTexts(seed).Next();
    const Comparison found = Compare(text.sql, text.escaping);
    if (!found.refusal.empty()) CheckRefused(text.sql);
    else ++taken;
    ASSERT_EQ(Joined(found.misses), "") << "seed " << seed << ": " << text.sql;
    ASSERT_EQ(Joined(found.alarms), "") << "seed " << seed << ": " << text.sql;
  }
  // most are SQL
  EXPECT_GT(taken, kTexts / 2);
}

}  // namespace
}  // namespace protocol
