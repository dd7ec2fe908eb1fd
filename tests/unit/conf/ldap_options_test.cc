// The options of the method ldap: what each comes to, and every way in which they contradict each other.
#include "conf/ldap_options.h"

#include <gmock/gmock.h>

#include "conf/ldap_url.h"

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

LdapOptions Parsed(const std::string& text) {
  const auto options = ParseLdapOptions(text);
  EXPECT_TRUE(options.has_value()) << text << ": " << (options ? "" : options.error().front());
  return options.value_or(LdapOptions{});
}

std::vector<std::string> MistakesOf(const std::string& text) {
  const auto options = ParseLdapOptions(text);
  return options ? std::vector<std::string>{} : options.error();
}

TEST(LdapOptions, SimpleBind) {
  const LdapOptions options = Parsed("ldapserver=\"ldap1.example [::1]\" ldapport=1389 ldaptls=1 ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example\"");
  EXPECT_THAT(options.uris, ElementsAre("ldap://ldap1.example:1389", "ldap://[::1]:1389"));
  EXPECT_TRUE(options.has_start_tls);
  EXPECT_FALSE(options.has_search);
  EXPECT_EQ(options.prefix, "uid=");
  EXPECT_EQ(options.suffix, ",ou=people,dc=example");
}

TEST(LdapOptions, SearchAndBind) {
  const LdapOptions options = Parsed("ldapserver=a ldapscheme=ldaps ldapbasedn=\"dc=example,dc=net\" ldapbinddn=\"cn=ask,dc=example\" ldapbindpasswd=\"a b\"\"c\" "
                                     "ldapsearchattribute=mail");
  EXPECT_THAT(options.uris, ElementsAre("ldaps://a:636"));
  EXPECT_TRUE(options.has_search);
  EXPECT_EQ(options.base_dn, "dc=example,dc=net");
  EXPECT_EQ(options.bind_dn, "cn=ask,dc=example");
  EXPECT_EQ(options.bind_password.Reveal(), "a b\"c");
  EXPECT_EQ(options.attribute, "mail");
  EXPECT_EQ(options.scope, LdapScope::kSub);
  EXPECT_EQ(Parsed("ldapserver=a ldapbasedn=dc=x").attribute, "uid");
  EXPECT_EQ(Parsed("ldapserver=a ldapbasedn=dc=x ldapsearchfilter=\"(|(uid=$username)(mail=$username))\"").filter, "(|(uid=$username)(mail=$username))");
}

TEST(LdapOptions, Url) {
  const LdapOptions options = Parsed("ldapurl=\"ldap://ldap.example:1389/dc=example,dc=net?cn?one\" ldaptls=1");
  EXPECT_THAT(options.uris, ElementsAre("ldap://ldap.example:1389"));
  EXPECT_EQ(options.base_dn, "dc=example,dc=net");
  EXPECT_EQ(options.attribute, "cn");
  EXPECT_EQ(options.scope, LdapScope::kOne);
  EXPECT_TRUE(options.has_search);
  const LdapOptions filtered = Parsed("ldapurl=\"ldaps://a/ou=my%20people,dc=x??sub?(uid=$username)\"");
  EXPECT_THAT(filtered.uris, ElementsAre("ldaps://a:636"));
  EXPECT_EQ(filtered.base_dn, "ou=my people,dc=x");
  EXPECT_EQ(filtered.filter, "(uid=$username)");
  EXPECT_TRUE(Parsed("ldapurl=ldap://a").has_search) << "below the root";
}

TEST(LdapOptions, EqualityKnowsEveryPart) {
  const std::string text = "ldapserver=a ldapbasedn=dc=x ldapbinddn=cn=y ldapbindpasswd=z";
  EXPECT_EQ(Parsed(text), Parsed(text));
  EXPECT_FALSE(Parsed(text) == Parsed("ldapserver=a ldapbasedn=dc=x ldapbinddn=cn=y ldapbindpasswd=Z"));
}

TEST(LdapOptions, Mistakes) {
  const std::pair<const char*, const char*> cases[] = {
      {"ldapserver=a", "needs the option ldapprefix or ldapsuffix (simple bind), or ldapbasedn or ldapurl (search and bind)"},
      {"ldapprefix=uid=", "needs the option ldapserver or ldapurl"},
      {"ldapserver=a ldapprefix=uid= ldapsufix=x", "option 'ldapsufix' is not supported by the method ldap; did you mean 'ldapsuffix'?"},
      {"ldapserver=a ldapprefix=uid= map=x", "option 'map' is not supported by the method ldap"},
      {"ldapserver=a ldapprefix=uid= ldapprefix=cn=", "option ldapprefix is given twice"},
      {"ldapserver=a ldapprefix=uid= ldapsuffix=", "option ldapsuffix must not be empty"},
      {"ldapserver=a ldapprefix=uid= ldapport=65536", "option ldapport must be a whole number from 1 to 65535"},
      {"ldapserver=a ldapprefix=uid= ldapscheme=LDAP", "option ldapscheme must be ldap or ldaps, not 'LDAP'"},
      {"ldapserver=a ldapprefix=uid= ldaptls=yes", "option ldaptls must be 0 or 1, not 'yes'"},
      {"ldapserver=a ldapprefix=uid= ldaptls=1 ldapscheme=ldaps", "option ldaptls = 1 is for ldap"},
      {"ldapserver=ldap://a ldapprefix=uid=", "option ldapserver must name hosts without port, not 'ldap://a'"},
      {"ldapserver=a:389 ldapprefix=uid=", "the port is ldapport"},
      {"ldapserver=a ldapprefix=uid= ldapbasedn=dc=x", "cannot stand beside those of search and bind"},
      {"ldapserver=a ldapprefix=uid= ldapsearchattribute=x", "cannot stand beside those of search and bind"},
      {"ldapurl=ldap://a ldapprefix=uid=", "cannot stand beside those of search and bind"},
      {"ldapserver=a ldapbasedn=dc=x ldapsearchattribute=cn ldapsearchfilter=(cn=$username)", "exclude each other"},
      {"ldapserver=a ldapbasedn=dc=x ldapsearchattribute=cn=", "option ldapsearchattribute must be the name of one attribute"},
      {"ldapserver=a ldapbasedn=dc=x ldapsearchfilter=(cn=admin)", "option ldapsearchfilter must hold $username"},
      {"ldapserver=a ldapbasedn=dc=x ldapbinddn=cn=y", "options ldapbinddn and ldapbindpasswd need each other"},
      {"ldapserver=a ldapbasedn=dc=x ldapbindpasswd=y", "options ldapbinddn and ldapbindpasswd need each other"},
      {"ldapurl=http://a", "option ldapurl must begin with ldap:// or ldaps://"},
      {"ldapurl=ldap:///dc=x", "option ldapurl must name a host"},
      {"ldapurl=ldap://a:0/dc=x", "option ldapurl must name a host, with a port from 1 to 65535"},
      {"ldapurl=ldap://a/dc=%zz", "option ldapurl has a % that is not followed"},
      {"ldapurl=ldap://a/dc=%0a", "option ldapurl has a % that is not followed"},
      {"ldapurl=ldap://a/dc=x?uid?tree", "option ldapurl must have the scope base, one or sub, not 'tree'"},
      {"ldapurl=\"ldap://a/dc=x?uid,cn?sub\"", "option ldapurl must name one attribute"},
      {"ldapurl=ldap://a/dc=x?uid?sub?(uid=$username)?ext", "option ldapurl must not have extensions"},
      {"ldapurl=ldap://a/dc=x ldapserver=b", "option ldapserver is given twice: ldapurl says it, too"},
      {"ldapurl=ldap://a/dc=x?uid ldapsearchattribute=cn", "option ldapsearchattribute is given twice: ldapurl says it, too"},
      {"ldapurl=ldap://a/dc=x?uid ldapsearchfilter=(cn=$username)", "exclude each other"},
      {"ldapserver", "option 1 must be written NAME=VALUE"},
      {"ldapserver=a ldapbasedn=dc=x,dc=y", "an option with a comma stands in double quotes"},
      {"ldapserver=\"a", "has a double quote that does not end"},
  };
  for (const auto& [text, mistake] : cases) EXPECT_THAT(MistakesOf(text), ElementsAre(HasSubstr(mistake))) << text;
  std::string many = "ldapprefix=uid= ldapserver=\"";
  for (size_t i = 0; i <= kLdapServersMax; ++i) many += "a ";
  EXPECT_THAT(MistakesOf(many + "\""), ElementsAre(HasSubstr("must not name more than 16 hosts")));
}

TEST(LdapOptions, WhatIsShownHasNoPassword) {
  const LdapOptions options = Parsed("ldapserver=a ldapbasedn=\"dc=x,dc=y\" ldapbinddn=cn=y ldapbindpasswd=\"my secret\"");
  EXPECT_EQ(ShownLdapOptions(options), "ldapserver=a ldapbasedn=\"dc=x,dc=y\" ldapbinddn=cn=y ldapbindpasswd=***");
  EXPECT_EQ(ShownLdapOptions(LdapOptions{}), "");
  EXPECT_THAT(ShownLdapOptions(Parsed("\"ldapbindpasswd=my secret\" ldapbinddn=x ldapserver=a ldapbasedn=y")), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace conf
