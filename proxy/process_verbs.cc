// Process, what the console tells it to do: pause, resume, kill, reconnect, disable.
#include <algorithm>
#include <set>

#include "conf/units.h"
#include "proxy/auth_query.h"
#include "proxy/log.h"
#include "proxy/notification_hub.h"
#include "proxy/process.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::ErrorCode;
using protocol::MakeError;

// Under "*" a database exists once somebody has asked for it. With a pgbouncer.ini every name does, as there: who holds one before the
// first client comes may mean it.
bool Process::KnowsDatabase(std::string_view name) const {
  const conf::Config& config = *runtime_->config;
  if (name == "*") return false;
  return config.databases.contains(name) || (config.ends_as_pgbouncer && config.databases.contains("*")) || !PoolsOf(name).empty();
}

std::vector<std::shared_ptr<BackendPool>> Process::PoolsOf(std::string_view database) const {
  auto pools = shared_->pools.All();
  if (!database.empty()) std::erase_if(pools, [database](const auto& pool) { return pool->key().database != database; });
  return pools;
}

int Process::OpenServers(std::string_view database) const {
  int open = 0;
  for (const auto& pool : PoolsOf(database)) open += pool->Count(Now()).open;
  return open;
}

int Process::ServersGivenUp(std::string_view database) const {
  int given_up = 0;
  for (const auto& pool : PoolsOf(database)) given_up += pool->GivenUp();
  return given_up;
}

// --- pause and resume ----------------------------------------------------------------------------------------------------

void Process::HoldPools(std::string_view database) {
  shared_->pools.SetPaused(database, PoolDirectory::Paused::kYes);
  if (database.empty()) shared_->run_state = RunState::kPaused;
  shared_->auth_query->CloseAll();
  for (auto& pool : PoolsOf(database)) {
    pool::Orders orders;
    pool->SetMode(pool::RunMode::kPaused, Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
  }
}

void Process::Pause(std::string_view database, std::optional<std::chrono::microseconds> timeout, PauseDone done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database), {});
  if (run_state() == RunState::kDraining) return done(MakeError(ErrorCode::kConsoleState, "pooler is shutting down"), {});
  // One that is paused may be paused again, as in PgBouncer, and waits for the same. With a timeout it would undo another's pause.
  if (shared_->pools.IsPaused(database) && (database.empty() || timeout)) {
    return done(MakeError(ErrorCode::kConsoleState, database.empty() ? "already suspended/paused" : "database " + std::string(database) + " is already paused"), {});
  }
  HoldPools(database);
  Log(Level::kInfo, "paused", {{"database", database.empty() ? "all" : database}});
  WaitingPause pause;
  pause.serial = ++pause_serial_;
  pause.database = database;
  pause.deadline = timeout ? Now() + *timeout : pool::kNever;
  pause.timeout = timeout.value_or(std::chrono::microseconds(0));
  pause.done = std::move(done);
  waiting_pauses_.push_back(std::move(pause));
  WaitStep();
}

void Process::WaitStep() {
  std::vector<WaitingPause> still, finished;
  for (auto& pause : waiting_pauses_) {
    if (OpenServers(pause.database) == 0) {
      finished.push_back(std::move(pause));
      continue;
    }
    if (pause.phase == WaitingPause::Phase::kWaits && Now() >= pause.deadline) {
      pause.phase = WaitingPause::Phase::kLate;
      Collect(Collecting::kEverything, [this, serial = pause.serial](const Snapshot& snapshot) { GiveUpPause(serial, snapshot); });
    }
    still.push_back(std::move(pause));
  }
  waiting_pauses_ = std::move(still);
  std::vector<WaitingClose> closes = std::move(waiting_closes_), closed;
  waiting_closes_.clear();
  for (auto& wait : closes) (ServersGivenUp(wait.database) == 0 ? closed : waiting_closes_).push_back(std::move(wait));
  for (auto& pause : finished) pause.done(std::nullopt, {});
  for (auto& wait : closed) wait.done(std::nullopt);
  if (!waiting_pauses_.empty() || !waiting_closes_.empty()) wait_timer_.Start(kWaitStep);
}

// It may have come to its end while the workers were asked: then there is nothing to give up.
void Process::GiveUpPause(uint64_t serial, const Snapshot& snapshot) {
  const auto found = std::find_if(waiting_pauses_.begin(), waiting_pauses_.end(),
                                  [serial](const WaitingPause& pause) { return pause.serial == serial; });
  if (found == waiting_pauses_.end()) return;
  if (OpenServers(found->database) == 0) return WaitStep();
  const WaitingPause pause = std::move(*found);
  waiting_pauses_.erase(found);
  Held held;
  std::set<uint64_t> clients;
  for (const ServerRow& server : snapshot.servers) {
    if (!pause.database.empty() && server.database != pause.database) continue;
    held.servers.push_back(server);
    if (server.link_id != 0) clients.insert(server.link_id);
  }
  for (const ClientRow& client : snapshot.clients) {
    if (clients.contains(client.id)) held.clients.push_back(client);
  }
  // A second PAUSE of that database, without a time, still wants it.
  const bool is_wanted = std::any_of(waiting_pauses_.begin(), waiting_pauses_.end(), [&](const auto& other) { return other.database == pause.database; });
  if (!is_wanted) {
    shared_->pools.EndPause(pause.database);
    if (pause.database.empty() && run_state() == RunState::kPaused) shared_->run_state = RunState::kActive;
    RunPaused();
  }
  Log(Level::kWarning, "pause_timeout", {{"database", pause.database.empty() ? "all" : pause.database}, {"servers", held.servers.size()}});
  pause.done(MakeError(ErrorCode::kPauseTimeout, conf::FormatDuration(pause.timeout)), std::move(held));
}

void Process::RunPaused() {
  for (auto& pool : shared_->pools.All()) {
    if (pool->Count(Now()).mode != pool::RunMode::kPaused || shared_->pools.IsPaused(pool->key().database)) continue;
    pool::Orders orders;
    pool->SetMode(pool::RunMode::kRunning, Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
  }
}

void Process::Resume(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  if (drain_phase_ == DrainPhase::kLastServer) return done(MakeError(ErrorCode::kConsoleState, "pooler is shutting down"));
  // RESUME without a name undoes every pause, also those that KILL left.
  if (database.empty() ? !shared_->pools.IsAnyPaused() : !shared_->pools.IsPaused(database)) {
    return done(MakeError(ErrorCode::kConsoleState, database.empty() ? "pooler is not paused/suspended" : "database " + std::string(database) + " is not paused"));
  }
  shared_->pools.SetPaused(database, PoolDirectory::Paused::kNo);
  if (database.empty() && run_state() == RunState::kPaused) shared_->run_state = RunState::kActive;
  RunPaused();
  // A PAUSE that was still waiting has been undone.
  auto waiting = std::move(waiting_pauses_);
  waiting_pauses_.clear();
  for (auto& pause : waiting) {
    if (database.empty() || pause.database == database) pause.done(MakeError(ErrorCode::kConsoleState, "PAUSE was undone by RESUME"), {});
    else waiting_pauses_.push_back(std::move(pause));
  }
  Log(Level::kInfo, "resumed", {{"database", database.empty() ? "all" : database}});
  done(std::nullopt);
}

// --- reconnect, disable --------------------------------------------------------------------------------------------------

void Process::Reconnect(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  shared_->resolver.Forget();
  shared_->auth_query->CloseAll();
  for (auto& pool : PoolsOf(database)) {
    pool::Orders orders;
    pool->CloseAll(Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
    shared_->notifications->Reopen(pool);
  }
  Log(Level::kInfo, "reconnect", {{"database", database.empty() ? "all" : database}});
  done(std::nullopt);
}

void Process::WaitClose(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  waiting_closes_.push_back({std::string(database), std::move(done)});
  WaitStep();
}

void Process::Disable(std::string_view database, Done done) {
  if (!KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  shared_->pools.SetDisabled(database, PoolDirectory::Disabled::kYes);
  Log(Level::kInfo, "disabled", {{"database", database}});
  done(std::nullopt);
}

void Process::Enable(std::string_view database, Done done) {
  // A database under "*" that nobody uses any more is unknown again, and may still be disabled.
  if (!KnowsDatabase(database) && !shared_->pools.IsDisabled(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  shared_->pools.SetDisabled(database, PoolDirectory::Disabled::kNo);
  Log(Level::kInfo, "enabled", {{"database", database}});
  done(std::nullopt);
}

// --- kill ----------------------------------------------------------------------------------------------------------------

void Process::OnWorkersTwice(std::function<size_t(Worker&)> visit, std::function<void(size_t)> done) {
  struct Visit {
    std::function<size_t(Worker&)> visit;
    std::function<void(size_t)> done;
    size_t passes, left = 0, sum = 0;
    void Pass(Process& process, const std::shared_ptr<Visit>& self) {
      left = process.shared_->workers.size();
      for (auto& worker : process.shared_->workers) {
        worker->Post([&process, self, each = worker.get()] {
          process.loop_.Post([&process, self, met = self->visit(*each)] {
            self->sum += met;
            if (--self->left > 0) return;
            if (--self->passes > 0) return self->Pass(process, self);
            self->done(self->sum);
          });
        });
      }
    }
  };
  const size_t passes = shared_->workers.size() > 1 ? 2 : 1;
  const auto visiting = std::make_shared<Visit>(Visit{std::move(visit), std::move(done), passes});
  visiting->Pass(*this, visiting);
}

// Who comes from now on is not meant, although the second pass may meet it.
void Process::EndClients(std::function<bool(const Client&)> is_meant, ErrorCode code) {
  OnWorkersTwice([is_meant = std::move(is_meant), code, end = shared_->NextId()](Worker& worker) {
    worker.ForEachClient([&](Client& client) {
      if (client.id() < end && is_meant(client)) client.End(code);
    });
    return size_t{0};
  }, [](size_t) {});
}

void Process::EndClientsOf(std::string_view database, ErrorCode code) {
  EndClients([database = std::string(database)](const Client& client) {
    return !client.is_console() && (database.empty() || client.database() == database);
  }, code);
}

void Process::Kill(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  HoldPools(database);
  EndClientsOf(database, ErrorCode::kKilled);
  Log(Level::kInfo, "killed", {{"database", database.empty() ? "all" : database}});
  done(std::nullopt);
}

void Process::KillClient(uint64_t id, Done done) {
  KillClients({id}, [id, done = std::move(done)](size_t killed) {
    if (killed > 0) done(std::nullopt);
    else done(MakeError(ErrorCode::kConsoleNoSuchClient, std::to_string(id)));
  });
}

void Process::KillClients(std::vector<uint64_t> ids, std::function<void(size_t)> done) {
  OnWorkersTwice([ids = std::move(ids)](Worker& worker) {
    size_t killed = 0;
    for (const uint64_t id : ids) {
      Client* client = worker.FindClient(id);
      if (client == nullptr || client->state() == ClientState::kClosing) continue;
      client->End(ErrorCode::kKilled);
      ++killed;
    }
    return killed;
  }, std::move(done));
}

}  // namespace proxy
