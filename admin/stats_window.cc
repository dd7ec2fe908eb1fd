#include "admin/stats_window.h"

namespace admin {
namespace {

uint64_t Grown(uint64_t before, uint64_t after) { return after > before ? after - before : 0; }

proxy::PoolTotals Difference(const proxy::PoolTotals& before, const proxy::PoolTotals& after) {
  proxy::PoolTotals grown;
  grown.server_assignments = Grown(before.server_assignments, after.server_assignments);
  grown.transactions = Grown(before.transactions, after.transactions);
  grown.queries = Grown(before.queries, after.queries);
  grown.bytes_received = Grown(before.bytes_received, after.bytes_received);
  grown.bytes_sent = Grown(before.bytes_sent, after.bytes_sent);
  grown.transaction_us = Grown(before.transaction_us, after.transaction_us);
  grown.query_us = Grown(before.query_us, after.query_us);
  grown.wait_us = Grown(before.wait_us, after.wait_us);
  grown.client_logins = Grown(before.client_logins, after.client_logins);
  grown.client_parses = Grown(before.client_parses, after.client_parses);
  grown.server_parses = Grown(before.server_parses, after.server_parses);
  grown.binds = Grown(before.binds, after.binds);
  return grown;
}

const proxy::PoolTotals& Find(const DatabaseTotals& totals, std::string_view database) {
  static const proxy::PoolTotals kNone;
  const auto found = totals.find(database);
  return found == totals.end() ? kNone : found->second;
}

}  // namespace

DatabaseTotals TotalsByDatabase(const proxy::Snapshot& snapshot) {
  DatabaseTotals totals;
  for (const proxy::DatabaseRow& row : snapshot.databases) {
    // The fallback is no database, but it keeps what those have counted that it stood for and that are forgotten.
    const bool has_counted = (row.retired.client_logins | row.retired.server_logins | row.retired.server_login_failures) != 0;
    if (row.name != "*" || has_counted) totals[row.name].Merge(row.retired);
  }
  for (const proxy::PoolRow& row : snapshot.pools) totals[row.database].Merge(row.totals);
  return totals;
}

void StatsWindow::Feed(const proxy::Snapshot& snapshot, Time now) {
  older_ = std::move(newer_);
  older_at_ = newer_at_;
  newer_ = TotalsByDatabase(snapshot);
  newer_at_ = now;
  has_period_ = true;
}

Growth StatsWindow::GrowthOf(std::string_view database) const {
  if (!has_period_ || newer_at_ <= older_at_) return {};
  return {.totals = Difference(Find(older_, database), Find(newer_, database)),
          .period = std::chrono::duration_cast<std::chrono::microseconds>(newer_at_ - older_at_)};
}

Growth StatsWindow::GrowthOfAll() const {
  Growth all;
  for (const auto& [database, totals] : newer_) {
    const Growth growth = GrowthOf(database);
    all.totals.Merge(growth.totals);
    all.period = growth.period;
  }
  return all;
}

}  // namespace admin
