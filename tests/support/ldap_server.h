// An LDAP server of a test's own: Debian's slapd in a temporary folder on free ports, as the unprivileged user.
//
// The tree below dc=example,dc=net:
//   uid=app,ou=people      app-secret      mail=app@example.net
//   uid=other,ou=people    other-secret
//   uid=client,ou=robots   client-secret, beside another uid=client,ou=people: two entries of one name
//   uid="a,b*(c)\d"        special-secret, below ou=people: a name that is nothing but itself only when it is escaped
//   cn=asker               asker-secret, who may search; nobody else may see anything
// Speaks ldap and ldaps; StartTLS with the same certificate (tests/support/certificates.h). Threads: those of ChildProcess.
#pragma once

#include <memory>
#include <string>

#include "tests/support/certificates.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace test_support {

class LdapServer {
 public:
  static bool IsInstalled();
  LdapServer();
  int port() const { return port_; }
  int tls_port() const { return tls_port_; }
  const CertificateFiles& certificates() const { return certificates_; }
  void Stop();  // as if it were frozen
  void Continue();

 private:
  TemporaryFolder folder_;
  CertificateFiles certificates_;
  int port_, tls_port_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace test_support
