// auth_query: the secrets of users who are not in the user list, asked of PostgreSQL and kept for a while.
//
// What: Find looks into the cache; LookUp asks the server, and answers once. Who waits for the same user at the same place
// shares one question. Where, as whom and by which query is always the configuration in force (conf/auth_lookup.h): SetRuntime
// drops the cache and every connection, and asks anew for those who wait.
// The questions go over connections of their own (auth_connection.h), logged in as auth_user: no client's setting ever reaches
// them, and search_path is fixed at their start. They stand outside of the pools and their caps: a login must not wait for the
// connections that only a login can free. kAuthConnectionsPerPlace per place, kAuthConnectionsMax in all, closed when idle.
// When no connection can be opened, everybody who waits at that place is told, and for kAuthRetryPause everybody who comes.
// Threads: Find, Doubt, LookUp and SetRuntime from any, the rest on one worker's loop; `done` is called there.
// Limits: besides those, kLookupsMax users waited for, kLookupPlacesMax places.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pool/mutex.h"
#include "proxy/auth_connection.h"
#include "proxy/secret_cache.h"

namespace proxy {

struct Runtime;

inline constexpr size_t kAuthConnectionsPerPlace = 2;
inline constexpr size_t kAuthConnectionsMax = 16;
inline constexpr size_t kLookupsMax = 1024;
inline constexpr size_t kLookupPlacesMax = 256;
inline constexpr pool::Duration kAuthRetryPause{1'000'000};

struct LookedUp {
  enum class Kind : uint8_t {
    kUnknown,  // there is no such user, or nobody is looked up there
    kFound,
    kDown,     // no server could be asked
    kFailed,   // it was asked, and the answer is none
    kTooMany,
  } kind = Kind::kUnknown;
  conf::Secret secret;  // kFound; empty = no password
  std::string remark;   // for the log
  enum class From : uint8_t { kServer, kCache } from = From::kServer;
};

class AuthQuery final : private AuthConnection::Handler {
 public:
  using Done = std::function<void(const LookedUp&)>;

  AuthQuery(DialRoom room, std::shared_ptr<const Runtime> runtime);
  ~AuthQuery();

  // nullopt: it must be asked for.
  std::optional<LookedUp> Find(const std::string& database, const std::string& user);
  void LookUp(const std::string& database, const std::string& user, Done done);
  // A login failed against what Find or LookUp gave.
  void Doubt(const std::string& database, const std::string& user);
  void SetRuntime(std::shared_ptr<const Runtime> runtime);
  // RECONNECT, PAUSE, KILL: no connection stays; who waits is asked for anew.
  void CloseAll();

  uint64_t asked() const { return asked_.load(std::memory_order_relaxed); }

 private:
  struct Waiter {
    std::string database;
    Done done;
  };
  struct Lookup {
    LookupKey key;
    std::vector<Waiter> waiters;
    bool was_stale = false;  // it was asked over a connection that had gone, once
  };
  struct Line {  // a connection, and who it asks for
    std::unique_ptr<AuthConnection> connection;
    std::shared_ptr<Lookup> lookup;
  };
  struct Place {
    DialOptions dial;
    uint64_t epoch = 0;
    bool shares_answers = false;  // auth_query_cache_age is not 0
    std::deque<std::shared_ptr<Lookup>> queue;
    std::vector<Line> lines;
    pool::TimePoint failed_at{};
    std::string failure;  // empty = none
  };
  using Places = std::map<LookupPlace, Place>;

  void OnOpened(AuthConnection& connection) override;
  void OnAnswer(AuthConnection& connection, const protocol::AuthQueryAnswer& answer) override;
  void OnClosed(AuthConnection& connection, AuthConnection::Closed how, const std::string& cause) override;

  struct Plan {
    LookupKey key;
    pool::Duration age{};
    std::shared_ptr<const Runtime> runtime;
    const conf::Database* section = nullptr;  // of the place
    uint64_t epoch = 0;
  };
  std::optional<Plan> PlanFor(const std::string& database, const std::string& user) const PGWEIR_REQUIRES(mutex_);
  void Post(std::function<void()> task);
  void Add(Waiter waiter, const std::string& user);
  void AddPlanned(const Plan& plan, Waiter waiter);
  Place* PlaceFor(const Plan& plan);
  static bool HasJustFailed(const Place& place);
  void Wake();
  void Run();
  void Serve(Place& place, const LookupPlace& name);
  bool MakeRoom();
  void Answer(const std::shared_ptr<Lookup>& lookup, const LookedUp& found);
  std::pair<Places::iterator, size_t> LineOf(const AuthConnection& connection);
  void Restart();

  const DialRoom room_;
  mutable pool::Mutex mutex_;
  std::shared_ptr<const Runtime> runtime_ PGWEIR_GUARDED_BY(mutex_);
  uint64_t epoch_ PGWEIR_GUARDED_BY(mutex_) = 1;  // of runtime_
  SecretCache cache_ PGWEIR_GUARDED_BY(mutex_);
  std::atomic<uint64_t> asked_{0};

  // On the loop:
  Places places_;
  std::map<LookupKey, std::shared_ptr<Lookup>> joinable_;  // whoever comes may wait for these, too
  size_t lookups_ = 0;                                     // waited for
  size_t connections_ = 0;
  bool is_awake_ = false;
  std::vector<std::unique_ptr<AuthConnection>> dead_;  // buried in the next turn
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);  // posted tasks ask it
};

}  // namespace proxy
