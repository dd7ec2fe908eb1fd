// Who may log in, and how: auth_hba_file, PgBouncer's part of PostgreSQL's pg_hba.conf.
//
//   local      DATABASES USERS         METHOD [OPTIONS]      Unix sockets
//   host       DATABASES USERS ADDRESS METHOD [OPTIONS]      TCP; hostssl: with TLS only; hostnossl: without only
// DATABASES: all, sameuser, replication, names; USERS: all, names; both as lists with commas and as @FILE, which holds such a
// list (beside the file that names it; it may name others). ADDRESS: all, 10.0.0.0/8, ::1/128, or an address and a mask.
// METHOD: trust, reject, password, md5, scram-sha-256, cert, peer, pam, ldap; map= belongs to cert and peer, pamservice= to pam,
// the options of ldap stand in ldap_options.h. "all" in quotes is a name.
//
// The first line that fits decides; no line, no login. Physical replication names no database: as in PostgreSQL, only a line with
// the keyword replication fits it (all does not), and that word fits nobody else. Logical replication is of its database.
// Every line that is malformed, or that asks for what pgweir cannot do, is a mistake: one that is skipped may be a `reject`.
// Stricter than PostgreSQL, where an operator could mean two things: an address must have no bits beyond its prefix.
// Threads: HbaRules is immutable and Find pure. ParseHba reads files: the caller of Load.
// Limits: kHbaRulesMax, kHbaNamesMax and kHbaIncludesMax in all; @FILE nests kHbaIncludeDepthMax deep.
// Source: PostgreSQL documentation, "The pg_hba.conf File"; pgbouncer-facts.md, section 3.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "conf/address_range.h"
#include "conf/config.h"
#include "conf/loader.h"

namespace conf {

inline constexpr size_t kHbaRulesMax = 10'000;
inline constexpr size_t kHbaNamesMax = 200'000;
inline constexpr size_t kHbaIncludesMax = 1'000;
inline constexpr int kHbaIncludeDepthMax = 10;

// One column.
struct HbaNames {
  bool has_all = false;
  bool has_same_user = false, has_replication = false;  // of databases only
  std::set<std::string, std::less<>> names;
  friend bool operator==(const HbaNames&, const HbaNames&) = default;
};

// A login that asks to be let in.
struct HbaLogin {
  bool is_local = false;    // by a Unix socket
  bool is_encrypted = false;
  bool is_v6 = false;
  bool is_physical_replication = false;
  uint8_t address[16] = {};  // in network byte order; IPv4 in the first 4 bytes
  std::string_view user, database;
};

enum class HbaConnection : uint8_t { kLocal, kHost, kHostTls, kHostClear };

struct HbaRule {
  HbaConnection connection = HbaConnection::kHost;
  HbaNames databases, users;
  std::optional<AddressRange> address;  // nullopt: all, and for kLocal
  AuthType method = AuthType::kReject;
  std::string map;  // of auth_ident_file; empty: the identity must be the user's name itself
  std::string pam_service;  // empty: the one of the configuration
  std::optional<LdapOptions> ldap;
  std::string file;
  int line = 0;
  bool Fits(const HbaLogin& login) const;
  friend bool operator==(const HbaRule&, const HbaRule&) = default;
};

struct HbaRules {
  std::vector<HbaRule> rules;  // in the order of the file
  const HbaRule* Find(const HbaLogin& login) const;  // nullptr: nobody said that it may
  friend bool operator==(const HbaRules&, const HbaRules&) = default;
};

using ReadText = std::function<tl::expected<std::string, std::string>(const std::string& path)>;

// `file` is the path of the text, for messages and for @FILE.
tl::expected<HbaRules, std::vector<Mistake>> ParseHba(std::string_view text, const std::string& file, const ReadText& read);

}  // namespace conf
