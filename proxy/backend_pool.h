// One (database, user): the pool core plus what the proxy must know to open its servers and welcome its clients.
//
// What: credentials, hosts, the welcome (ParameterStatus of the last server login), the startup values that are known to be
// good, the settings in force, and the counters of each worker.
// Threads: shared by all workers. The pool has its own mutex; what is below is behind `mutex_` (touched at logins, never on the
// path of a query) or atomic (the clocks and the mode, read per query).
// Limits: kVerifiedMax startup values remembered, kSharedSettingsMax sets of settings.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "pool/mutex.h"
#include "pool/pool.h"
#include "protocol/scram.h"
#include "protocol/server_login.h"
#include "protocol/session_settings.h"
#include "protocol/welcome.h"
#include "proxy/counters.h"
#include "proxy/statement_registry.h"

namespace proxy {

inline constexpr size_t kVerifiedMax = 1024;
inline constexpr size_t kSharedSettingsMax = 1024;
inline constexpr pool::Duration kOverloadLineEvery{1'000'000};

struct PoolKey {
  std::string database, user;
  auto operator<=>(const PoolKey&) const = default;
};

// Everything that opening a server needs, taken as one consistent copy.
struct ServerTarget {
  std::vector<conf::Host> hosts;
  size_t turn = 0;  // load_balance_hosts = round-robin: the hosts have it already, their addresses follow
  std::string dbname;
  protocol::ServerCredentials credentials;
  std::vector<protocol::Setting> startup;  // of the database section: client_encoding, ...
  std::string connect_query;               // for servers that clients get; pgweir's own connections do without
  pool::Duration connect_timeout{};
};

class BackendPool : public pool::Pool {
 public:
  BackendPool(PoolKey key, const conf::Config& config, const conf::Database& database, uint32_t workers, pool::Budgets budgets,
              uint64_t seed);

  const PoolKey& key() const { return key_; }
  PoolCounters& counters(pool::WorkerId worker) { return counters_[worker]; }
  PoolTotals Totals() const;
  uint64_t Clients() const;
  uint64_t IdleInTransaction() const;
  uint64_t Pinned() const;
  // The log's line about overload, once in kOverloadLineEvery: it names those since the line before.
  void TellShed(size_t clients, pool::TimePoint now);

  // Read per query; written by Configure.
  conf::PoolMode mode() const { return mode_.load(std::memory_order_relaxed); }
  conf::QueueFlow queue_flow() const { return queue_flow_.load(std::memory_order_relaxed); }
  int max_prepared_statements() const { return max_prepared_statements_.load(std::memory_order_relaxed); }
  // Servers change hands between transactions: statements and state of clients must be looked after.
  bool Tracks() const { return mode() != conf::PoolMode::kSession; }
  StatementRegistry& statements() { return *statements_; }
  conf::StatePolicy policy(conf::StateKind kind) const {
    return policies_[static_cast<size_t>(kind)].load(std::memory_order_relaxed);
  }
  bool verifies_session_state() const { return session_state_verify_.load(std::memory_order_relaxed); }
  bool defers_begin() const { return deferred_begin_.load(std::memory_order_relaxed) && mode() == conf::PoolMode::kTransaction; }
  pool::Duration query_wait_timeout() const { return Load(query_wait_timeout_); }
  pool::Duration query_timeout() const { return Load(query_timeout_); }
  pool::Duration transaction_timeout() const { return Load(transaction_timeout_); }
  pool::Duration idle_transaction_timeout() const { return Load(idle_transaction_timeout_); }
  pool::Duration leak_threshold() const { return Load(leak_threshold_); }  // 0 where a session may keep its server

  // A new configuration. True when the servers must be opened anew (other hosts, dbname, user, password, connect_query).
  bool Configure(const conf::Config& config, const conf::Database& database);
  // True once after a Configure that was.
  bool TakeChanged() { return changed_.exchange(false, std::memory_order_relaxed); }
  static pool::PoolLimits LimitsOf(const conf::PoolSettings& settings);

  ServerTarget Target() const;
  conf::PoolSettings settings() const;
  // What a client proved at its login: used toward servers when the configuration holds no password for this user.
  void OfferCredentials(const std::optional<protocol::ScramKeys>& keys, const std::string& cleartext);
  void RememberDerivedKeys(const protocol::ScramKeys& keys);

  protocol::WelcomeRef welcome() const;  // nullptr until a server has logged in, and again after a Configure that was true
  void SetWelcome(const std::vector<protocol::Setting>& parameters);

  // What a client with these startup values (Canonical) hears and has, the values in the server's spelling. nullopt: a server must be
  // asked first, because there is no welcome or one of the values is not known to be good. kGiven: a server has just accepted them; it
  // may be one from before the last Configure, as if its client had come before that, too. nullopt then: none has ever logged in.
  enum class Proof : uint8_t { kNeeded, kGiven };
  struct Greeting {
    protocol::WelcomeRef welcome;
    protocol::SettingsRef settings;  // shared
  };
  std::optional<Greeting> Greet(const std::vector<protocol::Setting>& wanted, Proof proof);
  // A server has accepted this startup value, and spells it so.
  void RememberVerified(const protocol::Setting& setting, const std::string& canonical);

  // One object for equal settings, so that a server sees at a glance that the next client wants the same.
  protocol::SettingsRef Share(protocol::SettingsRef settings);

 private:
  static pool::Duration Load(const std::atomic<int64_t>& us) { return pool::Duration(us.load(std::memory_order_relaxed)); }
  void Apply(const conf::Config& config, const conf::Database& database) PGWEIR_REQUIRES(mutex_);
  void BoundShared() PGWEIR_REQUIRES(mutex_);

  const PoolKey key_;
  std::vector<PoolCounters> counters_;
  std::atomic<conf::PoolMode> mode_{conf::PoolMode::kTransaction};
  std::atomic<conf::QueueFlow> queue_flow_{conf::QueueFlow::kUser};
  std::atomic<bool> changed_{false};
  std::atomic<int> max_prepared_statements_{0};
  std::array<std::atomic<conf::StatePolicy>, conf::kStateKinds> policies_{};
  std::atomic<bool> session_state_verify_{false}, deferred_begin_{true};
  std::atomic<uint64_t> untold_shed_{0};
  std::atomic<int64_t> told_shed_at_{0};
  const std::shared_ptr<StatementRegistry> statements_ = std::make_shared<StatementRegistry>();
  std::atomic<int64_t> query_wait_timeout_{0}, query_timeout_{0}, transaction_timeout_{0}, idle_transaction_timeout_{0}, leak_threshold_{0};

  mutable pool::Mutex mutex_;
  mutable size_t next_host_ PGWEIR_GUARDED_BY(mutex_) = 0;  // with load_balance_hosts = round-robin
  conf::PoolSettings settings_ PGWEIR_GUARDED_BY(mutex_);
  conf::Database database_section_ PGWEIR_GUARDED_BY(mutex_);
  std::optional<std::string> configured_secret_ PGWEIR_GUARDED_BY(mutex_);
  std::optional<protocol::ScramKeys> offered_keys_ PGWEIR_GUARDED_BY(mutex_);
  std::string offered_password_ PGWEIR_GUARDED_BY(mutex_);
  std::optional<protocol::ScramKeys> derived_keys_ PGWEIR_GUARDED_BY(mutex_);
  protocol::WelcomeRef welcome_ PGWEIR_GUARDED_BY(mutex_);
  bool welcome_is_old_ PGWEIR_GUARDED_BY(mutex_) = false;
  std::map<protocol::Setting, std::string> verified_ PGWEIR_GUARDED_BY(mutex_);
  std::map<std::vector<protocol::Setting>, std::weak_ptr<const protocol::Settings>> shared_settings_ PGWEIR_GUARDED_BY(mutex_);
};

}  // namespace proxy
