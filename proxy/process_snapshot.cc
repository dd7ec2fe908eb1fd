// Process, what it shows: snapshots for the console, the metrics and the health endpoint.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "proxy/auth_query.h"
#include "proxy/process.h"
#include "proxy/worker.h"

namespace proxy {

void Process::Collect(Collecting what, std::function<void(Snapshot)> done) {
  if (what == Collecting::kCapacity) {
    return capacity_->Ask([done](std::vector<CapacityRow> rows) {
      Snapshot snapshot;
      snapshot.capacity = std::move(rows);
      done(std::move(snapshot));
    });
  }
  // A Snapshot is moved from thread to thread, never copied: its rows are many.
  struct Gathering {
    Snapshot snapshot;
    size_t left;
    std::unordered_set<uint64_t> servers, clients;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->left = shared_->workers.size();
  const auto add = [this, what, gathering, done](const std::shared_ptr<Snapshot>& part) {
    const auto append = [](auto& to, auto& from) {
      if (to.empty()) return to.swap(from);
      to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    };
    // Who went from worker to worker meanwhile may have been met by both.
    const auto keep_new = [](auto& rows, std::unordered_set<uint64_t>& met) {
      std::erase_if(rows, [&met](const auto& row) { return !met.insert(row.id).second; });
    };
    if (what == Collecting::kServers || what == Collecting::kEverything) keep_new(part->servers, gathering->servers);
    if (shared_->workers.size() > 1) keep_new(part->clients, gathering->clients);
    append(gathering->snapshot.clients, part->clients);
    append(gathering->snapshot.servers, part->servers);
    append(gathering->snapshot.workers, part->workers);
    if (--gathering->left > 0) return;
    AddPools(gathering->snapshot);
    AddDatabases(gathering->snapshot);
    AddUsers(gathering->snapshot);
    for (auto& [name, seconds_left, addresses] : shared_->resolver.Names()) {
      gathering->snapshot.names.push_back({std::move(name), seconds_left, std::move(addresses)});
    }
    const Resolver::Lookups lookups = shared_->resolver.UnderWay();
    gathering->snapshot.name_lookups = lookups.under_way;
    gathering->snapshot.name_waiters = lookups.waiting;
    gathering->snapshot.hosts = shared_->hosts.Rows();
    gathering->snapshot.peer_pools = shared_->peer_cancels.Rows();
    gathering->snapshot.auth_queries = shared_->auth_query->asked();
    if (what == Collecting::kTotals || what == Collecting::kClients) gathering->snapshot.servers.clear();
    for (WorkerRow& row : gathering->snapshot.workers) {
      row.cpu_us = static_cast<uint64_t>(shared_->workers[static_cast<size_t>(row.number)]->CpuTime().count());
    }
    std::sort(gathering->snapshot.workers.begin(), gathering->snapshot.workers.end(),
              [](const WorkerRow& a, const WorkerRow& b) { return a.number < b.number; });
    done(std::move(gathering->snapshot));
  };
  for (auto& worker : shared_->workers) {
    Worker* each = worker.get();
    each->Post([this, each, what, add] {
      each->CollectRows(what, [this, add](Snapshot rows) {
        loop_.Post([add, part = std::make_shared<Snapshot>(std::move(rows))] { add(part); });
      });
    });
  }
}

void Process::AskWorkers(std::chrono::milliseconds within, std::function<void(bool)> done) {
  struct Asking {
    size_t left;
    bool answered = false;
    std::unique_ptr<Timer> deadline;
  };
  auto asking = std::make_shared<Asking>();
  asking->left = shared_->workers.size();
  const auto answer = [this, asking, done](bool all_turned) {
    if (std::exchange(asking->answered, true)) return;
    loop_.AtEndOfTurn([asking] { asking->deadline.reset(); });
    done(all_turned);
  };
  asking->deadline = std::make_unique<Timer>(loop_, [answer] { answer(false); });
  asking->deadline->Start(within);
  for (auto& worker : shared_->workers) {
    worker->Post([this, asking, answer] {
      loop_.Post([asking, answer] {
        if (--asking->left == 0) answer(true);
      });
    });
  }
}

void Process::AddPools(Snapshot& snapshot) const {
  const pool::TimePoint now = Now();
  // The pool knows that a server is out; what for, its worker knows.
  struct Out {
    uint64_t tested = 0, being_canceled = 0;
  };
  std::map<std::pair<std::string_view, std::string_view>, Out> out_of;
  for (const ServerRow& server : snapshot.servers) {
    if (server.state == "tested") ++out_of[{server.database, server.user}].tested;
    else if (server.state == "being_canceled") ++out_of[{server.database, server.user}].being_canceled;
  }
  for (const auto& pool : shared_->pools.All()) {
    const auto counts = pool->Count(now);
    const auto count = [&counts](pool::SlotState state) {
      return static_cast<uint64_t>(counts.by_state[static_cast<size_t>(state)]);
    };
    PoolRow row;
    row.database = pool->key().database;
    row.user = pool->key().user;
    row.settings = pool->settings();
    row.cl_waiting = counts.waiting;
    const uint64_t clients = pool->Clients();
    row.cl_active = clients > counts.waiting ? clients - counts.waiting : 0;
    row.sv_idle = count(pool::SlotState::kIdle);
    row.sv_login = count(pool::SlotState::kLogin);
    row.sv_closing = count(pool::SlotState::kClosing);
    if (const auto found = out_of.find({row.database, row.user}); found != out_of.end()) {
      row.sv_tested = found->second.tested;
      row.sv_being_canceled = found->second.being_canceled;
    }
    const uint64_t out = count(pool::SlotState::kActive) + count(pool::SlotState::kMoving);
    row.sv_active = out - std::min(out, row.sv_tested + row.sv_being_canceled);
    row.max_wait_us = static_cast<uint64_t>(counts.oldest_wait.count());
    row.pinned = pool->Pinned();
    const auto statements = pool->statements().size();
    row.statements = statements.statements;
    row.statement_bytes = statements.bytes;
    if (counts.is_down) row.trouble = counts.last_failure.cause;
    row.totals = pool->Totals();
    snapshot.pools.push_back(std::move(row));
  }
  std::sort(snapshot.pools.begin(), snapshot.pools.end(), [](const PoolRow& a, const PoolRow& b) {
    return std::tie(a.database, a.user) < std::tie(b.database, b.user);
  });
}

void Process::AddDatabases(Snapshot& snapshot) const {
  const conf::Config& config = *runtime_->config;
  std::set<std::string> names;
  for (const auto& [name, database] : config.databases) {
    if (name != "*") names.insert(name);
  }
  for (const auto& pool : snapshot.pools) names.insert(pool.database);
  const auto retired = shared_->pools.Retired();
  for (const auto& [name, totals] : retired) names.insert(name);
  names.merge(shared_->pools.Held());
  for (const std::string& name : names) {
    DatabaseRow row;
    row.name = name;
    if (const conf::Database* database = config.FindDatabase(name)) {
      row.database = *database;
      row.settings = config.ResolvePool(*database, database->user);
      row.max_connections = config.MaxDbConnections(*database);
      row.max_client_connections = config.MaxDbClientConnections(*database);
    }
    row.current_connections = shared_->pools.DatabaseServers(name).used;
    row.current_client_connections = shared_->pools.DatabaseClientsNow(name).used;
    row.paused = shared_->pools.IsPaused(name);
    row.disabled = shared_->pools.IsDisabled(name);
    if (const auto found = retired.find(name); found != retired.end()) row.retired = found->second;
    snapshot.databases.push_back(std::move(row));
  }
}

void Process::AddUsers(Snapshot& snapshot) const {
  const conf::Config& config = *runtime_->config;
  std::set<std::string> names;
  for (const auto& [name, user] : config.users) names.insert(name);
  for (const auto& [name, secret] : config.user_list) names.insert(name);
  for (const std::string& name : shared_->pools.Users()) names.insert(name);
  for (const std::string& name : names) {
    UserRow row;
    row.name = name;
    if (const conf::User* user = config.FindUser(name)) row.keys = user->keys;
    row.max_user_connections = config.MaxUserConnections(name);
    row.max_user_client_connections = config.MaxUserClientConnections(name);
    row.current_connections = shared_->pools.UserServers(name).used;
    row.current_client_connections = shared_->pools.UserClientsNow(name).used;
    snapshot.users.push_back(std::move(row));
  }
}

}  // namespace proxy
