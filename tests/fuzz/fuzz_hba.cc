// Fuzzes auth_hba_file and auth_ident_file: what parses to rules must match without a fault, mean the same when read again,
// and let nobody in where no line fits; what does not says why, in one line each.
// The same for auth_ldap_options. No file of the machine is touched: @FILE is answered here, and @again is the input itself, for kAgainMax times.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "conf/hba.h"
#include "conf/ident.h"
#include "tests/fuzz/mistakes.h"

namespace {

constexpr int kAgainMax = 20;  // a thousand, which the limits allow, would be most of the time

void RequirePlaces(const std::vector<conf::Mistake>& mistakes) {
  RequireLines(mistakes);
  for (const conf::Mistake& mistake : mistakes) Require(mistake.line > 0 && !mistake.text.empty());
}

void FuzzHba(std::string_view text) {
  int left = kAgainMax;
  const conf::ReadText read = [text, &left](const std::string& path) -> tl::expected<std::string, std::string> {
    if (path.ends_with("again") && left-- > 0) return std::string(text);
    if (path.ends_with("names")) return std::string("anna, \"b c\"\nall\n");
    return tl::unexpected(std::string("cannot read it"));
  };
  const auto rules = conf::ParseHba(text, "/fuzz/hba", read);
  if (!rules) return RequirePlaces(rules.error());
  left = kAgainMax;
  const auto again = conf::ParseHba(text, "/fuzz/hba", read);
  Require(again && *again == *rules);
  for (const bool is_local : {false, true}) {
    for (const bool is_encrypted : {false, true}) {
      for (const bool is_v6 : {false, true}) {
        conf::HbaLogin login{.is_local = is_local, .is_encrypted = is_encrypted, .is_v6 = is_v6, .user = "anna", .database = "shop"};
        login.address[0] = 10;
        login.address[3] = 1;
        const conf::HbaRule* found = rules->Find(login);
        bool is_before = true;
        for (const conf::HbaRule& rule : rules->rules) {
          if (&rule == found) is_before = false;
          Require(!is_before || !rule.Fits(login));
          Require(rule.connection != conf::HbaConnection::kLocal || !rule.address);
          Require(rule.map.empty() || rule.method == conf::AuthType::kCert || rule.method == conf::AuthType::kPeer);
          Require(rule.method != conf::AuthType::kPeer || rule.connection == conf::HbaConnection::kLocal);
          Require(rule.ldap.has_value() == (rule.method == conf::AuthType::kLdap));
          Require(!rule.ldap || (!rule.ldap->uris.empty() && (rule.ldap->has_search || !(rule.ldap->prefix + rule.ldap->suffix).empty())));
          Require(rule.pam_service.empty() || rule.method == conf::AuthType::kPam);
          Require(rule.method != conf::AuthType::kAny && rule.method != conf::AuthType::kHba);
        }
        Require((found == nullptr) == is_before);
        login.is_physical_replication = true;
        const conf::HbaRule* const replicates = rules->Find(login);
        Require(replicates == nullptr || replicates->databases.has_replication);
      }
    }
  }
}

void FuzzIdent(std::string_view text) {
  const auto maps = conf::ParseIdent(text, "/fuzz/ident");
  if (!maps) return RequirePlaces(maps.error());
  Require(!maps->Allows("", "", ""));
  (void)conf::IsUser({"anna"}, "m", &*maps, "anna");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  FuzzHba(text);
  FuzzIdent(text);
  if (const auto ldap = conf::ParseLdapOptions(text)) Require(conf::ParseLdapOptions(ldap->text.Reveal()) == ldap);
  return 0;
}
