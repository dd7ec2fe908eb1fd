// A BEGIN that takes no server is told apart by nothing in its answers: the same scripts, direct and through pgweir.
#include "tests/integration/deferred_fixture.h"

namespace integration {
namespace {

using namespace test_support;

const char* const kBegins[] = {
    "BEGIN",
    "begin",
    "START TRANSACTION",
    "BEGIN WORK",
    "BEGIN TRANSACTION",
    "BEGIN;",
    "  BEGIN  ;;; ",
    "/* of a driver */ BEGIN -- and more\n",
    "START /* nested /* twice */ */ TRANSACTION;",
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "BEGIN ISOLATION LEVEL READ UNCOMMITTED",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
    "BEGIN READ ONLY",
    "BEGIN WORK READ WRITE",
    "BEGIN DEFERRABLE",
    "BEGIN NOT DEFERRABLE READ ONLY ISOLATION LEVEL REPEATABLE READ",
    "BEGIN READ ONLY, READ WRITE",
    "BEGIN ISOLATION LEVEL SERIALIZABLE, ISOLATION LEVEL REPEATABLE READ",
};
const char* const kEnds[] = {"COMMIT",       "END",        "ROLLBACK",             "ABORT",
                             "COMMIT WORK;", "end /* */;", "ROLLBACK TRANSACTION", "commit and no chain"};
// What a client may say between BEGIN and its end, each a message.
const char* const kFirsts[] = {
    "SELECT 1",
    "",
    ";",
    "-- nothing",
    "BEGIN",
    "BEGIN READ ONLY",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "BEGIN FOO",
    "SELEKT",
    "SELECT 1/0",
    "SAVEPOINT s",
    "ROLLBACK TO SAVEPOINT s",
    "SET LOCAL work_mem = '3MB'",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET TRANSACTION READ ONLY",
    "SHOW transaction_isolation",
    "LOCK TABLE deferred_rows IN SHARE MODE",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 3)",
    "INSERT INTO deferred_rows VALUES (1)",
    "INSERT INTO deferred_rows VALUES (NULL)",
    "CREATE TEMP TABLE scratch (i int) ON COMMIT DROP",
    "VACUUM deferred_rows",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "COMMIT PREPARED 'none'",
    "COMMIT FOO",
    "DISCARD ALL",
    "COPY deferred_rows TO STDOUT",
};

class DeferredBeginTest : public DeferredTest {};

TEST_F(DeferredBeginTest, EverySpellingHasItsModes) {
  StartDeferring();
  const std::string shows[] = {"SHOW transaction_isolation", "SHOW transaction_read_only",
                               "SHOW transaction_deferrable"};
  for (const char* begin : kBegins) {
    SCOPED_TRACE(begin);
    Exchanges simple = {{Query(begin)}}, extended = {{Batch(begin)}};
    for (const std::string& show : shows) {
      simple.push_back({Query(show)});
      extended.push_back({Batch(show)});
    }
    simple.push_back({Query("COMMIT")});
    extended.push_back({Batch("COMMIT")});
    Compare(simple);
    Compare(extended);
    Compare({{Query(begin)}, {Batch(shows[0])}, {Query("ROLLBACK")}, {Query(shows[0])}});
    Compare({{Parse("b", begin) + DescribeStatement("b") + Bind("", "b") + Execute("") + Sync()},
             {Query(shows[0])},
             {Batch("COMMIT")}});
  }
  ExpectFree();
}

TEST_F(DeferredBeginTest, EndsOfEverySpelling) {
  StartDeferring();
  for (const char* end : kEnds) {
    SCOPED_TRACE(end);
    Compare({{Query("BEGIN")}, {Query(end)}, {Query(end)}, {Query("SELECT 'after'")}});
    Compare({{Batch("START TRANSACTION")}, {Batch(end)}, {Batch(end)}, {Batch("SELECT 'after'")}});
    Compare({{Batch("BEGIN")}, {Query(end)}, {Batch("BEGIN")}, {Query("SELECT 1")}, {Query(end)}});
    Compare({{Query("BEGIN")}, {Query("SELECT 1/0")}, {Query("SELECT 1")}, {Query(end)}, {Query("SELECT 'after'")}});
    Compare({{Batch("BEGIN")}, {Batch("SELECT 1/0")}, {Batch("SELECT 1")}, {Batch(end)}, {Batch("SELECT 'after'")}});
  }
  ExpectFree();
}

TEST_F(DeferredBeginTest, WhateverComesFirst) {
  StartDeferring();
  for (const char* first : kFirsts) {
    SCOPED_TRACE(first);
    const Exchanges simple = {{Query("BEGIN")},
                              {Query(first)},
                              {Query("SHOW transaction_isolation")},
                              {Query("ROLLBACK")},
                              {Query("SELECT 'after'")}};
    const Exchanges extended = {{Batch("BEGIN")},
                                {Batch(first)},
                                {Batch("SHOW transaction_isolation")},
                                {Batch("ROLLBACK")},
                                {Query("SELECT 'after'")}};
    Compare(simple);
    Compare(extended);
    Compare({{Query("BEGIN") + Batch(first), "ZZ"}, {Query("COMMIT")}, {Query("DELETE FROM deferred_rows")}});
  }
  ExpectFree();
}

TEST_F(DeferredBeginTest, SeveralStatementsInOneString) {
  StartDeferring();
  for (const char* sql :
       {"BEGIN; SELECT 1", "BEGIN; COMMIT", "BEGIN; ROLLBACK; SELECT 1", "BEGIN; BEGIN", "COMMIT; BEGIN",
        "COMMIT; SELECT 1", "BEGIN; SELECT 1/0; COMMIT", "BEGIN FOO", "BEGIN FOO; SELECT 1", "BEGIN ISOLATION LEVEL",
        "BEGIN READ ONLY,", "START", "START TRANSACTION WORK", "BEGIN AND CHAIN", "BEGIN \xff", "BEGIN -- \xc3\xa4",
        "BEGIN /* \xff */", "BEGIN /* not closed",
        "COMMIT /* /* not closed */", "ROLLBACK -- \xc3\xa4", "COMMIT \xff"}) {
    SCOPED_TRACE(sql);
    Compare({{Query(sql)}, {Query("SELECT 1")}, {Query("ROLLBACK")}});
    Compare({{Query("BEGIN")}, {Query(sql)}, {Query("SELECT 1")}, {Query("ROLLBACK")}, {Query("SELECT 2")}});
    Compare({{Batch(sql)}, {Batch("SELECT 1")}, {Batch("ROLLBACK")}});
    Compare({{Batch("BEGIN")}, {Batch(sql)}, {Batch("SELECT 1")}, {Batch("ROLLBACK")}});
  }
  ExpectFree();
}

TEST_F(DeferredBeginTest, CopyIsTheFirstStatement) {
  StartDeferring();
  const std::string rows = CopyData("1\n") + CopyData("2\n") + CopyDone();
  const Exchange count = {Query("SELECT count(*) FROM deferred_rows")};
  Compare({{Query("BEGIN")}, {Query("COPY deferred_rows FROM STDIN"), "G"}, {rows}, count, {Query("ROLLBACK")}, count});
  Compare({{Query("BEGIN")}, {Query("COPY deferred_rows FROM STDIN"), "G"}, {CopyFail("no")}, {Query("COMMIT")}});
  Compare({{Batch("BEGIN")},
           {Parse("", "COPY deferred_rows FROM STDIN") + Bind("", "") + Execute("") + Flush(), "G"},
           {rows + Sync()},
           count,
           {Query("ROLLBACK")}});
  Compare({{Query("BEGIN")}, {Query("COPY (SELECT generate_series(1, 3)) TO STDOUT")}, {Query("COMMIT")}});
  ExpectFree();
}

// Messages of the extended protocol in every order that drivers use.
TEST_F(DeferredBeginTest, BatchesOfDrivers) {
  StartDeferring();
  const std::string begin = Parse("", "BEGIN") + Bind("", "") + Execute("");
  const std::string select = Parse("", "SELECT 1") + Bind("", "") + DescribePortal("") + Execute("");
  const Exchange rollback = {Query("ROLLBACK")}, commit = {Batch("COMMIT")};
  Compare({{begin + select + Sync()}, {Batch("SELECT 2")}, commit});  // pgjdbc: one Sync for both
  Compare({{begin + Sync()}, {select + Sync()}, commit});
  Compare({{begin + Flush(), "C"}, {select + Flush(), "C"}, {Sync()}, commit});
  Compare({{begin + Flush(), "C"}, {Sync()}, {Sync()}, rollback});
  Compare({{begin + Sync() + Sync() + Flush() + Sync(), "ZZZ"}, {Sync()}, commit, {Sync()}});
  Compare({{begin + select + Parse("", "COMMIT") + Bind("", "") + Execute("") + Sync()}});
  Compare({{Parse("", "BEGIN") + DescribeStatement("") + Sync()}, {Bind("", "") + Execute("") + Sync()}, rollback});
  Compare({{Parse("", "BEGIN", {23}) + Bind("", "") + Execute("") + Sync()}, rollback});
  Compare({{Parse("", "BEGIN") + Bind("", "", {"1"}) + Execute("") + Sync()}, rollback});
  Compare({{Parse("", "BEGIN") + Bind("p", "") + Execute("p") + Sync()}, rollback});
  Compare({{Parse("", "BEGIN") + Bind("", "") + Execute("", 1) + Sync()}, rollback});
  Compare({{begin + Execute("") + Sync()}, rollback});
  Compare({{begin + CloseStatement("") + Sync()}, rollback});
  // The unnamed statement is still that BEGIN; a simple query drops it.
  Compare({{begin + Sync()}, {Bind("", "") + Execute("") + Sync()}, commit, {Query("SELECT 1")}});
  const std::string again = Bind("", "") + Execute("") + Sync();
  Compare({{begin + Sync()}, {Parse("", "COMMIT") + again}, {again}});
  Compare({{Parse("", "SELECT 5") + Sync()}, {Query("BEGIN")}, {Bind("", "") + Execute("") + Sync()}, rollback});
  Compare({{begin + Sync()}, rollback, {Bind("", "") + Execute("") + Sync()}});
  Compare({{begin + Sync()}, {DescribeStatement("") + Sync()}, rollback});
  ExpectFree();
}

TEST_F(DeferredBeginTest, APreparedBeginAgainAndAgain) {
  StartDeferring();
  const std::string begin = Bind("", "b") + Execute("") + Sync(), commit = Bind("", "c") + Execute("") + Sync();
  Exchanges script = {{Parse("b", "BEGIN") + DescribeStatement("b") + Sync()}, {Parse("c", "COMMIT") + Sync()}};
  for (int round = 0; round < 3; ++round) {
    script.push_back({begin});
    script.push_back({Batch("SELECT $1::int", {std::to_string(round)})});
    script.push_back({commit});
    script.push_back({begin});
    script.push_back({commit});
    script.push_back({Query("BEGIN")});
    script.push_back({commit});
    script.push_back({Bind("", "b") + DescribePortal("") + Execute("") + Flush(), "C"});
    script.push_back({Sync()});
    script.push_back({Query("EXECUTE b")});  // 25P01 and the like are PostgreSQL's to say
    script.push_back({Query("ROLLBACK")});
  }
  script.push_back({CloseStatement("b") + Sync()});
  script.push_back({begin});
  Compare(script);
  ExpectFree();
}

TEST_F(DeferredBeginTest, Pipelines) {
  StartDeferring();
  const std::string insert = Batch("INSERT INTO deferred_rows VALUES (7)");
  const Exchange count = {Query("SELECT count(*) FROM deferred_rows")};
  Compare({{Batch("BEGIN") + insert + Batch("ROLLBACK"), "ZZZ"}, count});
  Compare({{Batch("BEGIN") + insert + Batch("SELECT 1/0") + insert + Batch("COMMIT"), "ZZZZZ"}, count});
  Compare({{Query("BEGIN") + insert + Query("ROLLBACK") + Query("BEGIN") + Query("COMMIT"), "ZZZZZ"}, count});
  Compare({{Batch("SELECT 1/0") + Batch("BEGIN") + Batch("SELECT 1") + Batch("COMMIT"), "ZZZZ"}, count});
  // Behind an error the server ignores BEGIN up to the Sync.
  const std::string failing = Parse("", "SELECT 1/0") + Bind("", "") + Execute("");
  Compare({{failing + Batch("BEGIN")}, {Query("SELECT 1")}, count});
  Compare({{failing + Flush(), "E"}, {Batch("BEGIN")}, {Query("SELECT 1")}, {Query("ROLLBACK")}});
  std::string empty_ones, readies;
  for (int i = 0; i < 200; ++i) {
    empty_ones += Batch("BEGIN") + Batch("COMMIT") + Query("BEGIN") + Query("ROLLBACK");
    readies += "ZZZZ";
  }
  Compare({{empty_ones, readies}, count});
  ExpectFree();
}

// Cut anywhere, a batch is the same batch.
TEST_F(DeferredBeginTest, InPieces) {
  StartDeferring();
  const std::string bytes = Batch("BEGIN") + Query("SELECT 'in'") + Batch("COMMIT") + Query("BEGIN") + Query("END");
  const auto whole = Run(SharedCluster().port(), {{bytes, "ZZZZZ"}});
  WireClient client = ConnectWire();
  for (size_t cut = 1; cut < bytes.size(); cut += 3) {
    client.SendSplit(bytes, cut);
    EXPECT_EQ(Said(Play(client, {{"", "ZZZZZ"}})), Said(whole)) << cut;
  }
  client.SendByteByByte(bytes);
  EXPECT_EQ(Said(Play(client, {{"", "ZZZZZ"}})), Said(whole));
  ExpectFree();
}

TEST_F(DeferredBeginTest, LibpqPipelineMode) {
  StartDeferring();
  Connection client = Connect();
  ASSERT_EQ(PQenterPipelineMode(client.get()), 1);
  for (int round = 0; round < 3; ++round) {
    for (const char* sql : {"BEGIN", "INSERT INTO deferred_rows VALUES (1)", "COMMIT", "DELETE FROM deferred_rows"}) {
      client.SendParams(sql);
    }
    ASSERT_EQ(PQpipelineSync(client.get()), 1);
    for (const char* tag : {"BEGIN", "INSERT 0 1", "COMMIT", "DELETE 1"}) {
      EXPECT_EQ(client.Next().tag(), tag);
      EXPECT_FALSE(client.Next());
    }
    EXPECT_EQ(client.Next().status(), PGRES_PIPELINE_SYNC);
  }
}

}  // namespace
}  // namespace integration
