// How many connections one pgweir may open to each server at worst, by its configuration alone.
//
// What: for each host that a database section names, every pool of (database, user) that could come to be there, and the
// most of their servers that the caps allow at the same time. A pool is worth pool_size + reserve_pool_size, and one more
// where it may listen for its clients. Users are those of auth_file and [users.X] but reject_users, and those
// whom nobody has listed, where auth_query, PAM or LDAP may find any number: only max_db_connections bounds these.
// On top comes the one connection by which pgweir asks the server what it allows (proxy/capacity.h), under the same caps.
// Where a section has several hosts all its servers may be at any one of them (they are tried in turn), so each counts all.
// auth_hba_file could make it less: who may go where is not looked at, so that what is said is never too small.
// A host is what the section says, name and port: two names of one server are two hosts.
// "*" has as many databases as clients have names for. Only max_user_connections bounds that; a user without it makes the
// case unbounded, and the number is then what the known names are worth.
//
// The caps make it a problem of flows: a server counts against max_db_connections and max_user_connections at once, and the
// caps of both kinds may bind. Up to kExactPoolsMax pools the answer is exact, beyond them the smaller of the two sums.
// max_host_connections bounds every case, also one that is unbounded without it.
// Threads: pure functions. Limits: kCountedPoolsMax pools per host are counted; more are said to be unbounded.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "conf/config.h"

namespace conf {

inline constexpr size_t kCountedPoolsMax = 10'000;  // a process has no more (proxy/pool_directory.h)
inline constexpr size_t kExactPoolsMax = 1'000;

struct PoolCase {
  std::string database, user;
  std::string dbname;   // on the server; empty = under "*", whatever a client asks for
  int64_t most = 0;     // servers, and a connection that listens
  int64_t database_cap = 0, user_cap = 0;  // 0 = none
};

// What one role, or one database of the server, may get.
struct Share {
  std::string name;
  int64_t connections = 0;
};

struct HostCase {
  Host host;
  std::vector<std::string> databases;  // the sections that lead here
  std::vector<std::string> users;      // of its pools
  size_t pools = 0;                    // those that are counted
  int64_t connections = 0;
  std::string unbounded;  // why there may be more; empty = connections is all
  std::vector<Share> roles, dbnames;
};

// `names`: databases that clients have asked for; those without a section of their own are known names of "*".
// In the order of the hosts' names.
std::vector<HostCase> WorstCases(const Config& config, const std::set<std::string>& names = {});

// The most connections that these pools may have at once. With one more that asks, for any of them, when `asks` is 1.
int64_t MostAtOnce(const std::vector<PoolCase>& pools, int64_t asks);

}  // namespace conf
