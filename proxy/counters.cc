#include "proxy/counters.h"

namespace proxy {

void HistogramTotals::Merge(const HistogramTotals& other) {
  for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
  sum_us += other.sum_us;
  count += other.count;
}

void Histogram::AddTo(HistogramTotals& totals) const {
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const uint64_t n = buckets_[i].Get();
    totals.buckets[i] += n;
    totals.count += n;
  }
  totals.sum_us += sum_us_.Get();
}

void PoolTotals::Merge(const PoolTotals& other) {
  server_assignments += other.server_assignments;
  transactions += other.transactions;
  queries += other.queries;
  bytes_received += other.bytes_received;
  bytes_sent += other.bytes_sent;
  transaction_us += other.transaction_us;
  query_us += other.query_us;
  wait_us += other.wait_us;
  client_logins += other.client_logins;
  server_logins += other.server_logins;
  server_login_failures += other.server_login_failures;
  server_closes += other.server_closes;
  server_moves += other.server_moves;
  client_moves += other.client_moves;
  cancels += other.cancels;
  client_parses += other.client_parses;
  server_parses += other.server_parses;
  binds += other.binds;
  for (size_t i = 0; i < pins.size(); ++i) pins[i] += other.pins[i];
  settings_replays += other.settings_replays;
  statement_heals += other.statement_heals;
  notifications += other.notifications;
  shed += other.shed;
  leaks += other.leaks;
  held_us += other.held_us;
  releases += other.releases;
  wait.Merge(other.wait);
  query.Merge(other.query);
  transaction.Merge(other.transaction);
  connect.Merge(other.connect);
}

void PoolCounters::AddTo(PoolTotals& totals) const {
  totals.server_assignments += server_assignments.Get();
  totals.transactions += transactions.Get();
  totals.queries += queries.Get();
  totals.bytes_received += bytes_received.Get();
  totals.bytes_sent += bytes_sent.Get();
  totals.transaction_us += transaction_us.Get();
  totals.query_us += query_us.Get();
  totals.wait_us += wait_us.Get();
  totals.client_logins += client_logins.Get();
  totals.server_logins += server_logins.Get();
  totals.server_login_failures += server_login_failures.Get();
  totals.server_closes += server_closes.Get();
  totals.server_moves += server_moves.Get();
  totals.client_moves += client_moves.Get();
  totals.cancels += cancels.Get();
  totals.client_parses += client_parses.Get();
  totals.server_parses += server_parses.Get();
  totals.binds += binds.Get();
  for (size_t i = 0; i < pins.size(); ++i) totals.pins[i] += pins[i].Get();
  totals.settings_replays += settings_replays.Get();
  totals.statement_heals += statement_heals.Get();
  totals.notifications += notifications.Get();
  totals.shed += shed.Get();
  totals.leaks += leaks.Get();
  totals.held_us += held_us.Get();
  totals.releases += releases.Get();
  wait.AddTo(totals.wait);
  query.AddTo(totals.query);
  transaction.AddTo(totals.transaction);
  connect.AddTo(totals.connect);
}

}  // namespace proxy
