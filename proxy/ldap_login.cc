#include "proxy/ldap_login.h"

#include <ldap.h>
#include <sys/time.h>

#include <algorithm>
#include <memory>

#include "proxy/event_loop.h"
#include "proxy/ldap_names.h"

namespace proxy {
namespace {

int ToLdap(conf::LdapScope scope) {
  switch (scope) {
    case conf::LdapScope::kBase: return LDAP_SCOPE_BASE;
    case conf::LdapScope::kOne: return LDAP_SCOPE_ONELEVEL;
    case conf::LdapScope::kSub: return LDAP_SCOPE_SUBTREE;
  }
  return LDAP_SCOPE_BASE;
}

timeval ToTimeval(pool::Duration duration) {
  const auto count = std::max<int64_t>(duration.count(), 1);  // libldap takes 0 for "look and go on"
  return {.tv_sec = count / 1'000'000, .tv_usec = count % 1'000'000};
}

struct FreeMessage {
  void operator()(LDAPMessage* message) const { ldap_msgfree(message); }
};
struct FreeText {
  void operator()(char* text) const { ldap_memfree(text); }
};

class Conversation {
 public:
  explicit Conversation(const LdapQuestion& question) : question_(question) {}
  ~Conversation() {
    if (ldap_ != nullptr) ldap_unbind_ext(ldap_, nullptr, nullptr);
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  std::string Run() {
    const conf::LdapOptions& options = question_.options;
    if (question_.password.empty()) return "LDAP: empty password";
    if (std::string fault = Connect(); !fault.empty()) return fault;
    std::string dn;
    if (options.has_search) {
      if (std::string fault = Bind(options.bind_dn, options.bind_password, "ldapbinddn"); !fault.empty()) return fault;
      if (std::string fault = Search(dn); !fault.empty()) return fault;
    } else {
      dn = DnOf(options, question_.user);
    }
    if (dn.empty()) return "LDAP: the user's entry has no name";
    return Bind(dn, question_.password, "the user");
  }

 private:
  std::string Fault(const std::string& step, int code) const {
    std::string text = "LDAP " + step + ": " + ldap_err2string(code);
    char* diagnostic = nullptr;
    if (ldap_ != nullptr) ldap_get_option(ldap_, LDAP_OPT_DIAGNOSTIC_MESSAGE, &diagnostic);
    const std::unique_ptr<char, FreeText> owner(diagnostic);
    constexpr size_t kLongestDiagnostic = 200;
    if (diagnostic != nullptr && *diagnostic != '\0') text += " (" + std::string(diagnostic).substr(0, kLongestDiagnostic) + ")";
    return text;
  }

  // Before each step: what is left of the time is all that it may take.
  bool SetTime() {
    const pool::Duration left = question_.deadline - Now();
    if (left <= pool::Duration(0)) return false;
    const timeval step = ToTimeval(left), connect = ToTimeval(std::min(left, kLdapConnectMax));
    return ldap_set_option(ldap_, LDAP_OPT_TIMEOUT, &step) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ldap_, LDAP_OPT_NETWORK_TIMEOUT, &connect) == LDAP_OPT_SUCCESS;
  }

  std::string Connect() {
    std::string uris;
    for (const std::string& uri : question_.options.uris) uris += (uris.empty() ? "" : " ") + uri;
    if (const int code = ldap_initialize(&ldap_, uris.c_str()); code != LDAP_SUCCESS) return Fault("connection", code);
    const int version = LDAP_VERSION3;
    ldap_set_option(ldap_, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(ldap_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    ldap_set_option(ldap_, LDAP_OPT_RESTART, LDAP_OPT_ON);
    if (!question_.options.has_start_tls) return "";
    if (!SetTime()) return Fault("StartTLS", LDAP_TIMEOUT);
    const int code = ldap_start_tls_s(ldap_, nullptr, nullptr);
    return code == LDAP_SUCCESS ? "" : Fault("StartTLS", code);
  }

  std::string Bind(const std::string& dn, const conf::Secret& password, const std::string& who) {
    const std::string step = "login of " + who;
    if (!SetTime()) return Fault(step, LDAP_TIMEOUT);
    berval credentials{password.Reveal().size(), const_cast<char*>(password.Reveal().data())};
    const int code = ldap_sasl_bind_s(ldap_, dn.c_str(), LDAP_SASL_SIMPLE, &credentials, nullptr, nullptr, nullptr);
    return code == LDAP_SUCCESS ? "" : Fault(step, code);
  }

  std::string Search(std::string& dn) {
    if (!SetTime()) return Fault("search", LDAP_TIMEOUT);
    const conf::LdapOptions& options = question_.options;
    const std::string filter = FilterOf(options, question_.user);
    char no_attributes[] = LDAP_NO_ATTRS;
    char* attributes[] = {no_attributes, nullptr};
    timeval left = ToTimeval(question_.deadline - Now());
    constexpr int kEntriesMax = 2;  // one, and the one that would be too many
    LDAPMessage* found = nullptr;
    const int code = ldap_search_ext_s(ldap_, options.base_dn.c_str(), ToLdap(options.scope), filter.c_str(), attributes, 0, nullptr, nullptr, &left,
                                       kEntriesMax, &found);
    const std::unique_ptr<LDAPMessage, FreeMessage> owner(found);
    const int count = found == nullptr ? 0 : ldap_count_entries(ldap_, found);
    if (code == LDAP_SIZELIMIT_EXCEEDED || count > 1) return "LDAP search: several entries are found for this user";
    if (code != LDAP_SUCCESS) return Fault("search", code);
    if (count == 0) return "LDAP search: no entry is found for this user";
    const std::unique_ptr<char, FreeText> name(ldap_get_dn(ldap_, ldap_first_entry(ldap_, found)));
    dn = name ? name.get() : "";
    return "";
  }

  const LdapQuestion& question_;
  LDAP* ldap_ = nullptr;
};

}  // namespace

std::string AskLdap(const LdapQuestion& question) {
  // libldap sets itself up at its first use, in which two threads must not meet.
  [[maybe_unused]] static const int set_up = [] {
    int version = 0;
    return ldap_get_option(nullptr, LDAP_OPT_PROTOCOL_VERSION, &version);
  }();
  return Conversation(question).Run();
}

}  // namespace proxy
