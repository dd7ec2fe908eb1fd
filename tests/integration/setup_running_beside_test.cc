// The same set-up (setup_beside.h) while it runs: reloads under connected clients, what the tables of the console say, and the ways to
// the end.
#include <csignal>
#include <optional>
#include <vector>

#include "tests/integration/setup_beside.h"

namespace integration {
namespace {

using namespace test_support;
using Script = SetupBesideTest::Script;

class SetupRunningTest : public SetupBesideTest {};

TEST_F(SetupRunningTest, ReloadsWhileClientsAreConnected) {
  Compare("reload", [this](Script& script) {
    const std::vector<std::string> columns = {"name", "database", "force_user", "pool_size", "pool_mode", "max_connections"};
    Connection console = script.Console(), app = script.App(), gone = script.App("stmt"), forced = script.App("forced");
    script.Ask(app, "SELECT 1");
    script.Ask(gone, "SELECT 1", "at the database that goes");
    script.Ask(forced, "SET application_name = 'kept'", "at the session pool");
    script.Say("SHOW DATABASES before", script.Rows(console, "DATABASES", columns));
    const std::string pid = app.Value("SELECT pg_backend_pid()");
    script.Ask(console, "RELOAD", "RELOAD without a change");
    script.Say("keeps the servers", app.Value("SELECT pg_backend_pid()") == pid ? "yes" : "no");
    script.Ask(app, "BEGIN");
    script.Ask(app, "SELECT 2");
    WriteFiles({.has_stmt = false, .app_pool_size = 3, .limited_connections = 2, .app_password = "new secret"});
    script.Ask(console, "RELOAD", "RELOAD of the changed files");
    script.Say("SHOW DATABASES after", script.Rows(console, "DATABASES", columns));
    script.Ask(app, "SELECT 3", "in a transaction");
    script.Ask(app, "COMMIT");
    script.Ask(app, "SELECT 4", "after it");
    script.Say("at the database that has gone", LastWords(gone));
    script.Say("the session of the session pool", forced.Value("SHOW application_name"));
    script.Login(Door::kTls, "app", "app secret", "app");
    script.Login(Door::kTls, "app", "new secret", "app");
    forced.Close();
    script.Login(Door::kTls, "app", "new secret", "forced");
    // the name is still one for `*`, which PostgreSQL does not know
    script.Login(Door::kTls, "app", "new secret", "stmt");
    std::vector<Connection> three;
    for (int i = 0; i < 3; ++i) {
      three.push_back(script.App());
      script.Ask(three.back(), "BEGIN", "of pool_size 3");
      script.Ask(three.back(), "SELECT 6", "works");
    }
    three.clear();
    std::vector<Connection> limited;
    for (const char* database : {"app", "second"}) {
      limited.push_back(script.Client("limited", "limited secret", database));
      script.Ask(limited.back(), "BEGIN", "of max_user_connections 2");
      script.Ask(limited.back(), "SELECT 7", "works there");
    }
    // a mistake
    SetupFiles broken = files_now_;
    broken.app_pool_size = 1;
    broken.more = "pool_mode = nonsense\n";
    WriteFiles(broken);
    script.Ask(console, "RELOAD", "RELOAD of a broken file");
    script.Say("pool_mode", script.Row(console, "CONFIG", {{"key", "pool_mode"}}, {"value"}));
    script.Say("SHOW DATABASES after the broken file", script.Row(console, "DATABASES", {{"name", "app"}}, columns));
    script.Ask(app, "SELECT 8", "after the broken file");
    broken.more.clear();
    broken.app_pool_size = 4;
    WriteFiles(broken);
    script.proxy().process().Signal(SIGHUP);
    script.Say("SIGHUP takes the mended file", Eventually([&] { return script.Row(console, "DATABASES", {{"name", "app"}}, {"pool_size"}) == "pool_size=4"; }) ? "yes" : "no");
  });
}

TEST_F(SetupRunningTest, TablesOfTheConsoleAgree) {
  Compare("tables", [](Script& script) {
    Connection console = script.Console();
    Connection app = script.App(), forced = script.Client("app", "app secret", "forced"), looked = script.Client("looked", "looked secret", "app");
    script.Ask(app, "BEGIN");
    script.Ask(app, "SELECT 1");
    script.Ask(forced, "SELECT 2");
    script.Ask(looked, "SELECT 3");
    // pgweir's own look at max_connections, soon after the start, has a connection, too
    EXPECT_TRUE(script.is_pgbouncer() || Eventually([&] { return script.Row(console, "LISTS", {{"list", "used_servers"}}, {"items"}) == "items=3"; }));
    script.Say("SHOW CLIENTS", script.Rows(console, "CLIENTS", {"type", "user", "database", "state", "addr", "wait", "close_needed", "application_name"}));
    const std::string tls = script.Row(console, "CLIENTS", {{"database", "app"}}, {"tls"});
    script.Say("SHOW CLIENTS, TLS", tls.substr(0, std::string("tls=TLSv1.3/TLS_AES_256_GCM_SHA384").size()));
    script.Say("SHOW SERVERS", script.Rows(console, "SERVERS", {"type", "user", "database", "state", "addr", "close_needed", "application_name"}));
    script.Say("SHOW POOLS", script.Rows(console, "POOLS", {"database", "user", "cl_active", "cl_waiting", "cl_active_cancel_req", "sv_active", "sv_idle", "sv_tested", "sv_login", "maxwait", "pool_mode"}));
    script.Say("SHOW DATABASES", script.Rows(console, "DATABASES", {"name", "host", "database", "force_user", "pool_size", "min_pool_size", "pool_mode", "max_connections", "current_connections", "paused", "disabled"}));
    script.Say("SHOW USERS", script.Rows(console, "USERS", {"name", "pool_mode"}));
    script.Say("SHOW LISTS", script.Rows(console, "LISTS", {"list", "items"}));
    script.Say("SHOW STATS_TOTALS", script.Rows(console, "STATS_TOTALS", {"database", "xact_count", "query_count"}));
    for (const char* key : {"listen_addr", "listen_backlog", "unix_socket_mode", "auth_type", "auth_user", "auth_query", "pool_mode", "max_client_conn", "default_pool_size",
                            "min_pool_size", "reserve_pool_size", "reserve_pool_timeout", "max_db_connections", "max_user_connections", "server_lifetime",
                            "server_idle_timeout", "server_connect_timeout", "server_login_retry", "server_check_delay", "server_check_query", "server_reset_query",
                            "query_timeout", "query_wait_timeout", "idle_transaction_timeout", "client_idle_timeout", "client_login_timeout", "autodb_idle_timeout",
                            "ignore_startup_parameters", "stats_period", "tcp_keepidle", "tcp_keepcnt", "client_tls_sslmode", "client_tls_protocols",
                            "server_tls_sslmode", "server_tls_protocols", "admin_users", "stats_users", "log_connections", "verbose"}) {
      script.Say(std::string("SHOW CONFIG, ") + key, script.Row(console, "CONFIG", {{"key", key}}, {"value", "default", "changeable"}));
    }
    Connection watcher = script.Client("watcher", "watcher secret", "pgbouncer");
    script.Say("the watcher may look", watcher.Query("SHOW POOLS").ok() ? "yes" : "no");
    for (const char* sql : {"RELOAD", "PAUSE", "RESUME", "KILL app", "DISABLE app", "RECONNECT", "SHUTDOWN", "SUSPEND", "SET query_timeout = 1", "SHOW FDS"}) {
      const Result result = watcher.Query(sql);
      script.Say(std::string("the watcher: ") + sql, OutcomeAndAfter(watcher, result));
    }
    for (const char* sql : {"SHOW", "SHOW NONSENSE", "NONSENSE", "", "SET no_such_key = 1", "SET pool_mode = nonsense", "SET query_wait_timeout = 7", "SELECT 1"}) {
      script.Ask(console, sql, std::string("the admin: ") + sql);
    }
    script.Say("query_wait_timeout after SET", script.Row(console, "CONFIG", {{"key", "query_wait_timeout"}}, {"value"}));
  });
}

// How it ends, while one client is idle and one is in a transaction.
class EndOf {
 public:
  explicit EndOf(Script& script) : script_(script), console_(script.Console()), idle_(script.App()), busy_(script.App()) {
    script.Ask(idle_, "SELECT 1", "idle");
    script.Ask(busy_, "BEGIN", "busy");
    script.Ask(busy_, "SELECT 1", "in the transaction");
  }
  void Signal(int number, const char* name) {
    script_.proxy().process().Signal(number);
    script_.Say("it says so in the log", Eventually([&] { return script_.proxy().output().find(std::string("got ") + name) != std::string::npos; }) ? "yes" : "no");
  }
  void SayBusy() {
    const auto say = [this](const std::string& sql) {
      const Result result = busy_.ok() ? busy_.Query(sql) : Result();
      script_.Say("the busy one, " + sql, !busy_.ok() ? "closed" : result.ok() ? "works" : result.sqlstate().empty() ? "closed" : "refused");
    };
    say("SELECT 2");
    say("COMMIT");
  }
  Connection& console() { return console_; }
  Connection& idle() { return idle_; }
  Connection& busy() { return busy_; }
  void Leave() { idle_.Close(), busy_.Close(), console_.Close(); }
  void SayExit() {
    const auto exit = script_.proxy().process().WaitExit();
    script_.Say("it ends", exit ? "with " + std::to_string(*exit) : "not");
  }

 private:
  Script& script_;
  Connection console_, idle_, busy_;
};

// 1.18 calls it a safe shutdown, 1.25 SHUTDOWN WAIT_FOR_SERVERS: transactions come to their end.
TEST_F(SetupRunningTest, SigintWaitsForTheServers) {
  Compare("SIGINT", [](Script& script) {
    EndOf end(script);
    end.Signal(SIGINT, "SIGINT");
    end.SayBusy();
    end.SayExit();
  });
}

TEST_F(SetupRunningTest, SigquitAndShutdownEndAtOnce) {
  Compare("at once", [](Script& script) {
    EndOf end(script);
    script.proxy().process().Signal(SIGQUIT);
    end.SayExit();
  });
  Compare("SHUTDOWN", [](Script& script) {
    EndOf end(script);
    const Result result = end.console().Query("SHUTDOWN");
    end.SayExit();
    script.Say("the busy one", end.busy().WaitClosed() ? "is closed" : "lives");
  });
}

// 1.18 ends at once; 1.25, which pgweir follows, waits for the clients to leave.
TEST_F(SetupRunningTest, SigtermOfTheTwo) {
  Compare("SIGTERM", [](Script& script) {
    EndOf end(script);
    end.Signal(SIGTERM, "SIGTERM");
    end.SayBusy();
    end.Leave();
    end.SayExit();
  });
}

// What Debian's PgBouncer does not have yet: pgweir alone.
class SetupOfTodayTest : public SetupBesideTest {
 protected:
  void SetUp() override {
    SetupBesideTest::SetUp();
    if (IsSkipped()) return;
    WriteFiles({});
    script_ = std::make_unique<Script>(*this, PgweirProcess::Binary());
  }
  bool IsRefusedByTcp() {
    return Eventually([this] { return LoginOutcome(script_->Words("app", "app secret", "app")).starts_with("gone: "); });
  }
  std::string ByUnix(const std::string& user, const std::string& database) {
    return LoginOutcome(script_->Words(user, user + " secret", database, Door::kUnix));
  }
  std::optional<int> Exit() { return script_->proxy().process().WaitExit(); }
  std::unique_ptr<Script> script_;
};

TEST_F(SetupOfTodayTest, SigtermWaitsUntilTheClientsHaveLeft) {
  Connection idle = script_->App(), busy = script_->App("second");
  ASSERT_TRUE(busy.Query("BEGIN").ok());
  script_->proxy().process().Signal(SIGTERM);
  EXPECT_TRUE(IsRefusedByTcp());
  EXPECT_EQ(ByUnix("app", "app"), "FATAL 57P01 terminating connection due to administrator command");
  EXPECT_EQ(ByUnix("admin", "pgbouncer"), "in the console");
  EXPECT_EQ(idle.Value("SELECT 'goes on'"), "goes on");
  EXPECT_EQ(busy.Value("SELECT 'goes on'"), "goes on");
  EXPECT_TRUE(busy.Query("COMMIT").ok());
  busy.Close();
  EXPECT_EQ(idle.Value("SELECT 'goes on'"), "goes on");
  EXPECT_TRUE(script_->proxy().process().IsRunning());
  idle.Close();
  EXPECT_EQ(Exit(), 0) << script_->proxy().output();
}

TEST_F(SetupOfTodayTest, ASecondSigtermEndsIt) {
  Connection idle = script_->App();
  script_->proxy().process().Signal(SIGTERM);
  EXPECT_TRUE(IsRefusedByTcp());
  script_->proxy().process().Signal(SIGTERM);
  EXPECT_EQ(Exit(), 0);
  EXPECT_NE(script_->proxy().output().find("got SIGTERM while shutting down, fast exit"), std::string::npos) << script_->proxy().output();
}

TEST_F(SetupOfTodayTest, SigintWaitsUntilNoServerIsInUse) {
  Connection idle = script_->App(), busy = script_->App("second"), session = script_->App("forced");
  ASSERT_TRUE(busy.Query("BEGIN").ok());
  ASSERT_EQ(busy.Value("SELECT 'works'"), "works");
  ASSERT_EQ(session.Value("SELECT 'a session'"), "a session");
  script_->proxy().process().Signal(SIGINT);
  EXPECT_TRUE(IsRefusedByTcp());
  EXPECT_EQ(OutcomeAndAfter(idle, idle.Query("SELECT 1")), "FATAL 57P01 terminating connection due to administrator command, closed");
  EXPECT_EQ(busy.Value("SELECT 'goes on'"), "goes on");
  Connection console(script_->Words("admin", "admin secret", "pgbouncer", Door::kUnix));
  EXPECT_EQ(console.Query("RESUME").sqlstate(), "55000");
  EXPECT_EQ(console.Query("SHUTDOWN WAIT_FOR_CLIENTS").ok(), true) << "it is on its way already";
  EXPECT_TRUE(busy.Query("COMMIT").ok());
  EXPECT_EQ(session.Value("SELECT 'still the session'"), "still the session");
  EXPECT_TRUE(script_->proxy().process().IsRunning());
  session.Close();
  EXPECT_EQ(Exit(), 0) << script_->proxy().output();
}

TEST_F(SetupOfTodayTest, TheVerbsWaitLikeTheSignals) {
  Connection client = script_->App(), console = script_->Console();
  EXPECT_EQ(console.Query("SHUTDOWN WAIT_FOR_CLIENTS").tag(), "SHUTDOWN");
  EXPECT_TRUE(IsRefusedByTcp());
  EXPECT_EQ(client.Value("SELECT 'goes on'"), "goes on");
  EXPECT_EQ(script_->Row(console, "STATE", {{"key", "draining"}}, {"value"}), "value=yes");
  client.Close();
  EXPECT_EQ(Exit(), 0);
  EXPECT_TRUE(console.WaitClosed());
}

// The keys that have come since 1.18, in the same set-up.
TEST_F(SetupOfTodayTest, KeysOfLaterVersions) {
  WriteFile(File("ident"), "# MAP IDENTITY USER\nrobots client app\nos " + OwnUser() + " other\n");
  SetupFiles files;
  files.hba = "hostssl  app     app     127.0.0.1/32  cert map=robots\nlocal    forced  other                 peer map=os\n"
              "hostssl  second  looked  127.0.0.1/32  scram-sha-256\n";
  files.more = "auth_ident_file = " + File("ident") + "\nauth_dbname = app\nmax_user_client_connections = 3\nmax_db_client_connections = 4\n"
               "max_prepared_statements = 50\nscram_iterations = 4096\ntrack_extra_parameters = IntervalStyle\ntransaction_timeout = 30\n";
  script_.reset();
  WriteFiles(files);
  script_ = std::make_unique<Script>(*this, PgweirProcess::Binary());
  const auto login = [&](Door door, const std::string& user, const std::string& password, const std::string& database) {
    return LoginOutcome(script_->Words(user, password, database, door));
  };
  EXPECT_EQ(login(Door::kTls, "app", "", "app"), "in as app on app over TLS") << "the certificate of client, by the map";
  EXPECT_EQ(login(Door::kUnix, "other", "", "forced"), "in as other on app") << "by the map of the system's users";
  EXPECT_EQ(login(Door::kUnix, OwnUser(), "", "forced"), "in as other on app") << "by its own name, the next line";
  EXPECT_EQ(login(Door::kTls, "looked", "looked secret", "second"), "in as looked on second over TLS") << "looked up in auth_dbname";
  std::vector<Connection> clients;
  const auto has_room = [&](const std::string& user, const std::string& password) {
    Connection client(script_->Words(user, password, "app"));
    const bool is_in = client.ok();
    if (is_in) clients.push_back(std::move(client));
    return is_in;
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Eventually([&] { return has_room("app", ""); })) << i;
  EXPECT_EQ(login(Door::kTls, "app", "", "app"), "FATAL 53300 no more client connections allowed for this user (max_user_client_connections is 3)");
  EXPECT_TRUE(has_room("scrammy", "scram secret"));
  EXPECT_EQ(login(Door::kTls, "scrammy", "scram secret", "app"),
            "FATAL 53300 no more client connections allowed for this database (max_db_client_connections is 4)");
}

}  // namespace
}  // namespace integration
