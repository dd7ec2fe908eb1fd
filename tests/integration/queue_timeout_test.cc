// A client that says how long it would wait: pgweir.queue_timeout, at connect or by SET. And clients that wait no longer at all.
#include <vector>

#include "tests/integration/environment.h"
#include "tests/support/wire_messages.h"

namespace integration {
namespace {

class QueueTimeoutTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60s\"\n");
    holder_.emplace(Connect());
    ASSERT_TRUE(holder_->Query("BEGIN").ok());
    ASSERT_EQ(holder_->Value("SELECT 1"), "1");
  }
  static void ExpectQueueTimeout(const Result& result, const std::string& ms) {
    EXPECT_EQ(result.sqlstate(), "53300");
    EXPECT_EQ(result.severity(), "ERROR");
    EXPECT_EQ(result.message(), "no server connection becomes free within pgweir.queue_timeout (" + ms + " ms)");
    EXPECT_NE(result.detail().find("size 1, active 1"), std::string::npos) << result.detail();
  }
  std::optional<Connection> holder_;
};

TEST_F(QueueTimeoutTest, GivenAtConnectItBoundsEveryWait) {
  (void)holder_->Query("COMMIT");  // the value must be proven on a server once
  Connection client = Connect("app", "app", "options='-c pgweir.queue_timeout=150ms'");
  ASSERT_TRUE(holder_->Query("BEGIN").ok());
  ASSERT_EQ(holder_->Value("SELECT 1"), "1");
  ExpectQueueTimeout(client.Query("SELECT 1"), "150");
  ASSERT_TRUE(holder_->Query("COMMIT").ok());
  EXPECT_EQ(client.Value("SELECT 'lives'"), "lives");
  EXPECT_EQ(client.Value("SHOW pgweir.queue_timeout"), "150ms");
}

TEST_F(QueueTimeoutTest, GivenBySetItHoldsFromTheNextTransactionAndCanBeTakenBack) {
  ASSERT_TRUE(holder_->Query("COMMIT").ok());
  Connection client = Connect();
  ASSERT_TRUE(client.Query("SET pgweir.queue_timeout = 100").ok());
  ASSERT_TRUE(holder_->Query("BEGIN").ok());
  ASSERT_EQ(holder_->Value("SELECT 1"), "1");
  ExpectQueueTimeout(client.Query("SELECT 1"), "100");
  ASSERT_TRUE(holder_->Query("COMMIT").ok());
  ASSERT_TRUE(client.Query("SET pgweir.queue_timeout = 'soon'").ok());
  EXPECT_TRUE(pgweir().WaitForLog("queue_timeout_unreadable"));
  ASSERT_TRUE(holder_->Query("BEGIN").ok());
  ASSERT_EQ(holder_->Value("SELECT 1"), "1");
  client.Send("SELECT 'waited'");
  Connection admin = Admin();
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  ASSERT_TRUE(holder_->Query("COMMIT").ok());
  EXPECT_EQ(client.Collect().front().Value(), "waited") << "what is no time counts as none";
}

// The pool knows its pace: who would wait in vain does not even queue.
TEST_F(QueueTimeoutTest, WhoWouldWaitInVainIsToldAtOnce) {
  ASSERT_TRUE(holder_->Query("COMMIT").ok());
  Connection client = Connect();
  ASSERT_TRUE(client.Query("SET pgweir.queue_timeout = '1s'").ok());
  std::vector<Connection> crowd;
  for (int i = 0; i < 45; ++i) crowd.push_back(Connect());
  for (Connection& one : crowd) one.Send("SELECT pg_sleep(0.05)");
  for (int i = 0; i < 15; ++i) {
    (void)crowd[static_cast<size_t>(i)].Collect();
    crowd[static_cast<size_t>(i)].Send("SELECT pg_sleep(0.05)");
  }
  const Result refused = client.Query("SELECT 1");  // more than 2 s of work before it
  ExpectQueueTimeout(refused, "1000");
  EXPECT_NE(refused.detail().find("waited 0 ms"), std::string::npos) << refused.detail();
  for (Connection& one : crowd) {
    for (const Result& result : one.Collect()) EXPECT_TRUE(result.ok()) << result.message();
  }
}

// Its input is full and nothing is read from it: its end is seen all the same, and its query never runs.
TEST_F(QueueTimeoutTest, AWaiterThatHangsUpLeavesAlthoughItsInputIsFull) {
  Connection admin = Admin();
  ASSERT_TRUE(Direct().Query("CREATE TABLE IF NOT EXISTS never_run (x int)").ok());
  for (const bool resets : {false, true}) {
    auto client = std::make_optional(ConnectWire());
    const std::string insert = test_support::Query("INSERT INTO never_run VALUES (1)");
    std::string many;
    // More than is kept for it, and less than the system takes besides: behind what it cannot take, TCP would keep the end back.
    while (many.size() < 100'000) many += insert;
    client->Send(many);
    ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
    ASSERT_TRUE(Eventually([&] { return admin.Query("SELECT id FROM sockets WHERE pkt_avail > 65000").rows() == 1; }));
    if (resets) client->Reset();
    client.reset();
    EXPECT_TRUE(WaitForPool(admin, "cl_waiting", 0)) << (resets ? "reset" : "closed");
  }
  ASSERT_TRUE(holder_->Query("COMMIT").ok());
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM never_run"), "0");
  ASSERT_TRUE(Direct().Query("DROP TABLE never_run").ok());
}

}  // namespace
}  // namespace integration
