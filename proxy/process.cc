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
#include "proxy/auth_query.h"
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
      wait_timer_(loop_, [this] { WaitStep(); }),
      started_at_(std::chrono::system_clock::now()) {}

Process::~Process() {
  signals_.clear();
  StopWorkers();
  listener_.reset();
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
  if (const std::string& file = config->global.resolv_conf; !file.empty()) {
    if (const auto checked = DnsClient::Check(file); !checked) mistakes.push_back({config->file, 0, checked.error()});
  }
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
  shared_ = std::make_unique<Shared>(static_cast<uint32_t>(workers), seed, control_);
  for (int i = 0; i < workers; ++i) {
    shared_->workers.push_back(std::make_unique<Worker>(*shared_, static_cast<pool::WorkerId>(i), runtime_));
  }
  ConfigureNames();
  shared_->notifications = MakeNotificationHub(*shared_, seed);
  shared_->auth_query = MakeAuthQuery(*shared_);
  capacity_ = std::make_unique<CapacityWatch>(*shared_);
  std::vector<LoadWatch::CpuClock> clocks;
  for (auto& worker : shared_->workers) clocks.emplace_back([worker = worker.get()] { return worker->CpuTime(); });
  load_ = std::make_unique<LoadWatch>(control_.loop(), std::move(clocks), static_cast<uint32_t>(global.min_workers), shared_->workers_in_use);
  return true;
}

// The file was found right a moment ago; should it have gone meanwhile, the system is asked.
void Process::ConfigureNames() {
  const std::string wrong = shared_->resolver.Configure(runtime_->config->global);
  if (!wrong.empty()) Log(Level::kError, "resolv_conf_failed", {{"file", runtime_->config->global.resolv_conf}, {"cause", wrong}});
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
  Log(Level::kDebug, "descriptor_limit",
      {{"limit", limit.rlim_cur}, {"hard", limit.rlim_max}, {"max_client_conn", config.global.max_client_conn}, {"needed", needed}});
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
    signals_.push_back(std::make_unique<SignalWatch>(control_, signal, std::move(fire)));
  };
  const auto tell = [](std::string_view name, std::string_view does) { Log(Level::kDebug, "signal", {{"name", name}, {"does", does}}); };
  const auto end_or_stop = [this, tell](std::string_view name, ShutdownKind as_pgbouncer) {
    const ShutdownKind kind = runtime_->config->ends_as_pgbouncer ? as_pgbouncer : ShutdownKind::kDrain;
    const bool is_first = drain_phase_ == DrainPhase::kNone;
    tell(name, is_first ? Name(kind) : "stop_drain");
    is_first ? Shutdown(kind) : Stop();
  };
  watch(SIGHUP, [this, tell] { tell("SIGHUP", "reload"), (void)Reload(); });
  watch(SIGTERM, [end_or_stop] { end_or_stop("SIGTERM", ShutdownKind::kWaitForClients); });
  watch(SIGINT, [end_or_stop] { end_or_stop("SIGINT", ShutdownKind::kWaitForServers); });
  watch(SIGQUIT, [this, tell] { tell("SIGQUIT", "stop"), Stop(); });
  watch(SIGUSR1, [this, tell] { tell("SIGUSR1", "pause"), Pause("", std::nullopt, [](auto, auto) {}); });
  watch(SIGUSR2, [this, tell] { tell("SIGUSR2", "resume"), Resume("", [](auto) {}); });
  listener_ = std::make_unique<Listener>(shared_->workers[0]->loop(), [this](const Accepted& accepted) { Accept(accepted); });
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
  std::string io_method;
  if (!ChooseIoMethod(io_method)) return false;
  for (auto& worker : shared_->workers) worker->Start();
  load_->Start();
  housekeeping_.Start(pool::Duration(0));
  last_stats_ = Now();
  has_started_ = true;
  Log(Level::kInfo, "started",
      {{"version", PGWEIR_VERSION}, {"pid", getpid()}, {"workers", shared_->workers.size()}, {"listen_port", global.listen_port},
       {"config", runtime_->config->file.empty() ? "environment" : runtime_->config->file},
       {"io_method", io_method}, {"libevent", control_.Library()}, {"tls", TlsLibrary()}});
  LogNotes();
  capacity_->OnConfigured(runtime_);
  sd_notify(0, "READY=1");
  return true;
}

// A ring is made to see whether it can be; the workers make their own.
bool Process::ChooseIoMethod(std::string& text) {
  const conf::IoMethod method = runtime_->config->global.io_method;
  text = "sync";
  if (method == conf::IoMethod::kSync) return true;
  const auto ring = SendBatch::Make();
  shared_->batches_sends = ring.has_value();
  text = ring ? "io_uring" : "sync (io_uring: " + ring.error() + ")";
  if (ring || method == conf::IoMethod::kAuto) return true;
  const std::string cause = "io_method = io_uring cannot be had: " + ring.error() +
                            "; look at kernel.io_uring_disabled and the container's seccomp profile, or choose auto";
  Log(Level::kError, "io_uring_failed", {{"cause", cause}});
  std::fprintf(stderr, "pgweir: %s\n", cause.c_str());
  return false;
}

int Process::Run() {
  control_.Run();
  Log(Level::kInfo, "stopped", {});
  if (!runtime_->config->global.pidfile.empty()) unlink(runtime_->config->global.pidfile.c_str());
  return 0;
}

// On worker 0: one that stays there costs no other thread. Which pool it wants is not known yet; most pools are as the process's default.
void Process::Accept(const Accepted& accepted) {
  Worker& here = *shared_->workers[0];
  const uint64_t id = shared_->NextId();
  Worker& home = *shared_->workers[shared_->HomeOf(id, *here.config().global.keys.pool_mode)];
  if (&home == &here) return here.Adopt(accepted, id);
  home.AddClients(1);  // who waits until the last has gone sees it; the client takes the count over
  home.Post([&home, accepted, id] {
    home.Adopt(accepted, id);
    home.AddClients(-1);
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
  shared_->pools.Sweep(*runtime_->config, now);
  // A change of address is to be seen although nothing is opened.
  for (const std::string& name : shared_->hosts.Connected()) shared_->resolver.Refresh(name);
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
       {"client_parses_per_s", per_second(totals.client_parses, before.client_parses)},
       {"server_parses_per_s", per_second(totals.server_parses, before.server_parses)},
       {"binds_per_s", per_second(totals.binds, before.binds)},
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

Control::Changes Process::Reload() {
  // Type=notify-reload asks for the time, so that an answer to an earlier reload is not taken for this one's.
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(Now().time_since_epoch().count())).c_str());
  const auto loaded = conf::Load(options_);
  Changes changes = loaded ? Adopt(*loaded) : tl::unexpected(loaded.error());
  if (changes) {
    LogNotes();
    Log(Level::kInfo, "reloaded", {{"changes", changes->size()}});
  } else {
    for (const auto& mistake : changes.error()) {
      const bool is_last = &mistake == &changes.error().back();
      Log(Level::kError, "reload_failed", {{"cause", mistake.ToString()}, {"is_last", is_last ? LogValue::Absent() : LogValue("no")}});
    }
  }
  sd_notify(0, "READY=1");
  return changes;
}

Control::Changes Process::DryRun() const {
  const auto loaded = conf::Load(options_);
  if (!loaded) return tl::unexpected(loaded.error());
  if (auto runtime = MakeRuntime(*loaded); !runtime) return tl::unexpected(std::move(runtime.error()));
  return ChangesBetween(*runtime_->config, **loaded);
}

Control::Changes Process::Set(std::string_view key, std::string_view value) {
  const auto made = conf::WithKey(*runtime_->config, key, value, options_);
  return made ? Adopt(*made) : tl::unexpected(made.error());
}

std::vector<std::string> Process::ChangesBetween(const conf::Config& before, const conf::Config& after) {
  auto changes = conf::Differences(before, after);
  for (const auto& key : conf::NeedsRestart(before, after)) changes.push_back(key + ": takes effect after a restart");
  return changes;
}

Control::Changes Process::Adopt(std::shared_ptr<const conf::Config> config) {
  auto runtime = MakeRuntime(config);
  if (!runtime) return tl::unexpected(std::move(runtime.error()));
  std::string error;
  if (!OpenLog(config->global, error)) return tl::unexpected(std::vector<conf::Mistake>{{config->file, 0, error}});
  const RuntimeRef before = std::exchange(runtime_, *runtime);
  for (auto& worker : shared_->workers) {
    Worker* each = worker.get();
    each->Post([each, fresh = runtime_] { each->SetRuntime(fresh); });
  }
  shared_->workers[0]->Post([this, keep_alive = KeepAliveOf(config->global)] { listener_->Tune(keep_alive); });
  ConfigureNames();
  shared_->resolver.Forget();
  shared_->auth_query->SetRuntime(runtime_);
  const bool tls_changed = before->config->global.server_tls != runtime_->config->global.server_tls;
  shared_->pools.Configure(*runtime_->config, Now(), [&](BackendPool& pool, pool::Orders& orders) {
    if (tls_changed) pool.CloseAll(Now(), orders);
    if (pool.TakeChanged() || tls_changed) {
      shared_->notifications->Reopen(std::static_pointer_cast<BackendPool>(pool.shared_from_this()));
    }
    shared_->CarryOut(pool, orders, nullptr);
    // Without its section the name falls to `*`, which is another database: whoever is in meant the one that has gone.
    const std::string& name = pool.key().database;
    const bool has_lost_section = before->config->databases.contains(name) && !runtime_->config->databases.contains(name);
    if (pool.Count(Now()).mode != pool::RunMode::kRemoved && !has_lost_section) return;
    EndClients([gone = pool.shared_from_this()](const Client& client) { return client.pool() == gone.get(); }, ErrorCode::kDatabaseRemoved);
  });
  for (const auto& change : conf::Differences(*before->config, *runtime_->config)) Log(Level::kInfo, "reload_changed", {{"change", change}});
  for (const auto& key : conf::NeedsRestart(*before->config, *runtime_->config)) {
    Log(Level::kWarning, "reload_needs_restart", {{"key", key}});
  }
  capacity_->OnConfigured(runtime_);
  load_->SetLeast(static_cast<uint32_t>(runtime_->config->global.min_workers));
  return ChangesBetween(*before->config, *runtime_->config);
}

}  // namespace proxy
