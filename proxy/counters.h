// What a worker counts: one writer, many readers, no shared cache line on the query path.
//
// What: Counter and Histogram are written by exactly one thread (the worker that owns them) with a relaxed load and store,
// which the compiler turns into plain adds, and read by any thread. Sums over workers are made when somebody asks.
// Units: times in microseconds. Limits: the last histogram bucket is open.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "conf/session_state.h"

namespace proxy {

class Counter {
 public:
  void Add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void Subtract(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Upper bounds in microseconds, inclusive: 1-2.5-5 steps from 100 us to 60 s; above: the open bucket.
inline constexpr std::array<uint64_t, 18> kHistogramBoundsUs = {100,     250,     500,       1'000,     2'500,     5'000,
                                                                10'000,  25'000,  50'000,    100'000,   250'000,   500'000,
                                                                1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};
inline constexpr size_t kHistogramBuckets = kHistogramBoundsUs.size() + 1;

struct HistogramTotals {
  std::array<uint64_t, kHistogramBuckets> buckets{};
  uint64_t sum_us = 0;
  uint64_t count = 0;
  void Merge(const HistogramTotals& other);
};

class Histogram {
 public:
  void Observe(uint64_t us) {
    size_t bucket = 0;
    while (bucket < kHistogramBoundsUs.size() && us > kHistogramBoundsUs[bucket]) ++bucket;
    buckets_[bucket].Add(1);
    sum_us_.Add(us);
  }
  void AddTo(HistogramTotals& totals) const;

 private:
  std::array<Counter, kHistogramBuckets> buckets_;
  Counter sum_us_;
};

// The sums that SHOW STATS, /metrics and the log line share; one registry feeds them all.
struct PoolTotals {
  uint64_t server_assignments = 0, transactions = 0, queries = 0, bytes_received = 0, bytes_sent = 0;
  uint64_t transaction_us = 0, query_us = 0, wait_us = 0, client_logins = 0;
  uint64_t server_logins = 0, server_login_failures = 0, server_closes = 0, server_moves = 0, client_moves = 0, cancels = 0;
  uint64_t client_parses = 0, server_parses = 0, binds = 0;
  std::array<uint64_t, conf::kStateKinds> pins{};  // by StateKind: times that a client was pinned
  uint64_t settings_replays = 0, statement_heals = 0, notifications = 0, shed = 0, leaks = 0;
  uint64_t held_us = 0, releases = 0;  // how long clients kept servers that they have given back, and how often they did
  HistogramTotals wait, query, transaction, connect;
  void Merge(const PoolTotals& other);
};

// One pool as one worker sees it.
struct alignas(64) PoolCounters {
  Counter clients;              // a gauge: clients of this pool on this worker, logged in
  Counter idle_in_transaction;  // a gauge: of these, holding a server between two statements
  Counter pinned;               // a gauge: of the clients, keeping a server because of their session's state
  Counter server_assignments, transactions, queries, bytes_received, bytes_sent;
  Counter transaction_us, query_us, wait_us, client_logins;
  Counter server_logins, server_login_failures, server_closes, server_moves, client_moves, cancels;
  Counter client_parses, server_parses, binds;  // of named statements: Parse from clients, to servers, Bind from clients
  std::array<Counter, conf::kStateKinds> pins;  // by StateKind
  Counter settings_replays;  // times that a client's settings were brought to a server
  Counter statement_heals;   // statements that a server had lost and was given again
  Counter notifications;     // NotificationResponse messages sent to clients
  Counter shed;              // clients that were refused because the pool was overloaded
  Counter leaks;             // servers that were held for longer than leak_threshold
  Counter held_us, releases;
  Histogram wait, query, transaction, connect;
  void AddTo(PoolTotals& totals) const;
  void CountHeld(uint64_t us) {
    held_us.Add(us);
    releases.Add(1);
  }
};

}  // namespace proxy
