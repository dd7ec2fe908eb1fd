// How an LDAP server is asked whether a password is right: the options behind `ldap` in a line of auth_hba_file, and
// auth_ldap_options for auth_type = ldap. Names and meanings are PostgreSQL's.
//
// What: values, read from pairs NAME=VALUE, checked so far that the rest is the server's word. Two ways:
//   simple bind    ldapprefix, the user's name and ldapsuffix are the DN that is logged in as
//   search + bind  as ldapbinddn (or nobody), below ldapbasedn, the one entry is looked for whose ldapsearchattribute is the
//                  user's name, or that ldapsearchfilter finds; its DN is logged in as
// ldapurl gives server, port, ldapbasedn, attribute, scope and filter in one: ldap://host:port/basedn?attribute?scope?filter.
// Stricter than PostgreSQL where its silence would mislead: an option given twice, by ldapurl and beside it, or empty; a filter
// without $username; ldapbinddn without ldapbindpasswd (servers take that for nobody); ldaptls with ldaps; no ldapserver.
// Threads: values. Limits: kLdapServersMax; a word of the file is bounded already (hba_words.h).
// Source: PostgreSQL documentation, "LDAP Authentication"; RFC 4516 (URLs).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "conf/secret.h"

namespace conf {

inline constexpr size_t kLdapServersMax = 16;
inline constexpr std::string_view kLdapUserName = "$username";  // in ldapsearchfilter

enum class LdapScope : uint8_t { kBase, kOne, kSub };

struct LdapOptions {
  std::vector<std::string> uris;  // "ldap://10.0.0.5:389", asked in turn; empty = nothing is configured
  bool has_start_tls = false;
  bool has_search = false;
  std::string prefix, suffix;   // simple bind
  std::string base_dn, bind_dn;  // search + bind, as all that follows
  Secret bind_password;
  std::string attribute = "uid", filter;  // one of them counts: the filter, if there is one
  LdapScope scope = LdapScope::kSub;
  Secret text;  // of auth_ldap_options, as it was written
  friend bool operator==(const LdapOptions&, const LdapOptions&) = default;
};

using LdapPairs = std::vector<std::pair<std::string, std::string>>;

// The mistakes are whole sentences about options; none of them shows ldapbindpasswd.
tl::expected<LdapOptions, std::vector<std::string>> ReadLdapOptions(const LdapPairs& pairs);
// auth_ldap_options: words as in a line of auth_hba_file, in quotes where they hold blanks or commas.
tl::expected<LdapOptions, std::vector<std::string>> ParseLdapOptions(std::string_view text);

// For SHOW CONFIG: the text of auth_ldap_options without the password in it.
std::string ShownLdapOptions(const LdapOptions& options);

bool IsLdapOption(std::string_view name);

}  // namespace conf
