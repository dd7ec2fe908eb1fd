// Contradictions: values that are each right alone and wrong together. A silent winner would be a silent default.
#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>

#include "conf/apply_ini.h"
#include "conf/draft.h"
#include "conf/hba.h"
#include "conf/hosts.h"
#include "conf/keys_pool.h"
#include "conf/units.h"

namespace conf {
namespace {

Address GlobalKey(std::string key) { return {"", "", std::move(key)}; }

// The keys that a pool's arithmetic is about, as a section may override them.
bool HasPoolArithmetic(const PoolKeys& keys) {
  return keys.pool_size || keys.min_pool_size || keys.min_guaranteed || keys.leak_threshold || keys.reserve_pool_size || keys.reserve_pool_timeout ||
         keys.query_wait_timeout;
}

class Checker {
 public:
  explicit Checker(Draft& draft) : draft_(draft), config_(draft.config) {}

  void CheckAll() {
    if (draft_.WasRefused(kWholeFile)) return;
    CheckPools();
    CheckCaps();
    CheckTls();
    CheckAuthentication();
    CheckListening();
    CheckPeers();
    if (config_.databases.empty() && !draft_.WasRefused(kSomeDatabase)) {
      draft_.Add(draft_.OriginOf({"databases", "", ""}),
                 IsIniFile(draft_.options().file)
                     ? "no database: add a line such as shop = host=10.0.0.5 under [databases], or set DATABASE_URL"
                     : "no database: add a section such as [databases.shop] with host = \"...\", or set DATABASE_URL");
    }
  }

 private:
  bool AnyRefused(std::initializer_list<std::string_view> keys) const {
    return std::any_of(keys.begin(), keys.end(), [this](std::string_view key) {
      return draft_.WasRefused(key) || (key == "pool_size" && draft_.WasRefused("default_pool_size"));
    });
  }

  // Where a pool key is given: the innermost section of those that apply.
  std::optional<Origin> OriginOfPoolKey(const std::string& key, const Database* database, const User* user) const {
    std::vector<Address> addresses;
    if (user != nullptr) addresses.emplace_back("users", user->name, key);
    if (database != nullptr) addresses.emplace_back("databases", database->name, key);
    addresses.push_back(GlobalKey(key == "pool_size" ? "default_pool_size" : key));
    for (const Address& address : addresses) {
      if (draft_.IsGiven(address)) return draft_.OriginOf(address);
    }
    return std::nullopt;
  }

  // Reports at the first of the keys that is given anywhere: list the likeliest culprit first.
  void AddPoolMistake(std::initializer_list<std::string_view> keys, const Database* database, const User* user,
                      std::string text) {
    if (AnyRefused(keys)) return;
    std::optional<Origin> given;
    for (const std::string_view key : keys) {
      if (!given) given = OriginOfPoolKey(std::string(key), database, user);
    }
    const Origin origin = given.value_or(draft_.OriginOf(GlobalKey("")));
    if (database != nullptr) text += ", for database " + Quoted(database->name);
    if (user != nullptr) text += (database != nullptr ? " and user " : ", for user ") + Quoted(user->name);
    // one wrong pair shows in every combination that it takes part in: once is enough
    const std::string place = origin.place + ":" + std::to_string(origin.line) + std::string(*keys.begin());
    if (reported_.insert(place).second) draft_.Add(origin, text);
  }

  void CheckPool(const PoolSettings& pool, const Database* database, const User* user) {
    for (const auto& [key, value] : {std::pair{"min_pool_size", pool.min_pool_size}, {"min_guaranteed", pool.min_guaranteed}}) {
      if (value <= pool.pool_size) continue;
      AddPoolMistake({key, "pool_size"}, database, user,
                     key + (" (" + std::to_string(value) + ") is larger than the pool size (" + std::to_string(pool.pool_size) + ")"));
    }
    if (pool.leak_threshold > Duration(0) && pool.leak_threshold < kLeakThresholdLeast) {
      AddPoolMistake({"leak_threshold"}, database, user, "leak_threshold must be 0 (off) or at least " + FormatDuration(kLeakThresholdLeast));
    }
    if (pool.reserve_pool_size > 0 && pool.reserve_pool_timeout >= pool.query_wait_timeout) {
      AddPoolMistake({"reserve_pool_timeout", "query_wait_timeout", "reserve_pool_size"}, database, user,
                     "reserve_pool_timeout (" + FormatDuration(pool.reserve_pool_timeout) +
                         ") must be shorter than query_wait_timeout (" + FormatDuration(pool.query_wait_timeout) +
                         "), or the reserve of " + std::to_string(pool.reserve_pool_size) + " is never used");
    }
  }

  // Global first, then what each section makes of it, then the pairs in which both sections have a say.
  void CheckPools() {
    CheckPool(config_.ResolvePool(Database{}, ""), nullptr, nullptr);
    std::vector<const User*> users;
    for (const auto& [name, user] : config_.users) {
      if (!HasPoolArithmetic(user.keys)) continue;
      users.push_back(&user);
      CheckPool(config_.ResolvePool(Database{}, name), nullptr, &user);
    }
    for (const auto& [name, database] : config_.databases) {
      if (!HasPoolArithmetic(database.keys)) continue;
      CheckPool(config_.ResolvePool(database, ""), &database, nullptr);
      for (const User* user : users) CheckPool(config_.ResolvePool(database, user->name), &database, user);
    }
  }

  struct Need {
    const char* key;
    int value;
    std::string of = "";  // whose
  };
  void CheckCap(int cap, const char* cap_name, const Need& need, const Address& section) {
    if (cap == 0 || cap >= need.value || AnyRefused({need.key, cap_name})) return;
    const auto& [group, name, unused] = section;
    Origin origin = draft_.OriginOf(GlobalKey(cap_name));
    for (const std::string& key : {std::string(need.key), std::string(cap_name)}) {
      if (draft_.IsGiven({group, name, key})) origin = draft_.OriginOf({group, name, key});
    }
    const std::string place = origin.place + ":" + std::to_string(origin.line) + cap_name + need.key;
    if (!reported_.insert(place).second) return;
    draft_.Add(origin, std::string(cap_name) + " (" + std::to_string(cap) + ") cannot hold " + need.key + " (" + std::to_string(need.value) +
                           ")" + need.of);
  }

  void CheckCaps() {
    const Global& global = config_.global;
    const auto check = [this](const PoolSettings& pool, const std::string& of, const Address& section, std::initializer_list<std::pair<int, const char*>> caps) {
      for (const auto& [cap, cap_name] : caps) {
        CheckCap(cap, cap_name, {"min_pool_size", pool.min_pool_size, of}, section);
        CheckCap(cap, cap_name, {"min_guaranteed", pool.min_guaranteed, of}, section);
      }
    };
    const std::pair<int, const char*> of_host{global.max_host_connections, "max_host_connections"};
    const PoolSettings usual = config_.ResolvePool(Database{}, "");
    check(usual, "", {"", "", ""}, {{global.max_db_connections, "max_db_connections"}, {global.max_user_connections, "max_user_connections"}, of_host});
    for (const auto& [name, database] : config_.databases) {
      check(config_.ResolvePool(database, ""), " of database " + Quoted(name), {"databases", name, ""},
            {{config_.MaxDbConnections(database), "max_db_connections"}, {global.max_user_connections, "max_user_connections"}, of_host});
    }
    for (const auto& [name, user] : config_.users) {
      check(config_.ResolvePool(Database{}, name), " of user " + Quoted(name), {"users", name, ""},
            {{config_.MaxUserConnections(name), "max_user_connections"}, {global.max_db_connections, "max_db_connections"}, of_host});
    }
    CheckGuarantees();
  }

  // What the pools that are known by name may count on, together: a cap that cannot hold it would break a promise.
  void CheckGuarantees() {
    std::map<std::string, int> of_user;
    std::map<std::string, int> of_host;
    for (const auto& [name, section] : config_.databases) {
      const Database& database = section;
      int of_database = 0;
      const auto add = [&](const std::string& user) {
        const int guaranteed = config_.ResolvePool(database, user).min_guaranteed;
        of_database += guaranteed;
        of_user[user] += guaranteed;
      };
      if (!database.user.empty()) add(database.user);
      else for (const auto& [user, unused] : config_.users) add(user);
      CheckCap(config_.MaxDbConnections(database), "max_db_connections", {"min_guaranteed", of_database, ", that of its users together, of database " + Quoted(name)},
               {"databases", name, ""});
      for (const Host& host : database.hosts) of_host[FormatHosts({host})] += of_database;
    }
    for (const auto& [user, guaranteed] : of_user) {
      CheckCap(config_.MaxUserConnections(user), "max_user_connections", {"min_guaranteed", guaranteed, ", that of its databases together, of user " + Quoted(user)},
               {"users", user, ""});
    }
    for (const auto& [host, guaranteed] : of_host) {
      CheckCap(config_.global.max_host_connections, "max_host_connections", {"min_guaranteed", guaranteed, ", that of its pools together, of host " + host},
               {"", "", ""});
    }
  }

  void CheckTls() {
    const TlsSettings& client = config_.global.client_tls;
    const Origin client_mode = draft_.OriginOf(GlobalKey("client_tls_sslmode"));
    if (client.mode != TlsMode::kDisable && (client.key_file.empty() || client.cert_file.empty()) &&
        !AnyRefused({"client_tls_key_file", "client_tls_cert_file"})) {
      draft_.Add(client_mode, "client_tls_sslmode = \"" + std::string(Name(client.mode)) +
                                  "\" needs client_tls_key_file and client_tls_cert_file");
    }
    const TlsSettings& server = config_.global.server_tls;
    if (server.key_file.empty() != server.cert_file.empty() &&
        !AnyRefused({"server_tls_key_file", "server_tls_cert_file"})) {
      const char* given = server.key_file.empty() ? "server_tls_cert_file" : "server_tls_key_file";
      const char* missing = server.key_file.empty() ? "server_tls_key_file" : "server_tls_cert_file";
      draft_.Add(draft_.OriginOf(GlobalKey(given)), std::string(given) + " needs " + missing + " beside it");
    }
    CheckAuthority(client, "client_tls");
    CheckAuthority(server, "server_tls");
  }

  void CheckAuthority(const TlsSettings& tls, const std::string& side) {
    if ((tls.mode != TlsMode::kVerifyCa && tls.mode != TlsMode::kVerifyFull) || !tls.ca_file.empty()) return;
    if (draft_.WasRefused(side + "_ca_file")) return;
    draft_.Add(draft_.OriginOf(GlobalKey(side + "_sslmode")),
               side + "_sslmode = \"" + std::string(Name(tls.mode)) + "\" needs " + side +
                   "_ca_file: without authorities nothing can be verified");
  }

  // Whether somebody logs in by a secret; trust, cert and peer need the name alone.
  bool NeedsSecrets() const {
    const auto needs = [](AuthType type) {
      return type == AuthType::kPassword || type == AuthType::kMd5 || type == AuthType::kScramSha256;
    };
    if (config_.global.auth_type != AuthType::kHba) return needs(config_.global.auth_type);
    if (!config_.hba) return false;
    const auto& rules = config_.hba->rules;
    return std::all_of(rules.begin(), rules.end(),
                       [&needs](const HbaRule& rule) { return needs(rule.method) || rule.method == AuthType::kReject; });
  }

  void CheckIdentities() {
    const Global& global = config_.global;
    const Origin origin = draft_.OriginOf(GlobalKey("auth_type"));
    const bool verifies = global.client_tls.mode == TlsMode::kVerifyCa || global.client_tls.mode == TlsMode::kVerifyFull;
    if (global.auth_type == AuthType::kCert && !verifies && !draft_.WasRefused("client_tls_sslmode")) {
      draft_.Add(origin, "auth_type = \"cert\" needs client_tls_sslmode = \"verify-full\", which asks each client for its certificate");
    }
    if (global.auth_type == AuthType::kPeer && global.unix_socket_dir.empty()) {
      draft_.Add(origin, "nobody could log in: auth_type = \"peer\" is for the Unix socket, and unix_socket_dir is empty");
    }
    CheckOutside();
    if (global.auth_type != AuthType::kAny) return;
    for (const auto& [name, database] : config_.databases) {
      if (!database.user.empty()) continue;
      draft_.Add(draft_.OriginOf({"databases", name, ""}),
                 "database " + Quoted(name) + " needs a user: with auth_type = \"any\" the client's name means nothing");
    }
  }

  // With PAM and LDAP for everybody, nobody is left for auth_user to look up. PgBouncer refuses each login then.
  void CheckOutside() {
    const Global& global = config_.global;
    const bool is_outside = global.auth_type == AuthType::kPam || global.auth_type == AuthType::kLdap;
    const std::string type = "auth_type = \"" + std::string(Name(global.auth_type)) + "\"";
    if (is_outside && AnyLookup() && !draft_.WasRefused("auth_user")) {
      draft_.Add(draft_.OriginOf(GlobalKey("auth_type")), type + " and auth_user exclude each other: nobody is left to be looked up; remove auth_user");
    }
    if (draft_.WasRefused("auth_ldap_options")) return;
    const bool has_options = !global.auth_ldap_options.uris.empty();
    if (global.auth_type == AuthType::kLdap && !has_options) {
      draft_.Add(draft_.OriginOf(GlobalKey("auth_type")), type + " needs auth_ldap_options, which say where the LDAP server is and how it is asked");
    }
    if (global.auth_type == AuthType::kLdap || !has_options) return;
    const Origin origin = draft_.OriginOf(GlobalKey("auth_ldap_options"));
    if (IsIniFile(draft_.options().file)) {
      draft_.config.notes.push_back(origin.ToText() + ": auth_ldap_options has no effect: only auth_type = ldap reads it");
    } else {
      draft_.Add(origin, "auth_ldap_options are for auth_type = \"ldap\" only; set that, or write them behind the method ldap in auth_hba_file, or remove the line");
    }
  }

  // auth_dbname is a database of ours: its host and dbname say where that is.
  void CheckLookup(const std::string& place, const Address& key) {
    if (place.empty() || config_.FindDatabase(place) != nullptr || draft_.WasRefused(kSomeDatabase)) return;
    draft_.Add(draft_.OriginOf(key), "auth_dbname " + Quoted(place) + " is not a database of this configuration; add a section for it");
  }

  bool AnyLookup() const {
    return !config_.global.auth.user.empty() ||
           std::any_of(config_.databases.begin(), config_.databases.end(), [](const auto& item) { return !item.second.auth.user.empty(); });
  }

  void CheckAuthentication() {
    if (!draft_.WasRefused("auth_type")) CheckIdentities();
    CheckLookup(config_.global.auth.dbname, GlobalKey("auth_dbname"));
    for (const auto& [name, database] : config_.databases) CheckLookup(database.auth.dbname, {"databases", name, "auth_dbname"});
    if (AnyLookup() || draft_.WasRefused("auth_user")) return;
    if (!NeedsSecrets() || !config_.global.auth_file.empty()) return;
    if (AnyRefused({"auth_type", "auth_file", "password", "password_file", kSomeDatabase})) return;
    const bool any_secret = std::any_of(config_.user_list.begin(), config_.user_list.end(),
                                        [](const auto& entry) { return !entry.second.empty(); });
    if (any_secret) return;
    draft_.Add(draft_.OriginOf(GlobalKey("auth_type")),
               "nobody could log in: auth_type = \"" + std::string(Name(config_.global.auth_type)) +
                   "\" needs secrets; set auth_file or auth_user, " +
                   (IsIniFile(draft_.options().file) ? "" : "or password in a section such as [users.app], ") +
                   "or a password in DATABASE_URL");
  }

  void CheckListening() {
    const Global& global = config_.global;
    if (global.listen_addr.empty() && global.unix_socket_dir.empty()) {
      draft_.Add(draft_.OriginOf(GlobalKey("listen_addr")),
                 "nothing to listen on: listen_addr and unix_socket_dir are both empty");
    }
    if (!global.proxy_protocol_from.empty() && global.listen_addr.empty() && !draft_.WasRefused("listen_addr")) {
      draft_.Add(draft_.OriginOf(GlobalKey("proxy_protocol_from")),
                 "proxy_protocol_from is for TCP, and listen_addr is empty: a Unix socket takes no PROXY header");
    }
    const auto& addresses = global.listen_addr;
    const bool same_address = global.http_listen_addr == "*" ||
                              std::any_of(addresses.begin(), addresses.end(), [&global](const std::string& address) {
                                return address == "*" || address == global.http_listen_addr;
                              });
    if (global.http_listen_port == global.listen_port && same_address && !addresses.empty()) {
      draft_.Add(draft_.OriginOf(GlobalKey("http_listen_port")),
                 "http_listen_port is the same as listen_port (" + std::to_string(global.listen_port) +
                     "); two listeners cannot share a port");
    }
  }

  // Without an id of its own in the keys, a pgweir's clients could be cancelled through none of the others.
  void CheckPeers() {
    if (config_.peers.empty() || config_.global.peer_id != 0 || draft_.WasRefused("peer_id")) return;
    const bool is_ini = IsIniFile(draft_.options().file);
    const Address first_peer{"peers", std::to_string(config_.peers.begin()->first), ""};
    draft_.Add(draft_.OriginOf(draft_.IsGiven(GlobalKey("peer_id")) ? GlobalKey("peer_id") : first_peer),
               std::string("there are peers, but this one has no peer_id; give it one in ") + (is_ini ? "[pgbouncer]" : "[pgweir]") +
                   ", from 1 to " + std::to_string(kPeerIdMax));
  }

  Draft& draft_;
  const Config& config_;
  std::set<std::string> reported_;
};

}  // namespace

void CheckContradictions(Draft& draft) { Checker(draft).CheckAll(); }

}  // namespace conf
