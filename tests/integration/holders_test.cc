// Who holds a server for too long is named, and so is its return; nobody else is.
#include <vector>

#include "tests/integration/environment.h"

namespace integration {
namespace {

class HoldersTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
};

TEST_F(HoldersTest, ALeakIsNamedOnceAndItsReturnTold) {
  StartPgweir("default_pool_size = 3\nleak_threshold = \"2s\"\n");
  Connection leaks = Connect("app", "app", "application_name=batch");
  ASSERT_TRUE(leaks.Query("BEGIN").ok());
  const std::string pid = leaks.Value("SELECT pg_backend_pid() /* of 'hunter2' */ WHERE 'hunter3' <> ''");
  Connection honest = Connect("other");
  ASSERT_TRUE(pgweir().WaitForLog("server_held_long.*user=app .*application=batch .*pid=" + pid +
                                  " held_s=2\\.[0-9] state=\"?idle in transaction\"?.* digest=[0-9a-f]{16}"));
  EXPECT_EQ(honest.Value("SELECT 1"), "1");
  ASSERT_TRUE(leaks.Query("COMMIT").ok());
  EXPECT_TRUE(pgweir().WaitForLog("server_returned_late.*user=app.* held_s=[2-9]\\.[0-9] by=\"?transaction end"));
  const std::string log = pgweir().log();
  EXPECT_EQ(log.find("hunter"), std::string::npos);
  EXPECT_EQ(log.find("server_held_long"), log.rfind("server_held_long")) << "once for each hold, and nobody else";
  EXPECT_EQ(leaks.Value("SELECT pg_backend_pid()"), pid) << "nothing was taken away";
}

TEST_F(HoldersTest, TheReturnOfAClientThatLeavesIsToldToo) {
  StartPgweir("default_pool_size = 1\nleak_threshold = \"2s\"\n");
  {
    Connection leaks = Connect();
    ASSERT_TRUE(leaks.Query("BEGIN").ok());
    ASSERT_EQ(leaks.Value("SELECT 1"), "1");
    ASSERT_TRUE(pgweir().WaitForLog("server_held_long"));
  }
  EXPECT_TRUE(pgweir().WaitForLog("server_returned_late.* by=\"?client close request"));
  EXPECT_EQ(Connect().Value("SELECT 'next'"), "next");
}

// Ten clients sit in BEGIN on a pool of ten. The clock for that ends them with ROLLBACK, and the servers live.
TEST_F(HoldersTest, AFullPoolOfLeaksIsNamedAndFreedOnTheSameServers) {
  StartPgweir("default_pool_size = 10\nleak_threshold = \"2s\"\nidle_transaction_timeout = \"4s\"\nquery_wait_timeout = \"60s\"\nserver_lifetime = \"1h\"\n");
  Connection admin = Admin();
  std::vector<Connection> leaks;
  std::string pids;
  for (int i = 0; i < 10; ++i) {
    leaks.push_back(Connect());
    ASSERT_TRUE(leaks.back().Query("BEGIN").ok());
    pids += (pids.empty() ? "" : ",") + leaks.back().Value("SELECT pg_backend_pid()");
  }
  Connection waits = Connect();
  waits.Send("SELECT pg_backend_pid()");
  ASSERT_TRUE(Eventually([&] {
    const std::string log = pgweir().log();
    size_t named = 0;
    for (size_t at = log.find("server_held_long"); at != std::string::npos; at = log.find("server_held_long", at + 1)) ++named;
    return named == 10;
  }));
  const Result holders = admin.Query("SELECT client_id, digest, statement FROM holders WHERE idle_in_transaction = 1");
  EXPECT_EQ(holders.rows(), 10);
  EXPECT_EQ(holders.Value(0, "digest").size(), 16u);
  EXPECT_EQ(holders.Value(0, "statement"), "") << "the text is shown on request only";
  EXPECT_EQ(admin.Query("SELECT client_id FROM waiters").rows(), 1);
  const std::string pid = waits.Collect().front().Value();
  EXPECT_NE(("," + pids + ",").find("," + pid + ","), std::string::npos) << "another server than " << pids;
  EXPECT_EQ(leaks.front().Query("SELECT 1").sqlstate(), "25P03");
}

TEST_F(HoldersTest, TheStatementIsShownWithoutItsValuesOnRequest) {
  StartPgweir("statement_text = true\nleak_threshold = \"2s\"\n");
  Connection admin = Admin();
  Connection holds = Connect();
  ASSERT_TRUE(holds.Query("BEGIN").ok());
  ASSERT_TRUE(holds.Query("SELECT  'hunter2', 42").ok());
  EXPECT_EQ(admin.Query("SELECT statement FROM holders").Value(), "select ?");
  EXPECT_TRUE(pgweir().WaitForLog("server_held_long.* statement=\"select \\?\""));
  // What was prepared is known by its text, too.
  ASSERT_TRUE(holds.Prepare("s", "SELECT $1::text AS Secret").ok());
  ASSERT_TRUE(holds.Execute("s", {"hunter3"}).ok());
  EXPECT_EQ(admin.Query("SELECT statement FROM holders").Value(), "select $1::text as secret");
  EXPECT_EQ(pgweir().log().find("hunter"), std::string::npos);
}

TEST_F(HoldersTest, ManyHonestTransactionsAreNotNamed) {
  StartPgweir("default_pool_size = 20\nleak_threshold = \"5s\"\nquery_wait_timeout = \"60s\"\n");
  std::vector<Connection> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(Connect());
  for (int round = 0; round < 10; ++round) {
    for (Connection& client : clients) client.Send("BEGIN; SELECT pg_sleep(0.01); COMMIT");
    for (Connection& client : clients) {
      for (const Result& result : client.Collect()) EXPECT_TRUE(result.ok()) << result.message();
    }
  }
  EXPECT_EQ(pgweir().log().find("server_held_long"), std::string::npos);
}

}  // namespace
}  // namespace integration
