#include "tests/support/ldap_server.h"

#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "tests/support/wire_socket.h"

namespace test_support {
namespace {

constexpr const char* kSlapd = "/usr/sbin/slapd";

std::string ConfigOf(const std::string& folder, const CertificateFiles& certificates) {
  std::string text;
  for (const char* schema : {"core", "cosine", "inetorgperson"}) text += "include /etc/ldap/schema/" + std::string(schema) + ".schema\n";
  return text + "modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile " + folder + "/slapd.pid\nTLSCACertificateFile " + certificates.ca +
         "\nTLSCertificateFile " + certificates.server_cert + "\nTLSCertificateKeyFile " + certificates.server_key +
         "\ndatabase mdb\nmaxsize 16777216\nsuffix \"dc=example,dc=net\"\nrootdn \"cn=root,dc=example,dc=net\"\nrootpw root-secret\ndirectory " + folder +
         "/db\naccess to attrs=userPassword by anonymous auth by * none\naccess to * by dn.exact=\"cn=asker,dc=example,dc=net\" read by * none\n";
}

std::string Person(const std::string& rdn, const std::string& uid, const std::string& where, const std::string& secret) {
  return "dn: uid=" + rdn + ",ou=" + where + ",dc=example,dc=net\nobjectClass: inetOrgPerson\ncn: " + uid + "\nsn: x\nuid: " + uid + "\nmail: " + uid +
         "@example.net\nuserPassword: " + secret + "\n\n";
}

std::string Tree() {
  return "dn: dc=example,dc=net\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example\n\n"
         "dn: ou=people,dc=example,dc=net\nobjectClass: organizationalUnit\nou: people\n\n"
         "dn: ou=robots,dc=example,dc=net\nobjectClass: organizationalUnit\nou: robots\n\n"
         "dn: cn=asker,dc=example,dc=net\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: asker\nuserPassword: asker-secret\n\n" +
         Person("app", "app", "people", "app-secret") + Person("other", "other", "people", "other-secret") +
         Person("client", "client", "people", "client-secret") + Person("client", "client", "robots", "client-secret") +
         Person("a\\,b*(c)\\\\d", "a,b*(c)\\d", "people", "special-secret");
}

}  // namespace

bool LdapServer::IsInstalled() { return std::filesystem::exists(kSlapd); }

LdapServer::LdapServer() : certificates_(MakeCertificates(folder_.path())), port_(FreePort()), tls_port_(FreePort()) {
  const std::string config = folder_.File("slapd.conf"), program = folder_.File("slapd");
  WriteFile(config, ConfigOf(folder_.path(), certificates_));
  WriteFile(folder_.File("tree.ldif"), Tree());
  std::filesystem::create_directory(folder_.File("db"));
  // Where AppArmor is at work, Debian's profile for /usr/sbin/slapd keeps it out of this folder.
  std::filesystem::copy_file(kSlapd, program);
  GiveToUnprivilegedUser(folder_.path());
  const FinishedProcess filled = RunProgram({.arguments = {program, "-T", "add", "-f", config, "-l", folder_.File("tree.ldif")}, .user = UnprivilegedUser()});
  if (filled.exit_code != 0) throw std::runtime_error("slapadd:\n" + filled.output);
  const std::string urls = "ldap://127.0.0.1:" + std::to_string(port_) + " ldaps://127.0.0.1:" + std::to_string(tls_port_);
  process_ = std::make_unique<ChildProcess>(
      ChildOptions{.arguments = {program, "-d", "0", "-h", urls, "-f", config}, .output_file = folder_.File("output"), .user = UnprivilegedUser()});
  const auto listens = [](int port) {
    try {
      ConnectTcp(port);
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  if (!Eventually([&] { return listens(port_) && listens(tls_port_); })) throw TimedOut("slapd does not listen:\n" + ReadFile(folder_.File("output")));
}

void LdapServer::Stop() { process_->Signal(SIGSTOP); }
void LdapServer::Continue() { process_->Signal(SIGCONT); }

}  // namespace test_support
