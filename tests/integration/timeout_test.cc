// The four clocks of a client: each ends what it should and keeps what is clean.
#include "tests/integration/environment.h"

namespace integration {
namespace {

class TimeoutTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  static std::string Idle() { return "default_pool_size = 1\n"; }
};

TEST_F(TimeoutTest, QueryTimeoutCancelsAndKeepsSessionAndServer) {
  StartPgweir(Idle() + "query_timeout = \"300ms\"\n");
  Connection client = Connect();
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  const Result ended = client.Query("SELECT pg_sleep(600)");
  EXPECT_EQ(ended.sqlstate(), "57014");
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid);
  EXPECT_EQ(client.Params("SELECT pg_sleep(600)").sqlstate(), "57014");
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid);
}

TEST_F(TimeoutTest, QueryTimeoutInATransactionLeavesItFailed) {
  StartPgweir(Idle() + "query_timeout = \"300ms\"\n");
  Connection client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  EXPECT_EQ(client.Query("SELECT pg_sleep(600)").sqlstate(), "57014");
  EXPECT_EQ(client.Query("SELECT 1").sqlstate(), "25P02");
  EXPECT_TRUE(client.Query("ROLLBACK").ok());
  EXPECT_EQ(client.Value("SELECT 2"), "2");
}

TEST_F(TimeoutTest, QueryTimeoutDoesNotFireOnAnIdleTransaction) {
  StartPgweir(Idle() + "query_timeout = \"200ms\"\nidle_transaction_timeout = \"900ms\"\n");
  WireClient client = ConnectWire();
  client.Ask(test_support::Query("BEGIN"));
  // Both clocks run out while it is silent: what ends the transaction must be the one for idle transactions.
  const auto last = client.ReadMessage();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(test_support::ErrorField(*last, 'C'), "25P03");
}

TEST_F(TimeoutTest, TransactionTimeout) {
  StartPgweir(Idle() + "transaction_timeout = \"400ms\"\n");
  Connection client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  Result last;
  ASSERT_TRUE(Eventually([&] {
    last = client.Query("SELECT 1");
    return !last.ok();
  }));
  EXPECT_EQ(last.sqlstate(), "25P04") << last.error();
  EXPECT_EQ(Connect().Value("SELECT 'free again'"), "free again");
}

TEST_F(TimeoutTest, TransactionTimeoutEndsARunningQuery) {
  StartPgweir(Idle() + "transaction_timeout = \"400ms\"\n");
  Connection client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  EXPECT_EQ(client.Query("SELECT pg_sleep(600)").sqlstate(), "25P04");
  EXPECT_EQ(Connect().Value("SELECT 'free again'"), "free again");
}

TEST_F(TimeoutTest, IdleTransactionTimeoutRollsBackAndKeepsTheServer) {
  StartPgweir(Idle() + "idle_transaction_timeout = \"300ms\"\n");
  Connection setup = Connect();
  ASSERT_TRUE(setup.Query("DROP TABLE IF EXISTS idle_rows; CREATE TABLE idle_rows (i int)").ok());
  const std::string pid = setup.Value("SELECT pg_backend_pid()");
  WireClient idle = ConnectWire();
  idle.Ask(test_support::Query("BEGIN; INSERT INTO idle_rows VALUES (1)"));
  const auto last = idle.ReadMessage();
  ASSERT_TRUE(last.has_value());
  ASSERT_EQ(last->type, 'E');
  EXPECT_EQ(test_support::ErrorField(*last, 'C'), "25P03");
  EXPECT_EQ(setup.Value("SELECT count(*) FROM idle_rows"), "0");
  EXPECT_EQ(setup.Value("SELECT pg_backend_pid()"), pid)
      << "the server was clean after ROLLBACK and should have been kept";
}

TEST_F(TimeoutTest, ClientIdleTimeout) {
  StartPgweir(Idle() + "client_idle_timeout = \"300ms\"\n");
  WireClient idle = ConnectWire();
  EXPECT_EQ(idle.Value("SELECT 1"), "1");
  const auto last = idle.ReadMessage();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(test_support::ErrorField(*last, 'C'), "57P05");
  EXPECT_EQ(test_support::ErrorField(*last, 'S'), "FATAL");
  EXPECT_TRUE(idle.AtEnd());
}

TEST_F(TimeoutTest, TimeoutsPerUserAndDatabase) {
  StartPgweir(Idle(), DatabaseSection("*") + "[users.other]\nquery_timeout = \"300ms\"\n");
  Connection limited = Connect("other", "app"), free = Connect("app", "app");
  EXPECT_EQ(limited.Query("SELECT pg_sleep(600)").sqlstate(), "57014");
  EXPECT_TRUE(free.Query("SELECT pg_sleep(0.5)").ok());
}

TEST_F(TimeoutTest, ClientLoginTimeout) {
  StartPgweir("client_login_timeout = \"300ms\"\n");
  WireClient silent(pgweir().port());
  const auto messages = silent.ReadToEnd();  // ends: that is what is tested
  if (!messages.empty()) {
    EXPECT_EQ(messages[0].type, 'E');
  }
  WireClient half(pgweir().port());
  half.Send(test_support::StartupBytes({{"user", "app"}}).substr(0, 9));
  half.ReadToEnd();
  EXPECT_EQ(Connect().Value("SELECT 1"), "1");
}

}  // namespace
}  // namespace integration
