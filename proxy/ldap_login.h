// A login by LDAP: the server says whether it would log the user in with this password.
//
// What: connects (ldap://, with StartTLS if asked for, or ldaps://), for search + bind looks for the user's entry, and binds as the
// user. No referral is followed: it would lead to a server that nobody has listed. TLS is checked as /etc/ldap/ldap.conf, or the
// environment (LDAPTLS_CACERT, ...), says: that is OpenLDAP's library, and PostgreSQL's way, too.
// A password is never empty here, and neither is the DN: servers take either for a login of nobody, which succeeds.
// Threads: blocks, but for the name service not longer than `timeout`: login threads only. Each call has a connection of its own.
// Limits: kLdapConnectMax for each server of the list; an answer is at most two entries without attributes.
// Source: OpenLDAP's ldap(3) manual pages; RFC 4511, 4513.
#pragma once

#include <string>

#include "conf/ldap_options.h"
#include "pool/time.h"

namespace proxy {

inline constexpr pool::Duration kLdapConnectMax{5'000'000};

struct LdapQuestion {
  conf::LdapOptions options;
  std::string user;
  conf::Secret password;
  pool::TimePoint deadline{};
};

// The empty text when it is let in, else why not, for the log.
std::string AskLdap(const LdapQuestion& question);

}  // namespace proxy
