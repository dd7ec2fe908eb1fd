#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "conf/hosts.h"
#include "tests/unit/conf/load_fixture.h"

namespace conf {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct BadLine {
  const char* line;
  const char* expected;
};

// Each stands at line 2, in [pgweir].
TEST(Mistakes, InGlobal) {
  const BadLine cases[] = {
      {"listen_prot = 1", "unknown key 'listen_prot' in [pgweir]; did you mean 'listen_port'?"},
      {"pool_sise = 5", "unknown key 'pool_sise' in [pgweir]; did you mean 'default_pool_size'?"},
      {"dbname = \"x\"", "unknown key 'dbname' in [pgweir]; it belongs in [databases.X]"},
      {"listen_port = \"6432\"", "listen_port must be a whole number from 1 to 65535, not the text '6432'"},
      {"listen_port = 70000", "listen_port must be a whole number from 1 to 65535, not 70000"},
      {"listen_port = 1.5", "not the fraction"},
      {"default_pool_size = 0", "0 is not \"unlimited\" here"},
      {"pool_mode = \"sesion\"", "pool_mode must be session, transaction or statement, not the text 'sesion'; did you mean 'session'?"},
      {"log_connections = 1", "log_connections must be true or false, not 1"},
      {"query_wait_timeout = \"5 bananas\"", "query_wait_timeout must be a time such as"},
      {"query_wait_timeout = 0", "waiting must have an end"},
      {"tcp_user_timeout = 30000000", "not PgBouncer's milliseconds"},
      {"server_lifetime_jitter = 2", "from 0% to 100%"},
      {"unix_socket_mode = 777", "octal permission bits in quotes"},
      {"unix_socket_dir = \"tmp\"", "must be an absolute folder"},
      {"listen_addr = [1]", "not a list of something else"},
      {"listen_addr = \"10.0.0.1:80\"", "without port"},
      {"listen_addr = 1979-05-27", "not a date or time"},
      {"reject_addresses = [\"10.0.0.1/8\"]", "bits set beyond its prefix"},
      {"client_tls_protocols = \"sslv3\"", "must be secure, all, or a list"},
      {"server_check_query = \"a\\u0000b\"", "control characters"},
      {"logfile = {}", "logfile must be a path, not a section"},
      {"auth_file = \"missing.txt\"", "auth_file: cannot read 'missing.txt'"},
      {"client_tls_ca_file = \"missing.pem\"", "client_tls_ca_file: cannot read 'missing.pem'"},
      {"reserve_pool_size = 3\nreserve_pool_timeout = \"6s\"", "pgweir.toml:3: reserve_pool_timeout (6s) must be shorter than query_wait_timeout (5s)"},
      {"reserve_pool_size = 3\nquery_wait_timeout = \"2s\"", "pgweir.toml:3: reserve_pool_timeout (3s) must be shorter"},
      {"min_pool_size = 21", "min_pool_size (21) is larger than the pool size (20)"},
      {"max_db_connections = 2\nmin_pool_size = 3", "max_db_connections (2) cannot hold min_pool_size (3)"},
      {"min_guaranteed = 21", "min_guaranteed (21) is larger than the pool size (20)"},
      {"max_host_connections = 2\nmin_pool_size = 3", "max_host_connections (2) cannot hold min_pool_size (3)"},
      {"max_host_connections = 2\nmin_guaranteed = 3", "max_host_connections (2) cannot hold min_guaranteed (3)"},
      {"leak_threshold = \"1s\"", "leak_threshold must be 0 (off) or at least 2s"},
      {"queue_target = \"automatic\"", "queue_target must be a time such as"},
      {"max_user_connections = 2\nmin_pool_size = 3", "max_user_connections (2) cannot hold min_pool_size (3)"},
      {"client_tls_sslmode = \"require\"", "needs client_tls_key_file and client_tls_cert_file"},
      {"server_tls_sslmode = \"verify-ca\"", "needs server_tls_ca_file"},
      {"listen_addr = \"\"\nunix_socket_dir = \"\"", "nothing to listen on"},
      {"proxy_protocol_from = [\"10.0.0.1/8\"]", "bits set beyond its prefix"},
      {"proxy_protocol_from = \"lb.example\"", "proxy_protocol_from must be"},
      {"proxy_protocol_from = \"10.0.0.1\"\nlisten_addr = []", "a Unix socket takes no PROXY header"},
      {"max_client_conn_per_address = -1", "a whole number from 0 to 1000000"},
      {"client_connect_rate = 10001", "a whole number from 0 to 10000"},
      {"http_listen_port = 6432", "two listeners cannot share a port"},
      {"logfile", "not valid TOML"},
      {"logfile = \"a\"\nlogfile = \"b\"", "pgweir.toml:3: not valid TOML"},
  };
  for (const BadLine& bad : cases) {
    const auto lines = Mistakes(Loading().Text(With(bad.line)));
    ASSERT_EQ(lines.size(), 1U) << bad.line << testing::PrintToString(lines);
    EXPECT_THAT(lines[0], HasSubstr(bad.expected));
    const bool names_place = std::string_view(bad.expected).starts_with("pgweir.toml:");
    EXPECT_THAT(lines[0], testing::StartsWith(names_place ? bad.expected : "pgweir.toml:2: "));
  }
}

// Each stands from line 6 on, behind With("").
TEST(Mistakes, InSections) {
  const BadLine cases[] = {
      {"[databases.pgweir]", ":7: database name 'pgweir' is reserved"},
      {"[databases.pgbouncer]", ":7: database name 'pgbouncer' is reserved"},
      {"[database.x]\nhost = 1", ":7: unknown section [database]; did you mean 'databases'?"},
      {"[databases.x]\nhots = \"a\"", ":8: unknown key 'hots' in [databases.x]; did you mean 'host'?"},
      {"[databases.x]\nlisten_port = 5", ":8: unknown key 'listen_port' in [databases.x]; it belongs in [pgweir]"},
      {"[users.x]\ndefault_pool_size = 5", ":8: unknown key 'default_pool_size' in [users.x]; did you mean 'pool_size'?"},
      {"[databases.x]\nhost = \"a:99999\"", ":8: host has a wrong port"},
      {"[databases.x]\nport = 0", ":8: port must be a whole number from 1 to 65535, not 0"},
      {"[databases.x]\npool_size = 2\nmin_pool_size = 3", ":9: min_pool_size (3) is larger than the pool size (2), for database 'x'"},
      {"[databases.x]\nmin_pool_size = 3\nmax_db_connections = 2", ":9: max_db_connections (2) cannot hold min_pool_size (3) of database 'x'"},
      {"[users.x]\nmin_pool_size = 3\nmax_user_connections = 2", ":9: max_user_connections (2) cannot hold min_pool_size (3) of user 'x'"},
      {"[databases.x]\nmax_db_connections = 5\n[users.y]\nmin_guaranteed = 3\n[users.z]\nmin_guaranteed = 3", ":8: max_db_connections (5) cannot hold min_guaranteed (6), that of its users together, of database 'x'"},
      {"[databases.x]\n[databases.y]\n[users.z]\nmin_guaranteed = 3\nmax_user_connections = 5", ":11: max_user_connections (5) cannot hold min_guaranteed (9), that of its databases together, of user 'z'"},
      {"[databases.x]\nmin_pool_size = 9\n[users.y]\npool_size = 5", ":8: min_pool_size (9) is larger than the pool size (5), for database 'x' and user 'y'"},
      {"[databases.x]\npassword = \"hunter3\"", ":8: password in [databases.x] has no user"},
      {"[users.x]\npassword = \"hunter3\"\npassword_file = \"f\"", ":9: [users.x] has both password and password_file"},
      {"[users.x]\npassword = 5", ":8: password must be text in quotes"},
      {"[users.x]\npassword = \"hunter3", "not valid TOML: look at the quotes"},
      {"[users.\"*\"]", ":7: [users.\"*\"] does not exist"},
      {"[users.\"\"]", ":7: the name of user '' must not be empty"},
      {"[databases]\nhost = \"a\"", ":8: 'host' stands directly in [databases]"},
  };
  Loading loading;
  loading.files["f"] = "x";
  for (const BadLine& bad : cases) {
    const auto lines = Mistakes(loading.Text(With("", bad.line)));
    ASSERT_EQ(lines.size(), 1U) << bad.line << testing::PrintToString(lines);
    EXPECT_THAT(lines[0], HasSubstr(bad.expected));
    EXPECT_THAT(lines[0], Not(HasSubstr("hunter3")));
  }
}

TEST(Mistakes, AllAtOnceFromTopToBottom) {
  Loading loading;
  loading.files["users.txt"] = "oops\n";
  EXPECT_THAT(Mistakes(loading.Text("stray = 1\n[pgweir]\nauth_file = \"users.txt\"\nlisten_prot = 1\ndefault_pool_size = 0\n"
                                    "reserve_pool_size = 1\nreserve_pool_timeout = 9\n[databases.a]\nport = 0\n")),
              ElementsAre(HasSubstr("pgweir.toml:1: key 'stray' stands outside"), HasSubstr("pgweir.toml:4: unknown key"),
                          HasSubstr("pgweir.toml:5: default_pool_size"), HasSubstr("pgweir.toml:7: reserve_pool_timeout"),
                          HasSubstr("pgweir.toml:9: port"), HasSubstr("users.txt:1: a line of the user list")));
}

TEST(Mistakes, ARefusedValueMakesNoSecondMistake) {
  EXPECT_THAT(Mistakes(Loading().Text(With("reserve_pool_size = 1\nreserve_pool_timeout = \"7s\"\nquery_wait_timeout = \"ten\""))),
              ElementsAre(HasSubstr("pgweir.toml:4: query_wait_timeout must be a time")));
}

TEST(Mistakes, NothingToLogInToOrWith) {
  EXPECT_THAT(Mistakes(Loading().Text("[pgweir]\n[users.a]\npassword = \"x\"")), ElementsAre(HasSubstr("no database")));
  EXPECT_THAT(Mistakes(Loading().Text("[pgweir]\n[databases.a]\n")), ElementsAre(HasSubstr("pgweir.toml:1: nobody could log in")));
  EXPECT_TRUE(Loading().Text("[pgweir]\nauth_type = \"trust\"\n[databases.a]\n").has_value());
}

TEST(Files, MissingConfiguration) {
  LoadOptions options;
  options.file = "/nonexistent/pgweir.toml";
  EXPECT_THAT(Mistakes(Load(options)),
              ElementsAre("/nonexistent/pgweir.toml: cannot read '/nonexistent/pgweir.toml': there is no such file; check the path"));
  options.file = "/tmp";
  EXPECT_THAT(Mistakes(Load(options)), ElementsAre(HasSubstr("it is a folder")));
}

TEST(Files, RelativeToTheFolderOfTheFile) {
  char folder[] = "/tmp/pgweir-conf-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string base = folder;
  std::ofstream(base + "/users.txt") << "\"alice\" \"a\"\n\"app\" \"loses\"\n";
  std::ofstream(base + "/secret") << "wins\n";
  std::ofstream(base + "/pgweir.toml") << "[pgweir]\nauth_file = \"users.txt\"\nlogfile = \"log\"\n[databases.d]\n"
                                          "[users.app]\npassword_file = \"secret\"\n";
  LoadOptions options;
  options.file = base + "/pgweir.toml";
  const auto result = Load(options);
  std::filesystem::remove_all(base);
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  EXPECT_EQ((*result)->global.auth_file, base + "/users.txt");
  EXPECT_EQ((*result)->global.logfile, base + "/log");
  EXPECT_EQ((*result)->FindSecret("alice")->Reveal(), "a");
  EXPECT_EQ((*result)->FindSecret("app")->Reveal(), "wins");
  EXPECT_EQ((*result)->FindSecret("bob"), nullptr);
}

TEST(Databases, HostsAndPorts) {
  const auto result = Loading().Text(With("", "[databases.a]\nport = 6000\nhost = [\"x\", \"y:7000\", \"[::1]:1\", \"/run\"]\n[databases.b]\n"
                                              "[databases.c]\nport = 7\n[databases.\"*\"]\nhost = \"z\"\n"));
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  EXPECT_EQ(FormatHosts((*result)->FindDatabase("a")->hosts), "x:6000, y:7000, [::1]:1, /run port 6000");
  EXPECT_EQ(FormatHosts((*result)->FindDatabase("b")->hosts), "/var/run/postgresql port 5432");
  EXPECT_EQ(FormatHosts((*result)->FindDatabase("c")->hosts), "/var/run/postgresql port 7");
  EXPECT_EQ((*result)->FindDatabase("other")->name, "*");
  EXPECT_EQ((*Loading().Text(With("")))->FindDatabase("other"), nullptr);
}

TEST(Resolve, UserThenDatabaseThenGlobal) {
  const auto result = Loading().Text(With("default_pool_size = 10\nquery_timeout = 1\nmax_db_connections = 50\nmax_user_connections = 60",
                                          "[databases.d]\npool_size = 20\nquery_timeout = 2\nmax_db_connections = 0\npool_mode = \"session\"\n"
                                          "[users.u]\npool_size = 30\nquery_timeout = 3\nmax_user_connections = 5\n"));
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  const Config& config = **result;
  const Database &d = *config.FindDatabase("d"), &shop = *config.FindDatabase("shop");
  EXPECT_EQ(config.ResolvePool(shop, "app").pool_size, 10);
  EXPECT_EQ(config.ResolvePool(d, "app").pool_size, 20);
  EXPECT_EQ(config.ResolvePool(d, "u").pool_size, 30);
  EXPECT_EQ(config.ResolvePool(d, "u").max_waiting, 1500);
  EXPECT_EQ(config.ResolvePool(d, "u").pool_mode, PoolMode::kSession);
  EXPECT_EQ(config.ResolveTimeouts(shop, "app").query_timeout, seconds(1));
  EXPECT_EQ(config.ResolveTimeouts(d, "app").query_timeout, seconds(2));
  EXPECT_EQ(config.ResolveTimeouts(d, "u").query_timeout, seconds(3));
  EXPECT_EQ(config.MaxDbConnections(d), 0);
  EXPECT_EQ(config.MaxDbConnections(shop), 50);
  EXPECT_EQ(config.MaxUserConnections("u"), 5);
  EXPECT_EQ(config.MaxUserConnections("app"), 60);
}

TEST(Resolve, MaxWaitingGivenWins) {
  const auto result = Loading().Text(With("max_waiting = 7", "[databases.d]\nmax_waiting = 8\n"));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ((*result)->ResolvePool(*(*result)->FindDatabase("shop"), "x").max_waiting, 7);
  EXPECT_EQ((*result)->ResolvePool(*(*result)->FindDatabase("d"), "x").max_waiting, 8);
}

TEST(Resolve, QueueTargetAndIntervalAtEveryLevel) {
  const auto result = Loading().Text(With("queue_interval = \"2s\"", "[databases.d]\nqueue_target = \"50ms\"\n[users.batch]\nqueue_target = 0\n"));
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  const Config& config = **result;
  const Database &d = *config.FindDatabase("d"), &shop = *config.FindDatabase("shop");
  EXPECT_EQ(config.ResolvePool(shop, "app").queue_target, kAutomatic) << "the default";
  EXPECT_EQ(config.ResolvePool(d, "app").queue_target, std::chrono::milliseconds(50));
  EXPECT_EQ(config.ResolvePool(d, "batch").queue_target, seconds(0));
  EXPECT_EQ(config.ResolvePool(d, "app").queue_interval, seconds(2));
  EXPECT_THAT(Mistakes(Loading().Text(With("queue_interval = 0"))), ElementsAre(HasSubstr("pgweir.toml:2: queue_interval must be")));
  EXPECT_THAT(Mistakes(Loading().Text(With("queue_target = \"2h\""))), ElementsAre(HasSubstr("pgweir.toml:2: queue_target must be")));
}

TEST(Resolve, QueueFlowAndWeights) {
  const auto result = Loading().Text(With("", "[databases.d]\nqueue_flow = \"address\"\n[users.batch]\nweight = 3\n"));
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  const Config& config = **result;
  EXPECT_EQ(config.ResolvePool(*config.FindDatabase("shop"), "app").queue_flow, QueueFlow::kUser) << "the default";
  EXPECT_EQ(config.ResolvePool(*config.FindDatabase("d"), "app").queue_flow, QueueFlow::kAddress);
  EXPECT_EQ(config.FindUser("batch")->weight, 3);
  EXPECT_THAT(Mistakes(Loading().Text(With("queue_flow = \"pool\""))), ElementsAre(HasSubstr("pgweir.toml:2: queue_flow must be")));
  EXPECT_THAT(Mistakes(Loading().Text(With("", "[users.x]\nweight = 0\n"))), ElementsAre(HasSubstr(":8: weight must be")));
}

TEST(Console, AdminsAreStatsToo) {
  const auto result = Loading().Text(With("admin_users = \"a, b\"\nstats_users = [\"s\"]"));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE((*result)->IsAdmin("b") && (*result)->IsStats("b") && (*result)->IsStats("s"));
  EXPECT_FALSE((*result)->IsAdmin("s") || (*result)->IsStats("x"));
}

TEST(Differences, NamesValuesAndNeverSecrets) {
  const auto before = *Loading().Text(With("listen_port = 7000", "[databases.gone]\n"));
  const auto after = *Loading().Text("[pgweir]\ndefault_pool_size = 40\n[databases.shop]\nhost = \"db2\"\nuser = \"u\"\npassword = \"hunter4\"\n"
                                     "pool_size = 3\n[databases.fresh]\n[users.app]\npassword = \"hunter3\"\n");
  const auto lines = Differences(*before, *after);
  EXPECT_THAT(lines, testing::UnorderedElementsAre("default_pool_size: 20 -> 40", "listen_port: 7000 -> 6432", "database gone: removed",
                                                   "database fresh: added", "database shop: host: db:5432 -> db2:5432",
                                                   "database shop: user:  -> u", "database shop: pool_size: (not set) -> 3",
                                                   "database shop: password changed", "secret of user app: changed"));
  EXPECT_THAT(NeedsRestart(*before, *after), ElementsAre("listen_port"));
  EXPECT_TRUE(Differences(*after, *after).empty());
}

}  // namespace
}  // namespace conf
