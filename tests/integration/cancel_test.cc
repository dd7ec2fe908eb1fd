// Cancel requests, and clients that vanish: the right query ends, nobody else's, and the server is kept.
#include <atomic>
#include <thread>

#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

class CancelTest : public IntegrationTest {
 protected:
  static int Running(const std::string& marker) {
    Connection superuser(SharedCluster().SuperuserString());
    return std::stoi(
        superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
                        "AND query LIKE '%" +
                        marker + "%'"));
  }
  static bool WaitRunning(const std::string& marker, int count = 1) {
    return Eventually([&] { return Running(marker) == count; });
  }
};

TEST_F(CancelTest, RunningQuery) {
  StartPgweir("default_pool_size = 1\n");
  Connection client = Connect();
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  for (int round = 0; round < 3; ++round) {
    client.Send("SELECT pg_sleep(600), 'running cancel'");
    ASSERT_TRUE(WaitRunning("running cancel"));
    ASSERT_TRUE(Cancel(client).Send());
    EXPECT_EQ(client.Next().sqlstate(), "57014");
    EXPECT_TRUE(client.Collect().empty());
    EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid);
  }
}

TEST_F(CancelTest, InsideATransaction) {
  StartPgweir("default_pool_size = 1\n");
  Connection client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  client.SendParams("SELECT pg_sleep(600), 'cancel in transaction'");
  ASSERT_TRUE(WaitRunning("cancel in transaction"));
  ASSERT_TRUE(Cancel(client).Send());
  EXPECT_EQ(client.Next().sqlstate(), "57014");
  client.Collect();
  EXPECT_EQ(client.Query("SELECT 1").sqlstate(), "25P02");
  EXPECT_TRUE(client.Query("ROLLBACK").ok());
  EXPECT_EQ(client.Value("SELECT 1"), "1");
}

TEST_F(CancelTest, IdleClientIsNotDisturbed) {
  StartPgweir("default_pool_size = 1\n");
  Connection client = Connect();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.Value("SELECT " + std::to_string(i)), std::to_string(i));
    ASSERT_TRUE(Cancel(client).Send());
  }
  // A late cancel may still hit a direct connection's next query; through pgweir it must not.
  if (!IsDirect()) {
    EXPECT_EQ(client.Value("SELECT 'undisturbed'"), "undisturbed");
  }
}

TEST_F(CancelTest, WaitingQueryEndsAtOnceAndTheSessionLives) {
  NEEDS_PGWEIR();
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), holder = Connect(), waiter = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  waiter.Send("SELECT 'never ran'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  ASSERT_TRUE(Cancel(waiter).Send());
  EXPECT_EQ(waiter.Next().sqlstate(), "57014");
  waiter.Collect();
  EXPECT_EQ(PoolNumber(admin, "cl_waiting"), 0);
  EXPECT_EQ(PQtransactionStatus(holder.get()), PQTRANS_INTRANS);
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_EQ(waiter.Value("SELECT 'lives'"), "lives");
}

TEST_F(CancelTest, WrongKeysDoNothing) {
  StartPgweir("default_pool_size = 1\n");
  WireClient client = ConnectWire();
  client.Send(Query("SELECT pg_sleep(0.5), 'wrong keys'"));
  ASSERT_TRUE(WaitRunning("wrong keys"));
  std::string wrong = client.key();
  wrong[0] = static_cast<char>(wrong[0] ^ 1);
  const std::string packets[] = {
      CancelBytes(client.process_id(), wrong), CancelBytes(client.process_id() + 1, client.key()),
      CancelBytes(client.process_id(), ""), CancelBytes(client.process_id(), std::string(256, 'x'))};
  for (const std::string& packet : packets) {
    WireSocket request = ConnectTcp(target_port());
    request.Send(packet);
    EXPECT_TRUE(request.AtEnd());
  }
  for (const Message& message : client.ReadUntil('Z')) EXPECT_NE(message.type, 'E');
}

// Two clients share one server. One cancels its own queries, on time and late; the other must never notice.
TEST_F(CancelTest, NeverHitsAnotherClientsQuery) {
  NEEDS_PGWEIR();
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"30s\"\n");
  Connection canceller = Connect(), victim = Connect();
  std::atomic<int> sent{0};
  std::jthread sender([&](const std::stop_token& stop) {
    Cancel own(canceller);
    while (!stop.stop_requested()) {
      if (own.Send()) ++sent;
    }
  });
  int canceled = 0, victim_hit = 0, wrong = 0;
  for (int i = 0; i < 300; ++i) {
    canceller.Send("SELECT pg_sleep(0.002)");
    const Result of_victim = victim.Query("SELECT 'v" + std::to_string(i) + "' FROM pg_sleep(0.002)");
    if (of_victim.sqlstate() == "57014") {
      ++victim_hit;
    } else if (of_victim.Value() != "v" + std::to_string(i)) {
      ++wrong;
    }
    for (const Result& result : canceller.Collect()) canceled += result.sqlstate() == "57014" ? 1 : 0;
  }
  sender.request_stop();
  sender.join();
  EXPECT_EQ(victim_hit, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(canceled, 0) << "the cancels never hit their own query";
  EXPECT_GT(sent, 0);
}

TEST_F(CancelTest, ClientKilledInTheMiddleOfAQuery) {
  NEEDS_PGWEIR();
  StartPgweir("default_pool_size = 1\n");
  const std::string pid = Connect().Value("SELECT pg_backend_pid()");
  WireClient killed = ConnectWire();
  killed.Send(Query("SELECT pg_sleep(600), 'killed client'"));
  ASSERT_TRUE(WaitRunning("killed client"));
  killed.Reset();
  EXPECT_TRUE(WaitRunning("killed client", 0)) << "the query of a client that has gone still runs";
  EXPECT_EQ(Connect().Value("SELECT pg_backend_pid()"), pid) << "a clean server should have been kept";
}

TEST_F(CancelTest, ClientKilledInATransaction) {
  NEEDS_PGWEIR();
  StartPgweir("default_pool_size = 1\n");
  Connection other = Connect();
  ASSERT_TRUE(other.Query("DROP TABLE IF EXISTS killed_rows; CREATE TABLE killed_rows (i int)").ok());
  const std::string pid = other.Value("SELECT pg_backend_pid()");
  WireClient killed = ConnectWire();
  killed.Ask(Query("BEGIN; INSERT INTO killed_rows VALUES (1)"));
  killed.Reset();
  EXPECT_EQ(other.Value("SELECT count(*) FROM killed_rows"), "0");
  EXPECT_EQ(other.Value("SELECT pg_backend_pid()"), pid);
}

TEST_F(CancelTest, ClientKilledWhileItReceives) {
  NEEDS_PGWEIR();
  StartPgweir("default_pool_size = 1\n");
  WireClient killed = ConnectWire();
  killed.Send(Query("SELECT repeat('x', 1000), 'receiving client' FROM generate_series(1, 3000000)"));
  ASSERT_TRUE(killed.ReadBytes(100'000).has_value());
  killed.Reset();
  EXPECT_EQ(Connect().Value("SELECT 'mine'"), "mine");
}

TEST_F(CancelTest, ClientKilledInCopy) {
  NEEDS_PGWEIR();
  StartPgweir("default_pool_size = 1\n");
  Connection other = Connect();
  ASSERT_TRUE(other.Query("DROP TABLE IF EXISTS killed_copy; CREATE TABLE killed_copy (i int)").ok());
  WireClient killed = ConnectWire();
  killed.Send(Query("COPY killed_copy FROM STDIN"));
  killed.ReadUntil('G');
  killed.Send(CopyData("1\n2\n") + CopyData("3").substr(0, 4));
  killed.Reset();
  EXPECT_EQ(other.Value("SELECT count(*) FROM killed_copy"), "0");
}

TEST_F(CancelTest, ClientThatVanishesWhileWaitingLeavesTheQueue) {
  NEEDS_PGWEIR();
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), holder = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  for (const bool hard : {true, false}) {
    WireClient waiter = ConnectWire();
    waiter.Send(Query("SELECT 'nobody reads this'"));
    ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
    if (hard) {
      waiter.Reset();
    } else {
      waiter.Close();
    }
    EXPECT_TRUE(WaitForPool(admin, "cl_waiting", 0));
  }
  EXPECT_TRUE(holder.Query("COMMIT").ok());
}

}  // namespace
}  // namespace integration
