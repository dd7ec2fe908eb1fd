// What PAM and LDAP logins, and the system's log, need of the configuration: from TOML and from pgbouncer.ini.
#include "conf/convert.h"
#include "conf/hba.h"
#include "tests/unit/conf/ini_fixture.h"

namespace conf {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const char* const kLdap = "auth_ldap_options = 'ldapserver=ldap.example ldapbasedn=\"dc=example,dc=net\" ldapbinddn=cn=ask ldapbindpasswd=\"s3 cret\"'\n";

std::shared_ptr<const Config> Loaded(const LoadResult& result) {
  EXPECT_THAT(Mistakes(result), IsEmpty());
  return result ? *result : nullptr;
}

std::string ValueOf(const Config& config, const std::string& key) {
  for (const KeyRow& row : config.rows) {
    if (row.key == key) return row.value;
  }
  return "no such key";
}

TEST(PamKeys, InTomlTheServiceIsPgweir) {
  const auto config = Loaded(Loading().Text("[pgweir]\nauth_type = \"pam\"\n[databases.shop]\nhost = \"db\"\n"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->global.auth_type, AuthType::kPam);
  EXPECT_EQ(config->global.pam_service, "pgweir");
  EXPECT_EQ(config->global.pam_config_dir, "");
}

TEST(PamKeys, InAnIniTheServiceIsPgBouncers) {
  const auto config = Loaded(LoadingIni().Text("[databases]\nshop = host=10.0.0.5\n[pgbouncer]\nauth_type = pam\n"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->global.auth_type, AuthType::kPam);
  EXPECT_EQ(config->global.pam_service, "pgbouncer");
}

TEST(PamKeys, AServiceIsTheNameOfAFile) {
  for (const char* name : {"", "..", ".x", "a/b", "Service", "a b", "pam\xc3\xa4"}) {
    EXPECT_THAT(Mistakes(Loading().Text(With("pam_service = \"" + std::string(name) + "\""))), ElementsAre(HasSubstr("pgweir.toml:2: pam_service must be 1 to 63 lower case letters")))
        << name;
  }
  EXPECT_THAT(Mistakes(Loading().Text(With("pam_service = \"" + std::string(64, 'a') + "\""))), ElementsAre(HasSubstr("pam_service must be 1 to 63")));
  EXPECT_THAT(Mistakes(Loading().Text(With("pam_service = \"pgbouncer-2.db_login\""))), IsEmpty());
}

TEST(OutsideLogins, NobodyIsLeftForAuthUser) {
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"pam\"\nauth_user = \"asker\""))),
              ElementsAre("pgweir.toml:2: auth_type = \"pam\" and auth_user exclude each other: nobody is left to be looked up; remove auth_user"));
  EXPECT_THAT(Mistakes(LoadingIni().Text("[databases]\nshop = host=10.0.0.5 auth_user=asker\n[pgbouncer]\nauth_type = pam\n")),
              ElementsAre(HasSubstr("pgbouncer.ini:4: auth_type = \"pam\" and auth_user exclude each other")));
}

TEST(LdapKeys, OptionsAreReadAndThePasswordIsNotShown) {
  const auto config = Loaded(Loading().Text(With("auth_type = \"ldap\"\n" + std::string(kLdap))));
  ASSERT_TRUE(config);
  const LdapOptions& ldap = config->global.auth_ldap_options;
  EXPECT_THAT(ldap.uris, ElementsAre("ldap://ldap.example:389"));
  EXPECT_EQ(ldap.base_dn, "dc=example,dc=net");
  EXPECT_EQ(ldap.bind_password.Reveal(), "s3 cret");
  EXPECT_EQ(ValueOf(*config, "auth_ldap_options"), "ldapserver=ldap.example ldapbasedn=\"dc=example,dc=net\" ldapbinddn=cn=ask ldapbindpasswd=***");
}

TEST(LdapKeys, TypeAndOptionsNeedEachOther) {
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"ldap\""))),
              ElementsAre("pgweir.toml:2: auth_type = \"ldap\" needs auth_ldap_options, which say where the LDAP server is and how it is asked"));
  EXPECT_THAT(Mistakes(Loading().Text(With(kLdap))), ElementsAre(HasSubstr("pgweir.toml:2: auth_ldap_options are for auth_type = \"ldap\" only")));
  const auto config = Loaded(LoadingIni().Text(Ini("auth_ldap_options = ldapserver=a ldapprefix=uid=")));
  ASSERT_TRUE(config);
  EXPECT_THAT(config->notes, ElementsAre("pgbouncer.ini:5: auth_ldap_options has no effect: only auth_type = ldap reads it"));
}

TEST(LdapKeys, MistakesAreToldWithoutThePassword) {
  const auto mistakes = Mistakes(Loading().Text(With("auth_ldap_options = 'ldapserver=a:1 ldapbinddn=cn=x ldapbindpasswd=one two=3'")));
  ASSERT_EQ(mistakes.size(), 1u);
  EXPECT_THAT(mistakes[0], AllOf(HasSubstr("pgweir.toml:2: auth_ldap_options is wrong: an unknown option stands behind ldapbindpasswd"),
                                 HasSubstr("; option ldapserver must name hosts without port, not 'a:1'"), Not(HasSubstr("one")), Not(HasSubstr("two"))));
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_ldap_options = 'ldapbindpasswd=one two'"))), ElementsAre(AllOf(HasSubstr("option 2 must be written NAME=VALUE"), Not(HasSubstr("two")))));
}

TEST(LdapKeys, AReloadTellsThatTheyChangedAndNotWhat) {
  const auto before = Loaded(Loading().Text(With("auth_type = \"ldap\"\n" + std::string(kLdap))));
  std::string other = kLdap;
  other.replace(other.find("s3 cret"), 7, "s3 CRET");
  const auto after = Loaded(Loading().Text(With("auth_type = \"ldap\"\n" + other)));
  ASSERT_TRUE(before && after);
  EXPECT_THAT(Differences(*before, *after), ElementsAre("auth_ldap_options changed"));
  EXPECT_THAT(Differences(*before, *before), IsEmpty());
}

TEST(OutsideLogins, ConvertCarriesThemOver) {
  const std::string ini = "[databases]\nshop = host=10.0.0.5\n[pgbouncer]\nauth_type = ldap\nsyslog = 1\nsyslog_facility = local3\n"
                          "auth_ldap_options = ldapurl=\"ldaps://a/dc=x?mail?one\" ldapbinddn=\"cn=a, dc=x\" ldapbindpasswd=\"qu\"\"ote\"\n";
  const Loading loading = LoadingIni();
  const auto config = Loaded(loading.Text(ini));
  ASSERT_TRUE(config);
  const auto toml = ToToml(*config, loading.Options());
  ASSERT_TRUE(toml.has_value()) << toml.error();
  EXPECT_THAT(*toml, HasSubstr("auth_ldap_options = \"ldapurl=\\\"ldaps://a/dc=x?mail?one\\\""));
  EXPECT_THAT(*toml, HasSubstr("pam_service = \"pgbouncer\""));
  EXPECT_THAT(*toml, HasSubstr("syslog = true"));
  EXPECT_THAT(*toml, HasSubstr("syslog_facility = \"local3\""));
}

TEST(OutsideLogins, HbaLinesOfAnIniMayNameThem) {
  auto loading = LoadingIni();
  loading.files["/hba"] = "host all all all ldap ldapserver=a ldapprefix=\"uid=\"\nlocal all all pam\n";
  const auto config = Loaded(loading.Text("[databases]\nshop = host=10.0.0.5\n[pgbouncer]\nauth_type = hba\nauth_hba_file = /hba\n"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->hba->rules.size(), 2u);
}

TEST(SyslogKeys, DefaultsOfBothFormats) {
  const auto toml = Loaded(Loading().Text(With("")));
  const auto ini = Loaded(LoadingIni().Text(Ini("syslog = 1")));
  ASSERT_TRUE(toml && ini);
  EXPECT_FALSE(toml->global.syslog);
  EXPECT_EQ(toml->global.syslog_ident, "pgweir");
  EXPECT_TRUE(ini->global.syslog);
  EXPECT_EQ(ini->global.syslog_ident, "pgbouncer");
  EXPECT_EQ(ini->global.syslog_facility, "daemon");
  EXPECT_THAT(ini->notes, Not(Contains(HasSubstr("syslog"))));
}

TEST(SyslogKeys, Mistakes) {
  EXPECT_THAT(Mistakes(Loading().Text(With("syslog_facility = \"kern\""))), ElementsAre(HasSubstr("syslog_facility must be auth, authpriv, daemon, user, local0")));
  EXPECT_THAT(Mistakes(Loading().Text(With("syslog_ident = \"two words\""))), ElementsAre(HasSubstr("syslog_ident must be 1 to 48 printable characters")));
  EXPECT_THAT(Mistakes(LoadingIni().Text(Ini("syslog = yes"))), ElementsAre(HasSubstr("pgbouncer.ini:5: syslog must be 0 or 1")));
}

}  // namespace
}  // namespace conf
