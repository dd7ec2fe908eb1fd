// The oracle: many clients on few servers, each answer compared, while queries time out, are cancelled, their servers
// killed, their clients killed, and PostgreSQL restarted. At the end nothing was wrong, nothing leaked, and traffic had
// always come back.
//
// PGWEIR_CHAOS_SECONDS (15; 60 for the full run), PGWEIR_CHAOS_CLIENTS (200), PGWEIR_TEST_DIRECT=1 to prove the oracle
// itself.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "tests/chaos/client.h"
#include "tests/support/pgweir_process.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/pq.h"

namespace chaos {
namespace {

using namespace test_support;

constexpr int kPoolSize = 10;
constexpr int kQueryTimeoutMs = 1000;
// Asserted generously, reported exactly: the aim is one second, but a sanitizer build on a busy machine is allowed
// more.
constexpr double kResumeSecondsMax = 10;

int Setting(const char* name, int fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::atoi(value);
}
bool IsDirect() { return Setting("PGWEIR_TEST_DIRECT", 0) == 1; }

class OracleTest : public testing::Test {
 protected:
  void SetUp() override {
    clients_ = Setting("PGWEIR_CHAOS_CLIENTS", 200);
    cluster_ = std::make_unique<PostgresCluster>(
        PostgresOptions{.max_connections = IsDirect() ? clients_ + 20 : 3 * kPoolSize});
    Connection superuser(cluster_->SuperuserString());
    ASSERT_TRUE(superuser.Query("CREATE ROLE app LOGIN").ok());
    ASSERT_TRUE(superuser.Query("CREATE DATABASE app OWNER app").ok());
    if (IsDirect()) return;
    PgweirConfig config;
    config.global = "pool_mode = \"transaction\"\ndefault_pool_size = " + std::to_string(kPoolSize) +
                    "\nquery_wait_timeout = \"5s\"\nserver_login_retry = \"200ms\"\nquery_timeout = \"" +
                    std::to_string(kQueryTimeoutMs) + "ms\"\nlog_connections = false\nlog_disconnections = false\nworkers = 4\nmin_workers = 1\n";
    config.sections = "[databases.app]\nhost = \"127.0.0.1\"\nport = " + std::to_string(cluster_->port()) + "\n";
    pgweir_ = std::make_unique<PgweirProcess>(config);
  }

  // One of the servers, at random, is told to end.
  void TerminateOne() {
    Connection superuser(cluster_->SuperuserString());
    superuser.Query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' ORDER BY random() LIMIT 1");
  }

  // The clients are sent from worker to worker, all at once.
  void ChangeWorkers() {
    Connection admin(pgweir_->AdminString());
    EXPECT_TRUE(admin.Query("SET min_workers = " + std::to_string(uses_all_ ? 1 : 4)).ok());
    uses_all_ = !uses_all_;
  }

  // Seconds from the moment PostgreSQL answers again until the clients get right answers again.
  double Restart(StopMode mode) {
    cluster_->Stop(mode);
    const int64_t before = counts_.good;
    cluster_->Start();
    const auto back = Clock::now();
    EXPECT_TRUE(Eventually([&] { return counts_.good > before; }, Milliseconds(60'000))) << "traffic did not come back";
    return std::chrono::duration<double>(Clock::now() - back).count();
  }

  int ServersInDatabase() {
    Connection superuser(cluster_->SuperuserString());
    return std::stoi(superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"));
  }

  // SHOW POOLS after all clients have left: no client, no server in use, and as many idle ones as PostgreSQL has.
  void ExpectNothingLeaked() {
    Connection admin(pgweir_->AdminString());
    ASSERT_TRUE(admin.ok()) << admin.error();
    std::string last;
    const bool settled = Eventually(
        [&] {
          const Result pools = admin.Query("SHOW POOLS");
          for (int row = 0; row < pools.rows(); ++row) {
            if (pools.Value(row, "database") != "app") continue;
            const auto number = [&](const char* column) { return std::stoi(pools.Value(row, column)); };
            last.clear();
            for (int column = 2; column < 13; ++column)
              last += pools.Name(column) + "=" + pools.Value(row, column) + " ";
            const int in_use = number("cl_active") + number("cl_waiting") + number("cl_active_cancel_req") +
                               number("cl_waiting_cancel_req") + number("sv_active") + number("sv_active_cancel") +
                               number("sv_being_canceled") + number("sv_login");
            const int open = number("sv_idle") + number("sv_used") + number("sv_tested");
            const int in_database = ServersInDatabase();
            last += "pg_stat_activity=" + std::to_string(in_database);
            return in_use == 0 && open == in_database && open <= kPoolSize;
          }
          last = "no pool";
          return false;
        },
        Milliseconds(20'000));
    EXPECT_TRUE(settled) << last;
  }

  int clients_ = 0;
  Counts counts_;
  std::unique_ptr<PostgresCluster> cluster_;
  std::unique_ptr<PgweirProcess> pgweir_;
  bool uses_all_ = false;
};

TEST_F(OracleTest, NoWrongAnswerNoLeakAndTrafficComesBack) {
  const int seconds = Setting("PGWEIR_CHAOS_SECONDS", 15);
  const int port = IsDirect() ? cluster_->port() : pgweir_->port();
  std::vector<std::thread> threads;
  for (int i = 0; i < clients_; ++i) {
    threads.emplace_back([&, i] { Client(i, port, counts_, 2 * kQueryTimeoutMs).Run(); });
  }

  const Deadline end(std::chrono::seconds(seconds) + Milliseconds(0));
  double longest = 0;
  int restarts = 0;
  while (!end.passed()) {
    // A blow for every 500 right answers, or each second when there are fewer; every sixth one is a restart.
    const int64_t before = counts_.good;
    Eventually([&] { return counts_.good >= before + 500 || end.passed(); }, Milliseconds(1000));
    static int blows = 0;
    if (++blows % 6 != 0) {
      TerminateOne();
    } else {
      longest = std::max(longest, Restart(restarts % 2 == 0 ? StopMode::kImmediate : StopMode::kFast));
      ++restarts;
    }
    if (pgweir_ && !pgweir_->process().IsRunning()) break;
    if (pgweir_) ChangeWorkers();
  }
  counts_.stop = true;
  for (std::thread& thread : threads) thread.join();

  std::printf(
      "good %ld, errors %ld, connections lost %ld, logins refused %ld, cancels %ld, kills %ld, restarts %d, back after "
      "%.2f s\n",
      counts_.good.load(), counts_.errors.load(), counts_.lost.load(), counts_.refused.load(), counts_.cancels.load(),
      counts_.kills.load(), restarts, longest);
  RecordProperty("resume_seconds", std::to_string(longest));
  EXPECT_EQ(counts_.wrong, 0) << counts_.FirstWrong();
  EXPECT_GT(counts_.good, 100 * seconds) << "too little traffic to mean anything";
  EXPECT_GT(counts_.cancels, 0);
  EXPECT_GT(counts_.kills, 0);
  EXPECT_GT(restarts, 0);
  EXPECT_LT(longest, kResumeSecondsMax);
  if (IsDirect() || !pgweir_->process().IsRunning()) return;
  ExpectNothingLeaked();
  const double moves = pgweir_->Metric("pgweir_client_moves_total");
  std::printf("clients sent from worker to worker %.0f times\n", moves);
  EXPECT_GT(moves, clients_);
}

}  // namespace
}  // namespace chaos
