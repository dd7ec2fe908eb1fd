#include "proxy/pool_directory.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "conf/hosts.h"
#include "pool/eviction.h"

namespace proxy {

std::shared_ptr<pool::Budget> PoolDirectory::BudgetFor(BudgetsByName& budgets, const std::string& name, int limit, const std::string& title) {
  auto& budget = budgets[name];
  if (!budget) budget = std::make_shared<pool::Budget>(limit, title);
  return budget;
}

// A database with several hosts may have all its servers at any one of them, so each of its servers counts at each.
pool::Budgets PoolDirectory::ServerBudgets(const conf::Config& config, const conf::Database& section, const PoolKey& key) {
  pool::Budgets budgets{
      BudgetFor(database_servers_, key.database, config.MaxDbConnections(section), "max_db_connections of database \"" + key.database + "\""),
      BudgetFor(user_servers_, key.user, config.MaxUserConnections(key.user), "max_user_connections of user \"" + key.user + "\"")};
  for (const conf::Host& host : section.hosts) {
    const std::string name = conf::FormatHosts({host});
    budgets.push_back(BudgetFor(host_servers_, name, config.global.max_host_connections, "max_host_connections of host " + name));
  }
  return budgets;
}

pool::Budgets PoolDirectory::BudgetsOf(const conf::Config& config, const conf::Database& section, const PoolKey& key) {
  pool::MutexLock lock(mutex_);
  return ServerBudgets(config, section, key);
}

std::shared_ptr<BackendPool> PoolDirectory::Make(const conf::Config& config, const conf::Database& section, const PoolKey& key) {
  return std::make_shared<BackendPool>(key, config, section, workers_, ServerBudgets(config, section, key), seed_++);
}

std::shared_ptr<BackendPool> PoolDirectory::FindOrMake(const conf::Config& config, const conf::Database& section,
                                                       const std::string& database, const std::string& login_user) {
  const PoolKey key{database, section.user.empty() ? login_user : section.user};
  pool::MutexLock lock(mutex_);
  const auto found = pools_.find(key);
  if (found != pools_.end()) {
    found->second.unused_since.reset();  // it begins anew when this one has gone, too
    return found->second.pool;
  }
  if (pools_.size() >= kPoolsMax && !MakeRoom(config)) return nullptr;
  auto made = Make(config, section, key);
  if (paused_.contains("") || paused_.contains(database)) {
    pool::Orders none;  // a new pool has nothing to close
    made->SetMode(pool::RunMode::kPaused, pool::TimePoint(), none);
  }
  pools_.emplace(key, Kept{.pool = made});
  return made;
}

std::shared_ptr<BackendPool> PoolDirectory::FindOrMakeUnlisted(const conf::Config& config, const conf::Database& section,
                                                               const std::string& database, const std::string& login_user) {
  const PoolKey key{database, section.user.empty() ? login_user : section.user};
  pool::MutexLock lock(mutex_);
  const auto found = pools_.find(key);
  return found != pools_.end() ? found->second.pool : Make(config, section, key);
}

std::shared_ptr<pool::Budget> PoolDirectory::DatabaseClients(const conf::Config& config, const conf::Database& section,
                                                             const std::string& name) {
  pool::MutexLock lock(mutex_);
  return BudgetFor(database_clients_, name, config.MaxDbClientConnections(section));
}

std::shared_ptr<pool::Budget> PoolDirectory::UserClients(const conf::Config& config, const std::string& user) {
  pool::MutexLock lock(mutex_);
  return BudgetFor(user_clients_, user, config.MaxUserClientConnections(user));
}

void PoolDirectory::SetPaused(std::string_view database, Paused paused) {
  pool::MutexLock lock(mutex_);
  if (paused == Paused::kYes) paused_.emplace(database);
  else if (database.empty()) paused_.clear();
  else paused_.erase(std::string(database));
}

bool PoolDirectory::IsPaused(std::string_view database) const {
  pool::MutexLock lock(mutex_);
  return paused_.contains("") || paused_.contains(database);
}

bool PoolDirectory::IsAnyPaused() const {
  pool::MutexLock lock(mutex_);
  return !paused_.empty();
}

void PoolDirectory::EndPause(std::string_view database) {
  pool::MutexLock lock(mutex_);
  paused_.erase(std::string(database));
}

void PoolDirectory::SetDisabled(std::string_view database, Disabled disabled) {
  pool::MutexLock lock(mutex_);
  if (disabled == Disabled::kYes) disabled_.emplace(database);
  else disabled_.erase(std::string(database));
}

bool PoolDirectory::IsDisabled(std::string_view database) const {
  pool::MutexLock lock(mutex_);
  return disabled_.contains(database);
}

std::vector<std::shared_ptr<BackendPool>> PoolDirectory::All() const {
  pool::MutexLock lock(mutex_);
  std::vector<std::shared_ptr<BackendPool>> all;
  all.reserve(pools_.size());
  for (const auto& [key, kept] : pools_) all.push_back(kept.pool);
  return all;
}

std::shared_ptr<BackendPool> PoolDirectory::EvictFor(pool::Budget& budget, const pool::Pool& asking, pool::TimePoint now,
                                                     pool::Orders& orders) {
  pool::Eviction eviction(budget, asking, now);
  for (const auto& pool : All()) eviction.Consider(*pool);
  pool::Pool* const chosen = eviction.Evict(orders);
  return chosen == nullptr ? nullptr : std::static_pointer_cast<BackendPool>(chosen->shared_from_this());
}

void PoolDirectory::Configure(const conf::Config& config, pool::TimePoint now,
                              const std::function<void(BackendPool&, pool::Orders&)>& each) {
  {
    pool::MutexLock lock(mutex_);
    for (auto& [name, budget] : database_servers_) {
      if (const conf::Database* section = config.FindDatabase(name)) budget->SetLimit(config.MaxDbConnections(*section));
    }
    for (auto& [name, budget] : database_clients_) {
      if (const conf::Database* section = config.FindDatabase(name)) budget->SetLimit(config.MaxDbClientConnections(*section));
    }
    for (auto& [name, budget] : host_servers_) budget->SetLimit(config.global.max_host_connections);
    for (auto& [name, budget] : user_servers_) budget->SetLimit(config.MaxUserConnections(name));
    for (auto& [name, budget] : user_clients_) budget->SetLimit(config.MaxUserClientConnections(name));
  }
  for (auto& pool : All()) {
    pool::Orders orders;
    const conf::Database* section = config.FindDatabase(pool->key().database);
    // A forced user that came, went or changed makes another pool: this one is nobody's any more.
    const bool is_gone = section == nullptr || (!section->user.empty() && section->user != pool->key().user);
    if (is_gone) {
      pool->SetMode(pool::RunMode::kRemoved, now, orders);
    } else {
      const bool anew = pool->Configure(config, *section);
      pool->SetBudgets(BudgetsOf(config, *section, pool->key()), now, orders);
      // It was removed and came back before Sweep forgot it.
      if (pool->Count(now).mode == pool::RunMode::kRemoved) {
        pool->SetMode(pool::RunMode::kRunning, now, orders);
        if (IsPaused(pool->key().database)) pool->SetMode(pool::RunMode::kPaused, now, orders);
      }
      pool->SetLimits(BackendPool::LimitsOf(config.ResolvePool(*section, pool->key().user)), now, orders);
      if (anew) pool->CloseAll(now, orders);
    }
    each(*pool, orders);
  }
}

// --- forgetting ----------------------------------------------------------------------------------------------------------

namespace {

bool IsMadeByStar(const conf::Config& config, const std::string& database) {
  return !config.databases.contains(database) && config.FindDatabase(database) != nullptr;
}

// How long it is kept although nobody uses it.
pool::Duration PatienceWith(const conf::Config& config, const std::string& database) {
  pool::Duration patience = pool::Duration::max();
  const auto take = [&patience](pool::Duration timeout) {
    if (timeout > pool::Duration(0)) patience = std::min(patience, timeout);
  };
  take(config.global.pool_idle_timeout);
  if (IsMadeByStar(config, database)) take(config.global.autodb_idle_timeout);
  return patience;
}

}  // namespace

// Under the mutex nobody can come by it who does not hold it already.
bool PoolDirectory::IsUnused(const Kept& kept, const pool::Pool::Counts& counts) {
  return kept.pool.use_count() == 1 && kept.pool->Clients() == 0 && counts.open == 0;
}

PoolDirectory::Pools::iterator PoolDirectory::Forget(const conf::Config& config, Pools::iterator at) {
  const std::string database = at->first.database;
  retired_[database].Merge(at->second.pool->Totals());
  at = pools_.erase(at);
  const auto other = pools_.lower_bound(PoolKey{database, ""});
  const bool is_last = other == pools_.end() || other->first.database != database;
  if (is_last && database != "*" && IsMadeByStar(config, database)) {
    auto totals = retired_.extract(database);
    retired_["*"].Merge(totals.mapped());  // counters never go backwards
  }
  return at;
}

// For one more, where every place is taken.
bool PoolDirectory::MakeRoom(const conf::Config& config) {
  for (;;) {
    auto oldest = pools_.end();
    for (auto at = pools_.begin(); at != pools_.end(); ++at) {
      if (!at->second.unused_since) continue;
      if (oldest == pools_.end() || *at->second.unused_since < *oldest->second.unused_since) oldest = at;
    }
    if (oldest == pools_.end()) return false;
    if (IsUnused(oldest->second, oldest->second.pool->Count(*oldest->second.unused_since))) {
      Forget(config, oldest);
      return true;
    }
    oldest->second.unused_since.reset();
  }
}

void PoolDirectory::Sweep(const conf::Config& config, pool::TimePoint now) {
  pool::MutexLock lock(mutex_);
  for (auto at = pools_.begin(); at != pools_.end();) {
    Kept& kept = at->second;
    const auto counts = kept.pool->Count(now);
    if (!IsUnused(kept, counts)) {
      kept.unused_since.reset();
      ++at;
      continue;
    }
    if (!kept.unused_since) {
      kept.unused_since = now;
      kept.has_worked = kept.pool->Totals().server_logins > 0;
    }
    // A failure is remembered for a while, or each new login would try the backend afresh.
    const bool remembers = counts.is_down && now - counts.down_since < kFailureKept;
    const bool is_of_use = kept.has_worked && counts.mode != pool::RunMode::kRemoved;
    const bool is_kept = remembers || (is_of_use && now - *kept.unused_since < PatienceWith(config, at->first.database));
    at = is_kept ? std::next(at) : Forget(config, at);
  }
  for (BudgetsByName* budgets : {&database_servers_, &database_clients_, &user_servers_, &user_clients_, &host_servers_}) {
    std::erase_if(*budgets, [](const auto& item) { return item.second.use_count() == 1 && item.second->used() == 0; });
  }
}

PoolDirectory::Caps PoolDirectory::CapsOf(const BudgetsByName& budgets, const std::string& name) const {
  pool::MutexLock lock(mutex_);
  const auto found = budgets.find(name);
  if (found == budgets.end()) return {};
  return {found->second->limit(), found->second->used()};
}

PoolDirectory::Caps PoolDirectory::DatabaseServers(const std::string& name) const { return CapsOf(database_servers_, name); }
PoolDirectory::Caps PoolDirectory::DatabaseClientsNow(const std::string& name) const { return CapsOf(database_clients_, name); }
PoolDirectory::Caps PoolDirectory::UserServers(const std::string& name) const { return CapsOf(user_servers_, name); }
PoolDirectory::Caps PoolDirectory::UserClientsNow(const std::string& name) const { return CapsOf(user_clients_, name); }

std::map<std::string, PoolTotals> PoolDirectory::Retired() const {
  pool::MutexLock lock(mutex_);
  return retired_;
}

std::set<std::string> PoolDirectory::Held() const {
  pool::MutexLock lock(mutex_);
  std::set<std::string> names(paused_.begin(), paused_.end());
  names.insert(disabled_.begin(), disabled_.end());
  names.erase("");
  return names;
}

std::vector<std::string> PoolDirectory::Users() const {
  pool::MutexLock lock(mutex_);
  std::set<std::string> names;
  for (const auto& [name, budget] : user_servers_) names.insert(name);
  for (const auto& [name, budget] : user_clients_) names.insert(name);
  return {names.begin(), names.end()};
}

}  // namespace proxy
