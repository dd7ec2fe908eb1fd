// auth_hba_file and auth_ident_file onto a Draft, and what their lines need of the other keys.
#include <memory>
#include <optional>

#include "conf/apply_ini.h"
#include "conf/draft.h"
#include "conf/hba.h"
#include "conf/ident.h"
#include "conf/units.h"

namespace conf {
namespace {

constexpr const char* kHbaFile = "auth_hba_file";
constexpr const char* kIdentFile = "auth_ident_file";

// Only auth_type = hba reads the two files. What PgBouncer passes over is told; in TOML it is a mistake, since lines of
// `reject` that do not count are not what was meant.
void CheckUnused(Draft& draft, const char* key, std::string& path) {
  if (path.empty()) return;
  const std::string type(Name(draft.config.global.auth_type));
  const Origin origin = draft.OriginOf({"", "", key});
  if (IsIniFile(draft.options().file)) {
    draft.config.notes.push_back(origin.ToText() + ": " + key + " has no effect: auth_type is " + type + ", and only hba reads it");
    path.clear();
  } else {
    draft.Add(origin, std::string(key) + " is read by auth_type = \"hba\" only, which is \"" + type +
                          "\"; set auth_type = \"hba\" or remove the line");
  }
}

// The content of a file that could be read when its key was taken; nullopt after a mistake was added.
std::optional<std::string> ReadAgain(Draft& draft, const char* key, const std::string& path) {
  auto content = draft.Read(path);
  if (content) return std::move(*content);
  draft.Add(draft.OriginOf({"", "", key}), std::string(key) + ": " + content.error());
  return std::nullopt;
}

void CheckRules(Draft& draft, const HbaRules& rules, const IdentMaps* maps) {
  const Global& global = draft.config.global;
  const bool tls_is_known = !draft.WasRefused("client_tls_sslmode") && !draft.WasRefused("client_tls_ca_file");
  const bool can_verify = global.client_tls.mode != TlsMode::kDisable && !global.client_tls.ca_file.empty();
  for (const HbaRule& rule : rules.rules) {
    const Origin origin{.source = Source::kFile, .place = rule.file, .line = rule.line};
    if (rule.method == AuthType::kCert && tls_is_known && !can_verify) {
      draft.Add(origin, "method cert needs client_tls_ca_file, and a client_tls_sslmode other than disable: without them no "
                        "certificate is asked for");
    }
    if (rule.map.empty() || maps == nullptr || maps->Has(rule.map)) continue;
    draft.Add(origin, "map " + Quoted(rule.map) + (global.auth_ident_file.empty() ? " needs auth_ident_file, which is not set"
                                                                                  : " has no line in auth_ident_file"));
  }
}

}  // namespace

void FillHba(Draft& draft) {
  Global& global = draft.config.global;
  if (draft.WasRefused("auth_type")) return;
  if (global.auth_type != AuthType::kHba) {
    CheckUnused(draft, kHbaFile, global.auth_hba_file);
    return CheckUnused(draft, kIdentFile, global.auth_ident_file);
  }
  if (global.auth_hba_file.empty()) {
    if (!draft.WasRefused(kHbaFile)) {
      draft.Add(draft.OriginOf({"", "", "auth_type"}), "auth_type = \"hba\" needs auth_hba_file, the lines that say who may log in");
    }
    return;
  }
  // nullptr: its own mistakes are told, and would only repeat themselves at every line with a map
  auto maps = std::make_shared<const IdentMaps>();
  if (draft.WasRefused(kIdentFile)) maps.reset();
  if (!global.auth_ident_file.empty()) {
    const auto text = ReadAgain(draft, kIdentFile, global.auth_ident_file);
    auto parsed = text ? ParseIdent(*text, global.auth_ident_file) : tl::unexpected(std::vector<Mistake>());
    maps = parsed ? std::make_shared<const IdentMaps>(std::move(*parsed)) : nullptr;
    if (!parsed) draft.AddAll(std::move(parsed.error()));
  }
  const auto text = ReadAgain(draft, kHbaFile, global.auth_hba_file);
  if (!text) return;
  auto rules = ParseHba(*text, global.auth_hba_file, [&draft](const std::string& path) { return draft.Read(path); });
  if (!rules) return draft.AddAll(std::move(rules.error()));
  CheckRules(draft, *rules, maps.get());
  draft.config.hba = std::make_shared<const HbaRules>(std::move(*rules));
  draft.config.ident = std::move(maps);
}

}  // namespace conf
