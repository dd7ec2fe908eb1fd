// The keys of [pgweir].
#include <algorithm>

#include "conf/hosts.h"
#include "conf/keys.h"
#include "conf/keys_pool.h"

namespace conf {
namespace {

constexpr std::string_view kAuto = "auto";
constexpr int kMostConnectRate = 10'000;

Parsed<std::vector<std::string>> CheckListenAddresses(std::vector<std::string> items) {
  for (const std::string& item : items) {
    if (item == "*") continue;
    const auto host = ParseHost(item);
    if (!host || host->is_unix() || host->port != 0) {
      return Refuse("must be *, addresses or host names without port, not " + Quoted(item) +
                            "; the port is listen_port, a Unix socket is unix_socket_dir");
    }
  }
  return items;
}

Parsed<std::string> CheckHttpAddress(std::string text) {
  const auto checked = CheckListenAddresses({text});
  if (!checked) return Refuse("must be *, an address or a host name without port, not " + Quoted(text));
  return text;
}

Parsed<std::string> CheckSocketFolder(std::string text) {
  // the longest name of a socket file is appended, and sun_path has 108 bytes
  constexpr size_t kLongestFolder = 85;
  if (!text.empty() && text.front() != '/' && text.front() != '@') {
    return Refuse("must be an absolute folder, @name for the abstract namespace, or empty for none, not " +
                          Quoted(text));
  }
  if (text.size() > kLongestFolder) {
    return Refuse("must not be longer than " + std::to_string(kLongestFolder) +
                          " bytes, the system's limit for a Unix socket");
  }
  return text;
}

Parsed<std::string> CheckTlsProtocols(std::string text) {
  if (text == "secure" || text == "all") return text;
  const auto items = SplitList(text);
  for (const std::string& item : items) {
    if (item != "tlsv1.0" && item != "tlsv1.1" && item != "tlsv1.2" && item != "tlsv1.3") {
      return Refuse("must be secure, all, or a list of tlsv1.0, tlsv1.1, tlsv1.2 and tlsv1.3, not " +
                            Quoted(text));
    }
  }
  if (items.empty()) return Refuse("must be secure, all, or a list such as tlsv1.2,tlsv1.3");
  return text;
}

Parsed<std::string> CheckSyslogIdent(std::string text) {
  constexpr size_t kLongestIdent = 48;  // RFC 5424's APP-NAME
  const bool is_printable = std::all_of(text.begin(), text.end(), [](char character) { return character > ' ' && character < 0x7f; });
  if (!text.empty() && text.size() <= kLongestIdent && is_printable) return text;
  return Refuse("must be 1 to 48 printable characters without blanks, not " + Quoted(text));
}

Parsed<std::string> CheckSyslogFacility(std::string text) {
  const std::vector<std::string_view> known = {"auth", "authpriv", "daemon", "user", "local0", "local1",
                                               "local2", "local3", "local4", "local5", "local6", "local7"};
  if (std::find(known.begin(), known.end(), text) != known.end()) return text;
  return Refuse("must be " + JoinWords(known) + ", not " + Quoted(text));
}

Parsed<std::string> CheckPamService(std::string text) {
  if (const std::string fault = PamServiceFault(text); !fault.empty()) return Refuse(fault);
  return text;
}

WordCodec<AuthType> AuthTypes() {
  return {{{"trust", AuthType::kTrust}, {"password", AuthType::kPassword}, {"md5", AuthType::kMd5},
           {"scram-sha-256", AuthType::kScramSha256}, {"cert", AuthType::kCert}, {"peer", AuthType::kPeer},
           {"pam", AuthType::kPam}, {"ldap", AuthType::kLdap}, {"any", AuthType::kAny}, {"hba", AuthType::kHba}}};
}

WordCodec<TlsMode> TlsModes() {
  return {{{"disable", TlsMode::kDisable}, {"allow", TlsMode::kAllow}, {"prefer", TlsMode::kPrefer},
           {"require", TlsMode::kRequire}, {"verify-ca", TlsMode::kVerifyCa}, {"verify-full", TlsMode::kVerifyFull}}};
}

class GlobalTable {
 public:
  template <typename Codec, typename Field>
  Key<Global>& Add(std::string_view name, Codec codec, Field field, std::string_view description) {
    return keys_.emplace_back(MakeKey<Global>(name, codec, field, description));
  }

  void AddProcess() {
    Add("logfile", TextCodec{.allowed = "a path"}, &Global::logfile, "file of the log; empty = stderr").file_use =
        FileUse::kPath;
    auto& pidfile = Add("pidfile", TextCodec{.allowed = "a path"}, &Global::pidfile,
        "file of the process id; empty = none");
    pidfile.file_use = FileUse::kPath;
    pidfile.change = Change::kRestart;
    Add("user", TextCodec{.allowed = "a user"}, &Global::user,
        "user of the system to run as when started by root; empty = who started it").change = Change::kRestart;
    Add("syslog", BoolCodec{}, &Global::syslog, "log to the system's log, too; logfile or stderr go on");
    Add("syslog_ident", TextCodec{.allowed = "a name", .check = CheckSyslogIdent}, &Global::syslog_ident, "the program's name there");
    Add("syslog_facility", TextCodec{.allowed = "a facility", .check = CheckSyslogFacility}, &Global::syslog_facility,
        "auth, authpriv, daemon, user, local0 to local7");
    Add("log_format", WordCodec<LogFormat>{{{"text", LogFormat::kText}, {"json", LogFormat::kJson}, {"pgbouncer", LogFormat::kPgBouncer}}},
        &Global::log_format,
        "text for people, json for collectors, pgbouncer for what reads PgBouncer's lines");
    Add("log_level",
        WordCodec<LogLevel>{{{"debug", LogLevel::kDebug},
                             {"info", LogLevel::kInfo},
                             {"warning", LogLevel::kWarning},
                             {"error", LogLevel::kError}}},
        &Global::log_level, "the least important lines that are logged");
    Add("log_connections", BoolCodec{}, &Global::log_connections, "log each login, of clients and to servers");
    Add("log_disconnections", BoolCodec{}, &Global::log_disconnections, "log each end of a connection, with its times");
    Add("log_pooler_errors", BoolCodec{}, &Global::log_pooler_errors, "log each error that pgweir itself sends to a client");
    Add("statement_text", BoolCodec{}, &Global::statement_text,
        "the log and SHOW HOLDERS show the last statement of who holds a server, without its values; false = only a digest of it");
    Add("log_stats", BoolCodec{}, &Global::log_stats, "log totals every stats_period");
    Add("stats_period", Time(std::chrono::seconds(1), std::chrono::hours(24)), &Global::stats_period,
        "time over which averages are taken");
    Add("workers", Count(0, 256), &Global::workers, "worker threads; 0 = one per CPU that the cgroup allows").change =
        Change::kRestart;
    Add("min_workers", Count(1, 256), &Global::min_workers,
        "so many of them have clients whatever the load; the others when those are busy; more than workers = all, always");
    Add("io_method",
        WordCodec<IoMethod>{{{"auto", IoMethod::kAuto}, {"io_uring", IoMethod::kIoUring}, {"sync", IoMethod::kSync}}},
        &Global::io_method,
        "how bytes leave: io_uring = those for many connections in one system call; sync = one call for each; auto = io_uring where the "
        "kernel permits it").change = Change::kRestart;
  }

  void AddListening() {
    const size_t first = keys_.size();
    Add("listen_addr", ListCodec{.allowed = "a list of addresses", .check = CheckListenAddresses}, &Global::listen_addr,
        "addresses to listen on; * = all of IPv4 and IPv6; empty = no TCP");
    Add("listen_port", Count(1, 65535), &Global::listen_port, "TCP port, also part of the Unix socket's name");
    Add("listen_backlog", Count(1, 65535), &Global::listen_backlog, "connections that the system keeps until accepted");
    Add("so_reuseport", BoolCodec{}, &Global::so_reuseport,
        "several pgweirs may listen on one port, and the system deals new connections out to them; with peer_id, cancel requests find their way");
    Add("tcp_defer_accept", Count(0, 65535), &Global::tcp_defer_accept,
        "a client is told of by the system with its first bytes; one that stays silent shows up after about so many seconds; 0 = at once");
    Add("unix_socket_dir", TextCodec{.allowed = "a folder", .check = CheckSocketFolder}, &Global::unix_socket_dir,
        "folder of the Unix socket; @name = abstract; empty = none");
    Add("unix_socket_mode", OctalModeCodec{}, &Global::unix_socket_mode, "permission bits of the Unix socket, octal");
    Add("unix_socket_group", TextCodec{.allowed = "a group"}, &Global::unix_socket_group,
        "group of the Unix socket; empty = the process's own");
    Add("http_listen_addr", TextCodec{.allowed = "an address", .check = CheckHttpAddress}, &Global::http_listen_addr,
        "address of /metrics, /livez, /readyz, /startupz and the status page");
    Add("http_listen_port", Count(0, 65535), &Global::http_listen_port, "port of the same; 0 = off");
    for (size_t i = first; i < keys_.size(); ++i) keys_[i].change = Change::kRestart;
  }

  void AddTcp() {
    Add("tcp_keepalive", BoolCodec{}, &Global::tcp_keepalive,
        "let the system probe silent TCP connections, on both sides");
    Add("tcp_keepcnt", Count(0, 127), &Global::tcp_keepcnt,
        "lost probes until the connection is dead; 0 = the system's");
    Add("tcp_keepidle", Count(0, 32767), &Global::tcp_keepidle,
        "seconds of silence before the first probe; 0 = the system's");
    Add("tcp_keepintvl", Count(0, 32767), &Global::tcp_keepintvl, "seconds between probes; 0 = the system's");
    Add("tcp_user_timeout",
        Time(Duration(0), std::chrono::hours(24),
            "a plain number is seconds here, not PgBouncer's milliseconds: write \"30s\""),
        &Global::tcp_user_timeout, "longest time that sent bytes stay unacknowledged; 0 = the system's");
    Add("proxy_protocol_from", AddressRangesCodec{}, &Global::proxy_protocol_from,
        "load balancers that send a PROXY header (v1 or v2) first; the client's address is then the one in it; empty = off");
  }

  void AddLimits() {
    Add("max_client_conn", Count(1, kMostConnections), &Global::max_client_conn, "clients of the whole process");
    Add("max_client_conn_per_address", Count(0, kMostConnections), &Global::max_client_conn_per_address,
        "clients of one IPv4 address or IPv6 /64, by TCP; 0 = no limit");
    Add("client_connect_rate", Count(0, kMostConnectRate), &Global::client_connect_rate,
        "new connections per second of one IPv4 address or IPv6 /64, by TCP, and as many at once; 0 = no limit");
    Add("max_db_connections", Count(0, kMostConnections), &Global::max_db_connections,
        "servers of one database over all its users; 0 = no limit");
    Add("max_user_connections", Count(0, kMostConnections), &Global::max_user_connections,
        "servers of one user over all databases; 0 = no limit");
    Add("max_host_connections", Count(0, kMostConnections), &Global::max_host_connections,
        "servers at one host over all databases and users; 0 = no limit");
    Add("max_db_client_connections", Count(0, kMostConnections), &Global::max_db_client_connections,
        "clients of one database; 0 = no limit");
    Add("max_user_client_connections", Count(0, kMostConnections), &Global::max_user_client_connections,
        "clients of one user; 0 = no limit");
    Add("instances", Count(1, 10'000), &Global::instances,
        "pgweirs that lead to these servers, this one included; for the arithmetic of SHOW CAPACITY alone");
    Add("peer_id", Count(0, kPeerIdMax), &Global::peer_id,
        "number of this pgweir among its [peers], to which cancel requests for the others' clients go on; 0 = off");
    Add("client_login_timeout", Time(), &Global::client_login_timeout,
        "a client that has not logged in by then is closed; 0 = off");
    Add("cancel_wait_timeout", Time(std::chrono::milliseconds(1)), &Global::cancel_wait_timeout,
        "a cancel request that found no connection by then is dropped");
    Add("cancel_grace", Time(), &Global::cancel_grace,
        "after a timeout has cancelled a query: how long the server may take to stop before it is closed");
    Add("autodb_idle_timeout", Time(), &Global::autodb_idle_timeout,
        "a pool without clients and servers, of a database that the section \"*\" stands for, is forgotten after this time; 0 = kept");
    Add("pool_idle_timeout", Time(), &Global::pool_idle_timeout,
        "any pool without clients and servers is forgotten after this time; 0 = kept");
    Add("shutdown_timeout", Time(), &Global::shutdown_timeout, "after SIGTERM: busy clients are ended at this time");
    Add("drain_delay", Time(), &Global::drain_delay,
        "after SIGTERM: still accept this long, while /readyz says no and load balancers turn away");
  }

  void AddNames() {
    Add("dns_max_ttl", Time(Duration(0), std::chrono::hours(24)), &Global::dns_max_ttl,
        "a host's addresses are used again for this time at most, then its name is looked up anew; 0 = for each connection");
    Add("dns_nxdomain_ttl", Time(Duration(0), std::chrono::hours(24)), &Global::dns_nxdomain_ttl,
        "a name that cannot be looked up is asked for again after this time; 0 = for each connection");
    Add("resolv_conf", TextCodec{.allowed = "a path"}, &Global::resolv_conf,
        "a file as /etc/resolv.conf: its name servers are asked, and the time to live in their answers counts; empty = the system's "
        "resolver, which tells none").file_use = FileUse::kReadable;
  }

  void AddAuthentication() {
    Add("auth_type", AuthTypes(), &Global::auth_type, "how clients prove who they are; hba = as auth_hba_file says");
    Add("auth_file", TextCodec{.allowed = "a path"}, &Global::auth_file,
        "users and secrets, a line \"user\" \"secret\" each, as PgBouncer has it").file_use = FileUse::kReadable;
    Add("auth_hba_file", TextCodec{.allowed = "a path"}, &Global::auth_hba_file,
        "lines as in pg_hba.conf: who may log in from where, and how").file_use = FileUse::kReadable;
    Add("auth_ident_file", TextCodec{.allowed = "a path"}, &Global::auth_ident_file,
        "lines as in pg_ident.conf: which certificate or user of the system may be which user").file_use = FileUse::kReadable;
    Add("auth_user", ServerNameCodec(), [](auto& global) -> auto& { return global.auth.user; },
        "who looks up users that are not in auth_file, with auth_query; empty = nobody is looked up");
    Add("auth_query", AuthQueryCodec(), [](auto& global) -> auto& { return global.auth.query; },
        "the query of auth_user: $1 is the user, one row of name and secret is the answer");
    Add("auth_dbname", DatabaseNameCodec(), [](auto& global) -> auto& { return global.auth.dbname; },
        "the database in which auth_query runs; empty = the one that the client asks for");
    Add("auth_query_cache_age", Time(Duration(0), std::chrono::hours(24)), &Global::auth_query_cache_age,
        "a secret that auth_query gave is used again for this time; 0 = each login asks");
    auto& ldap = Add("auth_ldap_options", LdapOptionsCodec{}, &Global::auth_ldap_options,
        "for auth_type = ldap: the options that a line of auth_hba_file has behind its method ldap");
    ldap.visibility = Visibility::kSecret;
    Add("pam_service", TextCodec{.allowed = "a name", .check = CheckPamService}, &Global::pam_service,
        "for PAM logins: the service's name, a file of /etc/pam.d; pamservice= in a line of auth_hba_file wins");
    Add("pam_config_dir", TextCodec{.allowed = "a folder"}, &Global::pam_config_dir,
        "for PAM logins: the folder of the services; empty = the system's, /etc/pam.d").file_use = FileUse::kPath;
    Add("scram_iterations", Count(1, 1'000'000), &Global::scram_iterations,
        "SCRAM iterations for secrets that are kept as plain text");
    Add("admin_users", ListCodec{}, &Global::admin_users, "users who may run every console command");
    Add("stats_users", ListCodec{}, &Global::stats_users, "users who may run SHOW on the console");
    Add("reject_users", ListCodec{}, &Global::reject_users, "users who are refused whatever their password");
    Add("reject_addresses", AddressRangesCodec{}, &Global::reject_addresses, "clients refused by address");
    Add("ignore_startup_parameters", ListCodec{}, &Global::ignore_startup_parameters,
        "startup parameters that are accepted and dropped");
    Add("disable_pqexec", BoolCodec{}, &Global::disable_pqexec,
        "a client that sends a simple query is ended: the extended protocol takes one statement at a time");
  }

  void AddWords() {
    Add("application_name_add_host", BoolCodec{}, &Global::application_name_add_host,
        "a client's application_name, as it is at connect, ends with its address and port");
    Add("login_notify_message", TextCodec{.permitted_controls = "\t\r\n"}, &Global::login_notify_message,
        "a NOTICE to each client that has logged in; empty = none");
    Add("query_wait_notify", Time(Duration(0), std::chrono::hours(24)), &Global::query_wait_notify,
        "a client that has waited so long for a server is told by a NOTICE; 0 = never");
  }

  void AddClientTls() {
    AddTls(&Global::client_tls, {"client_tls_sslmode", "client_tls_key_file", "client_tls_cert_file",
        "client_tls_ca_file",
                                 "client_tls_protocols", "client_tls_ciphers", "client_tls13_ciphers"},
           {"TLS from clients; require refuses plain connections, verify-full asks for a certificate of the user's name",
            "private key, PEM", "certificate with its chain, PEM", "authorities that sign client certificates, PEM"});
    Add("client_tls_dheparams", TextCodec{.allowed = "auto, none or a path"},
        [](auto& global) -> auto& { return global.client_tls.dheparams; }, "DH parameters: auto, none or a file")
        .file_use = FileUse::kReadableOrWord;
    Add("client_tls_ecdhcurve", TextCodec{.allowed = "auto, none or a list of groups"},
        [](auto& global) -> auto& { return global.client_tls.ecdhcurve; }, "key exchange groups: auto, none or a list");
  }

  void AddServerTls() {
    AddTls(&Global::server_tls, {"server_tls_sslmode", "server_tls_key_file", "server_tls_cert_file",
        "server_tls_ca_file",
                                 "server_tls_protocols", "server_tls_ciphers", "server_tls13_ciphers"},
           {"TLS to servers, as libpq's sslmode", "private key of a client certificate, PEM", "client certificate, PEM",
            "authorities that sign the servers' certificates, PEM"});
  }

  void AddPools() {
    AppendPoolKeys(keys_, "default_pool_size");
    for (Key<Global>& key : keys_) {
      if (key.name != "max_waiting") continue;
      // Unset has a meaning of its own in [pgweir], so it needs a spelling that SHOW CONFIG prints and SET takes back.
      key.description = "clients that may wait for a server of one pool; the next is refused at once; auto = 50 x pool_size";
      key.allowed += " or \"auto\"";
      key.get = [get = key.get](const Global& global) { return get(global).value_or(std::string(kAuto)); };
      key.set = [set = key.set](Global& global, const Value& value) -> Accepted {
        const auto* plain = std::get_if<PlainText>(&value);
        const auto* text = plain != nullptr ? &plain->text : std::get_if<std::string>(&value);
        if (text == nullptr || *text != kAuto) return set(global, value);
        global.keys.max_waiting.reset();
        return {};
      };
    }
  }

  std::vector<Key<Global>> Sorted() && {
    std::sort(keys_.begin(), keys_.end(), [](const auto& left, const auto& right) { return left.name < right.name; });
    return std::move(keys_);
  }

 private:
  struct TlsNames {
    std::string_view mode, key_file, cert_file, ca_file, protocols, ciphers, tls13_ciphers;
  };
  struct TlsDescriptions {
    std::string_view mode, key_file, cert_file, ca_file;
  };

  void AddTls(TlsSettings Global::*side, const TlsNames& names, const TlsDescriptions& descriptions) {
    const auto part = [side](auto TlsSettings::*member) {
      return [side, member](auto& global) -> auto& { return (global.*side).*member; };
    };
    Add(names.mode, TlsModes(), part(&TlsSettings::mode), descriptions.mode);
    const TextCodec path{.allowed = "a path"};
    Add(names.key_file, path, part(&TlsSettings::key_file), descriptions.key_file).file_use = FileUse::kReadable;
    Add(names.cert_file, path, part(&TlsSettings::cert_file), descriptions.cert_file).file_use = FileUse::kReadable;
    Add(names.ca_file, path, part(&TlsSettings::ca_file), descriptions.ca_file).file_use = FileUse::kReadable;
    Add(names.protocols, TextCodec{.allowed = "TLS versions", .check = CheckTlsProtocols},
        part(&TlsSettings::protocols),
        "secure = tlsv1.2 and tlsv1.3; all = every version that OpenSSL has; or a list");
    Add(names.ciphers, TextCodec{.allowed = "a cipher list"}, part(&TlsSettings::ciphers),
        "ciphers up to TLS 1.2 in OpenSSL's syntax; default = OpenSSL's");
    Add(names.tls13_ciphers, TextCodec{.allowed = "a cipher list"}, part(&TlsSettings::tls13_ciphers),
        "suites of TLS 1.3; empty = OpenSSL's");
  }

  std::vector<Key<Global>> keys_;
};

}  // namespace

const std::vector<Key<Global>>& GlobalKeys() {
  static const std::vector<Key<Global>> keys = [] {
    GlobalTable table;
    table.AddProcess();
    table.AddListening();
    table.AddTcp();
    table.AddLimits();
    table.AddNames();
    table.AddAuthentication();
    table.AddWords();
    table.AddClientTls();
    table.AddServerTls();
    table.AddPools();
    return std::move(table).Sorted();
  }();
  return keys;
}

const Global& DefaultGlobal() {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  using std::chrono::minutes;
  using std::chrono::seconds;
  static const Global global = [] {
    Global defaults;
    defaults.keys = {.pool_mode = PoolMode::kTransaction,
                     .pool_size = 20,
                     .min_pool_size = 0,
                     .min_guaranteed = 0,
                     .reserve_pool_size = 0,
                     .reserve_pool_timeout = seconds(3),
                     .max_waiting = std::nullopt,
                     .query_wait_timeout = seconds(5),
                     .queue_target = kAutomatic,
                     .queue_interval = seconds(1),
                     .queue_flow = QueueFlow::kUser,
                     .leak_threshold = Duration(0),
                     .server_lifetime = hours(1),
                     .server_lifetime_jitter = 0.1,
                     .server_idle_timeout = minutes(10),
                     .server_check_delay = seconds(30),
                     .server_check_query = "<empty>",
                     .server_reset_query = "DISCARD ALL",
                     .server_connect_timeout = seconds(15),
                     .server_login_retry = seconds(1),
                     .failover_hold_timeout = seconds(30),
                     .max_parallel_connects = 2,
                     .session_state = SessionState{},
                     .session_state_verify = false,
                     .max_prepared_statements = 200,
                     .deferred_begin = true,
                     .query_timeout = Duration(0),
                     .transaction_timeout = Duration(0),
                     .idle_transaction_timeout = Duration(0),
                     .client_idle_timeout = Duration(0)};
    return defaults;
  }();
  return global;
}

}  // namespace conf
