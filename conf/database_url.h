// DATABASE_URL: postgres://user:password@host:port/dbname?sslmode=require
//
// What: a pure function. Scheme postgres or postgresql; user, password, database and parameters percent-decoded;
// several
// hosts with commas, IPv6 in brackets, ?host=/folder&port=N for a Unix socket, ?sslmode=, ?application_name=. Any other
// parameter is a mistake, since dropping what somebody asked for (sslrootcert!) is worse than refusing it. Without a
// database the user's name is taken, as libpq does.
// Secrets: a refusal never quotes the URL's content, for where a password has a bare '@' or '/' any part may be a
// piece of it.
// Limits: names of at most 63 bytes, kMaxHosts hosts. Threads: none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/units.h"

namespace conf {

struct DatabaseUrl {
  std::string user;  // may be empty
  Secret password;   // may be empty
  std::vector<Host> hosts;
  std::string dbname;
  std::optional<TlsMode> sslmode;
  std::string application_name;
};

// A refusal completes "DATABASE_URL ...".
Parsed<DatabaseUrl> ParseDatabaseUrl(std::string_view text);

// "%41" to "A"; refused when a % is not followed by two hexadecimal digits, or makes a NUL.
Parsed<std::string> PercentDecode(std::string_view text);

}  // namespace conf
