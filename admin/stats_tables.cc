#include "admin/stats_tables.h"

#include <array>
#include <cstdlib>

#include "admin/text.h"

namespace admin {
namespace {

using proxy::PoolTotals;
using Figure = uint64_t PoolTotals::*;

// How an average is made: per second of the period, or per event of another figure.
struct Stat {
  std::string_view total, average;  // in SHOW STATS
  std::string_view bare_total, bare_average,
      row;        // in STATS_TOTALS, STATS_AVERAGES, TOTALS (there with total_ or avg_)
  Figure figure;
  Figure per;     // nullptr: per second
};

constexpr size_t kPgBouncerStats = 11;  // the others are ours, and stand behind

constexpr std::array<Stat, 12> kStats = {{
    {"total_server_assignment_count", "avg_server_assignment_count", "server_assignment_count",
     "server_assignment_count", "server_assignment_count", &PoolTotals::server_assignments, nullptr},
    {"total_xact_count", "avg_xact_count", "xact_count", "xact_count", "xact_count", &PoolTotals::transactions,
     nullptr},
    {"total_query_count", "avg_query_count", "query_count", "query_count", "query_count", &PoolTotals::queries,
     nullptr},
    {"total_received", "avg_recv", "bytes_received", "bytes_received", "client_bytes", &PoolTotals::bytes_received,
     nullptr},
    {"total_sent", "avg_sent", "bytes_sent", "bytes_sent", "server_bytes", &PoolTotals::bytes_sent, nullptr},
    {"total_xact_time", "avg_xact_time", "xact_time", "xact_time", "xact_time", &PoolTotals::transaction_us,
     &PoolTotals::transactions},
    {"total_query_time", "avg_query_time", "query_time", "query_time", "query_time", &PoolTotals::query_us,
     &PoolTotals::queries},
    {"total_wait_time", "avg_wait_time", "wait_time", "wait_time", "wait_time", &PoolTotals::wait_us,
     &PoolTotals::server_assignments},
    {"total_client_parse_count", "avg_client_parse_count", "client_parse_count", "avg_client_parse_count",
     "ps_client_parse_count", &PoolTotals::client_parses, nullptr},
    {"total_server_parse_count", "avg_server_parse_count", "server_parse_count", "avg_server_parse_count",
     "ps_server_parse_count", &PoolTotals::server_parses, nullptr},
    {"total_bind_count", "avg_bind_count", "bind_count", "avg_bind_count", "ps_bind_count",
     &PoolTotals::binds, nullptr},
    {"total_client_login_count", "avg_client_login_count", "client_login_count", "avg_client_login_count",
     "client_login_count", &PoolTotals::client_logins, nullptr},
}};

uint64_t Average(const Stat& stat, const Growth& growth) {
  const uint64_t grown = growth.totals.*stat.figure;
  if (stat.per != nullptr) {
    const uint64_t events = growth.totals.*stat.per;
    return events == 0 ? 0 : grown / events;
  }
  if (growth.period.count() <= 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(grown) * 1e6 / static_cast<double>(growth.period.count()));
}

// Calls visit(stat, is_average): PgBouncer's totals, PgBouncer's averages, then ours.
template <typename Visit>
void ForEachFigure(Visit visit) {
  for (size_t i = 0; i < kPgBouncerStats; ++i) visit(kStats[i], false);
  for (size_t i = 0; i < kPgBouncerStats; ++i) visit(kStats[i], true);
  for (size_t i = kPgBouncerStats; i < kStats.size(); ++i) {
    visit(kStats[i], false);
    visit(kStats[i], true);
  }
}

std::vector<Row> TotalsRows(const proxy::Snapshot& snapshot, const StatsWindow& window) {
  PoolTotals all;
  for (const auto& [database, totals] : TotalsByDatabase(snapshot)) all.Merge(totals);
  const Growth growth = window.GrowthOfAll();
  std::vector<Row> rows;
  ForEachFigure([&](const Stat& stat, bool is_average) {
    const std::string name = (is_average ? "avg_" : "total_") + std::string(stat.row);
    rows.push_back({name, std::to_string(is_average ? Average(stat, growth) : all.*stat.figure)});
  });
  return rows;
}

}  // namespace

Columns StatsColumns(VerbId verb) {
  if (verb == VerbId::kShowTotals) return {{"name", ColumnType::kText}, {"value", ColumnType::kNumeric}};
  Columns columns = {{"database", ColumnType::kText}};
  const auto add = [&](std::string_view name) { columns.push_back({std::string(name), ColumnType::kNumeric}); };
  if (verb == VerbId::kShowStats) {
    ForEachFigure([&](const Stat& stat, bool is_average) { add(is_average ? stat.average : stat.total); });
  } else {
    for (const Stat& stat : kStats) add(verb == VerbId::kShowStatsTotals ? stat.bare_total : stat.bare_average);
  }
  return columns;
}

std::vector<Row> StatsRows(VerbId verb, const proxy::Snapshot& snapshot, const StatsWindow& window) {
  if (verb == VerbId::kShowTotals) return TotalsRows(snapshot, window);
  std::vector<Row> rows;
  for (const auto& entry : TotalsByDatabase(snapshot)) {
    const PoolTotals& totals = entry.second;  // a name, not a binding: clang 14 captures no bindings in lambdas
    const Growth growth = window.GrowthOf(entry.first);
    Row row = {Printable(entry.first)};
    const auto add = [&](uint64_t value) { row.push_back(std::to_string(value)); };
    switch (verb) {
      case VerbId::kShowStats:
        ForEachFigure(
            [&](const Stat& stat, bool is_average) { add(is_average ? Average(stat, growth) : totals.*stat.figure); });
        break;
      case VerbId::kShowStatsTotals:
        for (const Stat& stat : kStats) add(totals.*stat.figure);
        break;
      case VerbId::kShowStatsAverages:
        for (const Stat& stat : kStats) add(Average(stat, growth));
        break;
      default:
        std::abort();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace admin
