// A user's name in a DN and in a filter means itself, whatever it holds.
#include "proxy/ldap_names.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

TEST(LdapNames, InADn) {
  const std::pair<std::string, std::string> cases[] = {
      {"anna", "anna"},
      {"anna.b-c_d@example.com", "anna.b-c_d@example.com"},
      {"a,ou=admins", "a\\,ou\\=admins"},
      {"a+uid=b", "a\\+uid\\=b"},
      {"\"a\";<b>\\", "\\\"a\\\"\\;\\<b\\>\\\\"},
      {" a b ", "\\ a b\\ "},
      {" ", "\\ "},
      {"#a#", "\\#a#"},
      {std::string("a\0b\n", 4), "a\\00b\\0a"},
      {"J\xc3\xb6rg", "J\xc3\xb6rg"},
      {"(*)", "(*)"},
  };
  for (const auto& [name, escaped] : cases) EXPECT_EQ(EscapeForDn(name), escaped);
}

TEST(LdapNames, InAFilter) {
  const std::pair<std::string, std::string> cases[] = {
      {"anna", "anna"},
      {"*", "\\2a"},
      {"a)(uid=*", "a\\29\\28uid=\\2a"},
      {"a\\2a", "a\\5c2a"},
      {std::string("a\0b", 3), "a\\00b"},
      {"J\xc3\xb6rg, \"x\"", "J\xc3\xb6rg, \"x\""},
  };
  for (const auto& [name, escaped] : cases) EXPECT_EQ(EscapeForFilter(name), escaped);
}

TEST(LdapNames, AroundTheName) {
  conf::LdapOptions options;
  options.prefix = "uid=";
  options.suffix = ",dc=example";
  EXPECT_EQ(DnOf(options, "a,b"), "uid=a\\,b,dc=example");
  options.attribute = "cn";
  EXPECT_EQ(FilterOf(options, "a*"), "(cn=a\\2a)");
  options.filter = "(|(uid=$username)(mail=$username))";
  EXPECT_EQ(FilterOf(options, "$username)"), "(|(uid=$username\\29)(mail=$username\\29))") << "what is put in is not looked at again";
}

}  // namespace
}  // namespace proxy
