// SET of the console: one key of a configuration that is in force.
#include <utility>

#include "conf/apply_ini.h"
#include "conf/draft.h"
#include "conf/ini_keys.h"
#include "conf/nearest.h"
#include "conf/units.h"

namespace conf {
namespace {

// The key as pgweir calls it, and the value as it reads it.
struct Assignment {
  std::string key;
  Value value;
};

Parsed<Assignment> ReadAssignment(std::string_view key, std::string_view value, bool is_ini) {
  const IniKey* ini = is_ini ? FindIniKey(IniGlobalKeys(), key) : nullptr;
  if (ini == nullptr || ini->fate != IniFate::kMapped) return Assignment{std::string(key), PlainText{std::string(value)}};
  auto read = ReadIniValue(ini->reading, value);
  if (!read) return Refuse(read.error());
  return Assignment{std::string(ini->Target()), std::move(*read)};
}

}  // namespace

LoadResult WithKey(const Config& config, std::string_view name, std::string_view value, const LoadOptions& options) {
  const Origin origin{.source = Source::kConsole, .place = "SET", .line = 0};
  Draft draft(options);
  draft.config = config;
  auto assignment = ReadAssignment(name, value, IsIniFile(options.file));
  if (!assignment) return tl::unexpected(std::vector<Mistake>{{origin.place, 0, std::string(name) + " " + assignment.error()}});
  const Key<Global>* key = FindKey(GlobalKeys(), assignment->key);
  if (key == nullptr) {
    return tl::unexpected(std::vector<Mistake>{
        {origin.place, 0, "unknown key " + Quoted(name) + DidYouMean(name, KeyNames(GlobalKeys()))}});
  }
  if (key->change == Change::kRestart) {
    return tl::unexpected(std::vector<Mistake>{{origin.place, 0, std::string(key->name) + " takes effect after a restart only"}});
  }
  draft.Apply(*key, draft.config.global, {"", "", assignment->key}, std::move(assignment->value), origin);
  if (key->name.starts_with("auth_") && !draft.has_mistakes()) {
    draft.config.user_list.clear();
    FillFromFiles(draft);
  }
  CheckContradictions(draft);
  if (draft.has_mistakes()) return tl::unexpected(std::move(draft).TakeMistakes());
  for (KeyRow& row : draft.config.rows) {
    if (row.key != key->name) continue;
    row.value = key->get(draft.config.global).value_or("");
    if (IsIniFile(options.file)) row.value = IniSpelling(row.key, row.value);
    row.source = Name(Source::kConsole);
  }
  return std::make_shared<const Config>(std::move(draft.config));
}

}  // namespace conf
