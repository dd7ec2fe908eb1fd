// What the integration tests stand on: one PostgreSQL for the whole program, a pgweir of its own for each test.
//
// The cluster has the databases "app" and "second", and the roles "app", "other" and "client" (login, no password).
// PGWEIR_TEST_DIRECT=1 runs without pgweir: the tests that describe PostgreSQL's own behaviour talk to it directly
// (which proves the tests), those that start with NEEDS_PGWEIR() are skipped. Threads: tests start processes from the
// main thread only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/pgweir_process.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/pq.h"
#include "tests/support/wire_client.h"

namespace integration {

using test_support::Cancel;
using test_support::Connection;
using test_support::Eventually;
using test_support::kPatience;
using test_support::Milliseconds;
using test_support::PgweirConfig;
using test_support::PgweirProcess;
using test_support::PostgresCluster;
using test_support::Result;
using test_support::WireClient;

// Started when first used, stopped when the program ends.
PostgresCluster& SharedCluster();
// Roles and databases as in the shared one, for tests with a cluster of their own.
void MakeRolesAndDatabases(const PostgresCluster& cluster);

bool IsDirect();
#define NEEDS_PGWEIR() \
  if (IsDirect()) GTEST_SKIP() << "needs pgweir"

class IntegrationTest : public testing::Test {
 protected:
  ~IntegrationTest() override;
  // Without a [databases.X] section in the configuration it gets the fallback "*" to the shared cluster.
  PgweirProcess& StartPgweir(PgweirConfig config = {});
  PgweirProcess& StartPgweir(const std::string& global, const std::string& sections = "");
  PgweirProcess& pgweir() { return *pgweir_; }
  void StopPgweir() { pgweir_.reset(); }

  std::string ConnectionString(const std::string& user = "app", const std::string& database = "app") const;
  // Fails the test when the login is refused. extra: further libpq words, which win.
  Connection Connect(const std::string& user = "app", const std::string& database = "app",
                     const std::string& extra = "") const;
  Connection TryConnect(const std::string& user, const std::string& database, const std::string& extra = "") const;
  // A raw client, logged in.
  WireClient ConnectWire(const std::string& user = "app", const std::string& database = "app") const;
  int target_port() const;
  Connection Admin(const std::string& user = "admin") const;
  Connection Direct(const std::string& user = "postgres", const std::string& database = "app") const;

  // A number from the row of a pool in SHOW POOLS, -1 when there is no such pool.
  int PoolNumber(Connection& admin, const std::string& column, const std::string& database = "app",
                 const std::string& user = "app") const;
  bool WaitForPool(Connection& admin, const std::string& column, int value, const std::string& database = "app",
                   const std::string& user = "app") const;
  // Client connections of a role that PostgreSQL has, other than the asker's.
  int ServersOf(const std::string& user) const;

 private:
  std::unique_ptr<PgweirProcess> pgweir_;
};

// "[databases.<name>]" with host and port of a cluster, and more lines.
std::string DatabaseSection(const std::string& name, const PostgresCluster& cluster, const std::string& more = "");
std::string DatabaseSection(const std::string& name, const std::string& more = "");

}  // namespace integration
