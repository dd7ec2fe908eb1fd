// What SQL text is taken for: flags over the whole string by Sniff, the same flags and the names statement by statement
// by Examine.
#include "protocol/sql_sniffer.h"

#include <gtest/gtest.h>

#include <memory>

namespace protocol {
namespace {

using Names = std::vector<std::string>;

// Sniff and Examine must agree, for a text whose end is the end of its memory.
SqlFlags FlagsOf(std::string_view sql, Backslash backslash = Backslash::kLiteral) {
  const auto copy = std::make_unique<char[]>(sql.size());
  std::copy(sql.begin(), sql.end(), copy.get());
  const std::string_view exact(copy.get(), sql.size());
  SqlFlags together = 0;
  const std::vector<SqlStatement> statements = Examine(exact, backslash);
  for (const SqlStatement& statement : statements) together |= statement.flags;
  if (statements.size() > 1) together |= kSqlSeveral;
  const SqlFlags flags = Sniff(exact, backslash);
  EXPECT_EQ(flags, together) << sql;
  return flags;
}

SqlStatement Only(std::string_view sql) {
  std::vector<SqlStatement> statements = Examine(sql, Backslash::kLiteral);
  EXPECT_EQ(statements.size(), 1u) << sql;
  return statements.empty() ? SqlStatement{} : statements[0];
}

std::vector<std::string> TextsOf(std::string_view sql) {
  std::vector<std::string> texts;
  for (const SqlStatement& statement : Examine(sql, Backslash::kLiteral)) {
    texts.emplace_back(sql.substr(statement.begin, statement.end - statement.begin));
  }
  return texts;
}

struct Case {
  const char* sql;
  SqlFlags flags;
};
void Check(std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(FlagsOf(c.sql), c.flags) << c.sql;
}

// --- the flags

TEST(SniffTest, UsualQueriesHaveNone) {
  Check({{"", 0},
         {" \t\n;;  ", 0},
         {"SELECT abalance FROM pgbench_accounts WHERE aid = 1;", 0},
         {"UPDATE t SET a = a + $1, b = 'x' WHERE id = $2", 0},
         {"INSERT INTO temp (a) VALUES (1)", 0},
         {"INSERT INTO pg_temp.x (a) VALUES (1)", 0},
         {"MERGE INTO temp USING s ON true WHEN MATCHED THEN DELETE", 0},
         {"DELETE FROM t WHERE created < now() - interval '1 day'", 0},
         {"(SELECT 1) UNION (SELECT 2)", 0},
         {"WITH begin AS (SELECT 1) SELECT * FROM begin", 0},
         {"VALUES (1), (2)", 0},
         {"COPY t FROM STDIN", 0},
         {"SAVEPOINT s", 0},
         {"RELEASE SAVEPOINT s", 0},
         {"DO $$BEGIN PERFORM set_config('a', 'b', false); END$$", 0},
         {"COMMENT ON TABLE t IS 'drop'", 0},
         {"GRANT EXECUTE ON FUNCTION f() TO u", 0},
         {"TRUNCATE t", 0},
         {"setup; begins; sets; en; e; s", kSqlSeveral},
         {"\"SET\" x = 1", 0},
         {"\"begin\"", 0},
         {"SHOW search_path", 0},
         {"FETCH ALL FROM c", 0},
         {"LOCK t", 0},
         {"NOTIFY c, 'listen'", 0}});
}

TEST(SniffTest, Transactions) {
  Check({{"BEGIN", kSqlBegin},
         {"begin;", kSqlBegin},
         {"  /* x */ Begin Transaction Isolation Level Serializable", kSqlBegin},
         {"BEGIN whatever", kSqlBegin},
         {"START TRANSACTION READ ONLY", kSqlBegin},
         {"COMMIT", kSqlEnd},
         {"COMMIT AND CHAIN", kSqlEnd},
         {"END", kSqlEnd},
         {"ROLLBACK WORK", kSqlEnd},
         {"ABORT", kSqlEnd},
         {"ROLLBACK TO s", 0},
         {"ROLLBACK WORK TO SAVEPOINT s", 0},
         {"rollback/**/transaction to s", 0},
         {"PREPARE TRANSACTION 'x'", kSqlEnd},
         {"COMMIT PREPARED 'x'", 0},
         {"ROLLBACK PREPARED 'x'", 0},
         {"BEGIN; SELECT 1; COMMIT", kSqlBegin | kSqlEnd | kSqlSeveral}});
}

TEST(SniffTest, Settings) {
  Check({{"SET x TO 1", kSqlSet},
         {"set x=1", kSqlSet},
         {"SET SESSION x = 1", kSqlSet},
         {"SET app.x = 'y'", kSqlSet},
         {"SET \"app.x\" = 'y'", kSqlSet},
         {"SET TIME ZONE 'UTC'", kSqlSet},
         {"SET NAMES 'utf8'", kSqlSet},
         {"SET ROLE r", kSqlSet},
         {"SET SESSION AUTHORIZATION u", kSqlSet},
         {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", kSqlSet},
         {"RESET x", kSqlSet},
         {"RESET ALL", kSqlSet},
         {"SET local.x = 1", kSqlSet},
         {"SET transaction.x = 1", kSqlSet},
         {"SET session.x TO 1", kSqlSet},
         {"SET LOCAL x TO 1", kSqlSetLocal},
         {"SET LOCAL ROLE r", kSqlSetLocal},
         {"SET/*a*/LOCAL--b\nx TO 1", kSqlSetLocal},
         {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", kSqlSetLocal},
         {"SET SESSION TRANSACTION READ ONLY", kSqlSetLocal},
         {"SET CONSTRAINTS ALL DEFERRED", kSqlSetLocal},
         {"DISCARD ALL", kSqlDiscard},
         {"DISCARD TEMP", kSqlDiscard}});
}

TEST(SniffTest, SetConfigIsLocalOnlyWhenItSaysSo) {
  Check({{"SELECT set_config('x', 'y', false)", kSqlSet},
         {"SELECT set_config('x', 'y', true)", kSqlSetLocal},
         {"SELECT set_config('x', 'y', 't')", kSqlSetLocal},
         {"SELECT set_config('x', 'y', 'TRUE'::boolean)", kSqlSetLocal},
         {"SELECT set_config('x', 'y', ' on ')", kSqlSetLocal},
         {"SELECT set_config('x', 'y', '1')", kSqlSetLocal},
         {"SELECT set_config('x', 'y', 'yes')", kSqlSetLocal},
         {"SELECT set_config('x', 'y', 'o')", kSqlSet},
         {"SELECT set_config('x', 'y', '0')", kSqlSet},
         {"SELECT set_config('x', 'y', $1)", kSqlSet},
         {"SELECT set_config('x', 'y', NOT true)", kSqlSet},
         {"SELECT set_config('x', 'y', true AND false)", kSqlSet},
         {"SELECT set_config('x', f(1, true), false)", kSqlSet},
         {"SELECT set_config('x', (SELECT a FROM b, c), true)", kSqlSetLocal},
         {"SELECT set_config('x', 'a,b', true), set_config('z', 'y', false)", kSqlSet | kSqlSetLocal},
         {"SELECT set_config('x', set_config('y', 'z', true), true)", kSqlSet | kSqlSetLocal},
         {"SELECT set_config(", kSqlSet},
         {"SELECT set_config('x', 'y', true", kSqlSet},
         {"select pg_catalog.SET_CONFIG /* c */ -- d\n ('x', 'y', false)", kSqlSet},
         {"SELECT \"set_config\"('x', 'y', false)", kSqlSet},
         {"SELECT \"SET_CONFIG\"('x', 'y', false)", 0},
         {"SELECT set_config FROM t", 0},
         {"SELECT a.set_config, (1)", 0},
         {"SELECT my_set_config('x'), set_configs('x'), set$config(1), a$set_config(1)", 0},
         {"WITH w AS (SELECT set_config('x', 'y', false)) SELECT 1", kSqlSet},
         {"INSERT INTO t SELECT set_config('x', 'y', false)", kSqlSet}});
}

// A cast is not the end of the argument, and to another type it may change the value.
TEST(SniffTest, ACastOfTrueIsTrueOnlyWhenNothingFollows) {
  Check({{"SELECT set_config('x', 'y', true::bool)", kSqlSetLocal},
         {"SELECT set_config('x', 'y', 't'::text::pg_catalog.bool)", kSqlSetLocal},
         {"SELECT set_config('x', 'y', true::bool AND false)", kSqlSet},
         {"SELECT set_config('x', 'y', true::bool IS NULL)", kSqlSet},
         {"SELECT set_config('x', 'y', true::bool IN (f(1), false))", kSqlSet},
         {"SELECT set_config('x', 'y', 't'::mine)", kSqlSet},
         {"SELECT set_config('x', 'y', 'true'::varchar(1))", kSqlSet}});
}

TEST(SniffTest, PreparedStatements) {
  Check({{"PREPARE p AS SELECT 1", kSqlPrepare},
         {"PREPARE p (int) AS SELECT $1", kSqlPrepare},
         {"PREPARE transaction AS SELECT 1", kSqlPrepare},
         {"EXECUTE p", kSqlExecute},
         {"EXPLAIN EXECUTE p(1)", kSqlExecute},
         {"EXPLAIN ANALYZE VERBOSE EXECUTE p", kSqlExecute},
         {"EXPLAIN (ANALYZE, VERBOSE) EXECUTE x(1)", kSqlExecute},
         {"EXPLAIN SELECT execute FROM t", 0},
         {"CREATE TABLE t AS EXECUTE p", kSqlExecute | kSqlDdl},
         {"CREATE TEMP TABLE t (a, b) AS EXECUTE p(1)", kSqlExecute | kSqlTemp},
         {"CREATE TABLE s.as AS EXECUTE p", kSqlExecute | kSqlDdl},
         {"CREATE TABLE t AS SELECT 1 AS execute", kSqlDdl},
         {"CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()", kSqlDdl},
         {"CREATE TRIGGER g BEFORE INSERT ON t EXECUTE PROCEDURE f()", kSqlDdl},
         {"DEALLOCATE p", kSqlDeallocate},
         {"DEALLOCATE PREPARE ALL", kSqlDeallocate}});
}

TEST(SniffTest, TemporaryThings) {
  Check({{"CREATE TEMP TABLE x (a int)", kSqlTemp},
         {"CREATE TEMPORARY VIEW x AS SELECT 1", kSqlTemp},
         {"CREATE TEMP SEQUENCE s", kSqlTemp},
         {"CREATE LOCAL TEMP TABLE x (a int)", kSqlTemp},
         {"CREATE GLOBAL TEMPORARY TABLE x (a int)", kSqlTemp},
         {"CREATE OR REPLACE TEMP VIEW x AS SELECT 1", kSqlTemp},
         {"CREATE TEMP RECURSIVE VIEW x (n) AS SELECT 1", kSqlTemp},
         {"CREATE TABLE pg_temp.x (a int)", kSqlTemp | kSqlDdl},
         {"CREATE TABLE \"pg_temp\" . x (a int)", kSqlTemp | kSqlDdl},
         {"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", kSqlTemp | kSqlDdl},
         {"CREATE UNLOGGED TABLE x (temp int)", kSqlDdl},
         {"SELECT 1 INTO TEMP x", kSqlTemp},
         {"SELECT 1 INTO TEMPORARY TABLE x", kSqlTemp},
         {"SELECT 1 INTO LOCAL TEMP x", kSqlTemp},
         {"SELECT 1 INTO pg_temp.x", kSqlTemp},
         {"SELECT 1 INTO TABLE pg_temp_3.x", kSqlTemp},
         {"(SELECT 1 INTO/**/temp x)", kSqlTemp},
         {"WITH w AS (SELECT 1) SELECT * INTO TEMP x FROM w", kSqlTemp},
         {"WITH w AS (INSERT INTO temp VALUES (1)) SELECT 1", 0},
         {"EXPLAIN ANALYZE SELECT 1 INTO TEMP x", kSqlTemp},
         {"EXPLAIN ANALYZE CREATE TEMP TABLE x AS SELECT 1", kSqlTemp},
         {"SELECT 1 INTO x", 0},
         {"SELECT 1 INTO \"temp\"", 0},
         {"SELECT 1 INTO temp FROM t", 0},
         {"SELECT 1 INTO temporary", 0},
         {"SELECT temp, template, pg_temp FROM t", 0},
         {"SELECT * FROM pg_temp.x", 0},
         {"DROP TABLE x", kSqlTempEnd | kSqlDdl},
         {"ALTER TABLE x ADD y int", kSqlDdl},
         {"CREATE INDEX ON t (a)", kSqlDdl}});
}

// Both are names that a column may have.
TEST(SniffTest, InsertAndMergeBeforeIntoMayBeColumns) {
  Check({{"SELECT insert INTO TEMP x FROM t", kSqlTemp},
         {"SELECT 1 AS insert INTO TEMP TABLE x", kSqlTemp},
         {"SELECT t.merge INTO pg_temp.x FROM t", kSqlTemp},
         {"SELECT t.insert INTO TABLE pg_temp.x", kSqlTemp},
         {"SELECT 1 AS insert INTO TEMP values", kSqlTemp},
         {"INSERT INTO temp SELECT 1", 0},
         {"INSERT INTO temp SELECT .5 FROM t", 0},
         {"INSERT INTO temp DEFAULT VALUES", 0},
         {"INSERT INTO temp OVERRIDING USER VALUE SELECT 1", 0},
         {"INSERT INTO pg_temp.x SELECT 1", 0},
         {"MERGE INTO temp t USING s ON true WHEN MATCHED THEN DELETE", 0},
         {"MERGE INTO pg_temp.x AS t USING s ON true WHEN MATCHED THEN DELETE", 0}});
}

TEST(SniffTest, TheRestOfTheSession) {
  Check({{"LISTEN c", kSqlListen},
         {"UNLISTEN *", kSqlUnlisten},
         {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", kSqlHold},
         {"DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITH HOLD FOR SELECT 1", kSqlHold},
         {"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1", 0},
         {"DECLARE c CURSOR FOR WITH hold AS (SELECT 1) SELECT 1", 0},
         {"CLOSE c", kSqlClose},
         {"CLOSE ALL", kSqlClose},
         {"LOAD 'x'", kSqlLoad},
         {"SELECT pg_advisory_lock(1)", kSqlAdvisoryLock},
         {"SELECT pg_advisory_lock_shared(1, 2)", kSqlAdvisoryLock},
         {"SELECT * FROM pg_try_advisory_lock(1)", kSqlAdvisoryLock},
         {"SELECT Pg_Try_Advisory_Lock_Shared\n(1)", kSqlAdvisoryLock},
         {"SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(1)", 0},
         {"SELECT pg_advisory_unlock(1)", kSqlAdvisoryUnlock},
         {"SELECT pg_advisory_unlock_shared(1)", kSqlAdvisoryUnlock},
         {"SELECT pg_catalog.pg_advisory_unlock_all()", kSqlAdvisoryUnlock},
         {"SELECT currval('s')", kSqlSequence},
         {"SELECT lastval()", kSqlSequence},
         {"SELECT nextval('s'), setval('s', 1), interval '1', service(1)", 0},
         {"PREPARE p AS SELECT lastval()", kSqlPrepare | kSqlSequence}});
}

// --- the lexer, seen through the flags

TEST(SniffTest, CommentsHideAndNest) {
  Check({{"SELECT 1 -- ; BEGIN\n", 0},
         {"SELECT 1 -- ; BEGIN\r; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT 1 /* ; BEGIN */", 0},
         {"SELECT 1 /* /* */ ; BEGIN */", 0},
         {"SELECT 1 /* /* */ */ ; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT 1 /*/ ; BEGIN */", 0},
         {"SELECT 1 /**/; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT 1 /***/; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT 2*/**/3; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT 1 /* never closed; BEGIN", 0},
         {"-- SET\n/* SET */ SET x = 1", kSqlSet},
         {"SELECT 1 - 2 / 3; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT 1 /", 0},
         {"SELECT 1 -", 0}});
}

TEST(SniffTest, StringsHide) {
  Check({{"SELECT '; BEGIN'", 0},
         {"SELECT 'it''s; BEGIN'", 0},
         {"SELECT '\\'; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT E'\\'; BEGIN'", 0},
         {"SELECT e'\\\\'; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT E'a''\\'; BEGIN'", 0},
         {"SELECT E'a'\n'\\'; BEGIN'", 0},
         {"SELECT E'a' -- b\n '\\'; BEGIN'", 0},
         {"SELECT E'a' '\\'; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT xe'\\'; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT x1e'\\'; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT B'\\'; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT n'; BEGIN'", 0},
         {"SELECT U&'\\'; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT \"; BEGIN\"", 0},
         {"SELECT \"a\"\"; BEGIN\"", 0},
         {"SELECT U&\"; BEGIN\"", 0},
         {"SELECT '; BEGIN", 0},
         {"SELECT \"; BEGIN", 0},
         {"SELECT E'\\", 0},
         {"SELECT'x';BEGIN", kSqlBegin | kSqlSeveral}});
}

TEST(SniffTest, UnicodeNamesAreUnescaped) {
  for (const Backslash backslash : {Backslash::kLiteral, Backslash::kEscapes}) {
    const auto flags = [backslash](const char* sql) { return FlagsOf(sql, backslash); };
    EXPECT_EQ(flags("SELECT U&\"set\\005fconfig\"('x', 'y', false)"), kSqlSet);
    EXPECT_EQ(flags("SELECT a, u&\"last\\+000076al\" ()"), kSqlSequence);
    EXPECT_EQ(flags("SELECT U&\"set!005fconfig\" /* \" */ uescape --\n'!'('x', 'y', false)"), kSqlSet);
    EXPECT_EQ(flags("SELECT U&\"set\\005fconfig\" UESCAPE '!'('x')"), 0u);
    EXPECT_EQ(flags("SELECT U&\"LAST\\0056AL\"()"), 0u);
    EXPECT_EQ(flags("CREATE TABLE U&\"pg\\005ftemp\".x (a int)"), kSqlTemp | kSqlDdl);
    EXPECT_EQ(flags("SELECT U&\"a\\\\\"\"; BEGIN\"; BEGIN"), kSqlBegin | kSqlSeveral);
    EXPECT_EQ(flags("SELECT U&\"a\", uescape, '!'; BEGIN"), kSqlBegin | kSqlSeveral);
    EXPECT_EQ(flags("SELECT U&\"a\\"), 0u);
    EXPECT_EQ(flags("SELECT U&\"a\\00"), 0u);
    EXPECT_EQ(flags("SELECT U&\"a\\+\" UESCAPE '"), 0u);
    EXPECT_EQ(flags("SELECT U&\"lastval\" UESCAPE '' ()"), kSqlSequence);
  }
}

// Up to PostgreSQL 14.
TEST(SniffTest, AWordMayFollowANumberAtOnce) {
  Check({{"SELECT 1INTO TEMP x", kSqlTemp},
         {"SELECT 1INTO/**/temp x", kSqlTemp},
         {"SELECT 1lastval()", kSqlSequence}});
}

TEST(SniffTest, DollarQuotesHide) {
  Check({{"SELECT $$; BEGIN$$", 0},
         {"SELECT $a$; $$ $b$ BEGIN $a$", 0},
         {"SELECT $a$; $A$ BEGIN", 0},
         {"SELECT $a$ $$a$; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT $1, $2; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT $1$$; BEGIN$$", 0},
         {"SELECT a$$; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT a$b$; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT a1$b$; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT $; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT $a; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT $a b$; BEGIN", kSqlBegin | kSqlSeveral},
         {"SELECT $\xc3\xa9$; BEGIN$\xc3\xa9$", 0},
         {"SELECT $$; BEGIN", 0}});
}

TEST(SniffTest, BackslashesEscapeWhenStringsDoNotConform) {
  const auto flags = [](const char* sql) { return FlagsOf(sql, Backslash::kEscapes); };
  EXPECT_EQ(flags("SELECT '\\'; BEGIN'"), 0u);
  EXPECT_EQ(flags("SELECT '\\\\'; BEGIN"), kSqlBegin | kSqlSeveral);
  EXPECT_EQ(flags("SELECT E'\\'; BEGIN'"), 0u);
  EXPECT_EQ(flags("SELECT x'\\'; BEGIN"), kSqlBegin | kSqlSeveral);
  EXPECT_EQ(flags("SELECT \"\\\"; BEGIN"), kSqlBegin | kSqlSeveral);
}

// Words longer than any name are not read to their ends again and again.
TEST(SniffTest, EndlessWordsAndCallsAreRead) {
  std::string word = "SELECT ";
  for (int i = 0; i < 500'000; ++i) word += "mp";
  EXPECT_EQ(FlagsOf(word), 0u);
  std::string digits = "SELECT " + std::string(100'000, '0');
  for (int i = 0; i < 100'000; ++i) digits += "temp$0000";
  EXPECT_EQ(FlagsOf(digits), 0u);
  std::string calls = "SELECT ";
  for (int i = 0; i < 100'000; ++i) calls += "set_config(";
  EXPECT_EQ(FlagsOf(calls), kSqlSet);
  std::string names = "SELECT ";
  for (int i = 0; i < 100'000; ++i) names += i % 2 == 0 ? "U&\"a\"" : "U&\"a\"uescape ";
  EXPECT_EQ(FlagsOf(names), 0u);
}

// --- statements

TEST(ExamineTest, CutsAtSemicolons) {
  EXPECT_EQ(TextsOf(""), Names{});
  EXPECT_EQ(TextsOf(" ; -- x\n ;"), Names{});
  EXPECT_EQ(TextsOf("/* a */ SELECT 1 /* b */ ; ;SELECT ';' ; "), (Names{"SELECT 1", "SELECT ';'"}));
  EXPECT_EQ(TextsOf("SET a = 1;SET b = 2"), (Names{"SET a = 1", "SET b = 2"}));
}

TEST(ExamineTest, ACreateHoldsStatements) {
  const char* function =
      "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END AS end, t.case FROM t; "
      "RETURN CASE x WHEN 1 THEN CASE 2 WHEN 3 THEN 4 END ELSE 5 END; END";
  EXPECT_EQ(TextsOf(std::string(function) + "; BEGIN"), (Names{function, "BEGIN"}));
  EXPECT_EQ(Only(function).flags, kSqlDdl);
  const char* procedure = "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (1); ; END";
  EXPECT_EQ(TextsOf(std::string(procedure) + ";SELECT 1"), (Names{procedure, "SELECT 1"}));
  const char* rule = "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)";
  EXPECT_EQ(TextsOf(std::string(rule) + "; SELECT 1"), (Names{rule, "SELECT 1"}));
  EXPECT_EQ(TextsOf("CREATE FUNCTION begin() RETURNS int AS 'x'; END").size(), 2u);
  EXPECT_EQ(TextsOf("CREATE FUNCTION f(begin atomic) RETURNS int AS 'x'; LISTEN c; END").size(), 3u);
  EXPECT_EQ(TextsOf("CREATE TABLE t (begin int, atomic int); END").size(), 2u);
}

// In a routine END ends the body only where a statement could begin.
TEST(ExamineTest, EndAndCaseMayBeColumns) {
  for (const char* body :
       {"", "SELECT 1 end;", "SELECT 1 case;", "SELECT 1 AS case; SELECT t.end;", "SELECT CASE WHEN a THEN atomic END;",
        "SELECT begin atomic FROM t;", "; ;"}) {
    const std::string function = std::string("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ") + body + " END";
    EXPECT_EQ(TextsOf(function + "; LISTEN c"), (Names{function, "LISTEN c"}));
  }
}

TEST(ExamineTest, FlagsAreOfTheStatementAlone) {
  const auto statements = Examine("BEGIN; SELECT lastval(); COMMIT", Backslash::kLiteral);
  ASSERT_EQ(statements.size(), 3u);
  EXPECT_EQ(statements[0].flags, kSqlBegin);
  EXPECT_EQ(statements[1].flags, kSqlSequence);
  EXPECT_EQ(statements[2].flags, kSqlEnd);
}

struct KindCase {
  const char* sql;
  SqlKind kind;
  Names names;
};
void CheckKinds(const std::vector<KindCase>& cases) {
  for (const KindCase& c : cases) {
    const SqlStatement statement = Only(c.sql);
    EXPECT_EQ(statement.kind, c.kind) << c.sql;
    EXPECT_EQ(statement.names, c.names) << c.sql;
  }
}

TEST(ExamineTest, PlainTransactionCommands) {
  CheckKinds({{"BEGIN", SqlKind::kBegin, {}},
              {"begin work", SqlKind::kBegin, {}},
              {"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY NOT DEFERRABLE", SqlKind::kBegin, {}},
              {"START TRANSACTION READ WRITE", SqlKind::kBegin, {}},
              {"START TRANSACTION", SqlKind::kBegin, {}},
              {"BEGIN IMMEDIATE", SqlKind::kOther, {}},
              {"BEGIN READ ONLY,", SqlKind::kOther, {}},
              {"START", SqlKind::kOther, {}},
              {"COMMIT", SqlKind::kCommit, {}},
              {"END TRANSACTION AND NO CHAIN", SqlKind::kCommit, {}},
              {"COMMIT AND CHAIN", SqlKind::kOther, {}},
              {"COMMIT x", SqlKind::kOther, {}},
              {"COMMIT PREPARED 'x'", SqlKind::kOther, {}},
              {"ROLLBACK", SqlKind::kRollback, {}},
              {"ABORT WORK", SqlKind::kRollback, {}},
              {"ROLLBACK TO s", SqlKind::kOther, {}}});
}

TEST(ExamineTest, WhatIsSet) {
  CheckKinds({{"SET x TO 1", SqlKind::kSet, {"x"}},
              {"SET SESSION Search_Path = a, b", SqlKind::kSet, {"search_path"}},
              {"SET x TO DEFAULT", SqlKind::kReset, {"x"}},
              {"SET x = 'default'", SqlKind::kSet, {"x"}},
              {"SET x FROM CURRENT", SqlKind::kSet, {"x"}},
              {"SET app.X = 1", SqlKind::kSet, {"app.x"}},
              {"SET \"App.X\" = 1", SqlKind::kSet, {"App.X"}},
              {"SET \"a\"\"b\".c = 1", SqlKind::kSet, {"a\"b.c"}},
              {"SET local.x = 1", SqlKind::kSet, {"local.x"}},
              {"SET session.x = 1", SqlKind::kSet, {"session.x"}},
              {"SET NAMES 'utf8'", SqlKind::kSet, {"client_encoding"}},
              {"SET NAMES DEFAULT", SqlKind::kReset, {"client_encoding"}},
              {"SET NAMES", SqlKind::kReset, {"client_encoding"}},
              {"SET TIME ZONE 'UTC'", SqlKind::kSet, {"timezone"}},
              {"SET TIME ZONE INTERVAL '1' HOUR", SqlKind::kSet, {"timezone"}},
              {"SET SESSION TIME ZONE LOCAL", SqlKind::kReset, {"timezone"}},
              {"SET TIME ZONE DEFAULT", SqlKind::kReset, {"timezone"}},
              {"SET ROLE r", SqlKind::kSet, {"role"}},
              {"SET role TO r", SqlKind::kSet, {"role"}},
              {"SET SCHEMA 's'", SqlKind::kSet, {"search_path"}},
              {"SET SESSION AUTHORIZATION u", SqlKind::kSet, {"session_authorization"}},
              {"SET SESSION SESSION AUTHORIZATION DEFAULT", SqlKind::kReset, {"session_authorization"}},
              {"SET SESSION SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
               SqlKind::kSet,
               {"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"}},
              {"SET SESSION characteristics.x = 1", SqlKind::kSet, {"characteristics.x"}},
              {"SET session FROM CURRENT", SqlKind::kSet, {"session"}},
              {"SET local FROM CURRENT", SqlKind::kSet, {"local"}},
              {"SET names FROM CURRENT", SqlKind::kSet, {"names"}},
              {"SET U&\"\\0061pp\".x = 1", SqlKind::kSet, {"app.x"}},
              {"SET XML OPTION DOCUMENT", SqlKind::kSet, {"xmloption"}},
              {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
               SqlKind::kSet,
               {"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"}},
              {"SET LOCAL x TO 1", SqlKind::kOther, {}},
              {"SET TRANSACTION READ ONLY", SqlKind::kOther, {}},
              {"SET x", SqlKind::kOther, {}},
              {"SET", SqlKind::kOther, {}},
              {"RESET x", SqlKind::kReset, {"x"}},
              {"RESET app.x", SqlKind::kReset, {"app.x"}},
              {"RESET TIME ZONE", SqlKind::kReset, {"timezone"}},
              {"RESET SESSION AUTHORIZATION", SqlKind::kReset, {"session_authorization"}},
              {"RESET ALL", SqlKind::kResetAll, {}},
              {"RESET \"all\"", SqlKind::kReset, {"all"}},
              {"DISCARD ALL", SqlKind::kDiscardAll, {}},
              {"DISCARD PLANS", SqlKind::kDiscard, {}},
              {"DISCARD TEMPORARY", SqlKind::kDiscard, {}}});
}

TEST(ExamineTest, WhatIsNamed) {
  CheckKinds({{"PREPARE P1 (int) AS SELECT 1", SqlKind::kPrepare, {"p1"}},
              {"PREPARE \"P 1\" AS SELECT 1", SqlKind::kPrepare, {"P 1"}},
              {"PREPARE transaction AS SELECT 1", SqlKind::kPrepare, {"transaction"}},
              {"PREPARE TRANSACTION 'x'", SqlKind::kOther, {}},
              {"EXECUTE p(1)", SqlKind::kExecute, {"p"}},
              {"EXPLAIN (ANALYZE, FORMAT json) EXECUTE p(1)", SqlKind::kExecute, {"p"}},
              {"EXPLAIN CREATE TABLE execute AS EXECUTE p", SqlKind::kExecute, {"p"}},
              {"CREATE TABLE t (execute) AS EXECUTE p", SqlKind::kExecute, {"p"}},
              {"CREATE TABLE s.as AS EXECUTE p", SqlKind::kExecute, {"p"}},
              {"CREATE TABLE t (a int)", SqlKind::kOther, {}},
              {"EXPLAIN SELECT 1", SqlKind::kOther, {}},
              {"DEALLOCATE p", SqlKind::kDeallocate, {"p"}},
              {"DEALLOCATE PREPARE p", SqlKind::kDeallocate, {"p"}},
              {"DEALLOCATE prepare", SqlKind::kDeallocate, {"prepare"}},
              {"DEALLOCATE \"all\"", SqlKind::kDeallocate, {"all"}},
              {"DEALLOCATE ALL", SqlKind::kDeallocateAll, {}},
              {"DEALLOCATE PREPARE ALL", SqlKind::kDeallocateAll, {}},
              {"LISTEN C", SqlKind::kListen, {"c"}},
              {"LISTEN U&\"d\\0061t\\+000061\"", SqlKind::kListen, {"data"}},
              {"LISTEN U&\"d!0061!!\"\"\" UESCAPE '!'", SqlKind::kListen, {"da!\""}},
              {"LISTEN U&\"\\d83d\\de00\\00e9\\20ac\"", SqlKind::kListen, {"\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac"}},
              {"UNLISTEN c", SqlKind::kUnlisten, {"c"}},
              {"UNLISTEN *", SqlKind::kUnlistenAll, {}},
              {"LISTEN", SqlKind::kOther, {}}});
}

TEST(ExamineTest, NamesAreCutLikePostgreSqlDoes) {
  const std::string full(63, 'a');
  EXPECT_EQ(Only("LISTEN " + full).names, Names{full});
  EXPECT_EQ(Only("LISTEN " + full + "b").names, Names{full});
  EXPECT_EQ(Only("LISTEN \"" + full + "b\"").names, Names{full});
  const std::string short_of(62, 'a');
  EXPECT_EQ(Only("LISTEN " + short_of + "\xc3\xa9").names, Names{short_of});
  EXPECT_EQ(Only("SET " + full + "b." + full + "c = 1").names, Names{full + "." + full});
  EXPECT_EQ(Only("LISTEN U&\"" + short_of + "\\0061b\"").names, Names{full});
  EXPECT_EQ(Only("LISTEN U&\"" + short_of + "\\+01f600b\"").names, Names{short_of});
}

TEST(ExamineTest, WhatSetConfigSets) {
  const SqlStatement all = Only(
      "SELECT set_config('App.X', 'v', false), pg_catalog.set_config($12, $2, $3), \"set_config\"('y'::text, '', "
      "false), "
      "set_config($4::pg_catalog.text, '', false), set_config('local', '', true)");
  EXPECT_EQ(all.set_config_names, (Names{"app.x", "y"}));
  EXPECT_EQ(all.set_config_parameters, (std::vector<int>{12, 4}));
  EXPECT_FALSE(all.set_config_unknown);
  for (const char* unknown :
       {"SELECT set_config(name, '', false) FROM t", "SELECT set_config('a' || 'b', '', false)",
        "SELECT set_config($1::text || 'b', '', false)", "SELECT set_config(lower($1), '', false)",
        "SELECT set_config(E'a\\x62', '', false)", "SELECT set_config()", "SELECT set_config($99999999999, '', false)",
        "SELECT set_config(CAST($1 AS text), '', false)", "SELECT set_config('ab'::varchar(1), '', false)",
        "SELECT set_config('ab'::char, '', false)", "SELECT set_config('ab'::\"char\", '', false)",
        "SELECT set_config('a'::text COLLATE \"C\" || b, '', false)"}) {
    const SqlStatement statement = Only(unknown);
    EXPECT_TRUE(statement.set_config_unknown) << unknown;
    EXPECT_TRUE(statement.set_config_names.empty() && statement.set_config_parameters.empty()) << unknown;
  }
  const SqlStatement none = Only("SELECT set_config($1, '', true)");
  EXPECT_FALSE(none.set_config_unknown);
  EXPECT_TRUE(none.set_config_parameters.empty());
}

}  // namespace
}  // namespace protocol
