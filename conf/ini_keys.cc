#include "conf/ini_keys.h"

#include <algorithm>

namespace conf {
namespace {

using enum IniFate;
using enum IniReading;

constexpr std::string_view kOwnLookup =
    "it runs on connections of its own beside the pools, with search_path = pg_catalog, \"$user\", public; each login asks, unless "
    "auth_query_cache_age is given in TOML or by -s";
constexpr std::string_view kOwnBuffers = "pgweir sizes its buffers by itself";
constexpr std::string_view kKeepsTotals = "what a pool has counted is kept";

std::vector<IniKey> GlobalTable() {
  return {
      // process and log
      {"logfile", kMapped, kText, "",
       "PgBouncer also writes to stderr; pgweir writes to stderr only when there is no logfile"},
      {"pidfile", kMapped},
      {"user", kMapped},
      {"syslog", kMapped, kSwitch, "0"},
      {"syslog_ident", kMapped, kText, "pgbouncer"},
      {"syslog_facility", kMapped, kText, "daemon"},
      {"verbose", kMapped, kVerbosity, "0", "", "log_level"},
      {"log_connections", kMapped, kSwitch, "1"},
      {"log_disconnections", kMapped, kSwitch, "1"},
      {"log_pooler_errors", kMapped, kSwitch, "1"},
      {"log_stats", kMapped, kSwitch, "1"},
      {"stats_period", kMapped, kSeconds, "60"},
      {"conffile", kRefused, kText, "", "a running pgweir keeps to its file; restart it with the other one"},
      {"job_name", kNoted, kText, "pgbouncer", "it is for Windows only"},
      {"service_name", kNoted, kText, "pgbouncer", "it is for Windows only"},
      // listening
      {"listen_addr", kMapped},
      {"listen_port", kMapped, kInteger, "6432"},
      {"listen_backlog", kMapped, kInteger, "128"},
      {"unix_socket_dir", kMapped, kText, "/tmp"},
      {"unix_socket_mode", kMapped, kOctalMode, "0777"},
      {"unix_socket_group", kMapped},
      {"so_reuseport", kMapped, kSwitch, "0", "one pgweir process uses every CPU: several are for renewing one after the other"},
      // TCP and buffers
      {"tcp_defer_accept", kMapped, kInteger, "1", "PgBouncer takes any other number than 0 for 1 second"},
      {"tcp_keepalive", kMapped, kSwitch, "1"},
      {"tcp_keepcnt", kMapped, kInteger, "0"},
      {"tcp_keepidle", kMapped, kInteger, "0"},
      {"tcp_keepintvl", kMapped, kInteger, "0"},
      {"tcp_user_timeout", kMapped, kMilliseconds, "0"},
      {"tcp_socket_buffer", kNoted, kText, "0", kOwnBuffers},
      {"pkt_buf", kNoted, kText, "4096", kOwnBuffers},
      {"sbuf_loopcnt", kNoted, kText, "5", "pgweir shares its turns between sockets by itself"},
      {"max_packet_size", kNoted, kText, "2147483647",
       "pgweir streams messages and bounds those that it keeps whole by itself"},
      // pooling
      {"pool_mode", kMapped, kText, "session",
       "in transaction mode prepared statements, SET, LISTEN, temp tables and advisory locks work too (session_state)"},
      {"default_pool_size", kMapped, kInteger, "20"},
      {"min_pool_size", kMapped, kInteger, "0"},
      {"reserve_pool_size", kMapped, kInteger, "0"},
      {"reserve_pool_timeout", kMapped, kSeconds, "5"},
      {"server_round_robin", kRefused, kText, "0",
       "pgweir always takes the server that was used last; remove the line"},
      {"max_prepared_statements", kMapped, kInteger, "200"},
      {"disable_pqexec", kMapped, kSwitch, "0", "a change counts for the clients that log in from then on"},
      // limits
      {"max_client_conn", kMapped, kInteger, "100"},
      {"max_db_connections", kMapped, kInteger, "0"},
      {"max_user_connections", kMapped, kInteger, "0"},
      {"max_db_client_connections", kMapped, kInteger, "0"},
      {"max_user_client_connections", kMapped, kInteger, "0"},
      // a server's life
      {"server_lifetime", kMapped, kSeconds, "3600"},
      {"server_idle_timeout", kMapped, kSeconds, "600"},
      {"server_connect_timeout", kMapped, kSeconds, "15"},
      {"server_login_retry", kMapped, kSeconds, "15", "the longest pause; the first retries come sooner"},
      {"server_check_delay", kMapped, kSeconds, "30"},
      {"server_check_query", kMapped, kText, "<empty>"},
      {"server_reset_query", kMapped, kText, "DISCARD ALL"},
      {"server_reset_query_always", kRefused, kText, "0",
       "in transaction mode pgweir itself keeps one client's state from the next; remove the line"},
      {"server_fast_close", kRefused, kText, "0",
       "pgweir closes a server when its client is done; remove the line, use KILL where it is urgent"},
      // timeouts
      {"query_wait_timeout", kMapped, kSeconds, "120",
       "between transactions it is an error, and the client stays connected"},
      {"query_wait_notify", kMapped, kSeconds, "5"},
      {"client_login_timeout", kMapped, kSeconds, "60"},
      {"client_idle_timeout", kMapped, kSeconds, "0"},
      {"query_timeout", kMapped, kSeconds, "0", "it cancels the query and keeps the server connection"},
      {"idle_transaction_timeout", kMapped, kSeconds, "0"},
      {"transaction_timeout", kMapped, kSeconds, "0"},
      {"cancel_wait_timeout", kMapped, kSeconds, "10"},
      {"suspend_timeout", kNoted, kText, "10", "pgweir has no SUSPEND; SIGTERM drains"},
      {"login_notify_message", kMapped},
      {"autodb_idle_timeout", kMapped, kSeconds, "3600", kKeepsTotals},
      {"pool_idle_timeout", kMapped, kSeconds, "0", kKeepsTotals},
      // authentication
      {"auth_type", kMapped, kAuthType, "md5"},
      {"auth_file", kMapped},
      {"auth_hba_file", kMapped, kText, "",
       "a malformed line is a mistake, and nothing is loaded; PgBouncer skips it, and lets in whom it would have rejected"},
      {"auth_ident_file", kMapped, kText, "", "a malformed line is a mistake, and nothing is loaded"},
      {"auth_user", kMapped, kText, "", kOwnLookup},
      {"auth_dbname", kMapped},
      {"auth_ldap_options", kMapped},
      {"auth_query", kMapped, kText,
       "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND "
       "rolcanlogin"},
      {"scram_iterations", kMapped, kInteger, "4096"},
      {"admin_users", kMapped},
      {"stats_users", kMapped},
      // parameters
      {"ignore_startup_parameters", kMapped},
      {"track_extra_parameters", kNoted, kText, "IntervalStyle", "every setting follows its client"},
      {"application_name_add_host", kMapped, kSwitch, "0",
       "a name too long for both is cut, not the address"},
      // TLS
      {"client_tls_sslmode", kMapped, kText, "disable"},
      {"client_tls_key_file", kMapped},
      {"client_tls_cert_file", kMapped},
      {"client_tls_ca_file", kMapped},
      {"client_tls_protocols", kMapped, kTlsProtocols, "secure"},
      {"client_tls_ciphers", kMapped, kText, "default"},
      {"client_tls13_ciphers", kMapped},
      {"client_tls_dheparams", kMapped, kText, "auto"},
      {"client_tls_ecdhcurve", kMapped, kText, "auto"},
      {"server_tls_sslmode", kMapped, kText, "prefer"},
      {"server_tls_key_file", kMapped},
      {"server_tls_cert_file", kMapped},
      {"server_tls_ca_file", kMapped},
      {"server_tls_protocols", kMapped, kTlsProtocols, "secure"},
      {"server_tls_ciphers", kMapped, kText, "default"},
      {"server_tls13_ciphers", kMapped},
      // names and peers
      {"dns_max_ttl", kMapped, kSeconds, "15", "names in use are also looked up while nothing is opened"},
      {"dns_nxdomain_ttl", kMapped, kSeconds, "15",
       "for the name that does not exist; while no name server answers, the addresses that were found last are used"},
      {"dns_zone_check_period", kRefused, kText, "0",
       "pgweir does not watch zones: it looks each name in use up again when its time is over; remove the line, see dns_max_ttl"},
      {"resolv_conf", kMapped},
      {"peer_id", kMapped, kInteger, "0"},
  };
}

std::vector<IniKey> DatabaseTable() {
  return {
      {"dbname", kMapped},
      {"host", kMapped},
      {"port", kMapped, kInteger},
      {"user", kMapped},
      {"password", kMapped},
      {"auth_user", kMapped},
      {"auth_query", kMapped},
      {"auth_dbname", kMapped},
      {"pool_size", kMapped, kInteger},
      {"min_pool_size", kMapped, kInteger},
      {"reserve_pool_size", kMapped, kInteger},
      {"reserve_pool", kMapped, kInteger, "", "", "reserve_pool_size"},
      {"max_db_connections", kMapped, kInteger},
      {"max_db_client_connections", kMapped, kInteger},
      {"server_lifetime", kMapped, kSeconds},
      {"query_wait_timeout", kMapped, kSeconds},
      {"pool_mode", kMapped},
      {"load_balance_hosts", kMapped},
      {"connect_query", kMapped, kText, "", "an error in it is a failed login; PgBouncer logs it and goes on"},
      {"client_encoding", kMapped},
      {"datestyle", kMapped},
      {"timezone", kMapped},
      {"application_name", kMapped},
  };
}

std::vector<IniKey> UserTable() {
  return {
      {"pool_mode", kMapped},
      {"pool_size", kMapped, kInteger},
      {"reserve_pool_size", kMapped, kInteger},
      {"max_user_connections", kMapped, kInteger},
      {"max_user_client_connections", kMapped, kInteger},
      {"query_timeout", kMapped, kSeconds},
      {"query_wait_timeout", kMapped, kSeconds},
      {"idle_transaction_timeout", kMapped, kSeconds},
      {"transaction_timeout", kMapped, kSeconds},
      {"client_idle_timeout", kMapped, kSeconds},
  };
}

std::vector<IniKey> PeerTable() {
  return {
      {"host", kMapped},
      {"port", kMapped, kInteger},
      {"pool_size", kMapped, kInteger},
  };
}

}  // namespace

const std::vector<IniKey>& IniGlobalKeys() {
  static const std::vector<IniKey> keys = GlobalTable();
  return keys;
}

const std::vector<IniKey>& IniDatabaseKeys() {
  static const std::vector<IniKey> keys = DatabaseTable();
  return keys;
}

const std::vector<IniKey>& IniUserKeys() {
  static const std::vector<IniKey> keys = UserTable();
  return keys;
}

const std::vector<IniKey>& IniPeerKeys() {
  static const std::vector<IniKey> keys = PeerTable();
  return keys;
}

const IniKey* FindIniKey(const std::vector<IniKey>& keys, std::string_view name) {
  const auto found = std::find_if(keys.begin(), keys.end(), [name](const IniKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace conf
