// DATABASE_URL, PGWEIR_<KEY>, PGWEIR_<KEY>_FILE and the command line, onto a Draft.
#include <algorithm>
#include <cctype>
#include <optional>

#include "conf/database_url.h"
#include "conf/draft.h"
#include "conf/nearest.h"
#include "conf/units.h"

namespace conf {
namespace {

constexpr std::string_view kPrefix = "PGWEIR_";
constexpr std::string_view kFileSuffix = "_FILE";
constexpr std::string_view kAdminPassword = "PGWEIR_ADMIN_PASSWORD";
constexpr std::string_view kAdminUser = "admin";

std::string UpperName(std::string_view key) {
  std::string name(kPrefix);
  for (const char character : key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
  return name;
}

Origin FromVariable(std::string name) { return {.source = Source::kEnvironment, .place = std::move(name)}; }

const char* Lookup(const Draft& draft, const std::string& name) {
  return draft.options().environment ? draft.options().environment(name.c_str()) : nullptr;
}

struct Found {
  std::string value;
  Origin origin;
};

// NAME, or the content of the file that NAME_FILE names. An unreadable file and both at once are mistakes.
std::optional<Found> FindVariable(Draft& draft, const std::string& name) {
  const std::string file_name = name + std::string(kFileSuffix);
  const char* value = Lookup(draft, name);
  const char* path = Lookup(draft, file_name);
  if (value != nullptr && path != nullptr) {
    draft.Add(FromVariable(file_name), "is set together with " + name + "; keep one of them");
    return std::nullopt;
  }
  if (value != nullptr) return Found{value, FromVariable(name)};
  if (path == nullptr) return std::nullopt;
  const auto content = draft.Read(path);
  if (!content) {
    draft.Add(FromVariable(file_name), content.error());
    return std::nullopt;
  }
  return Found{std::string(StripLineEnd(*content)), FromVariable(file_name)};
}

// Kubernetes gives every pod PGWEIR_SERVICE_HOST, PGWEIR_PORT=tcp://10.0.0.1:6432, PGWEIR_PORT_6432_TCP_ADDR and so on
// when a service is called pgweir or pgweir-something; refusing those would keep the proxy from starting at all.
bool IsServiceLink(const Draft& draft, const std::string& name) {
  if (name.find("_SERVICE_HOST") != std::string::npos || name.find("_SERVICE_PORT") != std::string::npos) return true;
  if (name.find("_TCP_") != std::string::npos || name.find("_UDP_") != std::string::npos) {
    return name.ends_with("_ADDR") || name.ends_with("_PORT") || name.ends_with("_PROTO");
  }
  const char* value = Lookup(draft, name);
  const std::string_view text = value == nullptr ? "" : value;
  return text.starts_with("tcp://") || text.starts_with("udp://");
}

// Every name that means something, those with _FILE apart: a key of its own may end so (client_tls_key_file).
std::vector<std::string> KnownNames() {
  std::vector<std::string> names;
  for (const Key<Global>& key : GlobalKeys()) names.push_back(UpperName(key.name));
  names.emplace_back(kAdminPassword);
  names.emplace_back("PGWEIR_CONFIG");
  return names;
}

void ReportUnknownNames(Draft& draft) {
  const std::vector<std::string> known = KnownNames();
  const auto is_known = [&known](std::string_view name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  for (const std::string& name : draft.options().environment_names) {
    if (!name.starts_with(kPrefix) || is_known(name)) continue;
    const bool ends_in_file = name.ends_with(kFileSuffix);
    std::string base = name;
    if (ends_in_file) base.resize(name.size() - kFileSuffix.size());
    if ((ends_in_file && is_known(base)) || IsServiceLink(draft, name)) continue;
    std::vector<std::string> candidates = known;
    if (ends_in_file) {
      for (const std::string& candidate : known) candidates.push_back(candidate + std::string(kFileSuffix));
    }
    // the prefix is right already and must not count as likeness
    std::vector<std::string_view> tails;
    for (const std::string& candidate : candidates) tails.push_back(std::string_view(candidate).substr(kPrefix.size()));
    const auto nearest = NearestName(std::string_view(name).substr(kPrefix.size()), tails);
    draft.Add(FromVariable(name), "unknown environment variable" +
                                      (nearest ? "; did you mean '" + std::string(kPrefix) + *nearest + "'?"
                                               : "; PGWEIR_<KEY> takes the keys of [pgweir] in upper case"));
  }
}

}  // namespace

void ApplyDatabaseUrl(Draft& draft) {
  auto found = FindVariable(draft, "DATABASE_URL");
  if (!found && Lookup(draft, "DATABASE_URL_FILE") != nullptr) draft.MarkRefused(kSomeDatabase);
  if (!found || found->value.empty()) return;
  auto url = ParseDatabaseUrl(found->value);
  if (!url) {
    draft.Add(found->origin, url.error());
    draft.MarkRefused(kSomeDatabase);
    return;
  }
  if (IsConsoleName(url->dbname)) {
    draft.Add(found->origin, "names the database '" + url->dbname +
                                 "', which is reserved for the console; use a configuration file with another name and dbname");
    draft.MarkRefused(kSomeDatabase);
    return;
  }
  Database database{.name = url->dbname, .hosts = url->hosts};
  database.application_name = url->application_name;
  // "*" keeps no dbname: each client gets the database it asks for
  Database fallback = database;
  fallback.name = "*";
  draft.config.databases.insert_or_assign(database.name, database);
  draft.SetOrigin({"databases", database.name, ""}, found->origin);
  if (draft.config.databases.emplace("*", std::move(fallback)).second) {
    draft.SetOrigin({"databases", "*", ""}, found->origin);
  }
  if (!url->user.empty()) {
    User& user = draft.config.users[url->user];
    user.name = url->user;
    if (!url->password.empty()) user.password = std::move(url->password);
    draft.url_user = url->user;
  }
  if (url->sslmode) {
    draft.config.global.server_tls.mode = *url->sslmode;
    draft.SetOrigin({"", "", "server_tls_sslmode"}, found->origin);
  }
}

void ApplyEnvironment(Draft& draft) {
  for (const Key<Global>& key : GlobalKeys()) {
    const auto found = FindVariable(draft, UpperName(key.name));
    if (!found) continue;
    draft.Apply(key, draft.config.global, {"", "", std::string(key.name)}, PlainText{found->value}, found->origin);
  }
  ReportUnknownNames(draft);
}

void ApplyCommandLine(Draft& draft) {
  for (const auto& [name, value] : draft.options().command_line) {
    const Origin origin{.source = Source::kCommandLine, .place = "command line"};
    if (const Key<Global>* key = FindKey(GlobalKeys(), name)) {
      draft.Apply(*key, draft.config.global, {"", "", name}, PlainText{value}, origin);
    } else {
      draft.Add(origin, "unknown key " + Quoted(name) + DidYouMean(name, KeyNames(GlobalKeys())));
    }
  }
}

void ApplyAdminPassword(Draft& draft) {
  auto found = FindVariable(draft, std::string(kAdminPassword));
  if (!found) return;
  if (found->value.empty()) {
    draft.Add(found->origin, "must not be empty; set a password or unset the variable");
    return;
  }
  draft.config.user_list.insert_or_assign(std::string(kAdminUser), Secret(std::move(found->value)));
  if (!draft.config.IsAdmin(kAdminUser)) draft.config.global.admin_users.emplace_back(kAdminUser);
  draft.SetOrigin({"", "", "admin_users"}, found->origin);
}

}  // namespace conf
