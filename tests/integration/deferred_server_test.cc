// A BEGIN takes no server before its first statement: what that costs nobody, what becomes of it when there is no
// server, and who may end it meanwhile.
#include <csignal>

#include "tests/integration/deferred_fixture.h"

namespace integration {
namespace {

using namespace test_support;

constexpr const char* kSoonRefused = "query_wait_timeout = \"100ms\"\n";

class DeferredServerTest : public DeferredTest {
 protected:
  // Batch without its Describe.
  static std::string Extended(std::string_view sql) { return Parse("", sql) + Bind("", "") + Execute("") + Sync(); }
};

TEST_F(DeferredServerTest, BeginAndItsEndTakeNone) {
  StartDeferring();
  HoldServer();
  for (const char* begin : {"BEGIN", "START TRANSACTION READ ONLY", "begin work isolation level serializable;"}) {
    for (const char* end : {"COMMIT", "END", "ROLLBACK", "ABORT"}) {
      SCOPED_TRACE(std::string(begin) + ", " + end);
      WireClient client = ConnectWire(), direct(SharedCluster().port());
      ASSERT_TRUE(direct.Login({{"user", "other"}, {"database", "app"}}));  // the servers of "app" are counted
      const auto expect_as_direct = [&](const Exchanges& script) {
        ASSERT_EQ(Said(Play(client, script)), Said(Play(direct, script)));
      };
      expect_as_direct({{Query(begin)}});
      ExpectOnlyTheHolderHasAServer();
      expect_as_direct({{Query(end)}});
      expect_as_direct({{Query(begin)}, {Sync()}, {Flush() + Sync()}, {Query(end)}});
      expect_as_direct({{Batch(begin)}, {Query(end)}});
      expect_as_direct({{Extended(begin)}, {Query(end)}});
      expect_as_direct({{Query(begin)}, {Batch(end)}});
      expect_as_direct({{Extended(begin)}, {Extended(end)}});
      expect_as_direct({{Extended(begin) + Extended(end) + Query(begin) + Query(end), "ZZZZ"}});
      if (HasFatalFailure()) return;
    }
  }
  ExpectOnlyTheHolderHasAServer();
  const double assigned = Metric("pgweir_server_assignments_total", {"database=\"app\""});
  LetGo();
  WireClient client = ConnectWire();
  Play(client, {{Query("BEGIN")}, {Query("COMMIT")}});
  EXPECT_EQ(Metric("pgweir_server_assignments_total", {"database=\"app\""}), assigned);
}

TEST_F(DeferredServerTest, ItsFirstStatementTakesOne) {
  StartDeferring();
  WireClient client = ConnectDeferred();
  HoldServer();
  Connection admin = Admin();
  client.Send(Query("SELECT 'served'"));
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  LetGo();
  EXPECT_EQ(Said(client.ReadUntil('Z')), "T, D served, C SELECT 1, Z T");
  EXPECT_NE(ClientColumn(admin, "deferred", "link"), "");
  EXPECT_EQ(PoolNumber(admin, "sv_active"), 1);
  EXPECT_EQ(Said(client.Ask(Query("COMMIT"))), "C COMMIT, Z I");
  ExpectFree();
}

// PostgreSQL takes the time of BEGIN itself. Here BEGIN reaches it with the first statement: README, honest limits.
TEST_F(DeferredServerTest, NowIsTheTimeOfTheFirstStatement) {
  StartDeferring();
  WireClient client = ConnectDeferred();
  Connection direct = Direct();
  const std::string behind_begin = direct.Value("SELECT clock_timestamp()");
  EXPECT_EQ(client.Value("SELECT now() > '" + behind_begin + "'"), "t");
  const std::string now = client.Value("SELECT now()");
  EXPECT_EQ(client.Value("SELECT now()"), now);
  EXPECT_EQ(client.Value("SELECT transaction_timestamp()"), now);
  EXPECT_EQ(client.Value("SELECT clock_timestamp() > now()"), "t");
  client.Ask(Query("COMMIT"));
  EXPECT_NE(client.Value("SELECT now()"), now);
}

TEST_F(DeferredServerTest, ShowClientsSaysIdleAndNoLink) {
  StartDeferring();
  Connection admin = Admin();
  WireClient client = ConnectDeferred();
  EXPECT_EQ(ClientColumn(admin, "deferred", "state"), "idle");
  EXPECT_EQ(ClientColumn(admin, "deferred", "link"), "");
  client.Value("SELECT 1");
  EXPECT_EQ(ClientColumn(admin, "deferred", "state"), "active");
  client.Ask(Query("COMMIT"));
  EXPECT_EQ(ClientColumn(admin, "deferred", "state"), "idle");
}

// --- no server for the first statement -----------------------------------------------------------------------------

// What a client may say in the failed transaction; the last ends it.
std::vector<Exchanges> InAFailedTransaction() {
  std::vector<Exchanges> scripts;
  for (const char* end : {"COMMIT", "ROLLBACK", "END WORK", "ABORT;"}) {
    scripts.push_back({{Query("SELECT 1")}, {Query(end)}, {Query(end)}});
    scripts.push_back({{Batch("SELECT 1")}, {Batch(end)}, {Batch(end)}});
  }
  for (const char* sql :
       {"", ";", "-- nothing", "BEGIN", "ROLLBACK; SELECT 1", "COMMIT; BEGIN", "SELECT 1; ROLLBACK",
        "ROLLBACK AND CHAIN", "COMMIT AND CHAIN", "ROLLBACK TO SAVEPOINT s", "SAVEPOINT s", "RELEASE s",
        "COPY deferred_rows FROM STDIN", "PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'", "DEALLOCATE none",
        "SET work_mem = '3MB'", "LISTEN c", "FETCH c", "INSERT INTO deferred_rows VALUES (1)"}) {
    scripts.push_back({{Query(sql)}, {Query("SHOW transaction_isolation")}, {Query("ROLLBACK")}});
    scripts.push_back({{Batch(sql)}, {Batch("SHOW transaction_isolation")}, {Batch("ROLLBACK")}});
  }
  scripts.push_back({{Batch("SELEKT")}, {Query("COMMIT")}});  // 25P02 by a simple query: nobody has read it
  scripts.push_back({{Sync()}, {Flush() + Sync()}, {Query("COMMIT")}});
  scripts.push_back(
      {{Bind("", "none") + Execute("") + Sync()}, {DescribeStatement("none") + Sync()}, {Query("COMMIT")}});
  scripts.push_back({{Parse("s", "SELECT 1") + Sync()}, {Parse("", "SELECT 1") + Sync()}, {Query("COMMIT")}});
  scripts.push_back({{Parse("r", "ROLLBACK") + Bind("", "r") + Execute("") + Sync()}, {Query("SELECT 2")}});
  return scripts;
}

TEST_F(DeferredServerTest, ARefusedFirstStatementFailsTheTransactionAsAnyErrorDoes) {
  StartDeferring(kSoonRefused);
  int number = 0;
  for (const Exchanges& script : InAFailedTransaction()) {
    const bool is_extended = ++number % 2 == 0;
    SCOPED_TRACE(script.front().bytes);
    const std::string failing = is_extended ? Batch("SELECT 1/0") : Query("SELECT 1/0");
    WireClient client = ConnectDeferred();
    HoldServer();
    const auto refused = client.Ask(failing);
    LetGo();
    ASSERT_EQ(refused.size(), 2u);
    EXPECT_EQ(ErrorField(refused[0], 'C'), "53300");
    EXPECT_EQ(ErrorField(refused[0], 'S'), "ERROR");
    EXPECT_EQ(refused[1].body, "E");
    WireClient direct(SharedCluster().port());
    ASSERT_TRUE(direct.Login({{"user", "app"}, {"database", "app"}}));
    Play(direct, {{Query("BEGIN")}, {failing}});
    EXPECT_EQ(Said(Play(client, script)), Said(Play(direct, script)));
    EXPECT_EQ(Said(client.Ask(Query("SELECT 'lives'"))), "T, D lives, C SELECT 1, Z I");
    ExpectFree();
  }
}

TEST_F(DeferredServerTest, TheEndOfAFailedOneTakesNoServer) {
  StartDeferring(kSoonRefused);
  HoldServer();
  for (const bool is_extended : {false, true}) {
    for (const char* end : {"ROLLBACK", "COMMIT"}) {
      SCOPED_TRACE(end);
      WireClient client = ConnectDeferred();
      client.Ask(Query("SELECT 1"));
      EXPECT_EQ(Said(client.Ask(Query("SELECT 2"))),
                "E ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block, Z E");
      const std::string answer = Said(client.Ask(is_extended ? Batch(end) : Query(end)));
      EXPECT_EQ(answer, is_extended ? "1, 2, n, C ROLLBACK, Z I" : "C ROLLBACK, Z I");
      EXPECT_EQ(Said(client.Ask(Batch("BEGIN"))), "1, 2, n, C BEGIN, Z T");
      // A whole pipeline whose second part is refused.
      const std::string pipeline = Batch("SELECT 1") + Batch("COMMIT") + Query("BEGIN") + Query("END");
      const std::string all = Said(Play(client, {{pipeline, "ZZZZ"}}));
      EXPECT_NE(all.find("Z E, 1, 2, n, C ROLLBACK, Z I, C BEGIN, Z T, C COMMIT, Z I"), std::string::npos) << all;
    }
  }
  ExpectOnlyTheHolderHasAServer();
}

TEST_F(DeferredServerTest, ACancelWhileItsFirstStatementWaitsFailsTheTransaction) {
  StartDeferring("query_wait_timeout = \"60s\"\n");
  HoldServer();
  Connection admin = Admin(), client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  client.Send("SELECT 1");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  ASSERT_TRUE(Cancel(client).Send());
  EXPECT_EQ(client.Next().sqlstate(), "57014");
  EXPECT_FALSE(client.Next());
  EXPECT_EQ(PQtransactionStatus(client.get()), PQTRANS_INERROR);
  EXPECT_EQ(client.Query("SELECT 1").sqlstate(), "25P02");
  EXPECT_EQ(client.Query("COMMIT").tag(), "ROLLBACK");
  ExpectOnlyTheHolderHasAServer();
  LetGo();
  EXPECT_EQ(client.Value("SELECT 'lives'"), "lives");
}

// What a standby refuses, it must be asked: a transaction that was only promised would run without one.
TEST_F(DeferredServerTest, AStandbyIsAskedForWhatItRefuses) {
  PostgresCluster standby({.settings = {"wal_level=replica"}});
  MakeRolesAndDatabases(standby);
  standby.BecomeStandby();
  StartPgweir("deferred_begin = true\n", DatabaseSection("*", standby));
  for (const char* begin : {"BEGIN", "BEGIN READ ONLY", "BEGIN READ WRITE", "BEGIN ISOLATION LEVEL SERIALIZABLE",
                            "start transaction isolation level Serializable, read only"}) {
    SCOPED_TRACE(begin);
    const Exchange show{Query("SHOW transaction_isolation")};
    Exchanges simple = {{Query(begin)}, show, {Query("COMMIT")}}, extended = {{Batch(begin)}, show, {Batch("COMMIT")}};
    EXPECT_EQ(Said(Run(target_port(), simple)), Said(Run(standby.port(), simple)));
    EXPECT_EQ(Said(Run(target_port(), extended)), Said(Run(standby.port(), extended)));
  }
}

// --- who ends it ---------------------------------------------------------------------------------------------------

TEST_F(DeferredServerTest, AClientThatLeavesCostsNothing) {
  StartDeferring();
  HoldServer();
  Connection admin = Admin();
  for (const bool is_polite : {false, true}) {
    WireClient client = ConnectDeferred();
    if (is_polite) client.Send(Terminate());
    client.Close();
    EXPECT_TRUE(Eventually([&] { return ClientColumn(admin, "deferred", "state") == "no row"; }));
  }
  ExpectOnlyTheHolderHasAServer();
  LetGo();
  Connection next = Connect();
  EXPECT_EQ(next.Value("SELECT 'free'"), "free");
  EXPECT_EQ(ServersOf("app"), 1);
}

// It had that very server a moment ago.
TEST_F(DeferredServerTest, ACancelRequestHitsNobody) {
  StartDeferring();
  Connection client = Connect(), other = Connect(), direct = Direct();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  ASSERT_TRUE(client.Query("BEGIN").ok());
  ASSERT_TRUE(direct.Query("SELECT pg_advisory_lock(4711)").ok());
  other.Send("SELECT pg_advisory_xact_lock(4711)");
  const auto waits = [&] {
    return direct.Value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1";
  };
  ASSERT_TRUE(Eventually(waits));
  ASSERT_TRUE(Cancel(client).Send());
  EXPECT_TRUE(waits());
  ASSERT_TRUE(direct.Query("SELECT pg_advisory_unlock(4711)").ok());
  EXPECT_TRUE(other.Next().ok());
  other.Collect();
  EXPECT_EQ(client.Value("SELECT 2"), "2");
  EXPECT_EQ(client.Query("COMMIT").tag(), "COMMIT");
}

TEST_F(DeferredServerTest, IdleTransactionTimeoutEndsIt) {
  StartDeferring("idle_transaction_timeout = \"300ms\"\n");
  WireClient client = ConnectDeferred();
  EXPECT_EQ(ErrorField(client.ReadMessage().value_or(Message{}), 'C'), "25P03");
  EXPECT_TRUE(client.AtEnd());
  ExpectFree();
}

TEST_F(DeferredServerTest, IdleTransactionTimeoutEndsAFailedOne) {
  StartDeferring(std::string("idle_transaction_timeout = \"1s\"\n") + kSoonRefused);
  Connection holder = Connect("other");
  for (const bool is_extended : {false, true}) {
    WireClient busy = ConnectWire();
    busy.Send(Query("SELECT pg_sleep(600)"));
    Connection admin = Admin();
    ASSERT_TRUE(WaitForPool(admin, "sv_active", 1));
    WireClient client = ConnectDeferred();
    const auto refused = client.Ask(is_extended ? Batch("SELECT 1") : Query("SELECT 1"));
    EXPECT_EQ(refused.back().body, "E");
    EXPECT_EQ(ErrorField(client.ReadMessage().value_or(Message{}), 'C'), "25P03");
    EXPECT_TRUE(client.AtEnd());
    busy.Close();
    ExpectFree();
  }
}

// It has begun nothing that could last: transaction_timeout counts from its first statement.
TEST_F(DeferredServerTest, TransactionTimeoutCountsFromItsFirstStatement) {
  StartDeferring("transaction_timeout = \"200ms\"\nidle_transaction_timeout = \"900ms\"\n");
  WireClient client = ConnectDeferred();
  EXPECT_EQ(ErrorField(client.ReadMessage().value_or(Message{}), 'C'), "25P03");
  WireClient runs = ConnectDeferred();
  EXPECT_EQ(ErrorField(runs.Ask(Query("SELECT pg_sleep(600)")).front(), 'C'), "25P04");
  ExpectFree();
}

// Neither clock of a transaction goes on when it has ended without a server; the one of an idle client does.
TEST_F(DeferredServerTest, ClientIdleTimeoutBehindItsEnd) {
  StartDeferring("client_idle_timeout = \"600ms\"\nidle_transaction_timeout = \"200ms\"\n");
  WireClient client = ConnectDeferred();
  EXPECT_EQ(Said(client.Ask(Query("COMMIT"))), "C COMMIT, Z I");
  EXPECT_EQ(ErrorField(client.ReadMessage().value_or(Message{}), 'C'), "57P05");
}

TEST_F(DeferredServerTest, KillEndsIt) {
  StartDeferring();
  HoldServer();
  Connection admin = Admin();
  WireClient client = ConnectDeferred();
  const Result killed = admin.Query("KILL_CLIENT " + ClientColumn(admin, "deferred", "id"));
  ASSERT_TRUE(killed.ok()) << killed.error();
  EXPECT_EQ(ErrorField(client.ReadMessage().value_or(Message{}), 'S'), "FATAL");
  EXPECT_TRUE(client.AtEnd());
  ExpectOnlyTheHolderHasAServer();
  WireClient second = ConnectDeferred();
  ASSERT_TRUE(admin.Query("KILL app").ok());
  EXPECT_EQ(ErrorField(second.ReadMessage().value_or(Message{}), 'C'), "57P01");
  EXPECT_TRUE(second.AtEnd());
}

// A drain waits for transactions that have a server; this one has done nothing yet that could be lost.
TEST_F(DeferredServerTest, ADrainEndsItAtOnce) {
  StartDeferring();
  WireClient client = ConnectDeferred();
  HoldServer();
  pgweir().process().Signal(SIGTERM);
  EXPECT_EQ(ErrorField(client.ReadMessage().value_or(Message{}), 'C'), "57P01");
  EXPECT_TRUE(client.AtEnd());
  LetGo();
  EXPECT_EQ(pgweir().process().WaitExit(), 0);
}

TEST_F(DeferredServerTest, APauseDoesNotWaitForIt) {
  StartDeferring();
  Connection admin = Admin();
  WireClient client = ConnectDeferred();
  ASSERT_TRUE(admin.Query("PAUSE app").ok());
  EXPECT_EQ(Said(client.Ask(Query("COMMIT") + Query("BEGIN"))), "C COMMIT, Z I");
  EXPECT_EQ(Said(client.ReadUntil('Z')), "C BEGIN, Z T");
  client.Send(Query("SELECT 'resumed'"));
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  ASSERT_TRUE(admin.Query("RESUME app").ok());
  EXPECT_EQ(Said(client.ReadUntil('Z')), "T, D resumed, C SELECT 1, Z T");
}

// Inside a transaction nothing is told; behind its end it is, although no server was there.
TEST_F(DeferredServerTest, NotificationsWaitForItsEnd) {
  StartDeferring();
  WireClient client = ConnectWire(), outside = ConnectWire();
  ASSERT_EQ(Said(outside.Ask(Query("LISTEN deferred_news"))), "C LISTEN, Z I");
  Connection direct = Direct();
  for (const char* end : {"COMMIT", "ROLLBACK"}) {
    for (const bool is_extended : {false, true}) {
      ASSERT_EQ(Said(client.Ask(Query("LISTEN deferred_news"))), "C LISTEN, Z I");
      ASSERT_EQ(Said(client.Ask(Query("BEGIN"))), "C BEGIN, Z T");
      ASSERT_TRUE(direct.Query("NOTIFY deferred_news").ok());
      EXPECT_EQ(outside.ReadUntil('A').size(), 1u);  // pgweir has it
      EXPECT_EQ(client.ReadAvailable(Milliseconds(100)), "");
      client.Send(is_extended ? Batch(end) : Query(end));
      EXPECT_EQ(Said(client.ReadUntil('A')), (is_extended ? "1, 2, n, C " : "C ") + std::string(end) + ", Z I, A");
    }
  }
}

}  // namespace
}  // namespace integration
