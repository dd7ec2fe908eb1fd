// Two snapshots compared, for the log of a reload and for RELOAD DRY RUN.
#include <type_traits>

#include "conf/hba.h"
#include "conf/ident.h"
#include "conf/keys.h"
#include "conf/loader.h"

namespace conf {
namespace {

constexpr const char* kNotGiven = "(not set)";

template <typename Section>
void CompareSection(const std::string& title, const std::vector<Key<Section>>& keys, const Section& before,
                    const Section& after, std::vector<std::string>& lines) {
  for (const Key<Section>& key : keys) {
    if (key.visibility == Visibility::kSecret) continue;
    const auto old_value = key.get(before);
    const auto new_value = key.get(after);
    if (old_value == new_value) continue;
    lines.push_back(title + std::string(key.name) + ": " + old_value.value_or(kNotGiven) + " -> " +
                    new_value.value_or(kNotGiven));
  }
}

// What two maps of sections have more, less and different. `compare` adds the lines of one section that both have.
template <typename Map, typename Compare>
void CompareMaps(const std::string& what, const Map& before, const Map& after, Compare compare,
                 std::vector<std::string>& lines) {
  const auto title = [&what](const auto& name) {
    if constexpr (std::is_integral_v<std::decay_t<decltype(name)>>) return what + " " + std::to_string(name) + ": ";
    else return what + " " + name + ": ";
  };
  for (const auto& [name, section] : before) {
    if (!after.contains(name)) lines.push_back(title(name) + "removed");
  }
  for (const auto& [name, section] : after) {
    const auto old_section = before.find(name);
    if (old_section == before.end()) {
      lines.push_back(title(name) + "added");
    } else if (!(old_section->second == section)) {
      compare(title(name), old_section->second, section);
    }
  }
}

}  // namespace

std::vector<std::string> Differences(const Config& before, const Config& after) {
  std::vector<std::string> lines;
  CompareSection("", GlobalKeys(), before.global, after.global, lines);
  if (!(before.global.auth_ldap_options == after.global.auth_ldap_options)) lines.push_back("auth_ldap_options changed");
  // the files themselves may have changed under the same names
  if (before.hba && after.hba && !(*before.hba == *after.hba)) {
    lines.push_back("auth_hba_file: its lines changed (" + std::to_string(before.hba->rules.size()) + " -> " +
                    std::to_string(after.hba->rules.size()) + ")");
  }
  if (before.ident && after.ident && !(*before.ident == *after.ident)) lines.push_back("auth_ident_file: its lines changed");
  CompareMaps(
      "database", before.databases, after.databases,
      [&lines](const std::string& title, const Database& old_section, const Database& new_section) {
        CompareSection(title, DatabaseKeys(), old_section, new_section, lines);
        if (!(old_section.password == new_section.password)) lines.push_back(title + "password changed");
      },
      lines);
  CompareMaps(
      "user", before.users, after.users,
      [&lines](const std::string& title, const User& old_section, const User& new_section) {
        // a changed password shows as the secret in the user list below
        CompareSection(title, UserKeys(), old_section, new_section, lines);
      },
      lines);
  CompareMaps(
      "peer", before.peers, after.peers,
      [&lines](const std::string& title, const Peer& old_section, const Peer& new_section) {
        CompareSection(title, PeerKeys(), old_section, new_section, lines);
      },
      lines);
  CompareMaps(
      "secret of user", before.user_list, after.user_list,
      [&lines](const std::string& title, const Secret&, const Secret&) { lines.push_back(title + "changed"); }, lines);
  return lines;
}

std::vector<std::string> NeedsRestart(const Config& before, const Config& after) {
  std::vector<std::string> names;
  for (const Key<Global>& key : GlobalKeys()) {
    if (key.change == Change::kRestart && key.get(before.global) != key.get(after.global)) names.emplace_back(key.name);
  }
  return names;
}

}  // namespace conf
