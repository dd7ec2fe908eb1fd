// auth_type = hba, cert, peer and any as parts of a configuration: loaded whole or not at all, from TOML and from an ini.
#include "conf/convert.h"
#include "conf/hba.h"
#include "conf/ident.h"
#include "tests/unit/conf/ini_fixture.h"

namespace conf {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kHba = "auth_type = \"hba\"\nauth_hba_file = \"pg_hba.conf\"\n";
constexpr const char* kTls = "client_tls_sslmode = \"prefer\"\nclient_tls_key_file = \"/key\"\nclient_tls_cert_file = \"/cert\"\nclient_tls_ca_file = \"/ca\"\n";

Loading WithHba(const std::string& hba, const std::string& ident = "") {
  Loading loading;
  loading.file = "/etc/pgweir/pgweir.toml";
  loading.files = {{"/etc/pgweir/pg_hba.conf", hba}, {"/etc/pgweir/pg_ident.conf", ident}, {"/key", ""}, {"/cert", ""}, {"/ca", ""}};
  return loading;
}

TEST(HbaLoad, IsPartOfTheConfiguration) {
  const auto loaded = WithHba("local all @staff peer map=m\nhost all all all md5\n", "m root app\n").Text(
      With(std::string(kHba) + "auth_ident_file = \"pg_ident.conf\""));
  EXPECT_THAT(Mistakes(loaded), ElementsAre(HasSubstr("/etc/pgweir/pg_hba.conf:1: @staff: cannot read '/etc/pgweir/staff'")));
  auto with_staff = WithHba("local all @staff peer map=m\nhost all all all md5\n", "m root app\n");
  with_staff.files["/etc/pgweir/staff"] = "anna\n";
  const auto good = with_staff.Text(With(std::string(kHba) + "auth_ident_file = \"pg_ident.conf\""));
  ASSERT_TRUE(good.has_value()) << testing::PrintToString(Mistakes(good));
  ASSERT_NE((*good)->hba, nullptr);
  EXPECT_EQ((*good)->hba->rules.size(), 2u);
  ASSERT_NE((*good)->ident, nullptr);
  EXPECT_TRUE((*good)->ident->Allows("m", "root", "app"));
  EXPECT_EQ(SourceOf(**good, "auth_hba_file"), "/etc/pgweir/pg_hba.conf from /etc/pgweir/pgweir.toml:3");
  EXPECT_FALSE((*good)->owner_is_admin) << "PgBouncer's rule is for its own configuration";
}

TEST(HbaLoad, WithoutHbaThereAreNoRules) {
  const auto loaded = Loading().Text(With(""));
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ((*loaded)->hba, nullptr);
  EXPECT_EQ((*loaded)->ident, nullptr);
}

TEST(HbaLoad, EveryMistakeOfEveryFileAtOnce) {
  const auto loaded = WithHba("host all all all gss\nlocal all all peer map=m\n", "m root\n").Text(
      With(std::string(kHba) + "auth_ident_file = \"pg_ident.conf\"\npool_mode = \"x\""));
  EXPECT_THAT(Mistakes(loaded), ElementsAre(HasSubstr("/etc/pgweir/pgweir.toml:5: pool_mode"), HasSubstr("/etc/pgweir/pg_hba.conf:1: method 'gss'"),
                                            HasSubstr("/etc/pgweir/pg_ident.conf:1: a line must be MAP IDENTITY USER")));
}

TEST(HbaLoad, WhatALineNeedsOfOtherKeys) {
  EXPECT_THAT(Mistakes(WithHba("local all all peer map=m").Text(With(kHba))),
              ElementsAre("/etc/pgweir/pg_hba.conf:1: map 'm' needs auth_ident_file, which is not set"));
  EXPECT_THAT(Mistakes(WithHba("local all all peer map=m", "other a b").Text(With(std::string(kHba) + "auth_ident_file = \"pg_ident.conf\""))),
              ElementsAre("/etc/pgweir/pg_hba.conf:1: map 'm' has no line in auth_ident_file"));
  EXPECT_THAT(Mistakes(WithHba("hostssl all all all cert").Text(With(kHba))),
              ElementsAre(HasSubstr("/etc/pgweir/pg_hba.conf:1: method cert needs client_tls_ca_file")));
  EXPECT_THAT(Mistakes(WithHba("hostssl all all all cert").Text(With(std::string(kHba) + kTls))), IsEmpty());
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"hba\""))), ElementsAre(HasSubstr("pgweir.toml:2: auth_type = \"hba\" needs auth_hba_file")));
  EXPECT_THAT(Mistakes(WithHba("").Text(With("auth_hba_file = \"pg_hba.conf\""))),
              ElementsAre(HasSubstr("auth_hba_file is read by auth_type = \"hba\" only, which is \"scram-sha-256\"")));
  EXPECT_THAT(Mistakes(WithHba("").Text(With("auth_ident_file = \"pg_ident.conf\""))), ElementsAre(HasSubstr("auth_ident_file is read by")));
  EXPECT_THAT(Mistakes(Loading().Text(With(kHba))), ElementsAre("pgweir.toml:3: auth_hba_file: cannot read 'pg_hba.conf'"));
}

TEST(HbaLoad, SecretsAreNeededWhereEveryLineAsksForOne) {
  const std::string no_secrets = std::string("[pgweir]\n") + kHba + "[databases.a]\n";
  EXPECT_THAT(Mistakes(WithHba("host all all all md5\nlocal all all reject\n").Text(no_secrets)), ElementsAre(HasSubstr("nobody could log in")));
  EXPECT_THAT(Mistakes(WithHba("host all all all md5\nlocal all all peer\n").Text(no_secrets)), IsEmpty());
}

TEST(HbaLoad, CertPeerAndAny) {
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"cert\""))),
              ElementsAre(HasSubstr("auth_type = \"cert\" needs client_tls_sslmode = \"verify-full\"")));
  EXPECT_THAT(Mistakes(WithHba("").Text(With("auth_type = \"cert\"\nclient_tls_sslmode = \"verify-ca\"\nclient_tls_key_file = \"/key\"\n"
                                             "client_tls_cert_file = \"/cert\"\nclient_tls_ca_file = \"/ca\""))),
              IsEmpty());
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"peer\""))), IsEmpty());
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"peer\"\nunix_socket_dir = \"\""))), ElementsAre(HasSubstr("nobody could log in")));
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"any\"", "[databases.good]\nuser = \"x\"\n"))),
              ElementsAre(HasSubstr("pgweir.toml:3: database 'shop' needs a user")));
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_type = \"reject\""))),
              ElementsAre(HasSubstr("auth_type must be trust, password, md5, scram-sha-256, cert, peer, pam, ldap, any or hba")));
}

TEST(HbaLoad, ADifferenceInTheLinesIsAChange) {
  const auto before = WithHba("local all all peer\n").Text(With(kHba));
  const auto after = WithHba("local all all peer\nhost all all all md5\n").Text(With(kHba));
  ASSERT_TRUE(before.has_value() && after.has_value());
  EXPECT_THAT(Differences(**before, **after), ElementsAre("auth_hba_file: its lines changed (1 -> 2)"));
  EXPECT_THAT(Differences(**before, **before), IsEmpty());
}

Loading IniWithHba(const std::string& hba, const std::string& ident = "m root app\n") {
  Loading loading = LoadingIni();
  loading.files["/etc/hba"] = hba;
  loading.files["/etc/ident"] = ident;
  return loading;
}

TEST(HbaLoad, FromAnIni) {
  const auto loading = IniWithHba("local all all peer map=m\nhost all all 10.0.0.0/8 md5\n");
  const auto loaded = loading.Text(Ini("auth_type = hba\nauth_hba_file = /etc/hba\nauth_ident_file = /etc/ident"));
  ASSERT_TRUE(loaded.has_value()) << testing::PrintToString(Mistakes(loaded));
  EXPECT_EQ((*loaded)->global.auth_type, AuthType::kHba);
  EXPECT_EQ((*loaded)->hba->rules.size(), 2u);
  EXPECT_TRUE((*loaded)->owner_is_admin);
  const auto toml = ToToml(**loaded, loading.Options());
  ASSERT_TRUE(toml.has_value()) << toml.error();
  EXPECT_THAT(*toml, AllOf(HasSubstr("auth_type = \"hba\"\n"), HasSubstr("auth_hba_file = \"/etc/hba\"\n"), HasSubstr("auth_ident_file = \"/etc/ident\"\n"),
                           HasSubstr("# auth_hba_file: a malformed line is a mistake")));
}

TEST(HbaLoad, AnIniMayNameAFileThatItDoesNotUse) {
  const auto loading = IniWithHba("nonsense\n");
  const auto loaded = loading.Text(Ini("auth_hba_file = /etc/hba"));
  ASSERT_TRUE(loaded.has_value()) << testing::PrintToString(Mistakes(loaded));
  EXPECT_THAT((*loaded)->notes, ElementsAre("pgbouncer.ini:5: auth_hba_file has no effect: auth_type is md5, and only hba reads it"));
  EXPECT_EQ((*loaded)->hba, nullptr);
  EXPECT_TRUE(ToToml(**loaded, loading.Options()).has_value());
}

}  // namespace
}  // namespace conf
