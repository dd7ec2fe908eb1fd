#include "conf/auth_lookup.h"

#include "conf/config.h"

namespace conf {

bool IsConsoleName(std::string_view database) { return database == "pgweir" || database == "pgbouncer"; }

std::optional<AuthLookup> FindLookup(const Config& config, std::string_view database) {
  const Database* asked = IsConsoleName(database) ? nullptr : config.FindDatabase(database);
  const auto take = [&](std::string AuthKeys::*key) -> const std::string& {
    return asked != nullptr && !(asked->auth.*key).empty() ? asked->auth.*key : config.global.auth.*key;
  };
  AuthLookup lookup;
  lookup.user = take(&AuthKeys::user);
  lookup.query = take(&AuthKeys::query);
  lookup.place = take(&AuthKeys::dbname);
  if (lookup.place.empty()) lookup.place = database;
  if (lookup.user.empty() || lookup.query.empty() || IsConsoleName(lookup.place)) return std::nullopt;
  lookup.section = config.FindDatabase(lookup.place);
  if (lookup.section == nullptr) return std::nullopt;
  return lookup;
}

}  // namespace conf
