// The sections of the configuration file, onto a Draft.
#include "conf/draft.h"
#include "conf/hosts.h"
#include "conf/nearest.h"
#include "conf/toml_reader.h"
#include "conf/units.h"
#include "conf/user_list.h"

namespace conf {
namespace {

std::string Header(const Section& section) {
  return section.name.empty() ? "[" + section.group + "]" : "[" + section.group + "." + section.name + "]";
}

// "; it belongs in [pgweir]" for a key that exists elsewhere, else the nearest of this section.
template <typename Section>
std::string Advice(const std::string& key, const std::string& group, const std::vector<Key<Section>>& keys) {
  auto names = KeyNames(keys);
  if (group == "pgweir") {
    names.push_back("pool_size");  // every other section calls it so
    const auto nearest = NearestName(key, names);
    if (nearest == "pool_size") return "; did you mean 'default_pool_size'?";
    names.pop_back();
  }
  if (group != "pgweir" && key == "default_pool_size") return "; did you mean 'pool_size'?";
  std::string places;
  if (FindKey(GlobalKeys(), key) != nullptr) places = "[pgweir]";
  if (FindKey(DatabaseKeys(), key) != nullptr) places += places.empty() ? "[databases.X]" : " or [databases.X]";
  if (FindKey(UserKeys(), key) != nullptr) places += places.empty() ? "[users.X]" : " or [users.X]";
  if (!places.empty()) return "; it belongs in " + places;
  return DidYouMean(key, names);
}

class FileApplier {
 public:
  explicit FileApplier(Draft& draft) : draft_(draft) {}

  void Apply(const Document& document) {
    for (const Entry& stray : document.strays) AddStray(stray);
    for (const Section& section : document.sections) {
      if (section.group == "pgweir") {
        ApplyKeys(section, GlobalKeys(), draft_.config.global);
      } else if (section.group == "databases") {
        ApplyDatabase(section);
      } else if (section.group == "users") {
        ApplyUser(section);
      } else if (section.group == "peers") {
        ApplyPeer(section);
      } else {
        draft_.MarkRefused(kSomeDatabase);
        draft_.Add(At(section.line), "unknown section [" + section.group + "]" +
                                         DidYouMean(section.group, {"pgweir", "databases", "users", "peers"}));
      }
    }
  }

 private:
  Origin At(int line) const { return {.source = Source::kFile, .place = draft_.options().file, .line = line}; }

  void AddStray(const Entry& stray) {
    draft_.MarkRefused(kSomeDatabase);
    const size_t dot = stray.key.find('.');
    if (dot != std::string::npos) {
      const std::string group = stray.key.substr(0, dot);
      const std::string example = group == "users" ? "reporting" : group == "peers" ? "2" : "shop";
      draft_.Add(At(stray.line), Quoted(stray.key.substr(dot + 1)) + " stands directly in [" + group +
                                     "]; give it a section of its own, such as [" + group + "." + example + "]");
    } else {
      draft_.Add(At(stray.line), "key " + Quoted(stray.key) + " stands outside every section; put it under [pgweir]");
    }
  }

  // In the order of the table, since a few keys build on earlier ones (port on host).
  template <typename Target>
  void ApplyKeys(const Section& section, const std::vector<Key<Target>>& keys, Target& target) {
    const std::string group = section.group == "pgweir" ? "" : section.group;
    draft_.SetOrigin({group, section.name, ""}, At(section.line));
    for (const Key<Target>& key : keys) {
      for (const Entry& entry : section.entries) {
        if (entry.key != key.name) continue;
        draft_.Apply(key, target, {group, section.name, entry.key}, entry.value, At(entry.line));
      }
    }
    for (const Entry& entry : section.entries) {
      if (FindKey(keys, entry.key) != nullptr) continue;
      draft_.Add(At(entry.line), "unknown key " + Quoted(entry.key) + " in " + Header(section) +
                                     Advice(entry.key, section.group, keys));
    }
    CheckOnePassword(section);
  }

  void CheckOnePassword(const Section& section) {
    const Entry* password = nullptr;
    for (const Entry& entry : section.entries) {
      if (entry.key != "password" && entry.key != "password_file") continue;
      if (password != nullptr && section.group != "pgweir") {
        draft_.Add(At(entry.line), Header(section) + " has both password and password_file; keep one of them");
      }
      password = &entry;
    }
  }

  bool CheckName(const Section& section, size_t longest) {
    const std::string what = section.group == "users" ? "user" : "database";
    const std::string reason = NameFault(section.name, longest);
    if (reason.empty()) return true;
    draft_.Add(At(section.line), "the name of " + what + " " + Quoted(section.name) + " " + reason);
    return false;
  }

  void ApplyDatabase(const Section& section) {
    if (IsConsoleName(section.name)) {
      draft_.Add(At(section.line),
                 "database name '" + section.name + "' is reserved for the console; choose another and set dbname");
      draft_.MarkRefused(kSomeDatabase);
      return;
    }
    if (!CheckName(section, kLongestDatabase)) return draft_.MarkRefused(kSomeDatabase);
    Database& database = draft_.config.databases[section.name];
    database.name = section.name;
    ApplyKeys(section, DatabaseKeys(), database);
    if (database.hosts.empty()) database.hosts.push_back({.name = std::string(kDefaultSocketFolder), .port = 0});
    for (Host& host : database.hosts) {
      if (host.port == 0) host.port = kDefaultPort;
    }
    if (!database.password.empty() && database.user.empty()) {
      const char* key = draft_.IsGiven({"databases", section.name, "password"}) ? "password" : "password_file";
      draft_.Add(draft_.OriginOf({"databases", section.name, key}),
                 std::string(key) + " in " + Header(section) +
                     " has no user; add user = \"...\", or put the password into [users.X] of the user it is for");
    }
  }

  void ApplyUser(const Section& section) {
    if (section.name == "*") {
      draft_.Add(At(section.line), "[users.\"*\"] does not exist; what is for every user stands in [pgweir]");
      return;
    }
    if (!CheckName(section, kLongestUser)) return;
    User& user = draft_.config.users[section.name];
    user.name = section.name;
    ApplyKeys(section, UserKeys(), user);
  }

  void ApplyPeer(const Section& section) {
    const auto id = ParsePeerId(section.name);
    if (!id) return draft_.Add(At(section.line), "the id of peer " + Quoted(section.name) + " " + id.error());
    Peer& peer = draft_.config.peers[*id];
    peer.id = *id;
    ApplyKeys(section, PeerKeys(), peer);
    if (peer.host.empty() && !draft_.IsGiven({"peers", section.name, "host"})) {
      draft_.Add(At(section.line), Header(section) + " has no host; add host = \"...\", where that pgweir listens");
    }
  }

  Draft& draft_;
};

}  // namespace

void ApplyFile(Draft& draft, std::string_view text) {
  const auto document = ReadToml(text, draft.options().file);
  if (document) {
    FileApplier(draft).Apply(*document);
  } else {
    draft.AddAll({document.error()});
    draft.MarkRefused(kWholeFile);
  }
}

void FillUserList(Draft& draft) {
  const std::string& path = draft.config.global.auth_file;
  if (!path.empty()) {
    // that it can be read was checked with the key; a file that vanished since then is told here
    auto content = draft.Read(path);
    if (!content) {
      draft.Add(draft.OriginOf({"", "", "auth_file"}), "auth_file: " + content.error());
    } else if (auto users = ParseUserList(*content, path)) {
      draft.config.user_list = std::move(*users);
    } else {
      draft.AddAll(std::move(users.error()));
    }
  }
  for (const auto& [name, user] : draft.config.users) {
    if (!user.password.empty()) draft.config.user_list.insert_or_assign(name, user.password);
  }
  if (!draft.url_user.empty()) draft.config.user_list.try_emplace(draft.url_user);
}

}  // namespace conf
