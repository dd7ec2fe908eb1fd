// A Control that a test drives by hand: asynchronous answers wait until RunPending.
#pragma once

#include <event2/event.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "proxy/control.h"

namespace admin_test {

class FakeControl : public proxy::Control {
 public:
  FakeControl() : config_(std::make_shared<conf::Config>()), base_(event_base_new(), event_base_free) {}

  std::shared_ptr<const conf::Config> config() const override { return config_; }
  proxy::RunState run_state() const override { return state; }
  event_base* base() const override { return base_.get(); }
  proxy::WallTime started_at() const override { return proxy::WallTime(std::chrono::seconds(1'700'000'000)); }
  bool HasStarted() const override { return has_started; }

  void Collect(proxy::Collecting what, std::function<void(proxy::Snapshot)> done) override {
    collected.push_back(what);
    pending.push_back([this, done = std::move(done)] { done(snapshot); });
  }
  void AskWorkers(std::chrono::milliseconds within, std::function<void(bool)> done) override {
    asked_within = within;
    pending.push_back([this, done = std::move(done)] { done(workers_turn); });
  }
  Changes Reload() override { return NoteChange("reload"); }
  Changes DryRun() const override {
    if (!mistakes.empty()) return tl::unexpected(mistakes);
    return changes;
  }
  Changes Set(std::string_view key, std::string_view value) override {
    return NoteChange("set:" + std::string(key) + '=' + std::string(value));
  }
  void Pause(std::string_view database, std::optional<std::chrono::microseconds> timeout, PauseDone done) override {
    calls.push_back("pause:" + std::string(database) + (timeout ? ':' + std::to_string(timeout->count()) : ""));
    pending.push_back([this, done = std::move(done)] { done(control_error, held); });
  }
  void Resume(std::string_view database, Done done) override { Note("resume", database, std::move(done)); }
  void Kill(std::string_view database, Done done) override { Note("kill", database, std::move(done)); }
  void Reconnect(std::string_view database, Done done) override { Note("reconnect", database, std::move(done)); }
  void WaitClose(std::string_view database, Done done) override { Note("wait_close", database, std::move(done)); }
  void Disable(std::string_view database, Done done) override { Note("disable", database, std::move(done)); }
  void Enable(std::string_view database, Done done) override { Note("enable", database, std::move(done)); }
  void KillClients(std::vector<uint64_t> ids, std::function<void(size_t)> done) override {
    std::string call = "kill_clients:";
    for (const uint64_t id : ids) call += std::to_string(id) + ',';
    calls.push_back(call);
    pending.push_back([count = ids.size(), done = std::move(done)] { done(count); });
  }
  void KillClient(uint64_t id, Done done) override { Note("kill_client", std::to_string(id), std::move(done)); }
  void Shutdown(ShutdownKind kind) override {
    calls.push_back("shutdown " + std::string(proxy::Name(kind)));
  }

  // Answers everything that was asked, also what is asked meanwhile.
  void RunPending() {
    while (!pending.empty()) {
      const auto next = std::move(pending.front());
      pending.pop_front();
      next();
    }
  }

  std::shared_ptr<conf::Config> config_;
  proxy::RunState state = proxy::RunState::kActive;
  bool has_started = true;
  bool workers_turn = true;
  proxy::Snapshot snapshot;
  std::vector<std::string> changes;
  std::vector<conf::Mistake> mistakes;
  std::optional<protocol::ErrorReport> control_error;
  Held held;  // what PAUSE says with control_error

  std::vector<proxy::Collecting> collected;
  std::vector<std::string> calls;
  std::chrono::milliseconds asked_within{0};
  std::deque<std::function<void()>> pending;

 private:
  Changes NoteChange(std::string call) {
    calls.push_back(std::move(call));
    if (!mistakes.empty()) return tl::unexpected(mistakes);
    return changes;
  }
  void Note(const std::string& verb, std::string_view argument, Done done) {
    calls.push_back(verb + ':' + std::string(argument));
    pending.push_back([this, done = std::move(done)] { done(control_error); });
  }

  std::unique_ptr<event_base, decltype(&event_base_free)> base_;
};

// A shop with two pools, one of them in trouble, and a database that was paused.
inline proxy::Snapshot ShopSnapshot() {
  proxy::Snapshot snapshot;
  proxy::PoolRow app;
  app.database = "shop";
  app.user = "app";
  app.settings.pool_size = 5;
  app.settings.max_waiting = 250;
  app.cl_active = 7;
  app.cl_waiting = 3;
  app.sv_active = 5;
  app.sv_idle = 1;
  app.sv_closing = 2;
  app.max_wait_us = 2'500'001;
  app.pinned = 2;
  app.statements = 31;
  app.statement_bytes = 4096;
  app.totals.queries = 1000;
  app.totals.transactions = 400;
  app.totals.server_assignments = 200;
  app.totals.bytes_received = 60'000;
  app.totals.bytes_sent = 120'000;
  app.totals.query_us = 50'000;
  app.totals.transaction_us = 80'000;
  app.totals.wait_us = 10'000;
  app.totals.client_logins = 12;
  app.totals.shed = 17;
  app.totals.wait.buckets = {1, 2, 0, 3};
  app.totals.wait.buckets[proxy::kHistogramBuckets - 1] = 4;
  app.totals.wait.count = 10;
  app.totals.wait.sum_us = 2'500'000;
  proxy::PoolRow report = app;
  report.user = "report";
  report.settings.pool_mode = conf::PoolMode::kSession;
  report.trouble = "connection refused";
  report.pinned = 0;
  report.totals = {};
  report.totals.queries = 5;
  snapshot.pools = {app, report};

  proxy::DatabaseRow shop;
  shop.name = "shop";
  shop.database.name = "shop";
  shop.database.hosts = {{.name = "10.0.0.5", .port = 5433}, {.name = "10.0.0.6", .port = 5433}};
  shop.database.dbname = "shop_production";
  shop.settings.pool_size = 5;
  shop.settings.min_pool_size = 1;
  shop.settings.reserve_pool_size = 2;
  shop.settings.server_lifetime = std::chrono::hours(1);
  shop.max_connections = 30;
  shop.current_connections = 8;
  shop.max_client_connections = 100;
  shop.current_client_connections = 10;
  shop.paused = true;
  shop.retired.queries = 40;
  proxy::DatabaseRow fallback;
  fallback.name = "*";
  fallback.database.hosts = {{.name = "/run/postgresql"}};
  snapshot.databases = {fallback, shop};

  proxy::UserRow user;
  user.name = "app";
  user.keys.pool_size = 5;
  user.max_user_connections = 9;
  user.current_connections = 8;
  snapshot.users = {user};

  proxy::WorkerRow worker;
  worker.clients = 10;
  worker.logins = 1;
  worker.servers = 8;
  worker.turns = 99;
  worker.errors[static_cast<size_t>(protocol::ErrorCode::kQueueFull)] = 3;
  proxy::WorkerRow other = worker;
  other.number = 1;
  other.in_use = 0;
  other.cpu_us = 2'500'000;
  snapshot.workers = {worker, other};
  snapshot.auth_queries = 4;
  return snapshot;
}

}  // namespace admin_test
