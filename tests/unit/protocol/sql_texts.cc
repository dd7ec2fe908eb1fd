#include "tests/unit/protocol/sql_texts.h"

#include <algorithm>
#include <cctype>

namespace protocol {
namespace {

constexpr char kEscaping = '\1';  // for the E of an E'...', or for a space

bool IsPartOfWord(char c) {
  const bool is_letter = std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0;
  return is_letter || c == '_' || c == '$' || c == kEscaping;
}
bool StandsAlone(char c) { return std::string_view("(),;[]").find(c) != std::string_view::npos; }

}  // namespace

SqlText SqlTexts::Next() {
  sql_.clear();
  is_same_escaping_ = true;
  Gap(true);
  for (int left = dice_.Between(1, 3); left > 0; --left) {
    Statement();
    if (left > 1 || Perhaps(30)) Put(";");
  }
  Gap(true);
  SqlText text{sql_, sql_};
  std::replace(text.sql.begin(), text.sql.end(), kEscaping, 'E');
  std::replace(text.escaping.begin(), text.escaping.end(), kEscaping, ' ');
  if (!is_same_escaping_) text.escaping.clear();
  return text;
}

// --- tokens

void SqlTexts::Gap(bool may_be_none) {
  if (may_be_none && Perhaps()) return;
  if (Perhaps(75)) {
    sql_ += ' ';
    return;
  }
  sql_ += OneOf({"\n", "\t", "\r\n", "/**/", "/***/", " /* ; SET x = 1 */ ", "/*/* ' */ $$ \" */", " -- ; ' $$ \" /*\n",
                 " --\n--*/\r"});
}

SqlTexts& SqlTexts::Put(std::string_view token) {
  const char before = sql_.empty() ? ';' : sql_.back();
  const bool is_behind_string = before == '\'' && !IsPartOfWord(token.front());
  Gap(StandsAlone(before) || StandsAlone(token.front()) || is_behind_string);
  sql_ += token;
  return *this;
}
SqlTexts& SqlTexts::Put(Choices tokens) {
  for (const std::string_view token : tokens) Put(token);
  return *this;
}

// Keywords, in any case.
SqlTexts& SqlTexts::Words(std::string_view keywords) {
  const uint64_t spelling = dice_.Below(4);
  while (!keywords.empty()) {
    const size_t size = std::min(keywords.find(' '), keywords.size());
    std::string word(keywords.substr(0, size));
    for (char& c : word) {
      if (spelling == 0 || (spelling == 1 && Perhaps())) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    Put(word);
    keywords.remove_prefix(std::min(size + 1, keywords.size()));
  }
  return *this;
}

SqlTexts& SqlTexts::String() {
  constexpr int kPlain = 40, kEscaped = 75, kDollar = 95;
  const int kind = dice_.Between(1, 100);
  const bool escapes = kind > kPlain && kind <= kEscaped;
  const bool is_dollar = kind > kEscaped && kind <= kDollar;
  std::string inside;
  for (int left = dice_.Between(0, 4); left > 0; --left) {
    if (escapes && Perhaps()) inside += OneOf({"\\'", "\\\\", "\\n", "''"});
    else inside += OneOf({";", "--", "/*", "*/", "\"", " SET x = 1; ", "set_config(", "a", "\n", " INTO TEMP ", "END"});
  }
  if (is_dollar) {
    const std::string tag(OneOf({"$$", "$a$", "$_1$", "$é$"}));
    Put(tag + inside + (Perhaps(20) ? "$b $" : "") + tag);
  } else if (escapes) {
    Put(kEscaping + ("'" + inside + "'"));
    if (Perhaps(10)) sql_ += "\n -- '\n  '\\';'";
  } else if (kind > kDollar) {
    is_same_escaping_ = false;
    Put(Perhaps() ? "'\\'" : "U&'\\0061;'");
  } else {
    Put("'" + inside + (Perhaps(20) ? "''" : "") + "'");
  }
  return *this;
}

// No name of a function or schema that matters: a "(" may follow.
SqlTexts& SqlTexts::PlainName() {
  PutOneOf({"a", "b", "t1", "x$y", "é", "temp", "temporary", "insert", "merge", "local", "session", "begin", "atomic",
            "execute", "prepare", "hold", "names", "role", "transaction", "constraints", "listen", "discard", "reset",
            "set", "declare", "close", "load", "plans", "\"A b\"", "\"a\"\"b\"", "\"temp\"", "\";\"", "\"--\"", "\"end\"", "\"as\"",
            "U&\"\\0061b\"", "U&\"d!0061\" UESCAPE '!'",
            "a_very_long_name_that_postgresql_cuts_because_it_has_more_than_its_63_bytes"});
  return *this;
}
SqlTexts& SqlTexts::Name() {
  if (Perhaps(85)) PlainName();
  else PutOneOf({"set_config", "lastval", "\"set_config\"", "pg_advisory_lock", "currval"});
  return *this;
}
// After AS or "." any word may be one.
SqlTexts& SqlTexts::Label() {
  if (Perhaps(60)) Name();
  else PutOneOf({"end", "case", "as", "from", "select", "table", "for", "with", "into", "create", "all", "default", "to"});
  return *this;
}
SqlTexts& SqlTexts::Relation(bool is_made) {
  if ((is_made || !is_in_create_) && Perhaps(15)) Put({"pg_temp", "."});
  else if (Perhaps(15)) Put({"s", "."});
  PlainName();
  return *this;
}

template <typename Part>
SqlTexts& SqlTexts::List(int most, Part part) {
  for (int left = dice_.Between(1, most); left > 0; --left) {
    part();
    if (left > 1) Put(",");
  }
  return *this;
}

// --- expressions and queries

SqlTexts& SqlTexts::Type() {
  return PutOneOf({"text", "bool", "pg_catalog.text", "varchar(3)", "int", "numeric(3, 1)", "\"char\"", "char", "text[]",
                   "double precision"});
}

SqlTexts& SqlTexts::Expression(int depth) {
  const int kind = depth > 0 ? dice_.Between(0, 15) : dice_.Between(0, 4);
  switch (kind) {
    case 0: Name(); break;
    case 1: String(); break;
    case 2: Number(); break;
    case 3: PutOneOf({"$1", "$2", "true", "false", "NULL"}); break;
    case 4: PlainName().Put(".").Label(); break;
    case 5:
    case 6: Call(depth - 1); break;
    case 7: Put("(").Expression(depth - 1).Put(")"); break;
    case 8: Words("CASE WHEN").Expression(depth - 1).Words("THEN").Expression(depth - 1).Words("END"); break;
    case 9:
      Put("(").Expression(0).PutOneOf({"+", "||", "=", "<>", "AND", "->", "@>", "*", "-", "/", "?"});
      Expression(depth - 1).Put(")");
      break;
    case 10: Put("(").Select(depth - 1, false).Put(")"); break;
    case 11: Words("EXISTS").Put("(").Select(depth - 1, false).Put(")"); break;
    case 12: Words("CAST").Put("(").Expression(depth - 1).Words("AS").Type().Put(")"); break;
    case 13: Put("(").Expression(0).Put(")").Put("::").Type(); break;
    case 14: Words("ARRAY").Put("[").List(2, [&] { Expression(depth - 1); }).Put("]"); break;
    default: Words("NOT").Expression(depth - 1); break;
  }
  return *this;
}

SqlTexts& SqlTexts::Call(int depth) {
  if (Perhaps(20)) Put({"pg_catalog", "."});
  if (Perhaps(40)) return SetConfig(depth);
  PutOneOf({"lastval", "currval", "pg_advisory_lock", "PG_TRY_advisory_lock", "pg_advisory_lock_shared",
            "pg_advisory_unlock_all", "pg_advisory_xact_lock", "\"pg_advisory_unlock\"", "U&\"last\\0076al\"", "nextval",
            "f", "\"F f\"", "\"LASTVAL\""});
  Put("(");
  if (Perhaps(70)) List(2, [&] { Expression(depth); });
  Put(")");
  return *this;
}

SqlTexts& SqlTexts::SetConfig(int depth) {
  PutOneOf({"set_config", "SET_Config", "\"set_config\"", "U&\"set\\005fconfig\"", "U&\"set!005fconfig\" UESCAPE '!'"});
  Put("(");
  SetConfigName();
  Put(",");
  // No name or call: behind another set_config within a call nothing is looked at, a known alarm.
  if (Perhaps()) String();
  else Number();
  Put(",");
  IsLocal(depth);
  Put(")");
  return *this;
}

SqlTexts& SqlTexts::SetConfigName() {
  PutOneOf({"'x'", "'App.X'", "$3", "$14", "'x'::text", "$2::pg_catalog.varchar", "'ab'::varchar(1)", "'ab'::char", "a",
            "a || 'b'", "'a'::text || 'b'", "lower('X')", "'a'::text COLLATE \"C\" || b", "(SELECT 'x', 1)",
            "ARRAY['x', 'y']"});
  return *this;
}

SqlTexts& SqlTexts::IsLocal(int depth) {
  if (depth > 0 && Perhaps(15)) return Call(0);
  PutOneOf({"true", "TRUE", "false", "'t'", "' on '", "'o'", "'off'", "'t'::bool", "'true'::text::pg_catalog.bool",
            "true::boolean", "true::bool AND false", "true::bool IS NULL", "true AND true", "NOT true",
            "true OR f(1, true)", "NULL", "$3", "$3::bool", "'1'", "'0'", "1 = 2", "'yes'::bool IN (true, false)",
            "true::bool = false", "CASE WHEN a THEN b END"});
  return *this;
}

SqlTexts& SqlTexts::With(int depth) {
  Words("WITH");
  if (Perhaps(20)) Words("RECURSIVE");
  List(2, [&] {
    PlainName();
    if (Perhaps(30)) Put({"(", "a", ",", "b", ")"});
    Words("AS");
    if (Perhaps(20)) Words(OneOf({"MATERIALIZED", "NOT MATERIALIZED"}));
    Put("(");
    Query(depth - 1);
    Put(")");
  });
  return *this;
}

SqlTexts& SqlTexts::Into() {
  Words("INTO");
  if (Perhaps()) {
    if (Perhaps(20)) Words(OneOf({"LOCAL", "GLOBAL"}));
    Words(OneOf({"TEMP", "TEMPORARY"}));
  } else if (Perhaps(20)) {
    Words("UNLOGGED");
  }
  if (Perhaps(30)) Words("TABLE");
  Relation();
  return *this;
}

SqlTexts& SqlTexts::Tail(int depth) {
  if (Perhaps(40)) Words("WHERE").Expression(depth - 1);
  if (Perhaps(15)) Words("GROUP BY").Expression(0);
  if (Perhaps(15)) Words("ORDER BY").Expression(depth - 1);
  if (Perhaps(10)) Words("LIMIT").Number();
  return *this;
}

SqlTexts& SqlTexts::Select(int depth, bool may_go_into) {
  if (depth > 0 && Perhaps(15)) With(depth);
  Words("SELECT");
  List(3, [&] {
    Expression(depth);
    if (Perhaps(30)) Words("AS").Label();
  });
  if (may_go_into && Perhaps(30)) Into();
  if (Perhaps(60)) {
    Words("FROM");
    List(2, [&] {
      if (depth > 0 && Perhaps(25)) Call(depth - 1);
      else Relation();
      if (Perhaps(30)) Words("AS").PlainName();
    });
  }
  if (Perhaps(40)) Tail(depth);
  if (depth > 0 && Perhaps(10)) Words(OneOf({"UNION ALL", "EXCEPT", "INTERSECT"})).Select(depth - 1, false);
  return *this;
}

// INSERT, UPDATE, DELETE, MERGE
SqlTexts& SqlTexts::Change(int depth) {
  switch (dice_.Below(5)) {
    case 0:
      Words("UPDATE").Relation().Words("SET").PlainName().Put("=").Expression(depth);
      break;
    case 1: Words("DELETE FROM").Relation(); break;
    case 2:
      Words("MERGE INTO").Relation();
      if (Perhaps(40)) Words("AS").PlainName();
      Words("USING").Relation().Words("ON").Expression(depth).Words("WHEN MATCHED THEN DELETE");
      return *this;
    default:
      Words("INSERT INTO").Relation();
      if (Perhaps(20)) Words("AS").PlainName();
      if (Perhaps(30)) Put({"(", "a", ")"});
      if (Perhaps(10)) Words("OVERRIDING USER VALUE");
      if (Perhaps()) Words("VALUES").Put("(").List(2, [&] { Expression(depth); }).Put(")");
      else Select(depth, false);
      if (Perhaps(20)) Words("RETURNING").Expression(depth);
      return *this;
  }
  if (Perhaps()) Words("WHERE").Expression(depth);
  if (Perhaps(20)) Words("RETURNING").Expression(depth);
  return *this;
}

SqlTexts& SqlTexts::Query(int depth) {
  if (Perhaps(70)) Select(std::max(depth, 0), false);
  else Change(std::max(depth, 0));
  return *this;
}

// --- statements

SqlTexts& SqlTexts::Statement() {
  is_in_create_ = false;
  switch (dice_.Below(12)) {
    case 0: return Transaction();
    case 1:
    case 2: return Set();
    case 3: return Prepared();
    case 4: return Explain();
    case 5:
    case 6: return Create();
    case 7: return Cursor();
    case 8: return Other();
    case 9: return Change(2);
    default: return Select(2, true);
  }
  return *this;
}

SqlTexts& SqlTexts::Transaction() {
  if (Perhaps(20)) return Words(OneOf({"COMMIT PREPARED", "ROLLBACK PREPARED", "PREPARE TRANSACTION"})).Put("'x'");
  if (Perhaps(30)) return Words(OneOf({"ROLLBACK TO", "ABORT TO SAVEPOINT", "SAVEPOINT", "RELEASE"})).PlainName();
  Words(OneOf({"BEGIN", "BEGIN WORK", "START TRANSACTION", "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE",
               "BEGIN READ ONLY", "START TRANSACTION READ WRITE NOT DEFERRABLE", "COMMIT", "END WORK", "COMMIT AND CHAIN",
               "ROLLBACK", "ABORT AND NO CHAIN"}));
  return *this;
}

SqlTexts& SqlTexts::ParameterName() {
  if (Perhaps(40)) PlainName().Put(".");
  if (Perhaps(30)) PutOneOf({"time", "schema", "xml", "zone", "search_path", "work_mem", "TimeZone"});
  else Name();
  return *this;
}

SqlTexts& SqlTexts::Value() {
  switch (dice_.Below(4)) {
    case 0: String(); break;
    case 1: PutOneOf({"1", "-8.5", "+3", "64"}); break;
    case 2: PutOneOf({"on", "off", "true", "false"}); break;
    default: PlainName(); break;
  }
  return *this;
}

SqlTexts& SqlTexts::SetParameter() {
  ParameterName();
  if (Perhaps(15)) return Words("FROM CURRENT");
  if (Perhaps()) Words("TO");
  else Put("=");
  if (Perhaps(20)) Words("DEFAULT");
  else List(3, [&] { Value(); });
  return *this;
}

SqlTexts& SqlTexts::SetSpoken() {
  switch (dice_.Below(10)) {
    case 0: Words("TIME ZONE").PutOneOf({"'UTC'", "utc", "-8", "LOCAL", "DEFAULT", "INTERVAL '1' HOUR", "\"local\""}); break;
    case 1:
      Words("NAMES");
      if (Perhaps(70)) PutOneOf({"'utf8'", "DEFAULT", "$$utf8$$"});
      break;
    case 2: Words("ROLE").PlainName(); break;
    case 3: Words("SCHEMA").String(); break;
    case 4: Words("SESSION AUTHORIZATION").PlainName(); break;
    case 5: Words("SESSION AUTHORIZATION DEFAULT"); break;
    case 6: Words("XML OPTION").Words(OneOf({"DOCUMENT", "CONTENT"})); break;
    case 7: Words("SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"); break;
    case 8:
      Words("TRANSACTION").Words(OneOf({"READ ONLY", "ISOLATION LEVEL SERIALIZABLE, DEFERRABLE", "SNAPSHOT 'x'"}));
      break;
    default: Words("CONSTRAINTS").Words(OneOf({"ALL DEFERRED", "a, b IMMEDIATE"})); break;
  }
  return *this;
}

SqlTexts& SqlTexts::Set() {
  if (Perhaps(15)) {
    Words("RESET");
    if (Perhaps()) return ParameterName();
    return Words(OneOf({"ALL", "TIME ZONE", "SESSION AUTHORIZATION", "TRANSACTION ISOLATION LEVEL"}));
  }
  if (Perhaps(10)) return Words("DISCARD").Words(OneOf({"ALL", "PLANS", "SEQUENCES", "TEMP", "TEMPORARY"}));
  Words("SET");
  if (Perhaps(40)) Words(OneOf({"SESSION", "LOCAL"}));
  if (Perhaps(40)) SetSpoken();
  else SetParameter();
  return *this;
}

SqlTexts& SqlTexts::Prepared() {
  switch (dice_.Below(4)) {
    case 0:
    case 1:
      Words("PREPARE").PlainName();
      if (Perhaps(30)) Put("(").List(2, [&] { Type(); }).Put(")");
      Words("AS").Query(2);
      break;
    case 2:
      Words("EXECUTE").PlainName();
      if (Perhaps()) Put("(").List(2, [&] { Expression(1); }).Put(")");
      break;
    default:
      Words("DEALLOCATE");
      if (Perhaps(40)) Words("PREPARE");
      if (Perhaps(30)) Words("ALL");
      else PlainName();
      break;
  }
  return *this;
}

SqlTexts& SqlTexts::Explain() {
  Words("EXPLAIN");
  if (Perhaps(40)) Words(OneOf({"ANALYZE", "VERBOSE", "ANALYZE VERBOSE", "ANALYSE"}));
  else if (Perhaps()) Put({"(", "ANALYZE", ",", "FORMAT", "json", ",", "costs", "off", ")"});
  switch (dice_.Below(4)) {
    case 0: Words("EXECUTE").PlainName(); break;
    case 1: CreateTableAs(); break;
    case 2: Select(1, true); break;
    default: Query(1); break;
  }
  return *this;
}

SqlTexts& SqlTexts::CreateTableAs() {
  is_in_create_ = true;
  Words("CREATE").Words(OneOf({"TABLE", "TEMP TABLE", "LOCAL TEMPORARY TABLE", "UNLOGGED TABLE", "TABLE IF NOT EXISTS"}));
  if (Perhaps(20)) Put({"s", "."}).Label();
  else Relation(true);
  if (Perhaps(30)) Words("WITH").Put({"(", "fillfactor", "=", "70", ")"});
  if (Perhaps(20)) Words("ON COMMIT DROP");
  Words("AS");
  if (Perhaps()) Words("EXECUTE").PlainName();
  else Words("SELECT").Expression(1).Words("AS").Label();
  if (Perhaps(20)) Words("WITH NO DATA");
  return *this;
}

// ... BEGIN ATOMIC, with what looks like its end before that
SqlTexts& SqlTexts::CreateRoutine() {
  Words("CREATE");
  if (Perhaps(20)) Words("OR REPLACE");
  Words(OneOf({"FUNCTION", "PROCEDURE"})).Relation(true).Put("(");
  if (Perhaps()) List(2, [&] { PutOneOf({"a int", "begin atomic", "begin int DEFAULT (1)", "x text DEFAULT ';'"}); });
  Put(")");
  if (Perhaps()) Words("RETURNS").PutOneOf({"int", "begin", "TABLE (begin atomic, b int)", "SETOF atomic"});
  if (Perhaps(30)) Words("SET").SetParameter();
  if (Perhaps(20)) return Words("LANGUAGE sql AS").String();
  if (Perhaps(20)) return Words("RETURN").Expression(1);
  Words("BEGIN ATOMIC");
  for (int left = dice_.Between(0, 3); left > 0; --left) {
    switch (dice_.Below(4)) {
      case 0: Words("RETURN").Expression(1); break;
      case 1: Words("SELECT").Expression(0).PutOneOf({"end", "case", "atomic", "AS end", "AS begin", "a"}); break;
      case 2:
        Words("SELECT");
        PutOneOf({"begin atomic", "CASE WHEN a THEN atomic END", "CASE WHEN a THEN CASE b WHEN 1 THEN 2 END END end"});
        break;
      default: Query(1); break;
    }
    Put(";");
  }
  Words("END");
  return *this;
}

SqlTexts& SqlTexts::CreateRule() {
  Words("CREATE RULE").PlainName().Words("AS ON INSERT TO").PlainName().Words("DO").Words(OneOf({"ALSO", "INSTEAD"}));
  if (Perhaps(20)) return Change(1);
  Put("(");
  for (int left = dice_.Between(1, 3); left > 0; --left) Query(1).Put(";");
  Put(")");
  return *this;
}

SqlTexts& SqlTexts::Create() {
  is_in_create_ = true;
  switch (dice_.Below(8)) {
    case 0: return CreateTableAs();
    case 1:
    case 2: return CreateRoutine();
    case 3: return CreateRule();
    case 4:
      Words("CREATE").Words(OneOf({"TABLE", "TEMP TABLE", "GLOBAL TEMP TABLE", "UNLOGGED TABLE"})).Relation(true).Put("(");
      List(2, [&] { PlainName().Type(); });
      return Put(")");
    case 5: return Words("CREATE").Words(OneOf({"SEQUENCE", "TEMP SEQUENCE", "TYPE"})).Relation(true);
    case 6: return Words("CREATE").Words(OneOf({"SCHEMA", "ROLE", "EXTENSION", "DATABASE"})).PlainName();
    default:
      Words(OneOf({"DROP TABLE", "ALTER SEQUENCE s RENAME TO", "DROP ROLE", "ALTER TABLE t RENAME TO", "DROP SCHEMA"}));
      return PlainName();
  }
  return *this;
}

SqlTexts& SqlTexts::Cursor() {
  if (Perhaps(20)) return Words("CLOSE").PlainName();
  if (Perhaps(20)) return Words(OneOf({"FETCH", "FETCH ALL FROM", "MOVE NEXT IN", "CLOSE"})).PlainName();
  Words("DECLARE").PlainName();
  for (int left = dice_.Between(0, 2); left > 0; --left) Words(OneOf({"BINARY", "INSENSITIVE", "NO SCROLL"}));
  Words("CURSOR");
  if (Perhaps(60)) Words(OneOf({"WITH HOLD", "WITHOUT HOLD"}));
  Words("FOR");
  if (Perhaps(20)) Words("WITH hold AS").Put("(").Select(1, false).Put(")");
  Words("SELECT").Expression(2);
  return *this;
}

SqlTexts& SqlTexts::Other() {
  switch (dice_.Below(7)) {
    case 0: return Words("LISTEN").PlainName();
    case 1:
      Words("UNLISTEN");
      return Perhaps(30) ? Put("*") : PlainName();
    case 2: return Words("NOTIFY").PlainName().Put(",").String();
    case 3: return Words("LOAD").String();
    case 4: return Words("COPY").Put("(").Query(2).Put(")").Words("TO STDOUT");
    case 5: return Words("DO").String();
    default: return Words("CALL").Call(1);
  }
  return *this;
}

}  // namespace protocol
