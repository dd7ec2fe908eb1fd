// auth_query: how the secret of a user is looked up who is not in the user list.
//
// What: the keys auth_user, auth_query and auth_dbname of one level, and what they come to for the clients of one database. As
// in PgBouncer, who asks what is the client's database's own or the global one, and auth_dbname is a database of the
// configuration: its hosts and dbname say where the query runs. The clients of the console have the global keys only.
// Threads: values; the section belongs to its Config.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace conf {

struct Config;
struct Database;

// PgBouncer's default: it honours VALID UNTIL and NOLOGIN.
inline constexpr std::string_view kAuthQuery =
    "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND "
    "rolcanlogin";

struct AuthKeys {
  std::string user = {}, query = {}, dbname = {};
  friend bool operator==(const AuthKeys&, const AuthKeys&) = default;
};

struct AuthLookup {
  std::string user, query;            // who asks what
  std::string place;                  // the database that is asked, by the name that clients use
  const Database* section = nullptr;  // of the place
};

bool IsConsoleName(std::string_view database);
// For the clients of a database, or of the console; nullopt: nobody is looked up there.
std::optional<AuthLookup> FindLookup(const Config& config, std::string_view database);

}  // namespace conf
