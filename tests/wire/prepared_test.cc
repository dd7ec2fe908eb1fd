// Prepared statements of several clients on one server and of one client on several: what no single conversation shows.
//
// Answers are those of a PostgreSQL of the client's own (twin.h); beside that, what the servers were told is looked at:
// a text is parsed once per server, under pgweir's names, and closed only to make room.
#include <gtest/gtest.h>

#include "tests/support/wire_barrier.h"
#include "tests/wire/twin.h"

namespace wire {
namespace {

using namespace test_support;

constexpr size_t kLargeBytes = 1 << 20;

std::string Use(std::string_view name, const Values& values = {}) { return Bind("", name, values) + Execute(""); }

std::string UseDescribed(std::string_view name) { return Bind("", name) + DescribePortal("") + Execute(""); }

// One server, and room for all.
class PreparedTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { rig_ = new Rig("max_prepared_statements = 100000\n"); }
  static void TearDownTestSuite() { delete std::exchange(rig_, nullptr); }
  static Rig* rig_;
};

Rig* PreparedTest::rig_ = nullptr;

TEST_F(PreparedTest, OneTextOfTwoClientsIsParsedOnce) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string sql = scene.Sql("echo $1");
    scene.postgres().TakeReceived();
    ASSERT_TRUE(a.Says(Parse("s", sql) + DescribeStatement("s") + Sync(), "1tTZ"));
    ASSERT_TRUE(b.Says(Parse("other", sql) + DescribeStatement("other") + Sync(), "1tTZ"));
    ASSERT_TRUE(b.Says(Use("other", {"b"}) + Sync(), "2DCZ"));
    ASSERT_TRUE(
        a.Says(Use("s", {"a"}) + CloseStatement("s") + Parse("t", sql) + Use("t", {"t"}) + Sync(), "2DC312DCZ"));
    ASSERT_TRUE(b.Says(Use("other", {"b"}) + CloseStatement("other") + Use("other") + Sync(), "2DC3EZ"));
    const Told told = Tell(scene.postgres().TakeReceived());
    ASSERT_EQ(told.Parses(sql), 1u);
    ASSERT_EQ(told.StatementCloses(), 0u) << testing::PrintToString(told.messages.back().bytes());
    ASSERT_TRUE(told.PreparesOwnNamesOnly());
  });
}

TEST_F(PreparedTest, TextsWithOtherTypesAreOtherStatements) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string sql = scene.Sql("echo $1");
    scene.postgres().TakeReceived();
    ASSERT_TRUE(a.Says(Parse("s", sql, {25}) + Use("s", {"a"}) + Sync(), "12DCZ"));
    ASSERT_TRUE(b.Says(Parse("s", sql, {1043}) + Use("s", {"b"}) + Sync(), "12DCZ"));
    ASSERT_TRUE(
        b.Says(Parse("t", sql, {25}) + Parse("u", sql) + Use("t", {"c"}) + Use("u", {"d"}) + Sync(), "112DC2DCZ"));
    ASSERT_EQ(Tell(scene.postgres().TakeReceived()).Parses(sql), 3u);
  });
}

// The names that pgweir gives on servers are no names of clients.
TEST_F(PreparedTest, ClientsThatChoosePgweirsNames) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    for (int i = 1; i <= 3; ++i) {
      const std::string name = "pgweir_" + std::to_string(i);
      ASSERT_TRUE(a.Says(Bind("", name) + Sync(), "EZ"));
      ASSERT_TRUE(a.Says(Parse(name, scene.Sql("echo a" + name)) + Sync(), "1Z"));
      ASSERT_TRUE(b.Says(Parse(name, scene.Sql("echo b" + name)) + Use(name) + Sync(), "12DCZ"));
      ASSERT_TRUE(a.Says(Use(name) + Sync() + DescribeStatement(name) + Sync(), "2DCZtTZ"));
    }
  });
}

TEST_F(PreparedTest, AParseThatIsKnownWaitsForWhatComesBefore) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string known = scene.Sql("echo known");
    ASSERT_TRUE(a.Says(Parse("k", known) + Sync(), "1Z"));
    ASSERT_TRUE(b.Says(Batch("rows 3") + Parse("k", known) + Batch("echo $1", {"x"}) + Parse("k2", known) + Use("k") +
                           Parse("k3", known) + Flush(),
                       "12TDDDC112TDC12DC1"));
    ASSERT_TRUE(b.Says(Parse("k4", known) + Query("echo q") + Parse("k5", known) + Sync(), "1TDCZ1Z"));
  });
}

TEST_F(PreparedTest, AParseThatIsKnownButSkippedHasNotHappened) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string known = scene.Sql("echo known");
    ASSERT_TRUE(a.Says(Parse("k", known) + Sync(), "1Z"));
    ASSERT_TRUE(b.Says(Batch("fail") + Parse("k", known) + Use("k") + Sync(), "12nEZ"));
    ASSERT_TRUE(b.Says(Use("k") + Sync() + Parse("k", known) + Use("k") + Sync(), "EZ12DCZ"));
    ASSERT_TRUE(b.Says(Batch("fail") + CloseStatement("k") + Parse("k", "echo no") + Sync() + Use("k") + Sync() +
                           Batch("fail") + Parse("l", known) + Sync() + Parse("l", known) + Use("l") + Sync(),
                       "12nEZ2DCZ12nEZ12DCZ"));
    ASSERT_TRUE(a.Says(Use("k") + Sync(), "2DCZ"));
  });
}

// Whether a Close that may be skipped has happened is known when it is answered: whoever names it in the next batch waits.
TEST_F(PreparedTest, ACloseThatIsSkippedBehindTheNextBatch) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    const std::string old = scene.Sql("echo old");
    ASSERT_TRUE(a.Says(Parse("k", old) + Sync(), "1Z"));
    const std::string skipped = Batch("fail") + CloseStatement("k") + Sync();
    ASSERT_TRUE(a.Says(skipped + Use("k") + Sync(), "12nEZ2DCZ"));
    ASSERT_TRUE(a.Says(skipped + Parse("k", scene.Sql("rows 2")) + Sync() + Use("k") + Sync(), "12nEZEZ2DCZ"));
    ASSERT_TRUE(a.Says(skipped + Parse("l", old) + Sync() + Use("l") + Use("k") + Sync(), "12nEZ1Z2DC2DCZ"));
  });
}

TEST_F(PreparedTest, AParseThatFailsIsNotKnownToOthers) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string bad = scene.Sql("bad text");
    ASSERT_TRUE(a.Says(Parse("s", bad) + Use("s") + Sync() + Use("s") + Sync(), "EZEZ"));
    ASSERT_TRUE(b.Says(Parse("s", bad) + Sync() + Parse("s", bad) + Sync() + Use("s") + Sync(), "EZEZEZ"));
    ASSERT_TRUE(a.Says(Parse("s", scene.Sql("echo good")) + Use("s") + Sync(), "12DCZ"));
  });
}

// What the server would refuse, pgweir must not grant because the text is known.
TEST_F(PreparedTest, AParseThatIsKnownInAnAbortedTransaction) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string known = scene.Sql("echo known"), end = scene.Sql("rollback");
    ASSERT_TRUE(a.Says(Parse("k", known) + Parse("r", end) + Sync(), "11Z"));
    ASSERT_TRUE(b.Says(Query("begin") + Query("fail x"), "CZEZ"));
    ASSERT_TRUE(b.Says(Parse("k", known) + Sync() + Use("k") + Sync(), "EZEZ"));
    ASSERT_TRUE(b.Says(Parse("r", end) + Parse("k", known) + Sync() + Use("r") + Sync(), "1EZ2CZ"));
    ASSERT_TRUE(b.Says(Use("k") + Sync() + Parse("k", known) + Use("k") + Sync(), "EZ12DCZ"));
    ASSERT_TRUE(b.Says(Batch("begin") + Batch("fail x") + Sync() + Parse("l", known) + Sync() + Use("r") + Sync() +
                           Parse("l", known) + Use("l") + Sync(),
                       "12nC12nEZEZ2CZ12DCZ"));
  });
}

TEST_F(PreparedTest, DeallocateOfOneClientLeavesTheOthers) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string sql = scene.Sql("echo both");
    ASSERT_TRUE(a.Says(Parse("s", sql) + Sync(), "1Z"));
    ASSERT_TRUE(b.Says(Parse("s", sql) + Sync(), "1Z"));
    for (const std::string end : {"deallocate all", "discard all", "deallocate s"}) {
      ASSERT_TRUE(a.Says(Query(end) + Use("s") + Sync(), "CZEZ")) << end;
      ASSERT_TRUE(b.Says(Use("s") + Sync(), "2DCZ")) << end;
      ASSERT_TRUE(a.Says(Parse("s", sql) + Use("s") + Sync(), "12DCZ")) << end;
      ASSERT_TRUE(a.Says(Batch(end) + Parse("s", sql) + Use("s") + Sync(), "12nC12DCZ")) << end;
      ASSERT_TRUE(b.Says(Use("s") + Sync(), "2DCZ")) << end;
    }
  });
}

// The server has one unnamed statement; each client has its own.
TEST_F(PreparedTest, UnnamedStatementsOfTwoClients) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    ASSERT_TRUE(a.Says(Parse("", scene.Sql("echo of a")) + Sync(), "1Z"));
    ASSERT_TRUE(b.Says(Bind("", "") + Sync(), "EZ"));
    ASSERT_TRUE(b.Says(Parse("", scene.Sql("rows 2")) + Sync(), "1Z"));
    ASSERT_TRUE(a.Says(Use("") + Sync(), "2DCZ"));
    ASSERT_TRUE(b.Says(Use("") + Sync() + DescribeStatement("") + Sync(), "2DDCZtTZ"));
    ASSERT_TRUE(b.Says(Query("echo q"), "TDCZ"));
    ASSERT_TRUE(a.Says(DescribeStatement("") + Use("") + Sync(), "tT2DCZ"));
    ASSERT_TRUE(b.Says(Use("") + Sync() + Parse("", "bad") + Sync(), "EZEZ"));
    ASSERT_TRUE(b.Says(Query("echo q"), "TDCZ"));
    ASSERT_TRUE(a.Says(Use("") + Sync() + Query("echo q"), "2DCZTDCZ"));
    ASSERT_TRUE(b.Says(Parse("", scene.Sql("rows 1")) + Sync(), "1Z"));
    ASSERT_TRUE(a.Says(Use("") + Sync(), "EZ"));
  });
}

// The server ends with a query of another client, so that pgweir knows before the next statement.
TEST_F(PreparedTest, ServerLostBetweenParseAndBind) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    ASSERT_TRUE(a.Says(Parse("s", scene.Sql("echo $1")) + Parse("", scene.Sql("echo unnamed")) + Sync(), "11Z"));
    const int servers = scene.postgres().accepted();
    scene.postgres().CutAt(0, End::kFin);
    WireClient other = scene.rig().Client();
    const std::vector<Message> heard = other.Ask(Query("echo lost"));
    ASSERT_TRUE(heard.empty() || heard.front().type == 'E');
    ASSERT_TRUE(a.Says(Use("s", {"x"}) + Use("") + DescribeStatement("s") + Sync(), "2DC2DCtTZ"));
    ASSERT_EQ(scene.postgres().accepted(), servers + 1);
  });
}

// Whoever prepares the same text after a client that went in the middle is served, not confused.
TEST_F(PreparedTest, AClientCutInItsParse) {
  for (size_t at = 0;; ++at) {
    Scene scene(*rig_, std::string::npos);
    const std::string sql = scene.Sql("echo $1");
    const std::string bytes = Batch("fail") + Sync() + Parse("s", sql) + Use("s", {"a"}) + Sync();
    if (at > bytes.size()) return;
    WireClient gone = rig_->Client();
    ASSERT_TRUE(gone.Send(bytes.substr(0, at)));
    ASSERT_TRUE(at % 4 < 2 || WaitUntilRead(gone.fd()));
    if (at % 2 == 0)
      gone.Close();
    else
      gone.Reset();
    Twin next(scene);
    ASSERT_TRUE(next.Says(Parse("t", sql) + DescribeStatement("t") + Use("t", {"b"}) + Sync(), "1tT2DCZ")) << at;
  }
}

TEST_F(PreparedTest, AServerCutInAParse) {
  for (size_t at = 0; at < 250; ++at) {
    Scene scene(*rig_, std::string::npos);
    Twin before(scene);
    const std::string sql = scene.Sql("echo $1"), known = scene.Sql("echo known");
    ASSERT_TRUE(before.Says(Parse("k", known) + Sync(), "1Z"));
    WireClient client = rig_->Client();
    rig_->postgres().CutAt(at, at % 2 == 0 ? End::kFin : End::kReset);
    ASSERT_TRUE(client.Send(Batch("echo a") + Parse("k", known) + Use("k") + Parse("s", sql) + DescribeStatement("s") +
                            Use("s", {"x"}) + Sync()));
    for (const Message& message : client.ReadUntil('Z')) {
      const bool is_own = message.type != 'D' || RowValues(message) == Values{"a"} ||
                          RowValues(message) == Values{"known"} || RowValues(message) == Values{"x"};
      ASSERT_TRUE(is_own) << at;
    }
    rig_->postgres().NoFault();
    rig_->Client().Ask(Query("echo any"));  // when the server went with its last byte, this one finds out
    Twin after(scene);
    ASSERT_TRUE(after.Says(Parse("s", sql) + Use("s", {"y"}) + Parse("k", known) + Use("k") + Sync(), "12DC12DCZ"))
        << at;
  }
}

TEST_F(PreparedTest, ALargeBindOfAStatementOfAnother) {
  Scene scene(*rig_, std::string::npos);
  Twin a(scene), b(scene);
  const std::string sql = scene.Sql("echo $1");
  ASSERT_TRUE(a.Says(Parse("s", sql) + Sync(), "1Z"));
  const std::string large(kLargeBytes, 'l');
  for (const std::string& name : {std::string("s"), std::string(), std::string(200, 'n')}) {
    ASSERT_TRUE(b.Says(Parse(name, sql) + Use(name, {large}) + Use(name, {"small"}) + Sync(), "12DC2DCZ"));
    ASSERT_TRUE(b.Says(Bind("portal", name, {large}) + Execute("portal") + Sync(), "2DCZ"));
  }
}

TEST(PreparedOfOneClientTest, Thousands) {
  constexpr int kStatements = 3000, kPerBatch = 100, kRoom = 200;
  Rig rig("max_prepared_statements = 200\n");
  Scene scene(rig, std::string::npos);
  Twin a(scene), b(scene);
  const auto name = [](int i) { return "name " + std::to_string(i); };
  for (int i = 0; i < kStatements; i += kPerBatch) {
    std::string batch, types;
    for (int j = i; j < i + kPerBatch; ++j) {
      batch += Parse(name(j), scene.Sql("echo " + std::to_string(j)));
      types += "1";
    }
    ASSERT_TRUE(a.Says(batch + Sync(), types + "Z"));
  }
  for (const int step : {1, 7}) {
    for (int i = 0; i < kStatements; i += kPerBatch) {
      std::string batch, types;
      for (int j = i; j < i + kPerBatch; ++j) {
        batch += Use(name(j * step % kStatements));
        types += "2DC";
      }
      ASSERT_TRUE(a.Says(batch + Sync(), types + "Z")) << i;
    }
    ASSERT_TRUE(b.Says(Parse("b", scene.Sql("echo b" + std::to_string(step))) + CloseStatement("b") + Sync(), "13Z"));
  }
  EXPECT_LE(rig.postgres().Statements(rig.postgres().accepted() - 1)->names_max(), kRoom + 1u);
  ASSERT_TRUE(a.Says(Query("deallocate all") + Use(name(1)) + Sync(), "CZEZ"));
}

// --- a schema that changes

void ChangeByItself(Scene&, Twin& a, Twin&) { ASSERT_TRUE(a.Says(Query("ddl"), "CZ")); }
void ChangeByAnother(Scene&, Twin&, Twin& b) { ASSERT_TRUE(b.Says(Batch("ddl") + Sync(), "12nCZ")); }
void ChangeElsewhere(Scene& scene, Twin&, Twin&) { ++*scene.postgres().schema(); }  // nothing that pgweir could see

using Change = void (*)(Scene&, Twin&, Twin&);

class ChangedSchemaTest : public PreparedTest, public testing::WithParamInterface<Change> {};

// A batch whose Describe comes in a later packet than the Bind that fails is told the error: it could not be known.
TEST_P(ChangedSchemaTest, IsHealedWhenTheClientDescribes) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    ASSERT_TRUE(a.Says(Parse("s", scene.Sql("echo s")) + UseDescribed("s") + Sync(), "12TDCZ"));
    GetParam()(scene, a, b);
    a.Renew();
    ASSERT_TRUE(a.Says(UseDescribed("s") + Sync(), "2TDCZ"));
    ASSERT_TRUE(a.Says(Use("s") + Sync(), "2DCZ"));
    GetParam()(scene, a, b);
    a.Renew();
    // A batch with another behind it is not repeated: its answer would come out of turn.
    ASSERT_TRUE(a.Says(DescribeStatement("s") + Sync(), "tTZ"));
    ASSERT_TRUE(a.Says(Use("s") + Sync(), "2DCZ"));
  }, Clients::kWhole);
}

// A client that does not ask for the columns knows the old ones: it must hear of it.
TEST_P(ChangedSchemaTest, IsAnErrorOnceWhenTheClientDoesNotDescribe) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string sql = scene.Sql("echo s");
    ASSERT_TRUE(a.Says(Parse("s", sql) + DescribeStatement("s") + Sync() + Use("s") + Sync(), "1tTZ2DCZ"));
    GetParam()(scene, a, b);
    ASSERT_TRUE(a.Says(Use("s") + Sync(), "EZ"));
    ASSERT_TRUE(a.Says(CloseStatement("s") + Parse("s", sql) + DescribeStatement("s") + Sync(), "31tTZ"));
    ASSERT_TRUE(a.Says(Use("s") + Sync(), "2DCZ"));
    GetParam()(scene, a, b);
    ASSERT_TRUE(a.Says(Use("s") + Sync(), "EZ"));
    ASSERT_TRUE(a.Says(Parse("t", sql) + Use("t") + Sync(), "12DCZ"));
  });
}

TEST_P(ChangedSchemaTest, IsNothingToAClientThatWasNeverToldTheColumns) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    ASSERT_TRUE(a.Says(Parse("s", scene.Sql("echo s")) + Sync() + Use("s") + Sync(), "1Z2DCZ"));
    for (int again = 0; again < 2; ++again) {
      GetParam()(scene, a, b);
      a.Renew();
      ASSERT_TRUE(a.Says(Use("s") + Sync(), "2DCZ"));
      ASSERT_TRUE(a.Says(Use("s") + Sync(), "2DCZ"));
    }
  }, Clients::kWhole);
}

// The text is on the server, but of before: a client that prepares it now has the schema of now.
TEST_P(ChangedSchemaTest, DoesNotTouchWhoPreparesAfterwards) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string sql = scene.Sql("echo s");
    ASSERT_TRUE(a.Says(Parse("s", sql) + DescribeStatement("s") + Sync(), "1tTZ"));
    GetParam()(scene, a, b);
    Twin c(scene);
    ASSERT_TRUE(c.Says(Parse("s", sql) + DescribeStatement("s") + Sync(), "1tTZ"));
    ASSERT_TRUE(c.Says(Use("s") + Sync(), "2DCZ"));
  });
}

std::string NameOfChange(const testing::TestParamInfo<Change>& tested) {
  const char* const names[] = {"ByItself", "ByAnother", "Elsewhere"};
  return names[tested.index];
}

INSTANTIATE_TEST_SUITE_P(All, ChangedSchemaTest, testing::Values(ChangeByItself, ChangeByAnother, ChangeElsewhere),
                         NameOfChange);

// --- room for two statements only

class EvictionTest : public testing::Test {
 protected:
  static constexpr size_t kRoom = 2, kOnTheWay = 1;
  static void SetUpTestSuite() { rig_ = new Rig("max_prepared_statements = 2\n"); }
  static void TearDownTestSuite() { delete std::exchange(rig_, nullptr); }
  static void ExpectRoomIsKept() {
    const auto statements = rig_->postgres().Statements(rig_->postgres().accepted() - 1);
    ASSERT_LE(statements->names_max(), kRoom + kOnTheWay);
    ASSERT_LE(statements->Names().size(), kRoom);
  }
  static Rig* rig_;
};

Rig* EvictionTest::rig_ = nullptr;

TEST_F(EvictionTest, InsideABatch) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene), b(scene);
    const std::string parses = Parse("1", scene.Sql("echo 1")) + Parse("2", scene.Sql("echo 2")) +
                               Parse("3", scene.Sql("echo 3")) + Parse("4", scene.Sql("echo 4"));
    const std::string runs = Use("1") + Use("2") + Use("3") + Use("4");
    scene.postgres().TakeReceived();
    ASSERT_TRUE(a.Says(parses + runs + Sync(), "11112DC2DC2DC2DCZ"));
    ExpectRoomIsKept();
    const Told told = Tell(scene.postgres().TakeReceived());
    ASSERT_GE(told.StatementCloses(), 6u);  // four texts, twice, of which two may stay
    ASSERT_TRUE(told.PreparesOwnNamesOnly());
    ASSERT_TRUE(b.Says(parses + Sync() + runs + runs + Sync(), "1111Z2DC2DC2DC2DC2DC2DC2DC2DCZ"));
    ASSERT_TRUE(a.Says(runs + CloseStatement("3") + Use("2") + Use("3") + Sync(), "2DC2DC2DC2DC32DCEZ"));
    ExpectRoomIsKept();
  });
}

TEST_F(EvictionTest, TheLeastRecentlyUsedGoes) {
  Scene scene(*rig_, std::string::npos);
  Twin a(scene);
  ASSERT_TRUE(a.Says(Parse("1", scene.Sql("echo 1")) + Parse("2", scene.Sql("echo 2")) + Use("1") + Sync(), "112DCZ"));
  ASSERT_TRUE(a.Says(Parse("3", scene.Sql("echo 3")) + Sync(), "1Z"));
  scene.postgres().TakeReceived();
  ASSERT_TRUE(a.Says(Use("1") + Use("3") + Sync(), "2DC2DCZ"));
  EXPECT_EQ(Tell(scene.postgres().TakeReceived()).Parses(scene.mark()), 0u);
  ASSERT_TRUE(a.Says(Use("2") + Sync(), "2DCZ"));
  EXPECT_EQ(Tell(scene.postgres().TakeReceived()).Parses(scene.mark()), 1u);
  ExpectRoomIsKept();
}

// A Close that the server skips has not closed, a Parse that it skips has not taken the place.
TEST_F(EvictionTest, InABatchThatFails) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    ASSERT_TRUE(a.Says(Parse("1", scene.Sql("echo 1")) + Parse("2", scene.Sql("echo 2")) + Sync(), "11Z"));
    ASSERT_TRUE(a.Says(Batch("fail") + Parse("3", scene.Sql("echo 3")) + Parse("4", scene.Sql("echo 4")) + Use("3") +
                           Sync() + Use("1") + Use("2") + Sync() + Use("3") + Sync(),
                       "12nEZ2DC2DCZEZ"));
    ExpectRoomIsKept();
    ASSERT_TRUE(a.Says(Parse("3", scene.Sql("echo 3")) + Parse("x", scene.Sql("bad")) +
                           Parse("4", scene.Sql("echo 4")) + Sync() + Use("1") + Use("3") + Sync() + Use("4") + Sync(),
                       "1EZ2DC2DCZEZ"));
    ASSERT_TRUE(a.Says(Use("1") + Use("nope") + Use("2") + Sync() + Use("3") + Use("2") + Use("1") + Sync(),
                       "2DCEZ2DC2DC2DCZ"));
    ExpectRoomIsKept();
  });
}

TEST_F(EvictionTest, InATransactionThatIsAborted) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    const std::string parses = Parse("1", scene.Sql("echo 1")) + Parse("2", scene.Sql("echo 2")) +
                               Parse("3", scene.Sql("echo 3")) + Parse("r", scene.Sql("rollback"));
    ASSERT_TRUE(a.Says(parses + Use("2") + Use("3") + Sync(), "11112DC2DCZ"));
    ASSERT_TRUE(a.Says(Query("begin") + Query("fail x"), "CZEZ"));
    ASSERT_TRUE(a.Says(Use("1") + Sync() + DescribeStatement("1") + Sync() + Use("2") + Sync(), "EZEZEZ"));
    ASSERT_TRUE(a.Says(DescribeStatement("r") + Use("r") + Use("1") + Use("2") + Use("3") + Sync(), "tn2C2DC2DC2DCZ"));
    ExpectRoomIsKept();
  });
}

// A portal outlives its statement.
TEST_F(EvictionTest, OfAStatementThatHasAPortal) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    ASSERT_TRUE(a.Says(Query("begin") + Parse("1", scene.Sql("rows 4")) + Bind("p", "1") + Execute("p", 2) + Sync(),
                       "CZ12DDsZ"));
    ASSERT_TRUE(a.Says(Parse("2", scene.Sql("echo 2")) + Parse("3", scene.Sql("echo 3")) + Use("2") + Use("3") +
                           Execute("p", 3) + Sync() + Query("commit"),
                       "112DC2DCDDCZCZ"));
    ASSERT_TRUE(a.Says(Use("1") + Sync(), "2DDDDCZ"));
    ExpectRoomIsKept();
  });
}

// --- two servers

class TwoServersTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { rig_ = new Rig("max_prepared_statements = 100000\nworkers = 1\n", 2); }
  static void TearDownTestSuite() { delete std::exchange(rig_, nullptr); }
  static Rig* rig_;
};

Rig* TwoServersTest::rig_ = nullptr;

// Takes a server for itself.
testing::AssertionResult Holds(Twin& holder) { return holder.Says(Query("begin") + Query("echo hold"), "CZTDCZ"); }
testing::AssertionResult LetsGo(Twin& holder) { return holder.Says(Query("commit"), "CZ"); }

// `client` is served by one server before and by the other after `holders` have changed places.
class Places {
 public:
  explicit Places(Scene& scene) : one_(scene), other_(scene) {}
  testing::AssertionResult Begin() { return Holds(one_); }
  testing::AssertionResult Change() {
    Twin& old_holder = is_changed_ ? other_ : one_;
    Twin& new_holder = is_changed_ ? one_ : other_;
    is_changed_ = !is_changed_;
    if (const auto held = Holds(new_holder); !held) return held;
    return LetsGo(old_holder);
  }
  testing::AssertionResult End() { return LetsGo(is_changed_ ? other_ : one_); }

 private:
  Twin one_, other_;
  bool is_changed_ = false;
};

TEST_F(TwoServersTest, ANamedStatementFollowsItsClient) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    Places places(scene);
    const std::string sql = scene.Sql("echo $1");
    ASSERT_TRUE(places.Begin());
    scene.postgres().TakeReceived();
    ASSERT_TRUE(a.Says(Parse("s", sql) + DescribeStatement("s") + Sync(), "1tTZ"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Batch("echo a") + Use("s", {"x"}) + DescribeStatement("s") + Sync(), "12TDC2DCtTZ"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Use("s", {"y"}) + Sync(), "2DCZ"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Parse("t", sql) + CloseStatement("s") + Use("t", {"y"}) + Use("s") + Sync(), "132DCEZ"));
    ASSERT_TRUE(places.End());
    for (const int server : {0, 1}) {
      const Told told = Tell(scene.postgres().TakeReceived(server));
      ASSERT_LE(told.Parses(sql), 2u) << server;  // a second name of one client is a statement of its own
      ASSERT_TRUE(told.PreparesOwnNamesOnly());
    }
  });
}

TEST_F(TwoServersTest, DescribeFirstOnTheOtherServer) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    Places places(scene);
    ASSERT_TRUE(places.Begin());
    ASSERT_TRUE(a.Says(Parse("s", scene.Sql("echo $1")) + Parse("e", scene.Sql("")) + Sync(), "11Z"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(DescribeStatement("s") + Flush(), "tT"));
    ASSERT_TRUE(a.Says(Bind("p", "s", {"x"}) + DescribePortal("p") + Execute("p") + Use("e") + Sync(), "2TDC2IZ"));
    ASSERT_TRUE(places.End());
  });
}

TEST_F(TwoServersTest, AStatementThatIsMissingBehindAnError) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    Places places(scene);
    ASSERT_TRUE(places.Begin());
    ASSERT_TRUE(a.Says(Parse("s", scene.Sql("echo s")) + Parse("f", scene.Sql("fail f")) + Sync(), "11Z"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Use("f") + Use("s") + Sync() + Batch("echo a") + Use("s") + Use("f") + Use("s") + Sync(),
                       "2EZ12TDC2DC2EZ"));
    ASSERT_TRUE(a.Says(Use("s") + CloseStatement("s") + Use("s") + Sync(), "2DC3EZ"));
    ASSERT_TRUE(places.End());
  });
}

TEST_F(TwoServersTest, AStatementThatIsMissingInAnAbortedTransaction) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    Places places(scene);
    ASSERT_TRUE(places.Begin());
    ASSERT_TRUE(
        a.Says(Parse("s", scene.Sql("echo s")) + Parse("r", scene.Sql("rollback")) + Parse("e", "") + Sync(), "111Z"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Query("begin") + Query("fail x"), "CZEZ"));
    ASSERT_TRUE(
        a.Says(Use("s") + Sync() + DescribeStatement("s") + Sync() + DescribeStatement("e") + Sync(), "EZEZtnZ"));
    ASSERT_TRUE(a.Says(Use("e") + Sync() + DescribeStatement("r") + Use("r") + Sync(), "EZtn2CZ"));
    ASSERT_TRUE(a.Says(Use("s") + Use("e") + Sync(), "2DC2IZ"));
    ASSERT_TRUE(places.End());
  });
}

TEST_F(TwoServersTest, TheUnnamedStatementFollowsItsClient) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    Places places(scene);
    ASSERT_TRUE(places.Begin());
    ASSERT_TRUE(a.Says(Parse("", scene.Sql("echo $1")) + DescribeStatement("") + Sync(), "1tTZ"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Use("", {"x"}) + Sync() + Use("", {"y"}) + Sync(), "2DCZ2DCZ"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(DescribeStatement("") + Use("", {"z"}) + Sync(), "tT2DCZ"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Query("echo q"), "TDCZ"));
    ASSERT_TRUE(places.Change());
    ASSERT_TRUE(a.Says(Use("", {"no"}) + Sync(), "EZ"));  // the server still has it; the client has not
    ASSERT_TRUE(places.End());
  });
}

TEST_F(TwoServersTest, DeallocateHoldsOnBothServers) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    for (const std::string end : {"deallocate all", "discard all", "deallocate s"}) {
      Twin a(scene);
      Places places(scene);
      ASSERT_TRUE(places.Begin());
      ASSERT_TRUE(a.Says(Parse("s", scene.Sql("echo old")) + Sync(), "1Z"));
      ASSERT_TRUE(places.Change());
      ASSERT_TRUE(a.Says(Use("s") + Sync() + Query(end), "2DCZCZ")) << end;
      ASSERT_TRUE(places.Change());
      ASSERT_TRUE(a.Says(Use("s") + Sync() + Parse("s", scene.Sql("echo new")) + Use("s") + Sync(), "EZ12DCZ")) << end;
      ASSERT_TRUE(places.Change());
      ASSERT_TRUE(a.Says(Use("s") + Sync(), "2DCZ")) << end;
      ASSERT_TRUE(places.End());
    }
  });
}

// What an error undoes is of its own batch: what the next one prepared is there.
TEST_F(TwoServersTest, AnErrorUndoesNothingOfTheNextBatch) {
  PlayEverywhere(*rig_, [](Scene& scene) {
    Twin a(scene);
    const std::string fails = Use("f") + Parse("s", scene.Sql("echo no")) + Parse("", scene.Sql("echo no")) + Sync();
    ASSERT_TRUE(a.Says(Parse("f", scene.Sql("fail f")) + Sync(), "1Z"));
    ASSERT_TRUE(a.Says(fails + Parse("", scene.Sql("echo u")) + Parse("s", scene.Sql("echo s")) + Sync() + fails +
                           Use("") + Use("s") + Sync() + fails + Batch("echo t") + CloseStatement("s") + Sync() +
                           Use("s") + Sync(),
                       "2EZ11Z2EZ2DC2DCZ2EZ12TDC3ZEZ"));
  });
}

// An answer that pgweir gives itself comes when the client asks for it, as the server's would.
TEST_F(TwoServersTest, AnAnswerComesWhenItIsAskedFor) {
  Scene scene(*rig_, std::string::npos);
  Twin a(scene), b(scene);
  const std::string known = scene.Sql("echo known");
  ASSERT_TRUE(a.Says(Parse("k", known) + Sync(), "1Z"));
  for (const std::string& bytes : {Parse("k", known), CloseStatement("nope"), CloseStatement("k")}) {
    ASSERT_TRUE(b.Sends(bytes));
    ASSERT_TRUE(WaitUntilRead(b.client().fd()));
    ASSERT_TRUE(rig_->ObserverIsServed());  // on the same worker, so that b's bytes have been dealt with
    ASSERT_EQ(b.client().ReadAvailable(Milliseconds(0)), "");
  }
  ASSERT_TRUE(b.Says(Flush(), "133"));
  ASSERT_TRUE(b.Says(Sync(), "Z"));
}

}  // namespace
}  // namespace wire
