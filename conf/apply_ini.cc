#include "conf/apply_ini.h"

#include <optional>
#include <set>
#include <type_traits>

#include "conf/hosts.h"
#include "conf/ini_keys.h"
#include "conf/ini_reader.h"
#include "conf/nearest.h"
#include "conf/units.h"
#include "conf/user_list.h"

namespace conf {
namespace {

constexpr std::string_view kTwice = " is given twice; the last one counts";

std::vector<std::string_view> Names(const std::vector<IniKey>& keys) {
  std::vector<std::string_view> names;
  for (const IniKey& key : keys) names.push_back(key.name);
  return names;
}

// Where a name belongs that this section does not have.
std::string Advice(const std::string& name, const std::vector<IniKey>& keys) {
  if (FindIniKey(IniGlobalKeys(), name) != nullptr) return "; it belongs in [pgbouncer]";
  if (FindIniKey(IniDatabaseKeys(), name) != nullptr) return "; it belongs in a line of [databases]";
  if (FindIniKey(IniUserKeys(), name) != nullptr) return "; it belongs in a line of [users]";
  if (FindKey(GlobalKeys(), name) != nullptr) {
    return "; it is pgweir's own: write it in TOML (pgweir convert), or give it as -s " + name + "=VALUE";
  }
  return DidYouMean(name, Names(keys));
}

class IniApplier {
 public:
  explicit IniApplier(Draft& draft) : draft_(draft) {}

  void Apply(IniDocument document) {
    if (!document.mistakes.empty()) draft_.MarkRefused(kSomeDatabase);
    draft_.AddAll(std::move(document.mistakes));
    // databases look at unix_socket_dir and may stand before it
    for (const IniSection& section : document.sections) {
      if (section.name == "pgbouncer") ApplyGlobal(section);
    }
    for (const IniSection& section : document.sections) {
      if (section.name != "pgbouncer") ApplyLines(section);
    }
    Complete();
  }

 private:
  static Origin At(const std::string& file, int line) { return {.source = Source::kFile, .place = file, .line = line}; }
  static Origin At(const IniEntry& entry) { return At(entry.file, entry.line); }

  void Note(const Origin& origin, const std::string& text) {
    draft_.config.notes.push_back(origin.ToText() + ": " + text);
  }

  // What one key of PgBouncer does to a section.
  template <typename Target>
  void ApplyKey(const std::vector<Key<Target>>& keys, const IniKey& key, const std::string& value, Target& target,
                const Address& section, const Origin& origin) {
    const std::string name(key.name);
    switch (key.fate) {
      case IniFate::kNoted: return Note(origin, name + " has no effect: " + std::string(key.remark));
      case IniFate::kRefused:
        if (value != key.default_value) draft_.Add(origin, name + " is not supported: " + std::string(key.remark));
        return;
      case IniFate::kMapped: break;
    }
    auto read = ReadIniValue(key.reading, value);
    if (!read) {
      draft_.MarkRefused(key.Target());
      return draft_.Add(origin, name + " " + read.error());
    }
    const Address address{std::get<0>(section), std::get<1>(section), std::string(key.Target())};
    draft_.Apply(*FindKey(keys, key.Target()), target, address, std::move(*read), origin);
  }

  void ApplyGlobal(const IniSection& section) {
    const Origin header = At(section.file, section.line);
    if (draft_.IsGiven({"", "", ""})) {
      Note(header, "another [pgbouncer] sets every key of the one before back to its default, as in PgBouncer");
    }
    draft_.ForgetOrigins("", "");
    draft_.config.global = IniDefaults();
    draft_.SetOrigin({"", "", ""}, header);
    for (const IniEntry& entry : section.entries) {
      const IniKey* key = FindIniKey(IniGlobalKeys(), entry.key);
      if (key == nullptr) {
        const std::string advice = Advice(entry.key, IniGlobalKeys());
        draft_.Add(At(entry), "unknown key " + Quoted(entry.key) + " in [pgbouncer]" + advice);
        continue;
      }
      if (draft_.IsGiven({"", "", std::string(key->Target())})) Note(At(entry), entry.key + std::string(kTwice));
      ApplyKey(GlobalKeys(), *key, entry.value, draft_.config.global, {"", "", ""}, At(entry));
    }
  }

  void ApplyLines(const IniSection& section) {
    if (section.name == "databases") {
      for (const IniEntry& entry : section.entries) ApplyDatabase(entry);
    } else if (section.name == "users") {
      for (const IniEntry& entry : section.entries) ApplyUser(entry);
    } else if (section.name == "peers") {
      for (const IniEntry& entry : section.entries) ApplyPeer(entry);
    } else {
      draft_.MarkRefused(kSomeDatabase);
      draft_.Add(At(section.file, section.line),
                 "unknown section [" + section.name + "]" +
                     DidYouMean(section.name, {"pgbouncer", "databases", "users", "peers"}));
    }
  }

  // The pairs of a line whose name is usable; nullopt after a mistake was added.
  std::optional<std::vector<IniPair>> PairsOf(const IniEntry& entry, const std::string& what, size_t longest) {
    const std::string line = "the line of " + what + " " + Quoted(entry.key);
    if (const std::string fault = NameFault(entry.key, longest); !fault.empty()) {
      draft_.Add(At(entry), "the name of " + what + " " + Quoted(entry.key) + " " + fault);
      return std::nullopt;
    }
    auto pairs = ParseConnectString(entry.value);
    if (pairs) return std::move(*pairs);
    draft_.Add(At(entry), line + " " + pairs.error());
    return std::nullopt;
  }

  template <typename Target>
  void ApplyPairs(const std::vector<Key<Target>>& keys, const std::vector<IniKey>& ini_keys, const IniEntry& entry,
                  const std::vector<IniPair>& pairs, Target& target, const Address& section) {
    const std::string place = " of " + Quoted(entry.key) + " in [" + std::get<0>(section) + "]";
    std::set<std::string_view> seen;
    std::string_view before;
    for (const IniPair& pair : pairs) {
      const IniKey* key = FindIniKey(ini_keys, pair.key);
      if (key == nullptr && before == "password") {
        // it may be the rest of the password
        draft_.Add(At(entry), "unknown key behind password" + place + "; a password with blanks stands in '...'");
      } else if (key == nullptr) {
        draft_.Add(At(entry), "unknown key " + Quoted(pair.key) + place + Advice(pair.key, ini_keys));
      } else {
        if (!seen.insert(key->Target()).second) Note(At(entry), pair.key + place + std::string(kTwice));
        // of a database it completes the hosts, which may stand behind it
        const bool is_for_hosts = pair.key == "port" && std::is_same_v<Target, Database>;
        if (!is_for_hosts) ApplyKey(keys, *key, pair.value, target, section, At(entry));
      }
      before = pair.key;
    }
  }

  void ApplyDatabase(const IniEntry& entry) {
    if (IsConsoleName(entry.key)) {
      draft_.MarkRefused(kSomeDatabase);
      return draft_.Add(At(entry), "database name '" + entry.key +
                                       "' is reserved for the console; choose another and set dbname");
    }
    const auto pairs = PairsOf(entry, "database", kLongestDatabase);
    if (!pairs) return draft_.MarkRefused(kSomeDatabase);
    const Address section{"databases", entry.key, ""};
    if (draft_.config.databases.contains(entry.key)) Note(At(entry), "database " + Quoted(entry.key) + std::string(kTwice));
    draft_.ForgetOrigins("databases", entry.key);
    draft_.SetOrigin(section, At(entry));
    Database& database = draft_.config.databases.insert_or_assign(entry.key, Database{.name = entry.key}).first->second;
    database.load_balance_hosts = HostOrder::kRoundRobin;  // unless it says otherwise
    ApplyPairs(DatabaseKeys(), IniDatabaseKeys(), entry, *pairs, database, section);
    ApplyHosts(entry, *pairs, database, section);
    if (!database.password.empty() && database.user.empty()) {
      draft_.Add(At(entry), "password of " + Quoted(entry.key) +
                                " in [databases] has no user; add user=, or put the password into auth_file for the user it is for");
    }
  }

  void ApplyHosts(const IniEntry& entry, const std::vector<IniPair>& pairs, Database& database, const Address& section) {
    const IniPair* port = nullptr;
    bool has_host = false;
    for (const IniPair& pair : pairs) {
      if (pair.key == "host") has_host = true;
      if (pair.key == "port") port = &pair;
    }
    const std::string& folder = draft_.config.global.unix_socket_dir;
    if (!has_host && folder.empty()) {
      draft_.Add(At(entry), "database " + Quoted(entry.key) + " has no host, and unix_socket_dir is empty; name a host");
    } else if (!has_host) {
      database.hosts.push_back({.name = folder, .port = 0});
    }
    if (port != nullptr) {
      ApplyKey(DatabaseKeys(), *FindIniKey(IniDatabaseKeys(), "port"), port->value, database, section, At(entry));
    }
    for (Host& host : database.hosts) {
      if (host.port == 0) host.port = kDefaultPort;
    }
    if (database.hosts.size() < 2) database.load_balance_hosts = HostOrder::kInOrder;
  }

  void ApplyUser(const IniEntry& entry) {
    if (entry.key == "*") {
      return draft_.Add(At(entry), "there is no user *; what is for every user stands in [pgbouncer]");
    }
    const auto pairs = PairsOf(entry, "user", kLongestUser);
    if (!pairs) return;
    if (draft_.config.users.contains(entry.key)) Note(At(entry), "user " + Quoted(entry.key) + std::string(kTwice));
    draft_.ForgetOrigins("users", entry.key);
    const Address section{"users", entry.key, ""};
    draft_.SetOrigin(section, At(entry));
    User& user = draft_.config.users.insert_or_assign(entry.key, User{.name = entry.key}).first->second;
    ApplyPairs(UserKeys(), IniUserKeys(), entry, *pairs, user, section);
  }

  void ApplyPeer(const IniEntry& entry) {
    const auto id = ParsePeerId(entry.key);
    if (!id) return draft_.Add(At(entry), "the id of peer " + Quoted(entry.key) + " " + id.error());
    const auto pairs = PairsOf(entry, "peer", kLongestUser);
    if (!pairs) return;
    const auto [peer, is_new] = draft_.config.peers.try_emplace(*id, Peer{.id = *id});
    if (!is_new) return draft_.Add(At(entry), "peer " + std::to_string(*id) + " is given twice");
    const Address section{"peers", entry.key, ""};
    draft_.SetOrigin(section, At(entry));
    ApplyPairs(PeerKeys(), IniPeerKeys(), entry, *pairs, peer->second, section);
    if (peer->second.host.empty() && !draft_.IsGiven({"peers", entry.key, "host"})) {
      draft_.Add(At(entry), "peer " + Quoted(entry.key) + " has no host; add host=, where that one listens");
    }
  }

  // PgBouncer's meanings that no single key carries over.
  void Complete() {
    Config& config = draft_.config;
    config.owner_is_admin = true;
    config.ends_as_pgbouncer = true;
    config.global.keys.max_waiting = config.global.max_client_conn;
    if (const Address limit{"", "", "max_client_conn"}; draft_.IsGiven(limit)) {
      draft_.SetOrigin({"", "", "max_waiting"}, draft_.OriginOf(limit));
    }
    if (config.global.keys.reserve_pool_timeout != Duration(0)) return;
    // 0 is "at once" to pgweir
    std::vector<PoolKeys*> levels{&config.global.keys};
    for (auto& [name, database] : config.databases) levels.push_back(&database.keys);
    for (auto& [name, user] : config.users) levels.push_back(&user.keys);
    for (PoolKeys* keys : levels) {
      if (keys->reserve_pool_size) keys->reserve_pool_size = 0;
    }
    Note(draft_.OriginOf({"", "", "reserve_pool_timeout"}), "reserve_pool_timeout = 0 switches every reserve_pool_size off");
  }

  Draft& draft_;
};

}  // namespace

bool IsIniFile(std::string_view path) { return path.ends_with(".ini"); }

void ApplyIni(Draft& draft, std::string_view text) {
  draft.defaults = IniDefaults();
  draft.config.global = draft.defaults;
  IniApplier(draft).Apply(
      ReadIni(text, draft.options().file, [&draft](const std::string& path) { return draft.Read(path); }));
}

}  // namespace conf
