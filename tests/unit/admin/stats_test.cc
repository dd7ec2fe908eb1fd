#include <gtest/gtest.h>

#include "admin/own_pool.h"
#include "admin/stats_tables.h"
#include "tests/unit/admin/fake_control.h"

namespace admin {
namespace {

using std::chrono::seconds;

class Stats : public testing::Test {
 protected:
  std::string Value(VerbId verb, const std::string& database, const std::string& column) {
    const Columns columns = StatsColumns(verb);
    for (const Row& row : StatsRows(verb, snapshot_, window_)) {
      if (row[0] != database) continue;
      if (verb == VerbId::kShowTotals) return *row[1];
      for (size_t i = 0; i < columns.size(); ++i) {
        if (columns[i].name == column) return *row[i];
      }
    }
    return "nothing";
  }

  proxy::Snapshot snapshot_ = admin_test::ShopSnapshot();
  StatsWindow::Time start_{seconds(1000)};
  StatsWindow window_{start_};
};

TEST_F(Stats, TotalsAreThePoolsAndWhatRemovedPoolsHadCounted) {
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_query_count"), "1045");  // 1000 + 5 + 40
  EXPECT_EQ(Value(VerbId::kShowStatsTotals, "shop", "query_count"), "1045");
  EXPECT_EQ(Value(VerbId::kShowTotals, "total_query_count", ""), "1045");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_xact_count"), "400");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_server_assignment_count"), "200");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_received"), "60000");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_sent"), "120000");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_xact_time"), "80000");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_query_time"), "50000");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_wait_time"), "10000");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_client_login_count"), "12");
  EXPECT_EQ(Value(VerbId::kShowTotals, "total_client_bytes", ""), "60000");
  EXPECT_EQ(Value(VerbId::kShowTotals, "total_server_bytes", ""), "120000");
  EXPECT_EQ(Value(VerbId::kShowStats, "*", "total_query_count"), "nothing") << "the fallback is not a database";
}

TEST_F(Stats, AveragesAreZeroBeforeAPeriodIsOver) {
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_count"), "0");
  EXPECT_EQ(Value(VerbId::kShowTotals, "avg_query_count", ""), "0");
}

TEST_F(Stats, AveragesOfTheFirstPeriodCountFromTheStart) {
  window_.Feed(snapshot_, start_ + seconds(10));
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_count"), "104");  // 1045 / 10 s
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_xact_count"), "40");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_server_assignment_count"), "20");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_recv"), "6000");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_sent"), "12000");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_xact_time"), "200");  // 80000 us / 400 transactions
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_time"), "47");  // 50000 us / 1045 queries
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_wait_time"), "50");   // 10000 us / 200 assignments
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_client_login_count"), "1");
  EXPECT_EQ(Value(VerbId::kShowStatsAverages, "shop", "query_count"), "104");
}

TEST_F(Stats, StatementsAreCountedOverPoolsAndAveragedPerSecond) {
  proxy::PoolTotals& totals = snapshot_.pools[0].totals;
  totals.client_parses = 300, totals.server_parses = 20, totals.binds = 1000;
  snapshot_.pools[1].totals.client_parses = 1;
  snapshot_.databases[1].retired.binds = 5;
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_client_parse_count"), "301");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_server_parse_count"), "20");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "total_bind_count"), "1005");
  EXPECT_EQ(Value(VerbId::kShowStatsTotals, "shop", "client_parse_count"), "301");
  EXPECT_EQ(Value(VerbId::kShowStatsTotals, "shop", "server_parse_count"), "20");
  EXPECT_EQ(Value(VerbId::kShowStatsTotals, "shop", "bind_count"), "1005");
  EXPECT_EQ(Value(VerbId::kShowTotals, "total_ps_client_parse_count", ""), "301");
  EXPECT_EQ(Value(VerbId::kShowTotals, "total_ps_server_parse_count", ""), "20");
  EXPECT_EQ(Value(VerbId::kShowTotals, "total_ps_bind_count", ""), "1005");
  window_.Feed(snapshot_, start_ + seconds(10));
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_client_parse_count"), "30");
  EXPECT_EQ(Value(VerbId::kShowStatsAverages, "shop", "avg_client_parse_count"), "30");
  EXPECT_EQ(Value(VerbId::kShowStatsAverages, "shop", "avg_server_parse_count"), "2");
  EXPECT_EQ(Value(VerbId::kShowStatsAverages, "shop", "avg_bind_count"), "100");
  EXPECT_EQ(Value(VerbId::kShowTotals, "avg_ps_bind_count", ""), "100");
}

TEST_F(Stats, OnlyTheLastCompletedPeriodCounts) {
  window_.Feed(snapshot_, start_ + seconds(10));
  snapshot_.pools[0].totals.queries += 600;
  snapshot_.pools[0].totals.query_us += 1200;
  window_.Feed(snapshot_, start_ + seconds(70));
  snapshot_.pools[0].totals.queries += 99'999;  // of the period that runs
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_count"), "10");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_time"), "2");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_xact_time"), "0") << "no transaction: no division by zero";
  EXPECT_EQ(Value(VerbId::kShowTotals, "avg_query_count", ""), "10");
}

TEST_F(Stats, AClockThatStandsStillDividesByNothing) {
  window_.Feed(snapshot_, start_);
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_count"), "0");
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_time"), "0");
}

TEST_F(Stats, ADatabaseThatIsGoneDoesNotCountBackwards) {
  window_.Feed(snapshot_, start_ + seconds(10));
  proxy::Snapshot without = snapshot_;
  without.pools.clear();
  window_.Feed(without, start_ + seconds(20));
  EXPECT_EQ(Value(VerbId::kShowStats, "shop", "avg_query_count"), "0");
  EXPECT_EQ(Value(VerbId::kShowTotals, "avg_query_count", ""), "0");
}

TEST_F(Stats, TheConsoleCountsItself) {
  OwnPool own;
  own.OnClientCame();
  own.CountCommand();
  own.CountBytes(20, 300);
  own.AddTo(snapshot_);
  EXPECT_EQ(Value(VerbId::kShowStats, "pgweir", "total_query_count"), "1");
  EXPECT_EQ(Value(VerbId::kShowStats, "pgweir", "total_received"), "20");
  EXPECT_EQ(Value(VerbId::kShowStats, "pgweir", "total_sent"), "300");
  EXPECT_EQ(Value(VerbId::kShowTotals, "total_query_count", ""), "1046") << "TOTALS includes the console";
}

TEST_F(Stats, TotalsRowsInPgBouncersOrder) {
  std::string names;
  for (const Row& row : StatsRows(VerbId::kShowTotals, snapshot_, window_)) names += *row[0] + ' ';
  EXPECT_EQ(names,
            "total_server_assignment_count total_xact_count total_query_count total_client_bytes total_server_bytes "
            "total_xact_time total_query_time total_wait_time total_ps_client_parse_count total_ps_server_parse_count "
            "total_ps_bind_count avg_server_assignment_count avg_xact_count avg_query_count avg_client_bytes "
            "avg_server_bytes avg_xact_time avg_query_time avg_wait_time avg_ps_client_parse_count "
            "avg_ps_server_parse_count avg_ps_bind_count total_client_login_count avg_client_login_count ");
}

}  // namespace
}  // namespace admin
