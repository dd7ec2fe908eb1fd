// The table of keys: every key that pgweir knows, with its type, range, default, meaning and place in a Config.
//
// What: one descriptor per key and section. The same descriptors drive the TOML sections, PGWEIR_<KEY>, the command
// line, SHOW CONFIG, the "did you mean", Differences and NeedsRestart; a key that is not here exists nowhere.
// Files: keys_global.cc, keys_sections.cc, keys_peers.cc; keys_pool.h has the keys that all three sections share.
// Threads: the tables are built once and constant, any thread may read them.
// Invariants: for every key of [pgweir], set(PlainText(get())) is accepted and changes nothing (a test walks them all).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "conf/config.h"
#include "conf/units.h"
#include "conf/value.h"

namespace conf {

enum class Change : uint8_t { kReload, kRestart };

// What the text of a key means to the file system.
enum class FileUse : uint8_t {
  kNone,
  kPath,            // a path that pgweir will write
  kReadable,        // a path that must be readable when the configuration is loaded
  kReadableOrWord,  // the same, unless it is "auto" or "none"
  kContent,         // the value is what the file holds: a password kept outside the configuration
};

enum class Visibility : uint8_t { kShown, kSecret };

using Accepted = tl::expected<void, std::string>;  // the text completes "KEY ...": "must be ..."

template <typename Section>
struct Key {
  std::string_view name;
  std::string allowed;  // "a whole number from 1 to 65535"
  std::string_view description;
  std::function<std::optional<std::string>(const Section&)> get;  // canonical text, nullopt = not given
  std::function<Accepted(Section&, const Value&)> set;
  Change change = Change::kReload;
  FileUse file_use = FileUse::kNone;
  Visibility visibility = Visibility::kShown;
};

const std::vector<Key<Global>>& GlobalKeys();      // [pgweir], sorted by name
const std::vector<Key<Database>>& DatabaseKeys();  // [databases.X]; "host" stands before "port", which completes it
const std::vector<Key<User>>& UserKeys();          // [users.X]
const std::vector<Key<Peer>>& PeerKeys();          // [peers.N]

// The N of [peers.N]: 1 to kPeerIdMax. A refusal completes "the id of peer ...".
Parsed<int> ParsePeerId(std::string_view text);

// Global with every default filled in, the pool keys too. Global{} alone has those empty.
const Global& DefaultGlobal();

template <typename Section>
const Key<Section>* FindKey(const std::vector<Key<Section>>& keys, std::string_view name) {
  for (const Key<Section>& key : keys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

template <typename Section>
std::vector<std::string_view> KeyNames(const std::vector<Key<Section>>& keys) {
  std::vector<std::string_view> names;
  for (const Key<Section>& key : keys) names.push_back(key.name);
  return names;
}

}  // namespace conf
