// Which user of the system, or name in a certificate, may be which user of the databases: auth_ident_file, pg_ident.conf.
//
//   MAP  IDENTITY  USER        USER may be all; several lines of one MAP add up
// A map is used by the lines of auth_hba_file that say map=MAP; then only its lines count, not that the names are the same.
// Regular expressions (an IDENTITY that begins with /), +ROLE and @FILE are refused, not skipped; a quoted name is a name.
// Threads: IdentMaps is immutable, its functions pure. Limits: kIdentLinesMax lines.
// Source: PostgreSQL documentation, "User Name Maps"; pgbouncer-facts.md, section 3.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "conf/loader.h"

namespace conf {

inline constexpr size_t kIdentLinesMax = 100'000;

class IdentMaps {
 public:
  struct Users {
    bool has_all = false;
    std::set<std::string, std::less<>> names;
    friend bool operator==(const Users&, const Users&) = default;
  };
  void Add(const std::string& map, const std::string& identity, bool is_all, const std::string& user);
  bool Has(std::string_view map) const { return maps_.contains(map); }
  bool Allows(std::string_view map, std::string_view identity, std::string_view user) const;
  friend bool operator==(const IdentMaps&, const IdentMaps&) = default;

 private:
  using Map = std::map<std::string, Users, std::less<>>;  // by identity
  std::map<std::string, Map, std::less<>> maps_;
};

tl::expected<IdentMaps, std::vector<Mistake>> ParseIdent(std::string_view text, const std::string& file);

// One of the identities is the user's, by `map` of `maps`, or, with an empty `map`, by being the same.
bool IsUser(const std::vector<std::string>& identities, std::string_view map, const IdentMaps* maps, std::string_view user);

}  // namespace conf
