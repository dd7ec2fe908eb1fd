// Properties of the SQL sniffer over made-up texts: what is quoted says nothing, and both halves see the same.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "protocol/sql_sniffer.h"

namespace protocol {
namespace {

// Text of pieces that matter to the lexer or raise flags, with and without space between them.
rc::Gen<std::string> SqlText() {
  const auto piece = rc::gen::element<std::string>(
      "SET ", "LOCAL ", "BEGIN", "ATOMIC", "END", "CASE", "AS", "CREATE ", "FUNCTION ", "TABLE ", "TEMP ", "INTO ",
      "INSERT ", "pg_temp", "EXECUTE ", "EXPLAIN ", "SELECT ", "set_config", "currval", "pg_advisory_lock",
      "\"set_config\"", "(", ")", ";", ",", ".", "::", "'", "''", "\"", "\\", "E'", "e", "x'", "U&'", "U&\"", "UESCAPE ", "005f", "$", "$$",
      "$a$", "$1", "1", "a", "\n", " ", " ", "--", "/*", "*/", "/", "-", "*", "true", "\xc3\xa9", "mp", "f", "v");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
    std::string text;
    for (const std::string& one : pieces) text += one;
    return text;
  });
}

rc::Gen<Backslash> AnyBackslash() { return rc::gen::element(Backslash::kLiteral, Backslash::kEscapes); }

std::string Doubled(const std::string& text, std::string_view doubled) {
  std::string out;
  for (const char c : text) {
    if (doubled.find(c) != std::string_view::npos) out += c;
    out += c;
  }
  return out;
}

std::string Without(std::string text, std::string_view removed) {
  std::erase_if(text, [removed](char c) { return removed.find(c) != std::string_view::npos; });
  return text;
}

std::vector<std::string> Hidden(const std::string& text, Backslash backslash) {
  return {"'" + Doubled(text, backslash == Backslash::kEscapes ? "'\\" : "'") + "'",
          "E'" + Doubled(text, "'\\") + "'",
          "\"" + Doubled(text, "\"") + "\"",
          "$hidden$" + text + " $hidden$",
          "/* " + Without(text, "/") + " */",
          "/* /*" + Without(text, "/") + " */ " + Without(text, "/") + " */",
          "--" + Without(text, "\n") + "\n"};
}

RC_GTEST_PROP(SqlSnifferProperty, WhatIsQuotedSaysNothing, ()) {
  const std::string text = *SqlText();
  const Backslash backslash = *AnyBackslash();
  for (const std::string& hidden : Hidden(text, backslash)) {
    const std::string sql = "SELECT 1 " + hidden + " WHERE x";
    RC_ASSERT(Sniff(sql, backslash) == 0u);
    RC_ASSERT(Examine(sql, backslash).size() == 1u);
    RC_ASSERT(Sniff(sql + ";BEGIN", backslash) == (kSqlBegin | kSqlSeveral));
  }
}

RC_GTEST_PROP(SqlSnifferProperty, BothHalvesSeeTheSame, ()) {
  const std::string sql = *SqlText();
  const Backslash backslash = *AnyBackslash();
  const std::vector<SqlStatement> statements = Examine(sql, backslash);
  SqlFlags flags = statements.size() > 1 ? SqlFlags{kSqlSeveral} : 0;
  size_t behind = 0;
  for (const SqlStatement& statement : statements) {
    RC_ASSERT(behind <= statement.begin);
    RC_ASSERT(statement.begin < statement.end);
    RC_ASSERT(statement.end <= sql.size());
    behind = statement.end;
    flags |= statement.flags;
  }
  RC_ASSERT(Sniff(sql, backslash) == flags);
}

// A statement cut out by Examine is that one statement, with those flags.
RC_GTEST_PROP(SqlSnifferProperty, ACutStatementIsTheSameAlone, ()) {
  const std::string sql = *SqlText();
  const Backslash backslash = *AnyBackslash();
  for (const SqlStatement& statement : Examine(sql, backslash)) {
    const std::vector<SqlStatement> again =
        Examine(sql.substr(statement.begin, statement.end - statement.begin), backslash);
    RC_ASSERT(again.size() == 1u);
    RC_ASSERT(again[0].flags == statement.flags);
    RC_ASSERT(again[0].kind == statement.kind);
    RC_ASSERT(again[0].names == statement.names);
  }
}

}  // namespace
}  // namespace protocol
