#include "conf/database_url.h"
#include "conf/hosts.h"
#include "conf/user_list.h"
#include "tests/unit/conf/load_fixture.h"

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(UserList, Forms) {
  const auto users = ParseUserList("; comment\n\n\"alice\" \"md5abc\"\r\n  \"b\"\"ob\"\t\"x\"\"y;\"\n\"carol\" \"\"", "u");
  ASSERT_TRUE(users.has_value());
  EXPECT_EQ(users->at("alice").Reveal(), "md5abc");
  EXPECT_EQ(users->at("b\"ob").Reveal(), "x\"y;");
  EXPECT_TRUE(users->at("carol").empty());
}

TEST(UserList, EveryBadLineIsToldWithoutItsContent) {
  const auto users = ParseUserList("\"ok\" \"1\"\nalice secret9\n\"a\" \"secret9\n\"a\"\"secret9\"\n\"a\" \"x\" secret9\n\"\" \"secret9\"\n\"ok\" \"secret9\"",
                                   "u");
  ASSERT_FALSE(users.has_value());
  std::vector<int> lines;
  for (const Mistake& mistake : users.error()) {
    lines.push_back(mistake.line);
    EXPECT_THAT(mistake.ToString(), Not(HasSubstr("secret9")));
  }
  EXPECT_THAT(lines, ElementsAre(2, 3, 4, 5, 6, 7));
}

TEST(Hosts, Forms) {
  EXPECT_EQ(FormatHosts(ParseHosts({"a:1", "[::1]:2", "10.0.0.1:3", "/tmp", "@x", "::1"}).value()),
            "a:1, [::1]:2, 10.0.0.1:3, /tmp port 0, @x port 0, [::1]:0");
  for (const char* text : {"", "a:", "a:0", "a:65536", "[::1", "[x]:1", "a:b:c", "a b", "[::1]x", ":5"}) {
    EXPECT_FALSE(ParseHost(text).has_value()) << text;
  }
}

TEST(DatabaseUrl, AllParts) {
  const auto url = ParseDatabaseUrl("postgres://us%65r:p%40ss%2F@h1:5433,[::1],h3/my%20db?sslmode=require&application_name=web");
  ASSERT_TRUE(url.has_value()) << url.error();
  EXPECT_EQ(url->user, "user");
  EXPECT_EQ(url->password.Reveal(), "p@ss/");
  EXPECT_EQ(url->dbname, "my db");
  EXPECT_EQ(FormatHosts(url->hosts), "h1:5433, [::1]:5432, h3:5432");
  EXPECT_EQ(url->sslmode, TlsMode::kRequire);
  EXPECT_EQ(url->application_name, "web");
}

TEST(DatabaseUrl, SocketAndDefaults) {
  EXPECT_EQ(FormatHosts(ParseDatabaseUrl("postgresql://u@/db?host=/run/pg&port=6000")->hosts), "/run/pg port 6000");
  EXPECT_EQ(FormatHosts(ParseDatabaseUrl("postgresql://u@%2Ftmp/db")->hosts), "/tmp port 5432");
  EXPECT_EQ(FormatHosts(ParseDatabaseUrl("postgres:///db")->hosts), "/var/run/postgresql port 5432");
  EXPECT_EQ(ParseDatabaseUrl("postgres://joe@h")->dbname, "joe");
  EXPECT_EQ(ParseDatabaseUrl("postgres://u:pa@ss@h/d")->password.Reveal(), "pa@ss");
}

TEST(DatabaseUrl, RefusedWithoutQuotingAnything) {
  for (const char* text : {"mysql://u:secret9@h/d", "postgres://h", "postgres://u:secret9/x@h/d", "postgres://u:secret9%4@h/d",
                           "postgres://u:secret9%00@h/d", "postgres://u:secret9@h:port/d", "postgres://u:secret9@[::1/d",
                           "postgres://u:secret9@h/d?secret9=1", "postgres://u:secret9@h/d?sslmode=secret9",
                           "postgres://u:secret9@h/d?flag", "postgres://u:a?secret9@h/d", "postgres://u:p@h/d?port=0", ""}) {
    const auto url = ParseDatabaseUrl(text);
    ASSERT_FALSE(url.has_value()) << text;
    EXPECT_THAT(url.error(), Not(HasSubstr("secret9")));
  }
  EXPECT_THAT(ParseDatabaseUrl("postgres://h/d?sslmod=require").error(), HasSubstr("did you mean 'sslmode'"));
}

TEST(Environment, DatabaseUrlAloneIsComplete) {
  Loading loading;
  loading.environment["DATABASE_URL"] = "postgres://app:hunter2@db.example:5433/shop?sslmode=require";
  const auto result = loading.Environment();
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  const Config& config = **result;
  EXPECT_EQ(config.FindDatabase("shop")->dbname, "");
  EXPECT_EQ(FormatHosts(config.FindDatabase("anything")->hosts), "db.example:5433");
  EXPECT_EQ(config.FindSecret("app")->Reveal(), "hunter2");
  EXPECT_EQ(SourceOf(config, "server_tls_sslmode"), "require from DATABASE_URL");
  EXPECT_THAT(config.global.listen_addr, ElementsAre("127.0.0.1"));
}

TEST(Environment, DatabaseUrlMistakes) {
  Loading loading;
  loading.environment["DATABASE_URL"] = "postgres://app:p@h/pgbouncer";
  EXPECT_THAT(Mistakes(loading.Environment()), ElementsAre(HasSubstr("reserved for the console")));
  loading.environment["DATABASE_URL"] = "postgres://app:p@h/d?sslmode=verify-full";
  EXPECT_THAT(Mistakes(loading.Environment()),
              ElementsAre(HasSubstr("DATABASE_URL: server_tls_sslmode = \"verify-full\" needs server_tls_ca_file")));
  loading.environment.clear();
  loading.environment["DATABASE_URL_FILE"] = "/run/url";
  EXPECT_THAT(Mistakes(loading.Environment()), ElementsAre("DATABASE_URL_FILE: cannot read '/run/url'"));
  loading.files["/run/url"] = "postgres://app:p@h/d\n";
  EXPECT_TRUE(loading.Environment().has_value());
  loading.environment.clear();
  EXPECT_THAT(Mistakes(loading.Environment()), testing::Contains(HasSubstr("set DATABASE_URL")));
}

TEST(Precedence, EachSourceWinsOverTheOneBefore) {
  Loading loading;
  const std::string text = With("listen_port = 7001");
  EXPECT_EQ(SourceOf(**loading.Text(With("")), "listen_port"), "6432 from default");
  EXPECT_EQ(SourceOf(**loading.Text(text), "listen_port"), "7001 from pgweir.toml:2");
  loading.environment["PGWEIR_LISTEN_PORT"] = "7002";
  EXPECT_EQ(SourceOf(**loading.Text(text), "listen_port"), "7002 from PGWEIR_LISTEN_PORT");
  loading.command_line.emplace_back("listen_port", "7003");
  EXPECT_EQ(SourceOf(**loading.Text(text), "listen_port"), "7003 from command line");
}

TEST(Environment, ValueFromFile) {
  Loading loading;
  loading.environment["PGWEIR_POOL_MODE_FILE"] = "/run/mode";
  EXPECT_THAT(Mistakes(loading.Text(With(""))), ElementsAre("PGWEIR_POOL_MODE_FILE: cannot read '/run/mode'"));
  loading.files["/run/mode"] = "session\n";
  EXPECT_EQ(SourceOf(**loading.Text(With("")), "pool_mode"), "session from PGWEIR_POOL_MODE_FILE");
  loading.environment["PGWEIR_POOL_MODE"] = "session";
  EXPECT_THAT(Mistakes(loading.Text(With(""))), ElementsAre(HasSubstr("is set together with PGWEIR_POOL_MODE")));
}

TEST(Environment, UnknownNames) {
  Loading loading;
  loading.environment = {{"PGWEIR_LISTEN_PROT", "1"}, {"PGWEIR_BANANA", "1"}, {"PGWEIR_LISTEN_PORT", "x"},
                         {"PGWEIR_CONFIG", "/etc/x"}, {"PATH", "/bin"}, {"PGWEIR_AUTH_FIEL", "x"}};
  EXPECT_THAT(Mistakes(loading.Text(With(""))),
              ElementsAre("PGWEIR_AUTH_FIEL: unknown environment variable; did you mean 'PGWEIR_AUTH_FILE'?",
                          HasSubstr("PGWEIR_BANANA: unknown environment variable; PGWEIR_<KEY> takes"),
                          "PGWEIR_LISTEN_PORT: listen_port must be a whole number from 1 to 65535, not 'x'",
                          "PGWEIR_LISTEN_PROT: unknown environment variable; did you mean 'PGWEIR_LISTEN_PORT'?"));
}

TEST(Environment, KubernetesServiceLinksArePassedOver) {
  Loading loading;
  loading.environment = {{"PGWEIR_SERVICE_HOST", "10.0.0.1"}, {"PGWEIR_SERVICE_PORT", "6432"},
                         {"PGWEIR_SERVICE_PORT_PG", "6432"}, {"PGWEIR_PORT", "tcp://10.0.0.1:6432"},
                         {"PGWEIR_PORT_6432_TCP", "tcp://10.0.0.1:6432"}, {"PGWEIR_PORT_6432_TCP_ADDR", "10.0.0.1"},
                         {"PGWEIR_PORT_6432_TCP_PROTO", "tcp"}, {"PGWEIR_PORT_6432_TCP_PORT", "6432"}};
  EXPECT_THAT(Mistakes(loading.Text(With(""))), ElementsAre());
}

TEST(Environment, AdminPassword) {
  Loading loading;
  loading.environment["PGWEIR_ADMIN_PASSWORD"] = "root9";
  const auto result = loading.Text(With("admin_users = [\"ops\"]"));
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT((*result)->global.admin_users, ElementsAre("ops", "admin"));
  EXPECT_EQ((*result)->FindSecret("admin")->Reveal(), "root9");
  EXPECT_TRUE((*result)->IsAdmin("admin"));
  loading.environment["PGWEIR_ADMIN_PASSWORD"] = "";
  EXPECT_THAT(Mistakes(loading.Text(With(""))), ElementsAre(HasSubstr("must not be empty")));
}

TEST(CommandLine, UnknownKey) {
  Loading loading;
  loading.command_line.emplace_back("listen_prt", "1");
  EXPECT_THAT(Mistakes(loading.Text(With(""))), ElementsAre("command line: unknown key 'listen_prt'; did you mean 'listen_port'?"));
}

}  // namespace
}  // namespace conf
