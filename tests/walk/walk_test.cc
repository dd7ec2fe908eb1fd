// The random walk: an application keeps its own session, whatever server of the pool it is given.
//
// Many clients, each a pair of one connection through pgweir and one straight to PostgreSQL; one seed draws who does
// what; both must see the same. At the end nothing is left on the servers. PGWEIR_WALK_SEED (this seed alone),
// PGWEIR_WALK_SEEDS (how many, from 1), PGWEIR_WALK_STEPS (of each), PGWEIR_WALK_CLIENTS, PGWEIR_WALK_ONLY (groups of
// operations, by commas), PGWEIR_WALK_DIFFERENCES (how many to report before the end), PGWEIR_WALK_POOL_MODE,
// PGWEIR_WALK_DIRECT=1 (both sides straight to PostgreSQL: proves the comparison), PGWEIR_WALK_CONFIG (more lines for
// [pgweir]).
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "tests/support/pgweir_process.h"
#include "tests/support/postgres_cluster.h"
#include "tests/walk/leftovers.h"
#include "tests/walk/world.h"

namespace walk {
namespace {

using namespace test_support;

constexpr int kPoolSize = 5;
constexpr int kSpareConnections = 30;
constexpr char kTemplate[] = "walk_template";

int Setting(const char* name, int fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::atoi(value);
}
std::string Word(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : value;
}
bool IsDirect() { return Setting("PGWEIR_WALK_DIRECT", 0) == 1; }
int Clients() { return Setting("PGWEIR_WALK_CLIENTS", 50); }
std::string PoolMode() { return Word("PGWEIR_WALK_POOL_MODE", "transaction"); }
// In session mode each client keeps a server.
int Servers() { return PoolMode() == "session" ? Clients() + kPoolSize : kPoolSize; }

std::set<std::string> Groups() {
  std::set<std::string> groups;
  std::istringstream words(Word("PGWEIR_WALK_ONLY", ""));
  for (std::string word; std::getline(words, word, ',');) groups.insert(word);
  return groups;
}

std::vector<uint64_t> Seeds() {
  if (const int seed = Setting("PGWEIR_WALK_SEED", 0); seed > 0) return {static_cast<uint64_t>(seed)};
  std::vector<uint64_t> seeds;
  for (int seed = 1; seed <= Setting("PGWEIR_WALK_SEEDS", 4); ++seed) seeds.push_back(static_cast<uint64_t>(seed));
  return seeds;
}

// Roles are the cluster's; app may become reader and writer, and of every second seed everyone.
constexpr char kRoles[] =
    "CREATE ROLE app LOGIN; CREATE ROLE reader; CREATE ROLE writer; CREATE ROLE stranger; GRANT reader, writer TO app;";

constexpr char kObjects[] =
    "CREATE SCHEMA one; CREATE SCHEMA two;"
    "CREATE TABLE public.place AS SELECT 'public'::text AS what;"
    "CREATE TABLE one.place AS SELECT 'one'::text AS what;"
    "CREATE TABLE two.place AS SELECT 'two'::text AS what;"
    "CREATE FUNCTION one.answer(text) RETURNS text LANGUAGE sql AS $$ SELECT 'one ' || $1 $$;"
    "CREATE FUNCTION two.answer(text) RETURNS text LANGUAGE sql AS $$ SELECT 'two ' || $1 $$;"
    "CREATE FUNCTION public.quiet_set(text, text) RETURNS void LANGUAGE sql AS "
    "$$ SELECT set_config($1, $2, false) $$;"
    "CREATE TABLE public.checked (i int CHECK (i >= 0));"
    "CREATE TABLE public.of_reader AS SELECT 'for readers' AS what;"
    "CREATE TABLE public.of_stranger AS SELECT 'for strangers' AS what;"
    "GRANT USAGE ON SCHEMA one, two TO public; GRANT SELECT ON public.place, one.place, two.place TO public;"
    "GRANT ALL ON public.checked TO public; GRANT SELECT ON public.of_reader TO reader;"
    "GRANT SELECT ON public.of_stranger TO stranger; GRANT ALL ON SCHEMA public TO app;";

std::string ObjectsOf(int client) {
  const std::string number = std::to_string(client);
  return "CREATE TABLE rows_" + number + " (i int, t text); GRANT ALL ON rows_" + number +
         " TO public; CREATE TABLE shape_" + number + " (base int); INSERT INTO shape_" + number +
         " VALUES (1); GRANT SELECT ON shape_" + number + " TO public; ALTER TABLE shape_" + number +
         " OWNER TO app; CREATE SEQUENCE numbers_" + number + "; GRANT ALL ON SEQUENCE numbers_" + number +
         " TO public;";
}

class WalkTest : public testing::Test {
 protected:
  void SetUp() override {
    const int connections = 2 * Clients() + kSpareConnections;
    // A plan made for the values of a Bind shows their errors at Bind, one for all values at Execute; PostgreSQL changes over
    // after five uses, and a statement that clients share is used more often than theirs alone.
    cluster_ = std::make_unique<PostgresCluster>(
        PostgresOptions{.max_connections = connections + 10, .settings = {"plan_cache_mode=force_custom_plan"}});
    Must("postgres", kRoles);
    Must("postgres", std::string("CREATE DATABASE ") + kTemplate);
    Must(kTemplate, kObjects);
    for (int client = 0; client < Clients(); ++client) Must(kTemplate, ObjectsOf(client));
    MakeTemporarySchemas(connections);
  }

  void Must(const std::string& database, const std::string& sql) {
    Connection superuser(cluster_->SuperuserString(database));
    const Result result = superuser.Query(sql);
    if (!result.ok()) throw std::runtime_error(sql.substr(0, 100) + ": " + result.error() + superuser.error());
  }

  // The first temporary table of a server process makes a schema, and that makes every session of the database read its
  // prepared statements again. Done beforehand, so that it happens on neither side.
  void MakeTemporarySchemas(int count) {
    std::vector<Connection> all;
    for (int i = 0; i < count; ++i) {
      all.emplace_back(cluster_->SuperuserString(kTemplate));
      if (!all.back().Query("CREATE TEMP TABLE first (i int)").ok()) throw std::runtime_error(all.back().error());
    }
  }

  // Both databases as new: for each seed.
  void MakeDatabases(uint64_t seed) {
    for (const char* name : {"app", "second"}) {
      Must("postgres", std::string("DROP DATABASE IF EXISTS ") + name + " WITH (FORCE)");
      // The sessions that made the template leave in their own time.
      ASSERT_TRUE(Eventually([&] {
        Connection superuser(cluster_->SuperuserString());
        return superuser.Query(std::string("CREATE DATABASE ") + name + " TEMPLATE " + kTemplate).ok();
      }));
      Must("postgres", std::string("GRANT ALL ON DATABASE ") + name + " TO app");
    }
    Must("postgres", seed % 2 == 0 ? "ALTER ROLE app SUPERUSER" : "ALTER ROLE app NOSUPERUSER");
  }

  void StartPgweir() {
    PgweirConfig config;
    config.global = "pool_mode = \"" + PoolMode() + "\"\ndefault_pool_size = " + std::to_string(Servers()) +
                    "\nlog_connections = false\nlog_disconnections = false\n" + Word("PGWEIR_WALK_CONFIG", "") + "\n";
    config.sections = "[databases.app]\nhost = \"127.0.0.1\"\nport = " + std::to_string(cluster_->port()) + "\n";
    pgweir_ = std::make_unique<PgweirProcess>(config);
  }

  void Walk(uint64_t seed) {
    MakeDatabases(seed);
    if (!IsDirect()) StartPgweir();
    WorldOptions options;
    options.seed = seed;
    options.steps = static_cast<uint64_t>(Setting("PGWEIR_WALK_STEPS", 1500));
    options.clients = Clients();
    options.servers = kPoolSize;
    options.differences_max = static_cast<size_t>(Setting("PGWEIR_WALK_DIFFERENCES", 1));
    options.only = Groups();
    options.direct_port = cluster_->port();
    options.through_port = IsDirect() ? cluster_->port() : pgweir_->port();
    options.monitor = cluster_->SuperuserString();
    World world(options);
    world.Run();
    if (!IsDirect() && !world.differences().empty()) {  // who keeps a server, for whoever reads on
      const Result pins = Connection(pgweir_->AdminString()).Query("SHOW PINS");
      for (int row = 0; row < pins.rows(); ++row) {
        std::printf("pinned: client %s %s since %s: %s\n", pins.Value(row, "client_id").c_str(),
                    pins.Value(row, "application_name").c_str(), pins.Value(row, "since").c_str(),
                    pins.Value(row, "reason").c_str());
      }
    }
    world.CloseAll();
    std::printf("%s\n", world.Summary().c_str());
    for (const std::string& difference : world.differences()) ADD_FAILURE() << difference;
    if (!IsDirect()) ExpectNothingLeft();
    pgweir_.reset();
  }

  void ExpectNothingLeft() {
    const Place pool{pgweir_->port(), "app"}, direct{cluster_->port(), "second"};
    for (const std::string& line : FindLeftovers(pool, direct, kPoolSize)) ADD_FAILURE() << "left on " << line;
  }

  std::unique_ptr<PostgresCluster> cluster_;
  std::unique_ptr<PgweirProcess> pgweir_;
};

TEST_F(WalkTest, EveryClientKeepsItsOwnSession) {
  for (const uint64_t seed : Seeds()) {
    SCOPED_TRACE("PGWEIR_WALK_SEED=" + std::to_string(seed));
    Walk(seed);
  }
}

}  // namespace
}  // namespace walk
