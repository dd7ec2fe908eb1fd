// Startup parameters and reported settings follow the client over shared servers.
#include "tests/integration/environment.h"

namespace integration {
namespace {

using test_support::Names;

class SettingsTest : public IntegrationTest {
 protected:
  void SetUp() override { StartPgweir("pool_mode = \"transaction\"\ndefault_pool_size = 1\n"); }
  // Direct clients never share a server, so the check of sharing is only for pgweir.
  void ExpectShared(Connection& a, Connection& b) {
    if (!IsDirect()) {
      EXPECT_EQ(a.Value("SELECT pg_backend_pid()"), b.Value("SELECT pg_backend_pid()"));
    }
  }
};

TEST_F(SettingsTest, StartupParametersFollowTheClient) {
  Connection a =
      Connect("app", "app",
              "application_name=first client_encoding=LATIN1 options='-c TimeZone=Asia/Tokyo -c DateStyle=German'");
  Connection b =
      Connect("app", "app", "application_name=second options='-c TimeZone=UTC -c standard_conforming_strings=off'");
  ExpectShared(a, b);
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(a.Value("SHOW application_name"), "first");
    EXPECT_EQ(b.Value("SHOW application_name"), "second");
    EXPECT_EQ(a.Value("SHOW TimeZone"), "Asia/Tokyo");
    EXPECT_EQ(b.Value("SHOW TimeZone"), "UTC");
    EXPECT_EQ(a.Value("SELECT date '2024-03-09'"), "09.03.2024");
    EXPECT_EQ(b.Value("SELECT date '2024-03-09'"), "2024-03-09");
    EXPECT_EQ(a.Value("SELECT 'a\\nb'").size(), 4u);
    EXPECT_EQ(b.Value("SELECT 'a\\nb'").size(), 3u);
    EXPECT_EQ(a.Value("SELECT chr(228)"), "\xe4");
    EXPECT_EQ(b.Value("SELECT chr(228)"), "\xc3\xa4");
  }
}

TEST_F(SettingsTest, AnySettingAtStartupIsHonoured) {
  Connection a = Connect("app", "app", "options='-c work_mem=11MB -c search_path=pg_catalog,information_schema'");
  Connection b = Connect("app", "app", "options='--work-mem=22MB --statement_timeout=12345'");
  Connection c = Connect();
  ExpectShared(a, b);
  ExpectShared(a, c);
  const std::string plain_work_mem = Direct("app").Value("SHOW work_mem");
  const std::string plain_search_path = Direct("app").Value("SHOW search_path");
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(a.Value("SHOW work_mem"), "11MB");
    EXPECT_EQ(a.Value("SHOW search_path"), "pg_catalog,information_schema");
    EXPECT_EQ(b.Value("SHOW work_mem"), "22MB");
    EXPECT_EQ(b.Value("SHOW statement_timeout"), "12345ms");
    EXPECT_EQ(b.Value("SHOW search_path"), plain_search_path);
    EXPECT_EQ(c.Value("SHOW work_mem"), plain_work_mem);
    EXPECT_EQ(c.Value("SHOW statement_timeout"), "0");
  }
}

TEST_F(SettingsTest, OptionsWithEscapesAndOddValues) {
  Connection a = Connect("app", "app", "options='-c application_name=two\\\\ words -c my.own=it\\'s'");
  Connection b = Connect("app", "app", "application_name=''");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(a.Value("SHOW application_name"), "two words");
    EXPECT_EQ(a.Value("SHOW my.own"), "it's");
    EXPECT_EQ(b.Value("SHOW application_name"), "");
  }
}

TEST_F(SettingsTest, LongValuesAreNotCut) {
  std::string path = "one_schema";
  while (path.size() < 2000) path += ",schema_number_" + std::to_string(path.size());
  Connection a = Connect("app", "app", "options='-c search_path=" + path + "'"), b = Connect();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(a.Value("SHOW search_path"), path);
    EXPECT_NE(b.Value("SHOW search_path"), path);
  }
}

TEST_F(SettingsTest, ValuesThatDifferInCaseOnlyAreDifferent) {
  Connection a = Connect("app", "app", "application_name=Client"), b = Connect("app", "app", "application_name=client");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(a.Value("SHOW application_name"), "Client");
    EXPECT_EQ(b.Value("SHOW application_name"), "client");
  }
}

TEST_F(SettingsTest, SetOfAReportedSettingFollows) {
  Connection a = Connect(), b = Connect();
  ASSERT_TRUE(a.Query("SET TimeZone = 'America/New_York'; SET application_name = 'renamed'").ok());
  ASSERT_TRUE(a.Query("SET DateStyle = 'SQL, DMY'").ok());
  EXPECT_EQ(a.StatusOf("TimeZone"), "America/New_York");
  EXPECT_EQ(a.StatusOf("application_name"), "renamed");
  for (int round = 0; round < 4; ++round) {
    EXPECT_NE(b.Value("SHOW TimeZone"), "America/New_York");
    EXPECT_NE(b.Value("SHOW application_name"), "renamed");
    EXPECT_EQ(a.Value("SHOW TimeZone"), "America/New_York");
    EXPECT_EQ(a.Value("SHOW application_name"), "renamed");
    EXPECT_EQ(a.Value("SELECT date '2024-03-09'"), "09/03/2024");
  }
  ASSERT_TRUE(a.Query("RESET TimeZone").ok());
  for (int round = 0; round < 2; ++round) EXPECT_EQ(a.Value("SHOW TimeZone"), b.Value("SHOW TimeZone"));
}

TEST_F(SettingsTest, RolledBackSetDoesNotStick) {
  Connection a = Connect(), b = Connect();
  const std::string before = a.Value("SHOW TimeZone");
  ASSERT_TRUE(a.Query("BEGIN; SET TimeZone = 'Asia/Tokyo'").ok());
  EXPECT_EQ(a.Value("SHOW TimeZone"), "Asia/Tokyo");
  ASSERT_TRUE(a.Query("ROLLBACK").ok());
  EXPECT_EQ(b.Value("SHOW TimeZone"), before);
  EXPECT_EQ(a.Value("SHOW TimeZone"), before);
  EXPECT_EQ(a.StatusOf("TimeZone"), before);
}

TEST_F(SettingsTest, BadSettingAtStartupBringsTheServersOwnError) {
  const Connection refused = TryConnect("app", "app", "options='-c no_such_setting=1'");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("no_such_setting"), std::string::npos) << refused.error();
  WireClient wire(target_port());
  EXPECT_FALSE(wire.Login({{"user", "app"}, {"database", "app"}, {"no_such_setting", "1"}}));
  EXPECT_EQ(test_support::ErrorField(wire.error(), 'C'), "42704");
  WireClient value(target_port());
  EXPECT_FALSE(value.Login({{"user", "app"}, {"database", "app"}, {"TimeZone", "Nowhere/AtAll"}}));
  EXPECT_EQ(test_support::ErrorField(value.error(), 'C'), "22023");
  EXPECT_EQ(Connect().Value("SELECT 'next'"), "next");
}

TEST_F(SettingsTest, ParameterStatusEqualsDirect) {
  const Names startups[] = {
      {{"user", "app"}, {"database", "app"}},
      {{"user", "app"}, {"database", "app"}, {"application_name", "compare"}, {"client_encoding", "latin1"}},
      {{"user", "app"},
       {"database", "app"},
       {"datestyle", "german"},
       {"timezone", "asia/tokyo"},
       {"IntervalStyle", "iso_8601"}},
  };
  for (const Names& startup : startups) {
    WireClient direct(SharedCluster().port()), through(target_port());
    ASSERT_TRUE(direct.Login(startup));
    ASSERT_TRUE(through.Login(startup));
    EXPECT_EQ(through.parameters(), direct.parameters());
  }
}

TEST_F(SettingsTest, ParameterStatusOfTheSecondClientIsItsOwn) {
  Connection a = Connect("app", "app", "application_name=a options='-c TimeZone=Asia/Tokyo'");
  EXPECT_EQ(a.Value("SELECT 1"), "1");
  Connection b = Connect("app", "app", "application_name=b");
  EXPECT_EQ(b.StatusOf("application_name"), "b");
  EXPECT_EQ(b.StatusOf("TimeZone"), Direct("app").StatusOf("TimeZone"));
  EXPECT_EQ(a.StatusOf("TimeZone"), "Asia/Tokyo");
}

}  // namespace
}  // namespace integration
