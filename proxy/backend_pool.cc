#include "proxy/backend_pool.h"

#include <algorithm>

#include "proxy/log.h"

namespace proxy {

BackendPool::BackendPool(PoolKey key, const conf::Config& config, const conf::Database& database, uint32_t workers,
                         pool::Budgets budgets, uint64_t seed)
    : pool::Pool(LimitsOf(config.ResolvePool(database, key.user)), workers, std::move(budgets), seed),
      key_(std::move(key)),
      counters_(workers) {
  pool::MutexLock lock(mutex_);
  Apply(config, database);
}

pool::PoolLimits BackendPool::LimitsOf(const conf::PoolSettings& settings) {
  pool::PoolLimits limits;
  limits.size = settings.pool_size;
  limits.min_size = settings.min_pool_size;
  limits.guaranteed = settings.min_guaranteed;
  limits.reserve_size = settings.reserve_pool_size;
  limits.max_waiting = settings.max_waiting;
  limits.max_parallel_connects = settings.max_parallel_connects;
  limits.reserve_timeout = settings.reserve_pool_timeout;
  limits.lifetime = settings.server_lifetime;
  limits.idle_timeout = settings.server_idle_timeout;
  // An empty check query turns the check off.
  limits.check_delay = settings.server_check_query.empty() ? pool::Duration::max() : settings.server_check_delay;
  limits.login_retry = settings.server_login_retry;
  limits.failover_hold = settings.failover_hold_timeout;
  limits.lifetime_jitter = settings.server_lifetime_jitter;
  limits.overload = {settings.queue_target == conf::kAutomatic ? pool::kTargetByPatience : settings.queue_target, settings.queue_interval};
  return limits;
}

void BackendPool::Apply(const conf::Config& config, const conf::Database& database) {
  settings_ = config.ResolvePool(database, key_.user);
  database_section_ = database;
  configured_secret_.reset();
  if (!database.user.empty() && !database.password.empty()) {
    configured_secret_ = database.password.Reveal();
  } else if (const conf::Secret* secret = config.FindSecret(key_.user)) {
    if (protocol::KindOf(secret->Reveal()) != protocol::SecretKind::kScram) configured_secret_ = secret->Reveal();
  }
  const conf::ClientTimeouts timeouts = config.ResolveTimeouts(database, key_.user);
  mode_.store(settings_.pool_mode, std::memory_order_relaxed);
  queue_flow_.store(settings_.queue_flow, std::memory_order_relaxed);
  max_prepared_statements_.store(settings_.max_prepared_statements, std::memory_order_relaxed);
  for (size_t kind = 0; kind < conf::kStateKinds; ++kind) {
    policies_[kind].store(settings_.session_state.policies[kind], std::memory_order_relaxed);
  }
  session_state_verify_.store(settings_.session_state_verify, std::memory_order_relaxed);
  deferred_begin_.store(settings_.deferred_begin, std::memory_order_relaxed);
  query_wait_timeout_.store(settings_.query_wait_timeout.count(), std::memory_order_relaxed);
  query_timeout_.store(timeouts.query_timeout.count(), std::memory_order_relaxed);
  transaction_timeout_.store(timeouts.transaction_timeout.count(), std::memory_order_relaxed);
  leak_threshold_.store(settings_.pool_mode == conf::PoolMode::kSession ? 0 : settings_.leak_threshold.count(), std::memory_order_relaxed);
  idle_transaction_timeout_.store(timeouts.idle_transaction_timeout.count(), std::memory_order_relaxed);
}

bool BackendPool::Configure(const conf::Config& config, const conf::Database& database) {
  pool::MutexLock lock(mutex_);
  const conf::Database before = database_section_;
  const auto secret_before = configured_secret_;
  Apply(config, database);
  const bool anew = before.hosts != database.hosts || before.dbname != database.dbname || secret_before != configured_secret_ ||
                    before.client_encoding != database.client_encoding || before.datestyle != database.datestyle ||
                    before.timezone != database.timezone || before.application_name != database.application_name ||
                    before.connect_query != database.connect_query;
  if (anew) {
    changed_.store(true, std::memory_order_relaxed);
    welcome_is_old_ = true;
    verified_.clear();
    derived_keys_.reset();
  }
  return anew;
}

ServerTarget BackendPool::Target() const {
  pool::MutexLock lock(mutex_);
  ServerTarget target;
  target.hosts = database_section_.hosts;
  if (database_section_.load_balance_hosts == conf::HostOrder::kRoundRobin) {
    target.turn = next_host_++;
    const auto first = static_cast<std::ptrdiff_t>(target.turn % target.hosts.size());
    std::rotate(target.hosts.begin(), target.hosts.begin() + first, target.hosts.end());
  }
  target.dbname = database_section_.dbname.empty() ? key_.database : database_section_.dbname;
  target.credentials.user = key_.user;
  target.credentials.secret = configured_secret_;
  target.credentials.keys = derived_keys_;
  if (!configured_secret_) {
    if (!offered_password_.empty()) target.credentials.secret = offered_password_;
    else target.credentials.keys = offered_keys_;
  }
  const auto add = [&target](std::string_view name, const std::string& value) {
    if (!value.empty()) target.startup.emplace_back(name, value);
  };
  add("client_encoding", database_section_.client_encoding);
  add("DateStyle", database_section_.datestyle);
  add("TimeZone", database_section_.timezone);
  add("application_name", database_section_.application_name);
  target.connect_query = database_section_.connect_query;
  target.connect_timeout = settings_.server_connect_timeout;
  return target;
}

conf::PoolSettings BackendPool::settings() const {
  pool::MutexLock lock(mutex_);
  return settings_;
}

void BackendPool::OfferCredentials(const std::optional<protocol::ScramKeys>& keys, const std::string& cleartext) {
  if (!keys && cleartext.empty()) return;
  pool::MutexLock lock(mutex_);
  // The latest proof replaces the one before: an old password must not stand before newer keys.
  offered_keys_ = keys;
  offered_password_ = cleartext;
}

void BackendPool::RememberDerivedKeys(const protocol::ScramKeys& keys) {
  pool::MutexLock lock(mutex_);
  derived_keys_ = keys;
}

protocol::WelcomeRef BackendPool::welcome() const {
  pool::MutexLock lock(mutex_);
  return welcome_is_old_ ? nullptr : welcome_;
}

void BackendPool::SetWelcome(const std::vector<protocol::Setting>& parameters) {
  pool::MutexLock lock(mutex_);
  welcome_is_old_ = false;
  if (welcome_ && welcome_->parameters() == parameters) return;
  welcome_ = std::make_shared<const protocol::Welcome>(parameters);
}

namespace {

// Any printable application_name is good as it is (PostgreSQL cuts it at NAMEDATALEN - 1), and there are many of them.
bool IsPlainApplicationName(const protocol::Setting& setting) {
  const auto& [name, value] = setting;
  return name == "application_name" && value.size() < 64 && std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

std::optional<BackendPool::Greeting> BackendPool::Greet(const std::vector<protocol::Setting>& wanted, Proof proof) {
  const bool is_proven = proof == Proof::kGiven;
  pool::MutexLock lock(mutex_);
  if (!welcome_ || (welcome_is_old_ && !is_proven)) return std::nullopt;
  std::vector<protocol::Setting> respelled;  // only made where the server spells one otherwise
  const std::vector<protocol::Setting>* values = &wanted;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (IsPlainApplicationName(wanted[i])) continue;
    const auto found = verified_.find(wanted[i]);
    if (found == verified_.end() && !is_proven) return std::nullopt;
    if (found == verified_.end() || found->second == wanted[i].second) continue;
    if (respelled.empty()) respelled = wanted;
    values = &respelled;
    respelled[i].second = found->second;
  }
  auto& place = shared_settings_[*values];
  Greeting greeting{welcome_, place.lock()};
  if (greeting.settings) return greeting;
  place = greeting.settings = protocol::Settings::From(*values);
  BoundShared();
  return greeting;
}

protocol::SettingsRef BackendPool::Share(protocol::SettingsRef settings) {
  pool::MutexLock lock(mutex_);
  auto& place = shared_settings_[settings->values()];
  if (auto shared = place.lock()) return shared;
  place = settings;
  BoundShared();
  return settings;
}

void BackendPool::BoundShared() {
  if (shared_settings_.size() > kSharedSettingsMax) std::erase_if(shared_settings_, [](const auto& item) { return item.second.expired(); });
  if (shared_settings_.size() > kSharedSettingsMax) shared_settings_.clear();
}

void BackendPool::RememberVerified(const protocol::Setting& setting, const std::string& canonical) {
  pool::MutexLock lock(mutex_);
  if (verified_.size() >= kVerifiedMax) verified_.clear();
  verified_[setting] = canonical;
}

PoolTotals BackendPool::Totals() const {
  PoolTotals totals;
  for (const auto& counters : counters_) counters.AddTo(totals);
  return totals;
}

void BackendPool::TellShed(size_t clients, pool::TimePoint now) {
  const uint64_t untold = untold_shed_.fetch_add(clients, std::memory_order_relaxed) + clients;
  int64_t told_at = told_shed_at_.load(std::memory_order_relaxed);
  const int64_t at = now.time_since_epoch().count();
  if (at - told_at < kOverloadLineEvery.count() || !told_shed_at_.compare_exchange_strong(told_at, at)) return;
  untold_shed_.fetch_sub(untold, std::memory_order_relaxed);
  const pool::Pool::Counts counts = Count(now);
  Log(Level::kWarning, "pool_overloaded",
      {{"database", key_.database},
       {"user", key_.user},
       {"shed", untold},
       {"waiting", counts.waiting},
       {"oldest_wait_ms", counts.oldest_wait.count() / 1000},
       {"queue_target_ms", counts.queue_target.count() / 1000}});
}

uint64_t BackendPool::IdleInTransaction() const {
  uint64_t clients = 0;
  for (const auto& counters : counters_) clients += counters.idle_in_transaction.Get();
  return clients;
}

uint64_t BackendPool::Pinned() const {
  uint64_t clients = 0;
  for (const auto& counters : counters_) clients += counters.pinned.Get();
  return clients;
}

uint64_t BackendPool::Clients() const {
  uint64_t clients = 0;
  for (const auto& counters : counters_) clients += counters.clients.Get();
  return clients;
}

}  // namespace proxy
