#include "conf/convert.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "conf/hba.h"
#include "conf/ident.h"
#include "conf/ini_keys.h"
#include "conf/keys.h"

namespace conf {
namespace {

std::string InQuotes(std::string_view text) {
  std::string quoted = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escape{};
      const int length = std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(byte));
      quoted.append(escape.data(), static_cast<size_t>(length));
      continue;
    }
    if (character == '"' || character == '\\') quoted += '\\';
    quoted += character;
  }
  return quoted + '"';
}

// In quotes where the key takes text, else bare: a number or true.
template <typename Section>
std::string Spelling(const Key<Section>& key, const Section& section, const std::string& text) {
  Section again = section;
  const bool takes_text = key.set(again, Value(text)) && key.get(again) == text;
  return takes_text ? InQuotes(text) : text;
}

// The line of a comment about a key that behaves differently from PgBouncer's, or nothing.
std::string RemarkOn(std::string_view target, const std::vector<IniKey>& keys) {
  std::string_view remark;
  for (const IniKey& key : keys) {
    if (key.fate == IniFate::kMapped && key.Target() == target) remark = key.remark;
  }
  if (target == "max_waiting") remark = "PgBouncer has no such bound; the next client is refused at once, with the numbers";
  return remark.empty() ? "" : "# " + std::string(target) + ": " + std::string(remark) + "\n";
}

std::string GlobalSection(const Config& config) {
  std::string text = "[pgweir]\n";
  for (const Key<Global>& key : GlobalKeys()) {
    if (key.visibility == Visibility::kSecret) continue;  // written below, as it is
    const std::string value = key.get(config.global).value_or("");
    const auto row = std::find_if(config.rows.begin(), config.rows.end(),
                                  [&key](const KeyRow& each) { return each.key == key.name; });
    const bool is_given = row != config.rows.end() && row->source != Name(Source::kDefault);
    if (!is_given && value == key.get(DefaultGlobal())) continue;
    text += RemarkOn(key.name, IniGlobalKeys());
    text += std::string(key.name) + " = " + Spelling(key, config.global, value) + "\n";
  }
  const Secret& ldap = config.global.auth_ldap_options.text;
  if (!ldap.empty()) text += "auth_ldap_options = " + InQuotes(ldap.Reveal()) + "\n";
  return text;
}

std::string HostLines(const std::vector<Host>& hosts) {
  // a socket cannot carry its port itself
  const auto socket = std::find_if(hosts.begin(), hosts.end(), [](const Host& host) { return host.is_unix(); });
  const uint16_t port = socket != hosts.end() ? socket->port : hosts.front().port;
  std::string items;
  for (const Host& host : hosts) {
    std::string item = host.name;
    if (host.port != port) {
      const bool needs_brackets = host.name.find(':') != std::string::npos;
      item = (needs_brackets ? "[" + host.name + "]" : host.name) + ":" + std::to_string(host.port);
    }
    items += (items.empty() ? "" : ", ") + InQuotes(item);
  }
  return "host = [" + items + "]\nport = " + std::to_string(port) + "\n";
}

template <typename Section>
std::string KeyLines(const std::vector<Key<Section>>& keys, const std::vector<IniKey>& ini_keys, const Section& section) {
  std::string text;
  for (const Key<Section>& key : keys) {
    if (key.name == "host" || key.name == "port" || key.visibility == Visibility::kSecret) continue;
    const auto value = key.get(section);
    if (!value || *value == key.get(Section{})) continue;
    text += RemarkOn(key.name, ini_keys);
    text += std::string(key.name) + " = " + Spelling(key, section, *value) + "\n";
  }
  if (!section.password.empty()) text += "password = " + InQuotes(section.password.Reveal()) + "\n";
  return text;
}

std::string PeerLines(const Peer& peer) {
  std::string text = "host = " + InQuotes(peer.host) + "\nport = " + std::to_string(peer.port) + "\n";
  if (peer.pool_size) text += "pool_size = " + std::to_string(*peer.pool_size) + "\n";
  return text;
}

std::string Comments(const Config& config) {
  std::string text = "# " + Quoted(config.file) + " as pgweir reads it, written by pgweir convert.\n";
  text += "# Differences that no key shows:\n";
  text += "#   SIGTERM and SIGINT end idle clients after drain_delay (5s), busy ones at their transaction's end, all after shutdown_timeout (1min);\n"
          "#   PgBouncer waits for ever. SHUTDOWN WAIT_FOR_CLIENTS and WAIT_FOR_SERVERS do, too.\n";
  text += "#   Read from TOML, the user pgbouncer is no admin without a password; admin_users are, with theirs. A line for that:\n";
  text += "#   `local pgbouncer ADMIN peer` in auth_hba_file, with ADMIN in admin_users and in auth_file.\n";
  if (!config.notes.empty()) text += "# Not carried over, or not as it looks:\n";
  for (const std::string& note : config.notes) text += "#   " + note + "\n";
  return text + "\n";
}

// Both without, or both with the same.
template <typename Lines>
bool AreTheSame(const std::shared_ptr<const Lines>& left, const std::shared_ptr<const Lines>& right) {
  return left && right ? *left == *right : !left && !right;
}

}  // namespace

bool MeanTheSame(const Config& left, const Config& right) {
  return left.global == right.global && left.databases == right.databases && left.users == right.users &&
         left.peers == right.peers && left.user_list == right.user_list && AreTheSame(left.hba, right.hba) && AreTheSame(left.ident, right.ident);
}

Parsed<std::string> ToToml(const Config& config, const LoadOptions& options) {
  std::string text = Comments(config) + GlobalSection(config);
  for (const auto& [name, database] : config.databases) {
    text += "\n[databases." + InQuotes(name) + "]\n" + HostLines(database.hosts) + KeyLines(DatabaseKeys(), IniDatabaseKeys(), database);
  }
  for (const auto& [name, user] : config.users) {
    text += "\n[users." + InQuotes(name) + "]\n" + KeyLines(UserKeys(), IniUserKeys(), user);
  }
  for (const auto& [id, peer] : config.peers) text += "\n[peers." + std::to_string(id) + "]\n" + PeerLines(peer);
  LoadOptions again;
  again.file = std::filesystem::path(options.file).replace_extension("toml").string();
  again.read_file = options.read_file;
  const auto loaded = LoadText(text, again);
  if (!loaded) return Refuse("cannot be written as TOML: " + loaded.error().front().ToString());
  if (!MeanTheSame(config, **loaded)) return Refuse("cannot be written as TOML: it would not mean the same");
  return text;
}

}  // namespace conf
