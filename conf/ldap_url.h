// An LDAP URL in its parts: ldap://host:port/basedn?attribute?scope?filter, each part but the host may be missing.
//
// What: pure functions. %XX is decoded in basedn, attribute and filter. The scope is `base` when it is missing (RFC 4516), as
// PostgreSQL has it. Several attributes, and extensions, are refused: nothing could be done with them.
// Threads: none. Source: RFC 4516.
#pragma once

#include <string>
#include <string_view>

#include "conf/ldap_options.h"
#include "conf/units.h"

namespace conf {

struct LdapUrl {
  bool is_ldaps = false;
  std::string host;  // an IPv6 address in its brackets
  int port = 0;      // 0 = not given
  std::string base_dn, attribute, filter;
  LdapScope scope = LdapScope::kBase;
};

// The refusal completes "ldapurl ..." and does not show the URL.
Parsed<LdapUrl> ParseLdapUrl(std::string_view text);

// Whether a URI can be made of it: a name, an IPv4 address, or an IPv6 address in brackets.
bool IsLdapHost(std::string_view host);

}  // namespace conf
