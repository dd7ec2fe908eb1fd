// Every pool, and the budgets that pools and clients share.
//
// What: finds or makes the pool of (database, user); keeps one Budget per database, user and host for servers, and one per database
// and user for clients; applies a new configuration to all of them; removes pools that nobody uses.
// Threads: any; one mutex, taken at logins and by the control thread, never on the path of a query.
// Limits: kPoolsMax pools: "*" lets a client name databases, so their number must be bounded; when there are as many, the one that has
// been unused for longest makes room. Nothing here knows a name that no client has logged in with, and what is kept by name goes
// with the last pool and client of that name; only its totals stay, those of a database that "*" stands for in the row "*".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proxy/backend_pool.h"

namespace proxy {

inline constexpr size_t kPoolsMax = 10'000;
inline constexpr pool::Duration kFailureKept{60'000'000};

class PoolDirectory {
 public:
  PoolDirectory(uint32_t workers, uint64_t seed) : workers_(workers), seed_(seed) {}

  // nullptr when kPoolsMax are in use. `login_user` is the pool's user unless the database forces one.
  std::shared_ptr<BackendPool> FindOrMake(const conf::Config& config, const conf::Database& section, const std::string& database,
                                          const std::string& login_user);
  // The same, but a pool that does not exist stays out of the directory: it only lends its secrets and its place under the
  // caps to a connection of pgweir's own.
  std::shared_ptr<BackendPool> FindOrMakeUnlisted(const conf::Config& config, const conf::Database& section,
                                                  const std::string& database, const std::string& login_user);
  std::shared_ptr<pool::Budget> DatabaseClients(const conf::Config& config, const conf::Database& section, const std::string& name);
  std::shared_ptr<pool::Budget> UserClients(const conf::Config& config, const std::string& user);

  std::vector<std::shared_ptr<BackendPool>> All() const;
  // Gives up one idle server of another pool under `budget` (that of the richest, as pool/budget.h has it); the orders belong to the
  // pool that is returned (nullptr = none).
  std::shared_ptr<BackendPool> EvictFor(pool::Budget& budget, const pool::Pool& asking, pool::TimePoint now, pool::Orders& orders);

  // New limits and targets everywhere. `each` gets every pool with its orders; pools whose database is gone are in kRemoved mode.
  void Configure(const conf::Config& config, pool::TimePoint now, const std::function<void(BackendPool&, pool::Orders&)>& each);
  // Forgets pools that have had no client, no server and no other user for pool_idle_timeout or autodb_idle_timeout, and those that no
  // server has ever been opened for; their totals stay with the database.
  void Sweep(const conf::Config& config, pool::TimePoint now);

  // PAUSE: of one database, or of all (empty name). Pools made later are born paused.
  enum class Paused : uint8_t { kNo, kYes };
  void SetPaused(std::string_view database, Paused paused);
  bool IsPaused(std::string_view database) const;  // itself, or by a PAUSE of all; empty: of all
  bool IsAnyPaused() const;
  void EndPause(std::string_view database);  // that one alone: the end of a PAUSE of all leaves those of single databases
  // DISABLE: new logins to it are refused.
  enum class Disabled : uint8_t { kNo, kYes };
  void SetDisabled(std::string_view database, Disabled disabled);
  bool IsDisabled(std::string_view database) const;

  struct Caps {
    int limit = 0, used = 0;
  };
  Caps DatabaseServers(const std::string& name) const;
  Caps DatabaseClientsNow(const std::string& name) const;
  Caps UserServers(const std::string& name) const;
  Caps UserClientsNow(const std::string& name) const;
  std::map<std::string, PoolTotals> Retired() const;
  std::set<std::string> Held() const;  // names of databases that are paused or disabled, each by itself
  std::vector<std::string> Users() const;

 private:
  using BudgetsByName = std::map<std::string, std::shared_ptr<pool::Budget>>;
  static std::shared_ptr<pool::Budget> BudgetFor(BudgetsByName& budgets, const std::string& name, int limit, const std::string& title = "");
  pool::Budgets ServerBudgets(const conf::Config& config, const conf::Database& section, const PoolKey& key) PGWEIR_REQUIRES(mutex_);
  pool::Budgets BudgetsOf(const conf::Config& config, const conf::Database& section, const PoolKey& key) PGWEIR_EXCLUDES(mutex_);
  std::shared_ptr<BackendPool> Make(const conf::Config& config, const conf::Database& section, const PoolKey& key)
      PGWEIR_REQUIRES(mutex_);
  struct Kept {
    std::shared_ptr<BackendPool> pool;
    std::optional<pool::TimePoint> unused_since;  // as Sweep has seen it
    bool has_worked = false;                      // a server had been opened for it by then
  };
  using Pools = std::map<PoolKey, Kept>;
  static bool IsUnused(const Kept& kept, const pool::Pool::Counts& counts);
  bool MakeRoom(const conf::Config& config) PGWEIR_REQUIRES(mutex_);
  Pools::iterator Forget(const conf::Config& config, Pools::iterator at) PGWEIR_REQUIRES(mutex_);
  Caps CapsOf(const BudgetsByName& budgets, const std::string& name) const;

  const uint32_t workers_;
  uint64_t seed_;
  mutable pool::Mutex mutex_;
  Pools pools_ PGWEIR_GUARDED_BY(mutex_);
  BudgetsByName database_servers_, database_clients_, user_servers_, user_clients_, host_servers_;  // guarded by mutex_
  std::map<std::string, PoolTotals> retired_ PGWEIR_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> paused_ PGWEIR_GUARDED_BY(mutex_);  // "" = all
  std::set<std::string, std::less<>> disabled_ PGWEIR_GUARDED_BY(mutex_);
};

}  // namespace proxy
