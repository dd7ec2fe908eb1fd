#include "proxy/process.h"

#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "proxy/background.h"
#include "proxy/cpu_count.h"
#include "proxy/log.h"
#include "proxy/notification_hub.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::ErrorCode;
using protocol::MakeError;

std::string_view Name(RunState state) {
  switch (state) {
    case RunState::kActive: return "active";
    case RunState::kPaused: return "paused";
    case RunState::kDraining: return "draining";
  }
  return "?";
}

Process::Process(conf::LoadOptions options)
    : options_(std::move(options)),
      housekeeping_(loop_, [this] { Housekeeping(); }),
      drain_timer_(loop_, [this] { DrainStep(); }),
      pause_timer_(loop_, [this] { PauseStep(); }),
      started_at_(std::chrono::system_clock::now()) {}

Process::~Process() {
  listener_.reset();
  signals_.clear();
  StopWorkers();
  CloseLog();
}

void Process::StopWorkers() {
  if (!shared_) return;
  if (shared_->notifications) shared_->notifications->Stop();
  for (auto& worker : shared_->workers) worker->Join();
}

// --- start ---------------------------------------------------------------------------------------------------------------

tl::expected<RuntimeRef, std::vector<conf::Mistake>> Process::MakeRuntime(std::shared_ptr<const conf::Config> config) {
  auto runtime = std::make_shared<Runtime>();
  std::vector<conf::Mistake> mistakes;
  const auto take = [&](auto made, std::shared_ptr<const TlsContext>& into) {
    if (made) into = *made;
    else mistakes.push_back({config->file, 0, made.error()});
  };
  if (config->global.client_tls.mode != conf::TlsMode::kDisable) take(TlsContext::ForClients(config->global.client_tls), runtime->client_tls);
  if (config->global.server_tls.mode != conf::TlsMode::kDisable) take(TlsContext::ForServers(config->global.server_tls), runtime->server_tls);
  if (!mistakes.empty()) return tl::unexpected(std::move(mistakes));
  runtime->config = std::move(config);
  return RuntimeRef(std::move(runtime));
}

bool Process::Prepare() {
  const auto print = [](const std::vector<conf::Mistake>& mistakes) {
    for (const auto& mistake : mistakes) std::fprintf(stderr, "pgweir: %s\n", mistake.ToString().c_str());
    return false;
  };
  auto loaded = conf::Load(options_);
  if (loaded && !(*loaded)->global.user.empty()) {
    if (const auto become = BecomeUser((*loaded)->global.user); !become) {
      std::fprintf(stderr, "pgweir: %s\n", become.error().c_str());
      return false;
    }
    // again, so that a file which only root may read is told now and not at the first RELOAD
    loaded = conf::Load(options_);
  }
  if (!loaded) return print(loaded.error());
  auto runtime = MakeRuntime(*loaded);
  if (!runtime) return print(runtime.error());
  runtime_ = *runtime;
  const conf::Global& global = runtime_->config->global;
  std::string error;
  if (!OpenLog(global, error)) {
    std::fprintf(stderr, "pgweir: %s\n", error.c_str());
    return false;
  }
  RaiseDescriptorLimit();
  const int workers = global.workers > 0 ? global.workers : AllowedCpus();
  uint64_t seed = 0;
  const std::string random = RandomBytes(sizeof seed);
  random.copy(reinterpret_cast<char*>(&seed), sizeof seed);
  shared_ = std::make_unique<Shared>(static_cast<uint32_t>(workers), seed, loop_);
  for (int i = 0; i < workers; ++i) {
    shared_->workers.push_back(std::make_unique<Worker>(*shared_, static_cast<pool::WorkerId>(i), runtime_));
  }
  shared_->notifications = MakeNotificationHub(*shared_, seed);
  return true;
}

// A descriptor per client and per server, and some for files, loops and cancels.
void Process::RaiseDescriptorLimit() {
  const conf::Config& config = *runtime_->config;
  rlim_t servers = 0;
  for (const auto& [name, database] : config.databases) {
    const auto settings = config.ResolvePool(database, database.user);
    servers += static_cast<rlim_t>(settings.pool_size + settings.reserve_pool_size);
  }
  const rlim_t needed = static_cast<rlim_t>(config.global.max_client_conn) + servers + 128;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max == RLIM_INFINITY ? std::max<rlim_t>(needed * 2, limit.rlim_cur) : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur >= needed) return;
  Log(Level::kWarning, "descriptor_limit_low",
      {{"limit", limit.rlim_cur}, {"needed", needed}, {"max_client_conn", config.global.max_client_conn},
       {"hint", "raise the limit of open files (ulimit -n, LimitNOFILE=) or lower max_client_conn"}});
}

bool Process::Start() {
  const conf::Global& global = runtime_->config->global;
  std::signal(SIGPIPE, SIG_IGN);
  // Before anybody can see that we listen: a signal then must not meet the system's default.
  const auto watch = [this](int signal, std::function<void()> fire) {
    signals_.push_back(std::make_unique<SignalWatch>(loop_, signal, std::move(fire)));
  };
  watch(SIGHUP, [this] { OnSignalReload(); });
  watch(SIGTERM, [this] { drain_phase_ == DrainPhase::kNone ? BeginDrain() : Stop(); });
  watch(SIGINT, [this] { drain_phase_ == DrainPhase::kNone ? BeginDrain() : Stop(); });
  watch(SIGQUIT, [this] { Stop(); });
  watch(SIGUSR1, [this] { Pause("", [](auto) {}); });
  watch(SIGUSR2, [this] { Resume("", [](auto) {}); });
  listener_ = std::make_unique<Listener>(loop_, [this](int fd, PeerKind peer) { Accept(fd, peer); });
  std::string error;
  if (!listener_->Open(global, error)) {
    Log(Level::kError, "listen_failed", {{"cause", error}});
    std::fprintf(stderr, "pgweir: %s\n", error.c_str());
    return false;
  }
  if (!global.pidfile.empty()) {
    std::ofstream pidfile(global.pidfile);
    if (!(pidfile << getpid() << '\n')) {
      std::fprintf(stderr, "pgweir: pidfile %s cannot be written\n", global.pidfile.c_str());
      return false;
    }
  }
  for (auto& worker : shared_->workers) worker->Start();
  housekeeping_.Start(pool::Duration(0));
  last_stats_ = Now();
  has_started_ = true;
  Log(Level::kInfo, "started",
      {{"version", PGWEIR_VERSION}, {"pid", getpid()}, {"workers", shared_->workers.size()}, {"listen_port", global.listen_port},
       {"config", runtime_->config->file.empty() ? "environment" : runtime_->config->file}});
  LogNotes();
  sd_notify(0, "READY=1");
  return true;
}

int Process::Run() {
  loop_.Run();
  Log(Level::kInfo, "stopped", {});
  if (!runtime_->config->global.pidfile.empty()) unlink(runtime_->config->global.pidfile.c_str());
  return 0;
}

void Process::Accept(int fd, PeerKind peer) {
  Worker* least = shared_->workers[0].get();
  for (auto& worker : shared_->workers) {
    if (worker->clients_count() < least->clients_count()) least = worker.get();
  }
  // Counted here, so that a burst is spread although the workers have not seen it yet; the client takes the count over.
  least->AddClients(1);
  least->Post([least, fd, peer] {
    least->Adopt(fd, peer);
    least->AddClients(-1);
  });
}

// --- housekeeping --------------------------------------------------------------------------------------------------------

void Process::Prewarm() {
  for (const auto& [name, database] : runtime_->config->databases) {
    if (name == "*" || database.user.empty() || runtime_->config->ResolvePool(database, database.user).min_pool_size == 0) continue;
    shared_->pools.FindOrMake(*runtime_->config, database, name, database.user);  // the next tick opens its servers
  }
}

void Process::Housekeeping() {
  const pool::TimePoint now = Now();
  Prewarm();
  for (auto& pool : shared_->pools.All()) {
    pool::Orders orders;
    pool->Tick(now, orders);
    shared_->CarryOut(*pool, orders, nullptr);
  }
  shared_->pools.Sweep(now);
  const conf::Global& global = runtime_->config->global;
  if (now - last_stats_ >= global.stats_period) {
    if (global.log_stats) LogStats();
    last_stats_ = now;
  }
  housekeeping_.Start(kHousekeeping);
}

void Process::LogStats() {
  PoolTotals totals;
  uint64_t clients = 0, waiting = 0, servers = 0;
  for (const auto& [name, retired] : shared_->pools.Retired()) totals.Merge(retired);
  for (const auto& pool : shared_->pools.All()) {
    totals.Merge(pool->Totals());
    const auto counts = pool->Count(Now());
    clients += pool->Clients();
    waiting += counts.waiting;
    servers += static_cast<uint64_t>(counts.open);
  }
  const double seconds = static_cast<double>((Now() - last_stats_).count()) / 1e6;
  const auto per_second = [seconds](uint64_t now, uint64_t before) {
    return static_cast<uint64_t>(static_cast<double>(now - before) / seconds);
  };
  const auto average = [](uint64_t sum, uint64_t count) { return count > 0 ? sum / count : 0; };
  const PoolTotals& before = stats_before_;
  Log(Level::kInfo, "stats",
      {{"xacts_per_s", per_second(totals.transactions, before.transactions)},
       {"queries_per_s", per_second(totals.queries, before.queries)},
       {"in_bytes_per_s", per_second(totals.bytes_received, before.bytes_received)},
       {"out_bytes_per_s", per_second(totals.bytes_sent, before.bytes_sent)},
       {"xact_us", average(totals.transaction_us - before.transaction_us, totals.transactions - before.transactions)},
       {"query_us", average(totals.query_us - before.query_us, totals.queries - before.queries)},
       {"wait_us", average(totals.wait_us - before.wait_us, totals.server_assignments - before.server_assignments)},
       {"clients", clients},
       {"waiting", waiting},
       {"servers", servers}});
  stats_before_ = totals;
}

void Process::LogNotes() const {
  for (const std::string& note : runtime_->config->notes) Log(Level::kWarning, "config_note", {{"note", note}});
}

// --- reload --------------------------------------------------------------------------------------------------------------

void Process::OnSignalReload() {
  if (auto result = Reload(); !result) {
    for (const auto& mistake : result.error()) Log(Level::kError, "reload_failed", {{"cause", mistake.ToString()}});
  }
}

tl::expected<std::vector<std::string>, std::vector<conf::Mistake>> Process::Reload() {
  // Type=notify-reload asks for the time, so that an answer to an earlier reload is not taken for this one's.
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(Now().time_since_epoch().count())).c_str());
  const auto loaded = conf::Load(options_);
  if (!loaded) {
    sd_notify(0, "READY=1");
    return tl::unexpected(loaded.error());
  }
  auto runtime = MakeRuntime(*loaded);
  if (!runtime) {
    sd_notify(0, "READY=1");
    return tl::unexpected(std::move(runtime.error()));
  }
  std::string error;
  if (!OpenLog((*loaded)->global, error)) {
    sd_notify(0, "READY=1");
    return tl::unexpected(std::vector<conf::Mistake>{{(*loaded)->file, 0, error}});
  }
  const RuntimeRef before = std::exchange(runtime_, *runtime);
  for (auto& worker : shared_->workers) {
    Worker* each = worker.get();
    each->Post([each, fresh = runtime_] { each->SetRuntime(fresh); });
  }
  shared_->resolver.Forget();
  const bool tls_changed = before->config->global.server_tls != runtime_->config->global.server_tls;
  shared_->pools.Configure(*runtime_->config, Now(), [&](BackendPool& pool, pool::Orders& orders) {
    if (tls_changed) pool.CloseAll(Now(), orders);
    if (pool.TakeChanged() || tls_changed) {
      shared_->notifications->Reopen(std::static_pointer_cast<BackendPool>(pool.shared_from_this()));
    }
    shared_->CarryOut(pool, orders, nullptr);
    if (pool.Count(Now()).mode != pool::RunMode::kRemoved) return;
    for (auto& worker : shared_->workers) {
      Worker* each = worker.get();
      each->Post([each, gone = &pool, keep = pool.shared_from_this()] {
        each->ForEachClient([gone](Client& client) {
          if (client.pool() == gone) client.End(ErrorCode::kDatabaseRemoved);
        });
      });
    }
  });
  auto changes = conf::Differences(*before->config, *runtime_->config);
  for (const auto& change : changes) Log(Level::kInfo, "reload_changed", {{"change", change}});
  for (const auto& key : conf::NeedsRestart(*before->config, *runtime_->config)) {
    Log(Level::kWarning, "reload_needs_restart", {{"key", key}});
    changes.push_back(key + ": takes effect after a restart");
  }
  LogNotes();
  Log(Level::kInfo, "reloaded", {{"changes", changes.size()}});
  sd_notify(0, "READY=1");
  return changes;
}

// --- drain ---------------------------------------------------------------------------------------------------------------

void Process::Shutdown(ShutdownKind kind) {
  if (kind == ShutdownKind::kNow) return Stop();
  if (drain_phase_ == DrainPhase::kNone) BeginDrain();
}

void Process::BeginDrain() {
  const conf::Global& global = runtime_->config->global;
  shared_->run_state = RunState::kDraining;
  sd_notify(0, "STOPPING=1");
  Log(Level::kInfo, "drain_begins",
      {{"drain_delay_ms", global.drain_delay.count() / 1000}, {"shutdown_timeout_ms", global.shutdown_timeout.count() / 1000}});
  // A pause would hold clients until the very end.
  for (auto& pool : shared_->pools.All()) {
    pool::Orders orders;
    if (pool->Count(Now()).mode == pool::RunMode::kPaused) pool->SetMode(pool::RunMode::kRunning, Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
  }
  drain_phase_ = DrainPhase::kDelay;
  drain_next_ = Now() + global.drain_delay;
  drain_deadline_ = Now() + std::max(global.shutdown_timeout, global.drain_delay);
  drain_timer_.Start(kDrainStep);
}

void Process::DrainStep() {
  const pool::TimePoint now = Now();
  const int left = shared_->clients.load();
  const auto drain_some = [this](int batch) {
    for (auto& worker : shared_->workers) {
      Worker* each = worker.get();
      each->Post([each, batch] { each->DrainSome(batch); });
    }
  };
  switch (drain_phase_) {
    case DrainPhase::kNone: return;
    case DrainPhase::kDelay:
      if (now < drain_next_) break;
      listener_->Close();
      drain_phase_ = DrainPhase::kClients;
      [[fallthrough]];
    case DrainPhase::kClients:
      if (left > 0 && now < drain_deadline_) {
        drain_some(kDrainBatch);
        break;
      }
      if (left > 0) Log(Level::kWarning, "drain_timeout", {{"clients", left}});
      for (auto& worker : shared_->workers) {
        Worker* each = worker.get();
        each->Post([each] {
          each->ForEachClient([](Client& client) { client.End(ErrorCode::kShuttingDown); });
          each->RetireServers();
        });
      }
      drain_phase_ = DrainPhase::kServers;
      drain_deadline_ = now + kLastWords;
      break;
    case DrainPhase::kServers: {
      int open = 0;
      for (const auto& pool : shared_->pools.All()) {
        pool::Orders orders;
        pool->SetMode(pool::RunMode::kPaused, now, orders);  // what is released now closes
        shared_->CarryOut(*pool, orders, nullptr);
        open += pool->Count(now).open;
      }
      if ((open == 0 && left == 0) || now >= drain_deadline_) return Stop();
      break;
    }
  }
  drain_timer_.Start(kDrainStep);
}

void Process::Stop() { loop_.Stop(); }

// --- pause, kill, reconnect ----------------------------------------------------------------------------------------------

// Under "*" a database exists once somebody has asked for it.
bool Process::KnowsDatabase(std::string_view name) const {
  return (name != "*" && runtime_->config->databases.contains(name)) || !PoolsOf(name).empty();
}

std::vector<std::shared_ptr<BackendPool>> Process::PoolsOf(std::string_view database) const {
  auto pools = shared_->pools.All();
  if (!database.empty()) std::erase_if(pools, [database](const auto& pool) { return pool->key().database != database; });
  return pools;
}

void Process::HoldPools(std::string_view database) {
  shared_->pools.SetPaused(database, PoolDirectory::Paused::kYes);
  if (database.empty()) shared_->run_state = RunState::kPaused;
  for (auto& pool : PoolsOf(database)) {
    pool::Orders orders;
    pool->SetMode(pool::RunMode::kPaused, Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
  }
}

void Process::Pause(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  if (run_state() == RunState::kDraining) return done(MakeError(ErrorCode::kConsoleState, "pgweir is shutting down"));
  if (shared_->pools.IsPaused(database)) {
    return done(MakeError(ErrorCode::kConsoleState, database.empty() ? "already paused" : "database is already paused"));
  }
  HoldPools(database);
  Log(Level::kInfo, "paused", {{"database", database.empty() ? "all" : database}});
  waiting_pauses_.push_back({std::string(database), std::move(done)});
  PauseStep();
}

// Answers every PAUSE whose servers are all closed.
void Process::PauseStep() {
  std::vector<WaitingPause> still, finished;
  for (auto& pause : waiting_pauses_) {
    int open = 0;
    for (const auto& pool : PoolsOf(pause.database)) open += pool->Count(Now()).open;
    (open == 0 ? finished : still).push_back(std::move(pause));
  }
  waiting_pauses_ = std::move(still);
  for (auto& pause : finished) pause.done(std::nullopt);
  if (!waiting_pauses_.empty()) pause_timer_.Start(kPauseStep);
}

void Process::Resume(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  // RESUME without a name undoes every pause, also those that KILL left.
  if (database.empty() ? !shared_->pools.IsAnyPaused() : !shared_->pools.IsPaused(database)) {
    return done(MakeError(ErrorCode::kConsoleState, database.empty() ? "pgweir is not paused" : "database is not paused"));
  }
  shared_->pools.SetPaused(database, PoolDirectory::Paused::kNo);
  if (database.empty() && run_state() == RunState::kPaused) shared_->run_state = RunState::kActive;
  for (auto& pool : PoolsOf(database)) {
    if (pool->Count(Now()).mode != pool::RunMode::kPaused || shared_->pools.IsPaused(pool->key().database)) continue;
    pool::Orders orders;
    pool->SetMode(pool::RunMode::kRunning, Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
  }
  // A PAUSE that was still waiting has been undone.
  auto waiting = std::move(waiting_pauses_);
  waiting_pauses_.clear();
  for (auto& pause : waiting) {
    if (database.empty() || pause.database == database) pause.done(MakeError(ErrorCode::kConsoleState, "PAUSE was undone by RESUME"));
    else waiting_pauses_.push_back(std::move(pause));
  }
  Log(Level::kInfo, "resumed", {{"database", database.empty() ? "all" : database}});
  done(std::nullopt);
}

void Process::EndClientsOf(std::string_view database, ErrorCode code) {
  for (auto& worker : shared_->workers) {
    Worker* each = worker.get();
    each->Post([each, database = std::string(database), code] {
      each->ForEachClient([&](Client& client) {
        if (!client.is_console() && (database.empty() || client.database() == database)) client.End(code);
      });
    });
  }
}

void Process::Kill(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  HoldPools(database);
  EndClientsOf(database, ErrorCode::kKilled);
  Log(Level::kInfo, "killed", {{"database", database.empty() ? "all" : database}});
  done(std::nullopt);
}

void Process::Reconnect(std::string_view database, Done done) {
  if (!database.empty() && !KnowsDatabase(database)) return done(MakeError(ErrorCode::kConsoleNoSuchDatabase, database));
  shared_->resolver.Forget();
  for (auto& pool : PoolsOf(database)) {
    pool::Orders orders;
    pool->CloseAll(Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
    shared_->notifications->Reopen(pool);
  }
  Log(Level::kInfo, "reconnect", {{"database", database.empty() ? "all" : database}});
  done(std::nullopt);
}

void Process::KillClient(uint64_t id, Done done) {
  struct Answers {
    size_t left;
    bool found = false;
  };
  auto answers = std::make_shared<Answers>(Answers{shared_->workers.size()});
  for (auto& worker : shared_->workers) {
    Worker* each = worker.get();
    each->Post([this, each, id, answers, done] {
      Client* client = each->FindClient(id);
      const bool found = client != nullptr;
      if (found) client->End(ErrorCode::kKilled);
      loop_.Post([answers, found, id, done] {
        answers->found = answers->found || found;
        if (--answers->left > 0) return;
        if (answers->found) done(std::nullopt);
        else done(MakeError(ErrorCode::kConsoleNoSuchClient, std::to_string(id)));
      });
    });
  }
}

}  // namespace proxy
