#include "admin/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "tests/unit/admin/fake_control.h"

namespace admin {
namespace {

class Metrics : public testing::Test {
 protected:
  Metrics() { control_.snapshot = admin_test::ShopSnapshot(); }
  std::string Text() { return MetricsText(SnapshotMetrics(control_.snapshot, FactsOf(control_))); }
  void ExpectLine(const std::string& line) {
    EXPECT_NE(("\n" + Text()).find("\n" + line + "\n"), std::string::npos) << line << "\nin\n" << Text();
  }

  admin_test::FakeControl control_;
};

TEST_F(Metrics, FiguresOfASnapshot) {
  for (const char* line : {"pgweir_build_info{version=\"" PGWEIR_VERSION "\"} 1",
                           "pgweir_start_time_seconds 1700000000",
                           "pgweir_started 1",
                           "pgweir_state{state=\"active\"} 1",
                           "pgweir_state{state=\"paused\"} 0",
                           "pgweir_client_connections 20",
                           "pgweir_client_connections_limit 10000",
                           "pgweir_clients_logging_in 2",
                           "pgweir_workers 2",
                           "pgweir_workers_in_use 1",
                           "pgweir_worker_cpu_seconds_total{worker=\"1\"} 2.5",
                           "pgweir_worker_clients{worker=\"1\"} 10",
                           "pgweir_worker_turns_total{worker=\"0\"} 99",
                           "pgweir_auth_queries_total 4",
                           "pgweir_errors_total{reason=\"queue_full\"} 6",
                           "pgweir_errors_total{reason=\"canceled\"} 0",
                           "pgweir_clients{database=\"shop\",user=\"app\",state=\"active\"} 7",
                           "pgweir_clients{database=\"shop\",user=\"app\",state=\"waiting\"} 3",
                           "pgweir_servers{database=\"shop\",user=\"app\",state=\"idle\"} 1",
                           "pgweir_servers{database=\"shop\",user=\"app\",state=\"closing\"} 2",
                           "pgweir_pool_size{database=\"shop\",user=\"app\"} 5",
                           "pgweir_pool_waiting_limit{database=\"shop\",user=\"app\"} 250",
                           "pgweir_pool_longest_wait_seconds{database=\"shop\",user=\"app\"} 2.500001",
                           "pgweir_pool_backend_down{database=\"shop\",user=\"app\"} 0",
                           "pgweir_pool_backend_down{database=\"shop\",user=\"report\"} 1",
                           "pgweir_queries_total{database=\"shop\",user=\"app\"} 1000",
                           "pgweir_queries_total{database=\"shop\",user=\"\"} 40",
                           "pgweir_received_bytes_total{database=\"shop\",user=\"app\"} 60000",
                           "pgweir_sent_bytes_total{database=\"shop\",user=\"app\"} 120000",
                           "pgweir_pinned_clients{database=\"shop\",user=\"app\"} 2",
                           "pgweir_pinned_clients{database=\"shop\",user=\"report\"} 0",
                           "pgweir_prepared_statements{database=\"shop\",user=\"app\"} 31",
                           "pgweir_prepared_statement_bytes{database=\"shop\",user=\"app\"} 4096",
                           "pgweir_database_server_connections{database=\"shop\"} 8",
                           "pgweir_database_server_connections_limit{database=\"shop\"} 30",
                           "pgweir_database_client_connections_limit{database=\"shop\"} 100",
                           "pgweir_database_paused{database=\"shop\"} 1",
                           "pgweir_user_server_connections_limit{user=\"app\"} 9",
                           "pgweir_user_server_connections{user=\"app\"} 8"}) {
    ExpectLine(line);
  }
}

TEST_F(Metrics, HistogramsInSeconds) {
  const std::string pool = "{database=\"shop\",user=\"app\"";
  ExpectLine("pgweir_wait_seconds_count" + pool + "} 10");
  ExpectLine("pgweir_wait_seconds_sum" + pool + "} 2.5");
  ExpectLine("pgweir_wait_seconds_bucket" + pool + ",le=\"0.0001\"} 1");
  ExpectLine("pgweir_wait_seconds_bucket" + pool + ",le=\"0.0005\"} 3");
  ExpectLine("pgweir_wait_seconds_bucket" + pool + ",le=\"60\"} 6");
  ExpectLine("pgweir_wait_seconds_bucket" + pool + ",le=\"+Inf\"} 10");
}

TEST_F(Metrics, EveryHistogramIsCumulativeAndConsistent) {
  // As a reader between two of a worker's writes may see it: the count lags behind the buckets.
  control_.snapshot.pools[0].totals.wait.count = 9;
  size_t histograms = 0;
  for (const auto& family : SnapshotMetrics(control_.snapshot, FactsOf(control_)).Collect()) {
    if (family.type != prometheus::MetricType::Histogram) continue;
    for (const auto& metric : family.metric) {
      ++histograms;
      uint64_t before = 0;
      double bound = 0;
      ASSERT_EQ(metric.histogram.bucket.size(), proxy::kHistogramBuckets) << family.name;
      for (const auto& bucket : metric.histogram.bucket) {
        EXPECT_GE(bucket.cumulative_count, before) << family.name;
        EXPECT_GT(bucket.upper_bound, bound) << family.name;
        before = bucket.cumulative_count;
        bound = bucket.upper_bound;
      }
      EXPECT_EQ(metric.histogram.sample_count, before) << family.name;
    }
  }
  EXPECT_EQ(histograms, 4U * 3) << "four histograms of two pools and of removed pools";
}

TEST_F(Metrics, EveryFamilyHasHelpAndAProperName) {
  std::set<std::string> names;
  for (const auto& family : SnapshotMetrics(control_.snapshot, FactsOf(control_)).Collect()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name << " twice";
    EXPECT_TRUE(family.name.starts_with("pgweir_")) << family.name;
    EXPECT_FALSE(family.help.empty()) << family.name;
    EXPECT_EQ(family.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << family.name;
    EXPECT_EQ(family.type == prometheus::MetricType::Counter, family.name.ends_with("_total")) << family.name;
    EXPECT_EQ(family.type == prometheus::MetricType::Histogram, family.name.ends_with("_seconds") &&
                                                                    family.name != "pgweir_start_time_seconds" &&
                                                                    family.name != "pgweir_pool_longest_wait_seconds")
        << family.name;
    EXPECT_FALSE(family.metric.empty()) << family.name;
    std::set<std::string> series;
    for (const auto& metric : family.metric) {
      std::string labels;
      for (const auto& label : metric.label) labels += label.name + '=' + label.value + '\n';
      EXPECT_TRUE(series.insert(labels).second) << family.name << ' ' << labels << " twice";
    }
  }
}

TEST_F(Metrics, EveryErrorOfTheCatalogueIsCounted) {
  for (size_t i = 0; i < static_cast<size_t>(protocol::ErrorCode::kCount_); ++i) {
    const auto name = std::string(protocol::Row(static_cast<protocol::ErrorCode>(i)).name);
    EXPECT_NE(Text().find("pgweir_errors_total{reason=\"" + name + "\"}"), std::string::npos) << name;
  }
}

TEST_F(Metrics, EachTotalIsItsOwnMetric) {
  proxy::PoolTotals& totals = control_.snapshot.pools[0].totals;
  uint64_t value = 500;
  std::map<std::string, uint64_t> expected;
  const auto set = [&](const char* name, uint64_t& figure) { expected[name] = figure = ++value; };
  set("transactions", totals.transactions), set("queries", totals.queries),
      set("received_bytes", totals.bytes_received);
  set("sent_bytes", totals.bytes_sent), set("server_assignments", totals.server_assignments);
  set("client_logins", totals.client_logins), set("server_logins", totals.server_logins);
  set("server_login_failures", totals.server_login_failures), set("server_closes", totals.server_closes);
  set("server_moves", totals.server_moves), set("client_moves", totals.client_moves), set("cancels", totals.cancels);
  set("client_parses", totals.client_parses), set("server_parses", totals.server_parses), set("binds", totals.binds);
  set("settings_replays", totals.settings_replays), set("statement_heals", totals.statement_heals);
  set("notifications", totals.notifications), set("shed", totals.shed);
  for (const auto& [name, figure] : expected) {
    ExpectLine("pgweir_" + name + "_total{database=\"shop\",user=\"app\"} " + std::to_string(figure));
  }
}

TEST_F(Metrics, PinsByReasonAndThoseOfRemovedPools) {
  for (size_t kind = 0; kind < conf::kStateKinds; ++kind) {
    control_.snapshot.pools[0].totals.pins[kind] = 100 + kind;
    const std::string reason(conf::Name(static_cast<conf::StateKind>(kind)));
    ExpectLine("pgweir_pins_total{database=\"shop\",user=\"app\",reason=\"" + reason + "\"} " +
               std::to_string(100 + kind));
  }
  control_.snapshot.databases[1].retired.pins[static_cast<size_t>(conf::StateKind::kListen)] = 6;
  ExpectLine("pgweir_pins_total{database=\"shop\",user=\"\",reason=\"listen\"} 6");
}

TEST_F(Metrics, NamesFromClientsCannotBreakTheFormat) {
  control_.snapshot.pools[0].database = "a\"b\\c\nd\xff}";
  ExpectLine("pgweir_pool_size{database=\"a\\\"b\\\\c?d?}\",user=\"app\"} 5");
}

TEST_F(Metrics, StatesExcludeOneAnother) {
  control_.state = proxy::RunState::kDraining;
  control_.has_started = false;
  ExpectLine("pgweir_state{state=\"active\"} 0");
  ExpectLine("pgweir_state{state=\"draining\"} 1");
  ExpectLine("pgweir_started 0");
}

}  // namespace
}  // namespace admin
