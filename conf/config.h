// The configuration of pgweir as one immutable snapshot.
//
// What: plain values, already parsed, checked and in base units. A reload builds a second Config beside the first and
// swaps a shared_ptr; nobody writes to a Config after Load returned it.
// Threads: immutable after construction, so any thread may read it without a lock.
// Not here: running state, sockets, TLS contexts (proxy/tls builds those from TlsSettings).
// Units: every duration is std::chrono::microseconds, every size is bytes. 0 means "off" or "no limit" as the key says.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/address_range.h"
#include "conf/auth_lookup.h"
#include "conf/key_row.h"
#include "conf/ldap_options.h"
#include "conf/peer.h"
#include "conf/secret.h"
#include "conf/session_state.h"
#include "conf/tls_settings.h"

namespace conf {

struct HbaRules;  // hba.h
class IdentMaps;  // ident.h

using Duration = std::chrono::microseconds;
inline constexpr Duration kAutomatic{-1};  // of a time that may be "auto"

enum class PoolMode : uint8_t { kSession, kTransaction, kStatement };
enum class QueueFlow : uint8_t { kUser, kApplication, kAddress };  // what is fair to what while clients wait
// kHba and kAny stand in auth_type only, kReject in auth_hba_file only.
enum class AuthType : uint8_t { kTrust, kPassword, kMd5, kScramSha256, kCert, kPeer, kPam, kLdap, kAny, kHba, kReject };
enum class LogFormat : uint8_t { kText, kJson, kPgBouncer };
enum class IoMethod : uint8_t { kAuto, kIoUring, kSync };  // how what was sent leaves; PostgreSQL 18 has a key of that name
enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

std::string_view Name(PoolMode);  // "session", "transaction", "statement": the words SHOW prints
std::string_view Name(AuthType);

// Where a server is: host[:port] over TCP, or a Unix socket when path is set.
struct Host {
  std::string name;  // a host name, an address, or the folder of a Unix socket (starts with '/' or '@')
  uint16_t port = 5432;
  bool is_unix() const { return !name.empty() && (name[0] == '/' || name[0] == '@'); }
  friend bool operator==(const Host&, const Host&) = default;
};

// Keys that may be given globally, per database and per user. In [databases.X] and [users.X] an absent key is nullopt.
// Precedence: user, then database, then global.
struct PoolKeys {
  std::optional<PoolMode> pool_mode;
  std::optional<int> pool_size;  // default_pool_size in [pgweir]
  std::optional<int> min_pool_size, min_guaranteed, reserve_pool_size;
  std::optional<Duration> reserve_pool_timeout;
  std::optional<int> max_waiting;  // unset everywhere: 50 x pool_size
  std::optional<Duration> query_wait_timeout, queue_target /* kAutomatic: auto */, queue_interval;
  std::optional<QueueFlow> queue_flow;
  std::optional<Duration> leak_threshold;  // 0 = off
  std::optional<Duration> server_lifetime;
  std::optional<double> server_lifetime_jitter;  // 0.0 .. 1.0, subtracted; written "10%" or 0.1
  std::optional<Duration> server_idle_timeout;
  std::optional<Duration> server_check_delay;
  std::optional<std::string> server_check_query;  // "<empty>" = empty simple query; "" = no check
  std::optional<std::string> server_reset_query;
  std::optional<Duration> server_connect_timeout;
  std::optional<Duration> server_login_retry;
  std::optional<Duration> failover_hold_timeout;
  std::optional<int> max_parallel_connects;
  std::optional<SessionState> session_state;  // the value of one level as a whole, kinds are not mixed
  std::optional<bool> session_state_verify;
  std::optional<int> max_prepared_statements;  // per server; 0 = they pass unchanged
  std::optional<bool> deferred_begin;
  std::optional<Duration> query_timeout, transaction_timeout, idle_transaction_timeout, client_idle_timeout;
  friend bool operator==(const PoolKeys&, const PoolKeys&) = default;
};

enum class HostOrder : uint8_t { kInOrder, kRoundRobin };

struct Database {
  std::string name;           // as clients ask for it; "*" is the fallback for every name that has no section
  std::vector<Host> hosts;    // never empty after Load; tried one after the other
  HostOrder load_balance_hosts = HostOrder::kInOrder;  // where a new server begins: always at the first, or each at the next
  std::string dbname;         // on the server; empty = the name the client asked for
  std::string user;           // forced user on the server; empty = the client's own
  Secret password;            // of the forced user
  AuthKeys auth;              // empty = the global one
  std::string client_encoding, datestyle, timezone, application_name;  // sent at server login when set
  std::string connect_query;  // run on each new server before anybody gets it; its settings become the server's defaults
  std::optional<int> max_db_connections;         // servers, over all users of this database
  std::optional<int> max_db_client_connections;  // clients, over all users of this database
  PoolKeys keys;
  friend bool operator==(const Database&, const Database&) = default;
};

struct User {
  std::string name;
  Secret password;  // may stand here instead of in auth_file: plain, md5..., SCRAM-SHA-256$...
  std::optional<int> max_user_connections;         // servers, over all databases of this user
  std::optional<int> max_user_client_connections;  // clients, over all databases of this user
  std::optional<int> weight;                       // of its flow; 1 when absent
  PoolKeys keys;
  friend bool operator==(const User&, const User&) = default;
};

// Everything in [pgweir]. Names are the names of the keys; defaults are behaviour.md's.
struct Global {
  // process and logs
  std::string logfile;  // empty = stderr
  std::string pidfile;
  std::string user;  // of the system, to run as; empty = who started it
  bool syslog = false;  // beside logfile or stderr
  std::string syslog_ident = "pgweir", syslog_facility = "daemon";
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
  bool log_connections = true;
  bool log_disconnections = true;
  bool log_pooler_errors = false;  // from pgbouncer.ini: true
  bool log_stats = true;
  bool statement_text = false;  // the log and SHOW HOLDERS tell statements, without their values, not only their digests
  Duration stats_period{60'000'000};
  int workers = 0;  // 0 = the CPUs that the cgroup allows
  int min_workers = 1;  // in use whatever the load; more than there are = all
  IoMethod io_method = IoMethod::kAuto;
  // listening
  std::vector<std::string> listen_addr{"127.0.0.1"};  // "*" = every address, v4 and v6
  int listen_port = 6432;
  int listen_backlog = 1024;
  bool so_reuseport = false;  // other processes may listen on the same port
  int tcp_defer_accept = 1;   // seconds, 0 = off
  std::string unix_socket_dir = "/tmp";  // empty = none, "@name" = abstract
  int unix_socket_mode = 0777;           // written "0777"
  std::string unix_socket_group;
  // http: /metrics, /livez, /readyz, /startupz, /
  std::string http_listen_addr = "127.0.0.1";
  int http_listen_port = 0;  // 0 = off
  // tcp, both sides
  bool tcp_keepalive = true;
  int tcp_keepcnt = 0;
  int tcp_keepidle = 0;   // seconds, 0 = the system's
  int tcp_keepintvl = 0;  // seconds
  Duration tcp_user_timeout{0};
  std::vector<AddressRange> proxy_protocol_from;  // whose connections begin with a PROXY header
  // limits
  int max_client_conn = 10000;
  int max_client_conn_per_address = 0, client_connect_rate = 0;  // the rate: new ones in a second, per address
  int max_db_connections = 0, max_user_connections = 0, max_host_connections = 0;
  int max_db_client_connections = 0;
  int max_user_client_connections = 0;
  int instances = 1;  // pgweirs that share these servers: what SHOW CAPACITY multiplies by
  int peer_id = 0;    // in the cancel keys that we give out; 0 = no peering
  bool disable_pqexec = false;  // simple queries are refused
  // timeouts that have no per-database form
  Duration query_wait_notify{0}, autodb_idle_timeout{3'600'000'000}, pool_idle_timeout{600'000'000};  // 0 = never
  Duration client_login_timeout{60'000'000};
  Duration cancel_wait_timeout{10'000'000};
  Duration cancel_grace{1'000'000};
  Duration shutdown_timeout{60'000'000};
  Duration drain_delay{5'000'000};
  // the name service
  Duration dns_max_ttl{15'000'000}, dns_nxdomain_ttl{15'000'000};
  std::string resolv_conf;  // empty = the system's resolver
  // authentication
  AuthType auth_type = AuthType::kScramSha256;
  std::string auth_file, auth_hba_file, auth_ident_file;  // paths, relative to the folder of the configuration file
  AuthKeys auth{.query = std::string(kAuthQuery)};
  Duration auth_query_cache_age{60'000'000};
  LdapOptions auth_ldap_options;  // of auth_type ldap
  std::string pam_service = "pgweir", pam_config_dir;  // the folder: empty = the system's
  int scram_iterations = 4096;
  std::vector<std::string> admin_users, stats_users;
  std::vector<std::string> reject_users;
  std::vector<AddressRange> reject_addresses;
  std::vector<std::string> ignore_startup_parameters;
  bool application_name_add_host = false;
  std::string login_notify_message;
  // tls
  TlsSettings client_tls{.mode = TlsMode::kDisable};
  TlsSettings server_tls{.mode = TlsMode::kPrefer};
  // pool keys, every optional filled with its default after Load, except max_waiting
  PoolKeys keys;
  friend bool operator==(const Global&, const Global&) = default;
};

// What a pool of (database, user) works with, after precedence.
struct PoolSettings {
  PoolMode pool_mode = PoolMode::kTransaction;
  QueueFlow queue_flow = QueueFlow::kUser;
  int pool_size = 20, min_pool_size = 0, min_guaranteed = 0, reserve_pool_size = 0, max_waiting = 1000, max_parallel_connects = 2;
  Duration reserve_pool_timeout{}, query_wait_timeout{}, queue_target{}, queue_interval{}, leak_threshold{}, server_lifetime{}, server_idle_timeout{}, server_check_delay{},
      server_connect_timeout{}, server_login_retry{}, failover_hold_timeout{};
  double server_lifetime_jitter = 0.1;
  std::string server_check_query, server_reset_query;
  SessionState session_state;
  bool session_state_verify = false, deferred_begin = true;
  int max_prepared_statements = 200;
  friend bool operator==(const PoolSettings&, const PoolSettings&) = default;
};

// The clocks of one client of (database, user), after precedence. 0 = off.
struct ClientTimeouts {
  Duration query_timeout{}, transaction_timeout{}, idle_transaction_timeout{}, client_idle_timeout{};
  friend bool operator==(const ClientTimeouts&, const ClientTimeouts&) = default;
};

// One entry of the userlist, PgBouncer's auth_file format.
using UserList = std::map<std::string, Secret, std::less<>>;

struct Config {
  std::string file;  // the path it was read from, empty when the environment alone made it
  Global global;
  std::map<std::string, Database, std::less<>> databases;
  std::map<std::string, User, std::less<>> users;
  std::map<int, Peer> peers;  // by id; this pgweir may be among them
  UserList user_list;         // auth_file, merged with the passwords of [users.X] (those win)
  std::shared_ptr<const HbaRules> hba;     // set exactly when auth_type is hba
  std::shared_ptr<const IdentMaps> ident;  // auth_ident_file; never nullptr when hba is set
  bool owner_is_admin = false;  // pgbouncer.ini: the user pgbouncer of the console, from the Unix socket and pgweir's own uid
  bool ends_as_pgbouncer = false;  // pgbouncer.ini: SIGTERM waits until the clients have left, SIGINT until no server is in use
  // What the file says that is accepted and has no effect, with file and line: lines for the log. From pgbouncer.ini only.
  std::vector<std::string> notes;
  std::vector<KeyRow> rows;   // sorted by key: every [pgweir] key with value in force, default, source

  // The section for a name: exact, else "*", else nullptr.
  const Database* FindDatabase(std::string_view name) const;
  const User* FindUser(std::string_view name) const;
  const Secret* FindSecret(std::string_view user) const;
  // login_user's keys, then database's, then global.
  PoolSettings ResolvePool(const Database& database, std::string_view user) const;
  ClientTimeouts ResolveTimeouts(const Database& database, std::string_view user) const;
  const Peer* FindPeer(int id) const;  // nullptr: not known, or this pgweir itself
  int PeerPoolSize(const Peer& peer) const;
  int MaxDbConnections(const Database& database) const;
  int MaxDbClientConnections(const Database& database) const;
  int MaxUserConnections(std::string_view user) const;
  int MaxUserClientConnections(std::string_view user) const;
  bool WatchesLeaks() const;  // leak_threshold is given somewhere
  bool IsAdmin(std::string_view user) const;
  bool IsStats(std::string_view user) const;  // admin_users count too
};

}  // namespace conf
