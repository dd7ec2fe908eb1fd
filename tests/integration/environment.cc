#include "tests/integration/environment.h"

#include <csignal>
#include <cstdlib>

namespace integration {
namespace {

std::unique_ptr<PostgresCluster> shared_cluster;

class StopCluster : public testing::Environment {
 public:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }  // the raw clients write to connections that pgweir has closed
  void TearDown() override { shared_cluster.reset(); }
};
const auto* const kStopCluster = testing::AddGlobalTestEnvironment(new StopCluster);

}  // namespace

PostgresCluster& SharedCluster() {
  if (!shared_cluster) {
    shared_cluster = std::make_unique<PostgresCluster>(test_support::PostgresOptions{.max_connections = 200});
    MakeRolesAndDatabases(*shared_cluster);
  }
  return *shared_cluster;
}

void MakeRolesAndDatabases(const PostgresCluster& cluster) {
  Connection superuser(cluster.SuperuserString());
  for (const char* sql : {"CREATE ROLE app LOGIN", "CREATE ROLE other LOGIN", "CREATE ROLE client LOGIN",
                          "CREATE DATABASE app OWNER app", "CREATE DATABASE second OWNER app"}) {
    const Result result = superuser.Query(sql);
    if (!result.ok()) throw std::runtime_error(result.error());
  }
  Connection in_app(cluster.SuperuserString("app"));
  const Result result =
      in_app.Query("GRANT ALL ON SCHEMA public TO PUBLIC; GRANT pg_signal_backend, pg_read_all_stats TO app");
  if (!result.ok()) throw std::runtime_error(result.error());
}

// A test that failed may have left queries running; the next one counts servers.
static void EndLeftovers() {
  Connection superuser(SharedCluster().SuperuserString());
  const bool ended = Eventually([&] {
    return superuser
               .Query(
                   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('app', 'other', 'client')")
               .rows() == 0;
  });
  if (!ended) throw std::runtime_error("PostgreSQL does not end the connections of the test before");
}

bool IsDirect() {
  const char* direct = std::getenv("PGWEIR_TEST_DIRECT");
  return direct != nullptr && *direct == '1';
}

IntegrationTest::~IntegrationTest() = default;

PgweirProcess& IntegrationTest::StartPgweir(PgweirConfig config) {
  if (config.sections.find("[databases.") == std::string::npos) config.sections += DatabaseSection("*");
  // In most of these tests a BEGIN is what takes a server; deferred_begin_test.cc says otherwise.
  if (config.global.find("deferred_begin") == std::string::npos) config.global += "\ndeferred_begin = false\n";
  pgweir_.reset();
  EndLeftovers();
  if (!IsDirect()) pgweir_ = std::make_unique<PgweirProcess>(config);
  return *pgweir_;
}

PgweirProcess& IntegrationTest::StartPgweir(const std::string& global, const std::string& sections) {
  PgweirConfig config;
  config.global = global;
  config.sections = sections;
  return StartPgweir(std::move(config));
}

int IntegrationTest::target_port() const { return IsDirect() ? SharedCluster().port() : pgweir_->port(); }

std::string IntegrationTest::ConnectionString(const std::string& user, const std::string& database) const {
  return IsDirect() ? SharedCluster().ConnectionString(user, database) : pgweir_->ConnectionString(user, database);
}

Connection IntegrationTest::TryConnect(const std::string& user, const std::string& database,
                                       const std::string& extra) const {
  return Connection(ConnectionString(user, database) + " " + extra);
}

Connection IntegrationTest::Connect(const std::string& user, const std::string& database,
                                    const std::string& extra) const {
  Connection connection = TryConnect(user, database, extra);
  if (!connection.ok()) throw std::runtime_error("login: " + connection.error());
  return connection;
}

WireClient IntegrationTest::ConnectWire(const std::string& user, const std::string& database) const {
  WireClient client(target_port());
  if (!client.Login({{"user", user}, {"database", database}})) {
    throw std::runtime_error("login: " + test_support::ErrorField(client.error(), 'M'));
  }
  return client;
}

Connection IntegrationTest::Admin(const std::string& user) const {
  Connection connection(pgweir_->AdminString(user));
  if (!connection.ok()) throw std::runtime_error("console: " + connection.error());
  return connection;
}

Connection IntegrationTest::Direct(const std::string& user, const std::string& database) const {
  Connection connection(SharedCluster().ConnectionString(user, database));
  if (!connection.ok()) throw std::runtime_error("PostgreSQL: " + connection.error());
  return connection;
}

int IntegrationTest::PoolNumber(Connection& admin, const std::string& column, const std::string& database,
                                const std::string& user) const {
  const Result pools = admin.Query("SHOW POOLS");
  if (!pools.ok()) throw std::runtime_error(pools.error());
  for (int row = 0; row < pools.rows(); ++row) {
    if (pools.Value(row, "database") == database && pools.Value(row, "user") == user) {
      return std::stoi(pools.Value(row, column));
    }
  }
  return -1;
}

bool IntegrationTest::WaitForPool(Connection& admin, const std::string& column, int value, const std::string& database,
                                  const std::string& user) const {
  return Eventually([&] { return PoolNumber(admin, column, database, user) == value; });
}

int IntegrationTest::ServersOf(const std::string& user) const {
  Connection superuser(SharedCluster().SuperuserString());
  return std::stoi(
      superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = '" +
                      user + "' AND pid <> pg_backend_pid()"));
}

std::string DatabaseSection(const std::string& name, const PostgresCluster& cluster, const std::string& more) {
  return "[databases.\"" + name + "\"]\nhost = \"127.0.0.1\"\nport = " + std::to_string(cluster.port()) + "\n" + more +
         "\n";
}

std::string DatabaseSection(const std::string& name, const std::string& more) {
  return DatabaseSection(name, SharedCluster(), more);
}

}  // namespace integration
