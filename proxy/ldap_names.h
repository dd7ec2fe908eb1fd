// The user's name inside a DN or a filter of LDAP, where it may not mean more than itself.
//
// What: pure functions. Threads: none. Source: RFC 4514, section 2.4 (DNs); RFC 4515, section 3 (filters).
#pragma once

#include <string>
#include <string_view>

#include "conf/ldap_options.h"

namespace proxy {

std::string EscapeForDn(std::string_view value);
std::string EscapeForFilter(std::string_view value);

// Simple bind: prefix, name, suffix.
std::string DnOf(const conf::LdapOptions& options, std::string_view user);
// Search: (attribute=name), or the filter with the name in each place of $username.
std::string FilterOf(const conf::LdapOptions& options, std::string_view user);

}  // namespace proxy
