// Replication through pgweir from a real PostgreSQL: its own programs, a subscription, and what an operator sees and does.
#include <filesystem>

#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

std::string Program(const std::string& name) { return PostgresCluster::BinaryFolder() + "/" + name; }

class ReplicationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new PostgresCluster({.settings = {"wal_level=logical", "max_wal_senders=10", "max_replication_slots=10"},
                                    .hba_lines = {"local all all trust", "host replication,all scrammer 127.0.0.1/32 scram-sha-256",
                                                  "host replication,all all 127.0.0.1/32 trust"}});
    MakeRolesAndDatabases(*cluster_);
    Connection superuser(cluster_->SuperuserString());
    ASSERT_TRUE(superuser.Query("CREATE ROLE replicator LOGIN REPLICATION; GRANT pg_read_all_data TO replicator").ok());
    ASSERT_TRUE(superuser.Query("CREATE ROLE scrammer LOGIN REPLICATION PASSWORD 'secret'").ok());
  }
  static void TearDownTestSuite() { delete std::exchange(cluster_, nullptr); }

  void SetUp() override { NEEDS_PGWEIR(); }
  void Start(const std::string& global = "", PgweirConfig config = {}) {
    config.global += "server_login_retry = \"50ms\"\n" + global;
    if (config.sections.empty()) config.sections = DatabaseSection("*", *cluster_);
    config.users["replicator"] = "";
    pgweir_ = std::make_unique<PgweirProcess>(config);
  }
  std::vector<std::string> Arguments(const std::string& program, std::vector<std::string> more, const std::string& user = "replicator") const {
    std::vector<std::string> arguments = {Program(program), "--host=127.0.0.1", "--port=" + std::to_string(pgweir_->port()), "--username=" + user};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // One of PostgreSQL's programs, to its end, through pgweir.
  std::string Run(const std::string& program, std::vector<std::string> more) const {
    const FinishedProcess done = RunProgram({.arguments = Arguments(program, std::move(more)), .user = UnprivilegedUser()});
    EXPECT_EQ(done.exit_code, 0) << program << ": " << done.output;
    return done.output;
  }
  std::string Folder(const std::string& name) const {
    const std::string path = folder_.File(name);
    std::filesystem::create_directory(path);
    GiveToUnprivilegedUser(path);
    return path;
  }
  Connection Replicator(const std::string& kind = "database", const std::string& user = "replicator", const std::string& extra = "") const {
    return Connection(pgweir_->ConnectionString(user, "app") + " replication=" + kind + " " + extra);
  }
  Connection Admin() const { return Connection(pgweir_->AdminString()); }
  static Connection Superuser(const std::string& database = "app") { return Connection(cluster_->SuperuserString(database)); }
  static bool WaitForSenders(int count) {
    Connection superuser = Superuser();
    return Eventually([&] {
      return superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'") == std::to_string(count);
    });
  }
  // Its rows as "replication state user".
  static std::vector<std::string> Rows(Connection& admin, const std::string& table) {
    const Result result = admin.Query("SELECT replication, state, user FROM " + table + " WHERE user <> 'admin' ORDER BY id");
    EXPECT_TRUE(result.ok()) << result.error();
    std::vector<std::string> rows;
    for (int row = 0; row < result.rows(); ++row) rows.push_back(result.Value(row, 0) + " " + result.Value(row, 1) + " " + result.Value(row, 2));
    return rows;
  }

  static PostgresCluster* cluster_;
  TemporaryFolder folder_;
  std::unique_ptr<PgweirProcess> pgweir_;
};

PostgresCluster* ReplicationTest::cluster_ = nullptr;

// --- PostgreSQL's own programs -------------------------------------------------------------------------------------------

TEST_F(ReplicationTest, PgReceivewal) {
  Start();
  Connection superuser = Superuser();
  Run("pg_receivewal", {"--slot=made", "--create-slot"});
  Run("pg_receivewal", {"--slot=made", "--drop-slot"});
  ASSERT_TRUE(superuser.Query("SELECT pg_create_physical_replication_slot('received', true)").ok());
  const std::string segment = superuser.Value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  ASSERT_TRUE(superuser.Query("CREATE TABLE IF NOT EXISTS wal AS SELECT repeat('w', 1000) FROM generate_series(1, 2000)").ok());
  ASSERT_TRUE(superuser.Query("SELECT pg_switch_wal()").ok());
  const std::string end = superuser.Value("SELECT pg_current_wal_lsn()");
  ASSERT_TRUE(superuser.Query("INSERT INTO wal SELECT 'behind the end'").ok());
  const std::string folder = Folder("wal");
  Run("pg_receivewal", {"--directory=" + folder, "--slot=received", "--endpos=" + end, "--no-loop", "--no-sync"});
  EXPECT_EQ(superuser.Value("SELECT md5(pg_read_binary_file('" + folder + "/" + segment + "'))"),
            superuser.Value("SELECT md5(pg_read_binary_file('pg_wal/" + segment + "'))"));
  EXPECT_TRUE(WaitForSenders(0));
  Run("pg_receivewal", {"--slot=received", "--drop-slot"});
}

// Two connections at once: the files, and the WAL that is written meanwhile.
TEST_F(ReplicationTest, PgBasebackup) {
  Start("default_pool_size = 2\nquery_timeout = \"1ms\"\n");
  const std::string folder = Folder("base");
  Run("pg_basebackup", {"--pgdata=" + folder, "--wal-method=stream", "--checkpoint=fast", "--no-sync"});
  const FinishedProcess verified = RunProgram({.arguments = {Program("pg_verifybackup"), folder}, .user = UnprivilegedUser()});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  EXPECT_TRUE(WaitForSenders(0));
}

TEST_F(ReplicationTest, PgRecvlogical) {
  Start();
  Connection superuser = Superuser();
  ASSERT_TRUE(superuser.Query("SET synchronous_commit = on; CREATE TABLE IF NOT EXISTS decoded (t text)").ok());
  Run("pg_recvlogical", {"--dbname=app", "--slot=decoded", "--plugin=test_decoding", "--create-slot"});
  ASSERT_TRUE(superuser.Query("INSERT INTO decoded VALUES ('first'), ('second')").ok());
  const std::string end = superuser.Value("SELECT pg_current_wal_lsn()");
  const std::string file = Folder("decoded") + "/out";
  Run("pg_recvlogical", {"--dbname=app", "--slot=decoded", "--start", "--file=" + file, "--endpos=" + end, "--no-loop"});
  const std::string out = ReadFile(file);
  EXPECT_NE(out.find("table public.decoded: INSERT: t[text]:'first'"), std::string::npos) << out;
  EXPECT_NE(out.find("table public.decoded: INSERT: t[text]:'second'"), std::string::npos) << out;
  Run("pg_recvlogical", {"--dbname=app", "--slot=decoded", "--drop-slot"});
}

// The first copy of a table and the changes after it come over connections of their own.
TEST_F(ReplicationTest, ASubscription) {
  Start("query_timeout = \"2s\"\nidle_transaction_timeout = \"5s\"\n");
  Connection publisher = Superuser();
  ASSERT_TRUE(publisher.Query("CREATE TABLE published (i int PRIMARY KEY, t text); INSERT INTO published VALUES (1, 'before');"
                              "CREATE PUBLICATION all_of_it FOR TABLE published; GRANT SELECT ON published TO replicator").ok());
  PostgresCluster other;
  Connection subscriber(other.SuperuserString());
  ASSERT_TRUE(subscriber.Query("CREATE TABLE published (i int PRIMARY KEY, t text)").ok());
  const std::string from = "host=127.0.0.1 port=" + std::to_string(pgweir_->port()) + " user=replicator dbname=app application_name=standby";
  const Result made = subscriber.Query("CREATE SUBSCRIPTION standby CONNECTION '" + from + "' PUBLICATION all_of_it");
  ASSERT_TRUE(made.ok()) << made.error();
  const auto has = [&](const std::string& rows) {
    return Eventually([&] { return subscriber.Value("SELECT coalesce(string_agg(t, ',' ORDER BY i), '') FROM published") == rows; }, Milliseconds(30'000));
  };
  EXPECT_TRUE(has("before"));
  ASSERT_TRUE(publisher.Query("INSERT INTO published VALUES (2, 'after')").ok());
  EXPECT_TRUE(has("before,after"));
  Connection admin = Admin();
  EXPECT_EQ(Rows(admin, "clients"), (std::vector<std::string>{"logical active replicator"}));
  EXPECT_EQ(publisher.Value("SELECT application_name FROM pg_stat_replication"), "standby");
  // It comes back by itself, and goes on where it was.
  ASSERT_TRUE(admin.Query("KILL WHERE user = 'replicator'").ok());
  ASSERT_TRUE(publisher.Query("INSERT INTO published VALUES (3, 'killed')").ok());
  EXPECT_TRUE(has("before,after,killed"));
  EXPECT_TRUE(subscriber.Query("DROP SUBSCRIPTION standby").ok());
  EXPECT_TRUE(publisher.Query("DROP PUBLICATION all_of_it; DROP TABLE published").ok());
}

// --- a session of it -----------------------------------------------------------------------------------------------------

TEST_F(ReplicationTest, LogicalOnesTakeSqlToo) {
  Start();
  Connection client = Replicator("database", "replicator", "options='-c work_mem=7MB' application_name=mine");
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_EQ(client.Value("SHOW work_mem"), "7MB");
  EXPECT_EQ(client.StatusOf("application_name"), "mine");
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  ASSERT_TRUE(client.Query("BEGIN").ok());
  EXPECT_EQ(client.Query("nonsense").sqlstate(), "42601");
  EXPECT_EQ(PQtransactionStatus(client.get()), PQTRANS_INERROR);
  ASSERT_TRUE(client.Query("ROLLBACK; SET work_mem = '8MB'").ok());
  EXPECT_EQ(client.Value("SHOW work_mem"), "8MB");
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid);
  EXPECT_EQ(client.Query("IDENTIFY_SYSTEM").Value(0, "dbname"), "app");
  Connection physical = Replicator("true");
  ASSERT_TRUE(physical.ok()) << physical.error();
  EXPECT_TRUE(physical.Query("IDENTIFY_SYSTEM").IsNull(0, 3));
  EXPECT_EQ(physical.Query("SELECT 1").sqlstate(), Connection(cluster_->ConnectionString("replicator", "app") + " replication=true").Query("SELECT 1").sqlstate());
}

TEST_F(ReplicationTest, ACancelHitsItsQuery) {
  Start();
  Connection client = Replicator();
  client.Send("SELECT pg_sleep(600), 'replication cancel'");
  Connection superuser = Superuser();
  ASSERT_TRUE(Eventually([&] { return superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%replication cancel%' AND state = 'active' AND pid <> pg_backend_pid()") == "1"; }));
  ASSERT_TRUE(Cancel(client).Send());
  EXPECT_EQ(client.Next().sqlstate(), "57014");
  client.Collect();
  EXPECT_EQ(client.Value("SELECT 'lives'"), "lives");
}

TEST_F(ReplicationTest, RefusalsAreThoseOfPostgres) {
  Start();
  const auto words = [](const Connection& refused) { return refused.error().substr(std::min(refused.error().find("FATAL"), refused.error().size())); };
  for (const std::string kind : {"true", "database"}) {
    const Connection direct(cluster_->ConnectionString("app", "app") + " replication=" + kind);
    EXPECT_FALSE(direct.ok());
    EXPECT_EQ(words(Replicator(kind, "app")), words(direct));
  }
  Connection ordinary(pgweir_->ConnectionString("app", "app"));
  EXPECT_EQ(ordinary.Value("SELECT 'served'"), "served") << "the pool is not down for that";
}

// Neither the client's keys nor a verifier tell the password, and they open its server all the same.
TEST_F(ReplicationTest, ScramKeysOpenItsServer) {
  PgweirConfig config;
  config.global = "auth_type = \"scram-sha-256\"\n";
  config.users["scrammer"] = Superuser().Value("SELECT rolpassword FROM pg_authid WHERE rolname = 'scrammer'");
  Start("", config);
  for (const char* kind : {"true", "database"}) {
    Connection client = Replicator(kind, "scrammer", "password=secret");
    ASSERT_TRUE(client.ok()) << client.error();
    EXPECT_TRUE(client.Query("IDENTIFY_SYSTEM").ok());
    EXPECT_FALSE(Replicator(kind, "scrammer", "password=wrong").ok());
  }
}

TEST_F(ReplicationTest, HbaLinesDecideAsInPostgres) {
  WriteFile(folder_.File("hba"), "host replication other 127.0.0.1/32 reject\nhost replication replicator 127.0.0.1/32 trust\n"
                                 "host app,\"replication\" app,replicator 127.0.0.1/32 trust\n");
  GiveToUnprivilegedUser(folder_.File("hba"));
  Start("auth_type = \"hba\"\nauth_hba_file = \"" + folder_.File("hba") + "\"\n");
  const PostgresCluster strict({.settings = {"max_wal_senders=5", "wal_level=replica"}, .hba_lines = {"host replication other 127.0.0.1/32 reject"}});
  MakeRolesAndDatabases(strict);
  const auto words = [](const Connection& refused) {
    const std::string text = refused.error();
    const size_t begin = text.find("FATAL");
    return begin == std::string::npos ? "let in" : text.substr(begin, text.find('\n', begin) - begin);
  };
  EXPECT_EQ(words(Replicator("true")), "let in");
  EXPECT_EQ(words(Replicator("database")), "let in") << "as a client of app";
  for (const char* user : {"app", "other"}) {
    const Connection direct(strict.ConnectionString(user, "app") + " replication=true sslmode=disable");
    EXPECT_EQ(words(Replicator("true", user, "sslmode=disable")), words(direct));
    EXPECT_NE(words(direct).find("replication connection"), std::string::npos) << words(direct);
  }
}

// --- the operator --------------------------------------------------------------------------------------------------------

TEST_F(ReplicationTest, TheConsoleShowsAndEndsIt) {
  Start("log_format = \"pgbouncer\"\nlog_connections = true\n");
  Connection admin = Admin(), logical = Replicator(), physical = Replicator("true"), ordinary(pgweir_->ConnectionString("app", "app"));
  ASSERT_TRUE(logical.ok() && physical.ok()) << logical.error() << physical.error();
  ordinary.Query("SELECT 1");
  EXPECT_TRUE(Eventually([&] {
    return Rows(admin, "clients") == std::vector<std::string>{"logical active replicator", "physical active replicator", "none idle app"};
  }));
  const std::vector<std::string> servers = Rows(admin, "servers");
  ASSERT_GE(servers.size(), 3u);
  EXPECT_EQ(servers[0], "logical active replicator");
  EXPECT_EQ(servers[1], "physical active replicator");
  EXPECT_TRUE(servers[2].starts_with("none ") && servers[2].ends_with(" app")) << servers[2];
  EXPECT_TRUE(pgweir_->WaitForLog("login attempt: db=app user=replicator tls=no replication=database"));
  EXPECT_TRUE(pgweir_->WaitForLog("login attempt: db=app user=replicator tls=no replication=yes"));
  EXPECT_EQ(admin.Query("SHOW POOLS").rows(), 3) << "with the console's own";
  const Result clients = admin.Query("SELECT id FROM clients WHERE replication = 'physical'");
  ASSERT_TRUE(admin.Query("KILL_CLIENT " + clients.Value()).ok());
  EXPECT_TRUE(physical.WaitClosed());
  EXPECT_TRUE(pgweir_->WaitForLog("LOG S-0x.*app/replicator.*closing because: replication client was closed"));
  EXPECT_TRUE(WaitForSenders(1));
  EXPECT_EQ(logical.Value("SELECT 1"), "1");
  ASSERT_TRUE(admin.Query("KILL app").ok());
  EXPECT_EQ(logical.Query("SELECT 1").sqlstate(), "57P01");
  EXPECT_TRUE(WaitForSenders(0));
}

TEST_F(ReplicationTest, APauseWaitsForItAndNamesIt) {
  Start();
  Connection admin = Admin(), client = Replicator();
  const Result paused = admin.Query("PAUSE app TIMEOUT 200ms");
  EXPECT_EQ(paused.sqlstate(), "55P03");
  EXPECT_EQ(client.Value("SELECT 'undisturbed'"), "undisturbed");
  admin.Send("PAUSE app");
  const auto is_paused = [&] {
    Connection other = Admin();
    const Result rows = other.Query("SELECT paused FROM databases WHERE name = 'app'");
    return rows.Value() == "1";
  };
  ASSERT_TRUE(Eventually(is_paused));
  EXPECT_EQ(client.Value("SELECT 'undisturbed'"), "undisturbed");
  client.Close();
  for (const Result& result : admin.Collect()) EXPECT_TRUE(result.ok()) << result.error();
  EXPECT_TRUE(WaitForSenders(0));
  ASSERT_TRUE(admin.Query("RESUME app").ok());
  EXPECT_EQ(Replicator().Value("SELECT 'again'"), "again");
}

// The place of an idle server under the cap of the host, and nobody passes that.
TEST_F(ReplicationTest, CountsAtTheCapsAndTakesAnIdlePlace) {
  Start("max_host_connections = 2\n");
  Connection ordinary(pgweir_->ConnectionString("app", "app")), other(pgweir_->ConnectionString("other", "app"));
  EXPECT_EQ(ordinary.Value("SELECT 1"), "1");
  EXPECT_EQ(other.Value("SELECT 1"), "1");
  Connection first = Replicator(), second = Replicator();
  ASSERT_TRUE(first.ok() && second.ok()) << first.error() << second.error();
  Connection admin = Admin();
  EXPECT_EQ(Rows(admin, "servers"), (std::vector<std::string>{"logical active replicator", "logical active replicator"}));
  ASSERT_TRUE(admin.Query("SET query_wait_timeout = '300ms'").ok());
  const Connection third = Replicator();
  EXPECT_NE(third.error().find("held back by max_host_connections of host "), std::string::npos) << third.error();
  EXPECT_EQ(ordinary.Query("SELECT 1").sqlstate(), "53300");
  second.Close();
  EXPECT_EQ(ordinary.Value("SELECT 1"), "1");
}

// PostgreSQL goes: the receiver hears what it would hear without pgweir, and can come back.
TEST_F(ReplicationTest, ARestartOfPostgresEndsIt) {
  Start();
  Connection client = Replicator();
  ASSERT_TRUE(client.ok());
  cluster_->Restart(StopMode::kFast);
  EXPECT_EQ(client.Query("SELECT 1").sqlstate(), "57P01");
  EXPECT_EQ(Replicator().Value("SELECT 'again'"), "again");
}

}  // namespace
}  // namespace integration
