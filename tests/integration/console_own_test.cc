// What pgweir's console has beyond PgBouncer's: SELECT, HOLDERS, WAITERS, ERRORS, SET, DRY RUN, PAUSE ... TIMEOUT, KILL WHERE; and
// the verbs that keep logins out or wait for servers.
#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

class ConsoleOwnTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
};

TEST_F(ConsoleOwnTest, SelectPicksSortsAndCounts) {
  StartPgweir("default_pool_size = 2\n");
  Connection admin = Admin("watcher"), first = Connect("app", "app", "application_name=first"),
             second = Connect("other", "second", "application_name=second");
  ASSERT_TRUE(first.Query("BEGIN").ok() && first.Query("SELECT 1").ok());
  ASSERT_TRUE(second.Query("SELECT 1").ok());
  EXPECT_EQ(admin.Value("SELECT count(*) FROM clients WHERE application_name IN ('first', 'second')"), "2");
  const Result active = admin.Query("SELECT user, database FROM clients WHERE state = 'active' AND database <> 'pgbouncer'");
  ASSERT_TRUE(active.ok()) << active.error();
  ASSERT_EQ(active.rows(), 1);
  EXPECT_EQ(active.Value(0, "user"), "app");
  EXPECT_EQ(active.tag(), "SELECT 1");
  const Result pools = admin.Params("SELECT database, user FROM pools WHERE database LIKE 'a%' OR database = 'second' ORDER BY database DESC");
  ASSERT_TRUE(pools.ok()) << pools.error();
  ASSERT_EQ(pools.rows(), 2);
  EXPECT_EQ(pools.Value(0, "user"), "other");
  EXPECT_EQ(admin.Query("SELECT nothing FROM pools").sqlstate(), "42703");
  EXPECT_EQ(admin.Query("SELECT * FROM pols").sqlstate(), "42P01");
  EXPECT_EQ(admin.Query("SELECT * FORM pools").sqlstate(), "42601");
}

TEST_F(ConsoleOwnTest, HoldersAndWaitersTellTheTruth) {
  StartPgweir("default_pool_size = 1\nworkers = 1\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), holder = Connect("app", "app", "application_name=holder"), one = Connect("app", "app", "application_name=one"),
             two = Connect("app", "app", "application_name=two");
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  const std::string pid = holder.Value("SELECT pg_backend_pid()");
  one.Send("SELECT 'one'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  two.Send("SELECT 'two'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 2));
  const Result holders = admin.Query("SHOW HOLDERS");
  ASSERT_EQ(holders.rows(), 1);
  EXPECT_EQ(holders.Value(0, "application_name"), "holder");
  EXPECT_EQ(holders.Value(0, "remote_pid"), pid);
  EXPECT_EQ(holders.Value(0, "state"), "idle in transaction");
  EXPECT_EQ(holders.Value(0, "idle_in_transaction"), "1");
  const Result waiters = admin.Query("SHOW WAITERS");
  ASSERT_EQ(waiters.rows(), 2);
  EXPECT_EQ(waiters.Value(0, "application_name"), "one");
  EXPECT_EQ(waiters.Value(0, "place"), "1");
  EXPECT_EQ(waiters.Value(1, "application_name"), "two");
  EXPECT_EQ(waiters.Value(1, "place"), "2");
  EXPECT_EQ(waiters.Value(0, "behind"), "");
  EXPECT_EQ(waiters.Value(1, "behind"), waiters.Value(0, "client_id"));
  holder.Send("SELECT pg_sleep(1)");
  ASSERT_TRUE(Eventually([&] { return admin.Value("SELECT state FROM holders") == "active"; }));
  while (holder.Next()) continue;
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_EQ(one.Next().Value(), "one");
  EXPECT_EQ(two.Next().Value(), "two");
}

TEST_F(ConsoleOwnTest, PauseWithATimeoutUndoesItselfAndNamesTheBlocker) {
  StartPgweir("default_pool_size = 2\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), busy = Connect("app", "app", "application_name=the_blocker"), other = Connect();
  ASSERT_TRUE(busy.Query("BEGIN").ok());
  const std::string pid = busy.Value("SELECT pg_backend_pid()");
  const Result refused = admin.Query("PAUSE app TIMEOUT 200ms");
  EXPECT_EQ(refused.sqlstate(), "55P03");
  for (const std::string& word : {pid, std::string("the_blocker"), std::string("idle in transaction")}) {
    EXPECT_NE(refused.detail().find(word), std::string::npos) << word << " in " << refused.detail();
  }
  EXPECT_EQ(other.Value("SELECT 'runs on'"), "runs on");
  EXPECT_EQ(busy.Value("SELECT 'undisturbed'"), "undisturbed");
  ASSERT_TRUE(busy.Query("COMMIT").ok());
  EXPECT_TRUE(admin.Query("PAUSE app TIMEOUT 20s").ok());
  EXPECT_EQ(admin.Value("SELECT paused FROM databases WHERE name = 'app'"), "1");
  ASSERT_TRUE(admin.Query("RESUME app").ok());
  EXPECT_EQ(other.Value("SELECT 'again'"), "again");
}

TEST_F(ConsoleOwnTest, ATimeoutLeavesThePauseThatAnotherWaitsFor) {
  StartPgweir("default_pool_size = 2\nquery_wait_timeout = \"60s\"\n");
  Connection first = Admin(), second = Admin(), busy = Connect(), other = Connect();
  ASSERT_TRUE(busy.Query("BEGIN").ok() && busy.Query("SELECT 1").ok());
  first.Send("PAUSE app TIMEOUT 300ms");
  first.Flush();
  EXPECT_TRUE(Eventually([&] { return second.Value("SELECT paused FROM databases WHERE name = 'app'") == "1"; }));
  EXPECT_EQ(second.Query("PAUSE app TIMEOUT 1s").sqlstate(), "55000") << "its end would undo the other's";
  second.Send("PAUSE app");
  second.Flush();
  EXPECT_EQ(first.Next().sqlstate(), "55P03");
  while (first.Next()) continue;
  EXPECT_EQ(first.Value("SELECT paused FROM databases WHERE name = 'app'"), "1");
  other.Send("SELECT 'held'");
  ASSERT_TRUE(WaitForPool(first, "cl_waiting", 1));
  ASSERT_TRUE(busy.Query("COMMIT").ok());
  EXPECT_EQ(second.Next().tag(), "PAUSE");
  ASSERT_TRUE(first.Query("RESUME app").ok());
  EXPECT_EQ(other.Next().Value(), "held");
}

// The end of a PAUSE of all leaves what was paused by name.
TEST_F(ConsoleOwnTest, ATimeoutOfAllLeavesThePausesOfSingleDatabases) {
  StartPgweir("default_pool_size = 2\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), busy = Connect("app", "app"), held = Connect("app", "second");
  ASSERT_TRUE(held.Query("SELECT 1").ok());
  ASSERT_TRUE(admin.Query("PAUSE second").ok());
  ASSERT_TRUE(busy.Query("BEGIN").ok() && busy.Query("SELECT 1").ok());
  EXPECT_EQ(admin.Query("PAUSE TIMEOUT 100ms").sqlstate(), "55P03");
  EXPECT_EQ(admin.Value("SELECT value FROM state WHERE key = 'paused'"), "no");
  EXPECT_EQ(admin.Value("SELECT paused FROM databases WHERE name = 'second'"), "1");
  held.Send("SELECT 'held'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1, "second"));
  ASSERT_TRUE(admin.Query("RESUME second").ok());
  EXPECT_EQ(held.Next().Value(), "held");
}

TEST_F(ConsoleOwnTest, KillWhereEndsThoseThatMatch) {
  StartPgweir();
  Connection admin = Admin(), good = Connect("app", "app", "application_name=good"), bad = Connect("app", "app", "application_name=bad_1"),
             worse = Connect("app", "app", "application_name=bad_2");
  EXPECT_EQ(Admin("watcher").Query("KILL WHERE user = 'app'").sqlstate(), "42501");
  EXPECT_EQ(admin.Query("KILL WHERE nothing = 1").sqlstate(), "42703");
  const Result killed = admin.Query("KILL WHERE application_name LIKE 'bad%' AND user = 'app'");
  ASSERT_TRUE(killed.ok()) << killed.error();
  EXPECT_EQ(killed.tag(), "KILL 2");
  EXPECT_EQ(bad.Query("SELECT 1").sqlstate(), "57P01");
  EXPECT_EQ(worse.Query("SELECT 1").sqlstate(), "57P01");
  EXPECT_EQ(good.Value("SELECT 'lives'"), "lives");
  EXPECT_EQ(admin.Query("KILL WHERE wait >= 0").tag(), "KILL 1") << "nor does it end a console";
  EXPECT_TRUE(admin.Query("SHOW VERSION").ok());
}

TEST_F(ConsoleOwnTest, SetLastsUntilTheNextReload) {
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), holder = Connect(), waiter = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok() && holder.Query("SELECT 1").ok());
  waiter.Send("SELECT 'served'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  const Result set = admin.Query("SET default_pool_size = 2");
  ASSERT_TRUE(set.ok()) << set.error();
  EXPECT_EQ(set.tag(), "SET default_pool_size=2");
  EXPECT_EQ(waiter.Next().Value(), "served") << "it takes effect at once";
  EXPECT_EQ(admin.Value("SELECT value FROM config WHERE key = 'default_pool_size'"), "2");
  EXPECT_EQ(admin.Value("SELECT source FROM config WHERE key = 'default_pool_size'"), "SET");
  ASSERT_TRUE(admin.Query("SET query_wait_timeout TO '2500ms'").ok());
  EXPECT_EQ(admin.Value("SELECT value FROM config WHERE key = 'default_pool_size'"), "2") << "an earlier SET stays";
  for (const char* sql : {"SET default_pool_size = 0", "SET default_pool_size = many", "SET listen_port = 7000", "SET no_such_key = 1",
                          "SET min_pool_size = 100"}) {
    const Result refused = admin.Query(sql);
    EXPECT_EQ(refused.sqlstate(), "42601") << sql;
    EXPECT_FALSE(refused.detail().empty()) << sql;
  }
  EXPECT_EQ(Admin("watcher").Query("SET default_pool_size = 9").sqlstate(), "42501");
  ASSERT_TRUE(admin.Query("RELOAD").ok());
  EXPECT_EQ(admin.Value("SELECT value FROM config WHERE key = 'default_pool_size'"), "1");
  EXPECT_EQ(admin.Value("SELECT value FROM config WHERE key = 'query_wait_timeout'"), "1min");
  ASSERT_TRUE(holder.Query("COMMIT").ok());
}

TEST_F(ConsoleOwnTest, DryRunTellsAndChangesNothing) {
  StartPgweir("default_pool_size = 3\n");
  Connection admin = Admin();
  PgweirConfig changed;
  changed.global = "default_pool_size = 4\n";
  changed.sections = DatabaseSection("*");
  pgweir().WriteConfig(changed);
  const Result rows = admin.Query("RELOAD DRY RUN");
  ASSERT_TRUE(rows.ok()) << rows.error();
  ASSERT_GE(rows.rows(), 1);
  EXPECT_EQ(rows.Value(0, "change"), "default_pool_size: 3 -> 4");
  EXPECT_EQ(admin.Value("SELECT value FROM config WHERE key = 'default_pool_size'"), "3");
  changed.global = "default_pool_sise = 4\n";
  pgweir().WriteConfig(changed);
  EXPECT_EQ(admin.Query("RELOAD DRY RUN").sqlstate(), "F0000");
  EXPECT_EQ(Admin("watcher").Query("RELOAD DRY RUN").sqlstate(), "42501");
}

TEST_F(ConsoleOwnTest, ErrorsAreCountedByName) {
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"50ms\"\n");
  Connection admin = Admin(), holder = Connect(), waiter = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok() && holder.Query("SELECT 1").ok());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(waiter.Query("SELECT 1").sqlstate(), "53300");
  const Result errors = admin.Query("SELECT * FROM errors WHERE name = 'query_wait_timeout'");
  ASSERT_EQ(errors.rows(), 1);
  EXPECT_EQ(errors.Value(0, "sqlstate"), "53300");
  EXPECT_EQ(errors.Value(0, "count"), "2");
  EXPECT_FALSE(errors.IsNull(0, 4));
}

TEST_F(ConsoleOwnTest, DisableKeepsNewLoginsOut) {
  StartPgweir();
  Connection admin = Admin(), inside = Connect();
  ASSERT_TRUE(admin.Query("DISABLE app").ok());
  EXPECT_EQ(admin.Value("SELECT disabled FROM databases WHERE name = 'app'"), "1");
  Connection refused = TryConnect("app", "app");
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("is disabled"), std::string::npos) << refused.error();
  EXPECT_EQ(inside.Value("SELECT 'stays'"), "stays");
  EXPECT_TRUE(TryConnect("app", "second").ok());
  ASSERT_TRUE(admin.Query("ENABLE app").ok());
  EXPECT_EQ(Connect().Value("SELECT 'again'"), "again");
}

TEST_F(ConsoleOwnTest, WaitCloseWaitsForTheServersThatReconnectGaveUp) {
  StartPgweir("default_pool_size = 2\n");
  Connection admin = Admin(), waits = Admin(), busy = Connect();
  ASSERT_TRUE(waits.Query("WAIT_CLOSE").ok()) << "nothing to wait for";
  ASSERT_TRUE(busy.Query("BEGIN").ok() && busy.Query("SELECT 1").ok());
  ASSERT_TRUE(admin.Query("RECONNECT app").ok());
  waits.Send("WAIT_CLOSE app");
  ASSERT_TRUE(admin.Query("SHOW VERSION").ok());
  EXPECT_FALSE(waits.HasResult());
  ASSERT_TRUE(busy.Query("COMMIT").ok());
  EXPECT_EQ(waits.Next().tag(), "WAIT_CLOSE");
}

// What drivers send around everything, in both protocols.
TEST_F(ConsoleOwnTest, WhatDriversSendIsAnswered) {
  StartPgweir();
  Connection admin = Admin("watcher");
  const std::pair<const char*, const char*> statements[] = {
      {"BEGIN", "BEGIN"},
      {"BEGIN ISOLATION LEVEL READ COMMITTED", "BEGIN"},
      {"COMMIT", "COMMIT"},
      {"ROLLBACK", "ROLLBACK"},
      {"SET extra_float_digits = 3", "SET"},
      {"SET application_name = 'x'", "SET"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET"},
      {"SHOW transaction_isolation", "SHOW"},
      {"SHOW TRANSACTION ISOLATION LEVEL", "SHOW"},
      {"SELECT version()", "SELECT 1"},
      {"select pg_catalog.version()", "SELECT 1"},
      {"SELECT 1", "SELECT 1"},
      {"", ""},
  };
  for (const auto& [sql, tag] : statements) {
    const Result simple = admin.Query(sql), extended = admin.Params(sql);
    EXPECT_TRUE(simple.ok()) << sql << simple.error();
    EXPECT_TRUE(extended.ok()) << sql << extended.error();
    EXPECT_EQ(simple.tag(), tag);
    EXPECT_EQ(extended.tag(), tag);
  }
}

}  // namespace
}  // namespace integration
