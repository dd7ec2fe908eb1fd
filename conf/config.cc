#include "conf/config.h"

#include <string.h>

#include <algorithm>

namespace conf {
namespace {

constexpr int kWaitersPerSlot = 50;  // behaviour.md: max_waiting is 50 x pool_size unless said otherwise

const PoolKeys& NoKeys() {
  static const PoolKeys none;
  return none;
}

// The first that is given of: user, database, global; else the fallback.
template <typename T>
class Precedence {
 public:
  Precedence(const PoolKeys& user, const PoolKeys& database, const PoolKeys& global)
      : layers_{&user, &database, &global} {}
  std::optional<T> Find(std::optional<T> PoolKeys::*key) const {
    for (const PoolKeys* layer : layers_) {
      if (layer->*key) return layer->*key;
    }
    return std::nullopt;
  }

 private:
  const PoolKeys* layers_[3];
};

}  // namespace

std::string_view Name(PoolMode mode) {
  switch (mode) {
    case PoolMode::kSession: return "session";
    case PoolMode::kTransaction: return "transaction";
    case PoolMode::kStatement: return "statement";
  }
  return "";
}

std::string_view Name(AuthType type) {
  switch (type) {
    case AuthType::kTrust: return "trust";
    case AuthType::kPassword: return "password";
    case AuthType::kMd5: return "md5";
    case AuthType::kScramSha256: return "scram-sha-256";
    case AuthType::kCert: return "cert";
    case AuthType::kPeer: return "peer";
    case AuthType::kPam: return "pam";
    case AuthType::kLdap: return "ldap";
    case AuthType::kAny: return "any";
    case AuthType::kHba: return "hba";
    case AuthType::kReject: return "reject";
  }
  return "";
}

std::string_view Name(TlsMode mode) {
  switch (mode) {
    case TlsMode::kDisable: return "disable";
    case TlsMode::kAllow: return "allow";
    case TlsMode::kPrefer: return "prefer";
    case TlsMode::kRequire: return "require";
    case TlsMode::kVerifyCa: return "verify-ca";
    case TlsMode::kVerifyFull: return "verify-full";
  }
  return "";
}

std::string_view Name(Source source) {
  switch (source) {
    case Source::kDefault: return "default";
    case Source::kFile: return "file";
    case Source::kEnvironment: return "environment";
    case Source::kCommandLine: return "command line";
    case Source::kConsole: return "SET";
  }
  return "";
}

Secret::~Secret() {
  // A moved-from or shortened string keeps old bytes behind its end: wipe the whole buffer, by a call the compiler
  // keeps.
  value_.resize(value_.capacity());
  explicit_bzero(value_.data(), value_.size());
}

const Database* Config::FindDatabase(std::string_view name) const {
  auto found = databases.find(name);
  if (found == databases.end()) found = databases.find(std::string_view("*"));
  return found == databases.end() ? nullptr : &found->second;
}

const User* Config::FindUser(std::string_view name) const {
  const auto found = users.find(name);
  return found == users.end() ? nullptr : &found->second;
}

const Secret* Config::FindSecret(std::string_view user) const {
  const auto found = user_list.find(user);
  return found == user_list.end() ? nullptr : &found->second;
}

PoolSettings Config::ResolvePool(const Database& database, std::string_view user) const {
  const User* section = FindUser(user);
  const PoolKeys& user_keys = section != nullptr ? section->keys : NoKeys();
  const auto take = [&]<typename T>(std::optional<T> PoolKeys::*key, T fallback) {
    return Precedence<T>(user_keys, database.keys, global.keys).Find(key).value_or(std::move(fallback));
  };
  PoolSettings settings;
  settings.pool_mode = take(&PoolKeys::pool_mode, settings.pool_mode);
  settings.pool_size = take(&PoolKeys::pool_size, settings.pool_size);
  settings.min_pool_size = take(&PoolKeys::min_pool_size, settings.min_pool_size);
  settings.min_guaranteed = take(&PoolKeys::min_guaranteed, settings.min_guaranteed);
  settings.reserve_pool_size = take(&PoolKeys::reserve_pool_size, settings.reserve_pool_size);
  settings.reserve_pool_timeout = take(&PoolKeys::reserve_pool_timeout, settings.reserve_pool_timeout);
  settings.max_waiting = take(&PoolKeys::max_waiting, kWaitersPerSlot * settings.pool_size);
  settings.query_wait_timeout = take(&PoolKeys::query_wait_timeout, settings.query_wait_timeout);
  settings.queue_target = take(&PoolKeys::queue_target, settings.queue_target);
  settings.queue_interval = take(&PoolKeys::queue_interval, settings.queue_interval);
  settings.queue_flow = take(&PoolKeys::queue_flow, settings.queue_flow);
  settings.leak_threshold = take(&PoolKeys::leak_threshold, settings.leak_threshold);
  settings.server_lifetime = take(&PoolKeys::server_lifetime, settings.server_lifetime);
  settings.server_lifetime_jitter = take(&PoolKeys::server_lifetime_jitter, settings.server_lifetime_jitter);
  settings.server_idle_timeout = take(&PoolKeys::server_idle_timeout, settings.server_idle_timeout);
  settings.server_check_delay = take(&PoolKeys::server_check_delay, settings.server_check_delay);
  settings.server_check_query = take(&PoolKeys::server_check_query, settings.server_check_query);
  settings.server_reset_query = take(&PoolKeys::server_reset_query, settings.server_reset_query);
  settings.server_connect_timeout = take(&PoolKeys::server_connect_timeout, settings.server_connect_timeout);
  settings.server_login_retry = take(&PoolKeys::server_login_retry, settings.server_login_retry);
  settings.failover_hold_timeout = take(&PoolKeys::failover_hold_timeout, settings.failover_hold_timeout);
  settings.max_parallel_connects = take(&PoolKeys::max_parallel_connects, settings.max_parallel_connects);
  settings.session_state = take(&PoolKeys::session_state, settings.session_state);
  settings.session_state_verify = take(&PoolKeys::session_state_verify, settings.session_state_verify);
  settings.max_prepared_statements = take(&PoolKeys::max_prepared_statements, settings.max_prepared_statements);
  settings.deferred_begin = take(&PoolKeys::deferred_begin, settings.deferred_begin);
  return settings;
}

ClientTimeouts Config::ResolveTimeouts(const Database& database, std::string_view user) const {
  const User* section = FindUser(user);
  const PoolKeys& user_keys = section != nullptr ? section->keys : NoKeys();
  const Precedence<Duration> layers(user_keys, database.keys, global.keys);
  ClientTimeouts timeouts;
  timeouts.query_timeout = layers.Find(&PoolKeys::query_timeout).value_or(Duration(0));
  timeouts.transaction_timeout = layers.Find(&PoolKeys::transaction_timeout).value_or(Duration(0));
  timeouts.idle_transaction_timeout = layers.Find(&PoolKeys::idle_transaction_timeout).value_or(Duration(0));
  timeouts.client_idle_timeout = layers.Find(&PoolKeys::client_idle_timeout).value_or(Duration(0));
  return timeouts;
}

bool Config::WatchesLeaks() const {
  const auto watches = [](const PoolKeys& keys) { return keys.leak_threshold.value_or(Duration(0)) > Duration(0); };
  const auto any = [&watches](const auto& sections) {
    return std::any_of(sections.begin(), sections.end(), [&watches](const auto& item) { return watches(item.second.keys); });
  };
  return watches(global.keys) || any(databases) || any(users);
}

const Peer* Config::FindPeer(int id) const {
  const auto found = peers.find(id);
  return found == peers.end() || id == global.peer_id ? nullptr : &found->second;
}

int Config::PeerPoolSize(const Peer& peer) const { return peer.pool_size.value_or(*global.keys.pool_size); }

int Config::MaxDbConnections(const Database& database) const {
  return database.max_db_connections.value_or(global.max_db_connections);
}

int Config::MaxDbClientConnections(const Database& database) const {
  return database.max_db_client_connections.value_or(global.max_db_client_connections);
}

int Config::MaxUserConnections(std::string_view user) const {
  const User* section = FindUser(user);
  if (section == nullptr) return global.max_user_connections;
  return section->max_user_connections.value_or(global.max_user_connections);
}

int Config::MaxUserClientConnections(std::string_view user) const {
  const User* section = FindUser(user);
  if (section == nullptr) return global.max_user_client_connections;
  return section->max_user_client_connections.value_or(global.max_user_client_connections);
}

bool Config::IsAdmin(std::string_view user) const {
  return std::find(global.admin_users.begin(), global.admin_users.end(), user) != global.admin_users.end();
}

bool Config::IsStats(std::string_view user) const {
  return IsAdmin(user) ||
         std::find(global.stats_users.begin(), global.stats_users.end(), user) != global.stats_users.end();
}

}  // namespace conf
