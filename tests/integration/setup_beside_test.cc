// What the clients and the operators of one real set-up (setup_beside.h) meet at Debian's pgbouncer and at pgweir.
#include "tests/integration/setup_beside.h"

#include <csignal>
#include <vector>

namespace integration {
namespace {

using namespace test_support;
using Script = SetupBesideTest::Script;

const std::vector<std::string> kDatabaseColumns = {"name", "host", "database", "force_user", "pool_size", "min_pool_size", "pool_mode",
                                                   "max_connections", "paused", "disabled"};
const std::vector<std::string> kPoolColumns = {"cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login", "pool_mode"};

void SayPool(Script& script, Connection& console, const std::string& when, const std::string& database, const std::string& user) {
  script.Say("SHOW POOLS, " + database + "/" + user + ", " + when, script.Row(console, "POOLS", {{"database", database}, {"user", user}}, kPoolColumns));
}

TEST_F(SetupBesideTest, LoginsByEveryMethod) {
  Compare("logins", [](Script& script) {
    script.Login(Door::kTls, "app", "app secret", "app");          // md5, the secret plain
    script.Login(Door::kTls, "app", "wrong", "app");
    script.Login(Door::kTls, "app", "", "app");
    script.Login(Door::kTls, "hashed", "hashed secret", "app");    // md5, the secret hashed
    script.Login(Door::kTls, "hashed", "wrong", "app");
    script.Login(Door::kTls, "scrammy", "scram secret", "app");    // the keys pass through
    script.Login(Door::kTls, "scrammy", "wrong", "app");
    script.Login(Door::kTls, "looked", "looked secret", "app");    // found by auth_query
    script.Login(Door::kTls, "looked", "wrong", "app");
    script.Login(Door::kTls, "plainer", "plain secret", "app");    // in clear text
    script.Login(Door::kTls, "plainer", "wrong", "app");
    script.Login(Door::kTls, "client", "", "app");                 // by certificate
    script.Login(Door::kTls, "client", "", "second");
    script.Login(Door::kTls, "client", "client secret", "forced"); // no line
    script.Login(Door::kTls, "rejected", "rejected secret", "app");
    script.Login(Door::kTls, "nobody", "x", "app");
    script.Login(Door::kTls, "trusty", "", "app");                 // its line is for another address
    script.Login(Door::kTls, "app", "app secret", "forced");
    script.Login(Door::kTls, "app", "app secret", "stmt");
    script.Login(Door::kTls, "app", "app secret", "hosts");
    script.Login(Door::kTls, "app", "app secret", "second");       // by `*`
    script.Login(Door::kTls, "app", "app secret", "no_such_database");
    script.Login(Door::kTlsWithoutCertificate, "app", "app secret", "app");
    script.Login(Door::kClear, "app", "app secret", "app");
    script.Login(Door::kUnix, "trusty", "", "app");
    script.Login(Door::kUnix, "app", "app secret", "app");
    script.Login(Door::kUnix, "app", "wrong", "app");
    script.Login(Door::kUnix, OwnUser(), "", "forced");            // peer
    script.Login(Door::kUnix, OwnUser(), "", "app");
    script.Login(Door::kTls, "admin", "admin secret", "pgbouncer");
    script.Login(Door::kTls, "admin", "wrong", "pgbouncer");
    script.Login(Door::kTls, "watcher", "watcher secret", "pgbouncer");
    script.Login(Door::kTls, "app", "app secret", "pgbouncer");
    script.Login(Door::kTls, "admin", "admin secret", "app");      // PostgreSQL has no such role
    // what a client gives at its login
    Connection client(script.Words("app", "app secret", "app") + " application_name=billing");
    script.Say("application_name", client.ok() ? client.Value("SHOW application_name") : "refused");
    script.Say("options", Connection(script.Words("app", "app secret", "app") + " options='-c work_mem=5MB'").ok() ? "in" : "refused");
  });
}

TEST_F(SetupBesideTest, LimitsOfPoolsDatabasesUsersAndClients) {
  Compare("limits", [](Script& script) {
    Connection console = script.Console();
    {
      Connection first = script.App(), second = script.App(), third = script.App();
      script.Ask(first, "BEGIN", "the first of pool_size 2");
      script.Ask(first, "SELECT 1", "works");
      script.Ask(second, "BEGIN", "the second of pool_size 2");
      script.Ask(second, "SELECT 2", "works, too");
      third.Send("SELECT 3");
      script.WaitForPool(console, "app", "app", "cl_waiting", "1");
      SayPool(script, console, "one waits", "app", "app");
      const Result refused = third.Next();
      script.Say("the third after query_wait_timeout", OutcomeAndAfter(third, refused));
      third = script.App();
      third.Send("SELECT 4");
      script.WaitForPool(console, "app", "app", "cl_waiting", "1");
      script.Ask(first, "COMMIT", "the first ends");
      script.Say("the third is served", Outcome(third.Next()));
    }
    {
      Connection holder = script.App("capped"), other = script.Client("looked", "looked secret", "app");
      script.Ask(holder, "BEGIN", "the one of max_db_connections 1");
      script.Ask(holder, "SELECT 1", "works there");
      Connection waiter(script.Words("hashed", "hashed secret", "capped"));
      if (waiter.ok()) script.Ask(waiter, "SELECT 1", "another user's login and query there");
      else script.Say("another user's login and query there", LoginOutcome(script.Words("hashed", "hashed secret", "capped")));
      script.Say("SHOW DATABASES of it", script.Row(console, "DATABASES", {{"name", "capped"}}, kDatabaseColumns));
    }
    {
      Connection holder = script.Client("limited", "limited secret", "app");
      script.Ask(holder, "BEGIN", "the one of max_user_connections 1");
      script.Ask(holder, "SELECT 1", "works for that user");
      Connection waiter(script.Words("limited", "limited secret", "second"));
      if (waiter.ok()) script.Ask(waiter, "SELECT 1", "the same user at another database");
      else script.Say("the same user at another database", LoginOutcome(script.Words("limited", "limited secret", "second")));
    }
    script.Say("all have left", script.WaitForPool(console, "app", "app", "cl_active", "0") ? "yes" : "no");
    std::vector<Connection> crowd;
    Eventually([&] {  // those that have just left still count for a moment
      while (crowd.size() < 20) {
        Connection one(script.Words("app", "app secret", "app"));
        if (!one.ok()) break;
        crowd.push_back(std::move(one));
      }
      return crowd.size() >= 11;
    });
    script.Say("clients beside the console under max_client_conn 12", std::to_string(crowd.size()));
    script.Login(Door::kTls, "app", "app secret", "app");
    script.Login(Door::kTls, "admin", "admin secret", "pgbouncer");
    script.Say("the console works", console.Query("SHOW VERSION").ok() ? "yes" : "no");
    crowd.pop_back();
    script.Say("one has left, one comes", Eventually([&] { return Connection(script.Words("app", "app secret", "app")).ok(); }) ? "in" : "refused");
  });
}

TEST_F(SetupBesideTest, ClocksEndWhatTheyShould) {
  Compare("clocks", [](Script& script) {
    Connection console = script.Console();
    script.Ask(console, "SET query_timeout = 1");
    Connection slow = script.App();
    script.Ask(slow, "SELECT pg_sleep(60)", "a query longer than query_timeout");
    script.Ask(console, "SET query_timeout = 0");
    script.Ask(console, "SET idle_transaction_timeout = 1");
    Connection lazy = script.App();
    script.Ask(lazy, "BEGIN");
    script.Ask(lazy, "SELECT 1");
    script.Say("after idle_transaction_timeout", LastWords(lazy));
    script.Ask(console, "RELOAD", "RELOAD takes the SETs back");
    script.Say("idle_transaction_timeout", script.Row(console, "CONFIG", {{"key", "idle_transaction_timeout"}}, {"value"}));
    Connection statement = script.App("stmt");
    script.Ask(statement, "SELECT current_database()", "a query in statement mode");
    script.Ask(statement, "BEGIN", "a transaction in statement mode");
  });
}

TEST_F(SetupBesideTest, PauseAndResume) {
  Compare("pause", [](Script& script) {
    Connection console = script.Console(), client = script.App(), second = script.Console();
    script.Ask(console, "SET query_wait_timeout = 60");
    script.Ask(client, "SELECT 1");
    script.Ask(console, "PAUSE app");
    script.Say("SHOW DATABASES, paused", script.Row(console, "DATABASES", {{"name", "app"}}, kDatabaseColumns));
    SayPool(script, console, "paused", "app", "app");
    client.Send("SELECT 'served after RESUME'");
    script.WaitForPool(console, "app", "app", "cl_waiting", "1");
    SayPool(script, console, "paused, one waits", "app", "app");
    script.Ask(console, "PAUSE app", "PAUSE app again");
    script.Ask(console, "RESUME app");
    script.Say("who has waited", Outcome(client.Next()));
    client.Collect();
    script.Ask(console, "RESUME app", "RESUME app again");
    // `*` makes a database of every name
    script.Ask(console, "PAUSE not_yet_asked_for");
    script.Say("SHOW DATABASES of it", script.Row(console, "DATABASES", {{"name", "not_yet_asked_for"}}, {"name", "database", "paused"}));
    script.Ask(console, "RESUME not_yet_asked_for");
    script.Ask(console, "PAUSE pgbouncer");
    // all of them
    Connection waits = script.Client("hashed", "hashed secret", "app");
    script.Ask(client, "BEGIN");
    script.Ask(client, "SELECT 2");
    console.Send("PAUSE");
    console.Flush();
    EXPECT_TRUE(Eventually([&] { return script.proxy().output().find(" PAUSE command issued") != std::string::npos; }));
    EXPECT_TRUE(second.Query("SHOW VERSION").ok());  // behind it
    waits.Send("SELECT 'served after the second RESUME'");
    script.WaitForPool(second, "app", "hashed", "cl_waiting", "1");
    script.Say("PAUSE waits for the transaction", console.HasResult() ? "no" : "yes");
    script.Ask(client, "SELECT 3", "in the transaction");
    script.Ask(client, "COMMIT");
    script.Say("PAUSE is done", Outcome(console.Next()));
    console.Collect();
    script.Ask(console, "PAUSE", "PAUSE again");
    client.Send("SELECT 4");
    script.WaitForPool(console, "app", "app", "cl_waiting", "1");
    script.Say("SHOW DATABASES, all paused", script.Row(console, "DATABASES", {{"name", "app"}}, {"name", "paused"}));
    script.Ask(console, "RESUME");
    script.Say("who has waited for both", Outcome(waits.Next()));
    script.Say("who has waited for the second", Outcome(client.Next()));
    client.Collect();
    script.Ask(console, "RESUME", "RESUME again");
    SayPool(script, console, "at the end", "app", "app");
  });
}

TEST_F(SetupBesideTest, DisableAndEnable) {
  Compare("disable", [](Script& script) {
    Connection console = script.Console(), client = script.App();
    script.Ask(client, "SELECT 1");
    script.Ask(console, "DISABLE app");
    script.Say("SHOW DATABASES, disabled", script.Row(console, "DATABASES", {{"name", "app"}}, kDatabaseColumns));
    script.Login(Door::kTls, "app", "app secret", "app");
    script.Login(Door::kTls, "app", "wrong", "app");
    script.Login(Door::kTls, "app", "app secret", "forced");
    script.Ask(client, "SELECT 2", "who is in");
    script.Ask(console, "DISABLE second");
    script.Login(Door::kTls, "app", "app secret", "second");
    script.Ask(console, "ENABLE second");
    script.Login(Door::kTls, "app", "app secret", "second");
    script.Ask(console, "DISABLE");
    script.Ask(console, "DISABLE pgbouncer");
    script.Ask(console, "ENABLE app");
    script.Ask(console, "ENABLE app", "ENABLE app again");
    script.Login(Door::kTls, "app", "app secret", "app");
  });
}

TEST_F(SetupBesideTest, KillAndReconnect) {
  Compare("kill", [](Script& script) {
    Connection console = script.Console();
    Connection idle = script.App(), busy = script.App(), elsewhere = script.App("second");
    script.Ask(idle, "SELECT 1");
    script.Ask(elsewhere, "SELECT 1", "at another database");
    busy.Send("SELECT pg_sleep(60)");
    script.WaitForPool(console, "app", "app", "sv_active", "1");
    script.Ask(console, "KILL app");
    script.Say("who was busy", OutcomeAndAfter(busy, busy.Next()));
    script.Say("who was idle", LastWords(idle));
    script.Ask(elsewhere, "SELECT 2", "at another database, after KILL");
    script.Say("SHOW DATABASES after KILL", script.Row(console, "DATABASES", {{"name", "app"}}, {"name", "paused", "disabled"}));
    script.Ask(console, "RESUME app", "RESUME app after KILL");
    script.Login(Door::kTls, "app", "app secret", "app");
    script.Ask(console, "KILL not_yet_asked_for");
    script.Ask(console, "RESUME not_yet_asked_for");
    script.Ask(console, "KILL pgbouncer");
    Connection client = script.App();
    const std::string pid = client.Value("SELECT pg_backend_pid()");
    script.Say("the same server again", client.Value("SELECT pg_backend_pid()") == pid ? "yes" : "no");
    script.Ask(client, "BEGIN");
    script.Say("in the transaction", client.Value("SELECT pg_backend_pid()") == pid ? "the same server" : "another");
    script.Ask(console, "RECONNECT app");
    script.Say("in the transaction after RECONNECT", client.Value("SELECT pg_backend_pid()") == pid ? "the same server" : "another");
    script.Say("SHOW SERVERS close_needed", script.Row(console, "SERVERS", {{"database", "app"}, {"state", "active"}}, {"close_needed"}));
    script.Ask(client, "COMMIT");
    script.Say("after it", client.Value("SELECT pg_backend_pid()") == pid ? "the same server" : "another");
    script.Ask(console, "RECONNECT not_yet_asked_for");
    script.Say("the console lives", console.Query("SHOW VERSION").ok() ? "yes" : "no");
  });
}

}  // namespace
}  // namespace integration
