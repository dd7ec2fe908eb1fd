// What pgbouncer.ini means: defaults, units, each group of keys, every mistake with its line.
#include <filesystem>

#include "conf/ini_keys.h"
#include "conf/keys.h"
#include "tests/unit/conf/ini_fixture.h"

namespace conf {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const Config> Loaded(const LoadResult& result) {
  EXPECT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  return result ? *result : std::make_shared<const Config>();
}

TEST(IniDefaults, ArePgBouncers) {
  const auto config = Loaded(LoadingIni().Text(Ini("")));
  const Global& global = config->global;
  EXPECT_TRUE(global.listen_addr.empty());
  EXPECT_EQ(global.listen_port, 6432);
  EXPECT_EQ(global.listen_backlog, 128);
  EXPECT_EQ(global.tcp_defer_accept, 1);
  EXPECT_EQ(global.unix_socket_dir, "/tmp");
  EXPECT_EQ(global.unix_socket_mode, 0777);
  EXPECT_EQ(global.max_client_conn, 100);
  EXPECT_EQ(global.auth_type, AuthType::kMd5);
  EXPECT_EQ(global.client_login_timeout, seconds(60));
  EXPECT_EQ(global.cancel_wait_timeout, seconds(10));
  EXPECT_EQ(global.dns_max_ttl, seconds(15));
  EXPECT_EQ(global.dns_nxdomain_ttl, seconds(15));
  EXPECT_EQ(global.resolv_conf, "");
  EXPECT_EQ(global.client_tls.mode, TlsMode::kDisable);
  EXPECT_EQ(global.server_tls.mode, TlsMode::kPrefer);
  EXPECT_EQ(global.log_level, LogLevel::kInfo);
  EXPECT_EQ(global.log_format, LogFormat::kPgBouncer);
  EXPECT_TRUE(global.log_pooler_errors);
  const PoolKeys& keys = global.keys;
  EXPECT_EQ(keys.pool_mode, PoolMode::kSession);
  EXPECT_EQ(keys.pool_size, 20);
  EXPECT_EQ(keys.reserve_pool_timeout, seconds(5));
  EXPECT_EQ(keys.query_wait_timeout, seconds(120));
  EXPECT_EQ(keys.server_lifetime, seconds(3600));
  EXPECT_EQ(keys.server_idle_timeout, seconds(600));
  EXPECT_EQ(keys.server_connect_timeout, seconds(15));
  EXPECT_EQ(keys.server_login_retry, seconds(15));
  EXPECT_EQ(keys.server_check_delay, seconds(30));
  EXPECT_EQ(keys.server_check_query, "<empty>");
  EXPECT_EQ(keys.server_reset_query, "DISCARD ALL");
  EXPECT_EQ(keys.max_prepared_statements, 200);
  EXPECT_EQ(global.query_wait_notify, seconds(5));
  EXPECT_EQ(global.autodb_idle_timeout, seconds(3600));
  EXPECT_EQ(global.pool_idle_timeout, seconds(0));
  EXPECT_EQ(global.login_notify_message, "");
  EXPECT_FALSE(global.application_name_add_host);
  EXPECT_FALSE(global.disable_pqexec);
  EXPECT_EQ(keys.max_waiting, 100) << "as many as max_client_conn lets in";
  EXPECT_EQ(keys.queue_target, seconds(0)) << "PgBouncer refuses nobody for overload";
  EXPECT_EQ(global, [&] {
    Global expected = IniDefaults();
    expected.auth_file = kUserList;
    return expected;
  }());
  EXPECT_EQ(SourceOf(*config, "pool_mode"), "session from default");
  EXPECT_THAT(config->notes, IsEmpty());
}

TEST(IniDefaults, OfTimesAndSwitchesAreShownAsTheOtherWritesThem) {
  for (const IniKey& key : IniGlobalKeys()) {
    const bool is_number = key.reading == IniReading::kSeconds || key.reading == IniReading::kMilliseconds || key.reading == IniReading::kSwitch;
    if (key.fate != IniFate::kMapped || !is_number) continue;
    EXPECT_EQ(IniSpelling(key.name, FindKey(GlobalKeys(), key.Target())->get(IniDefaults()).value_or("none")), key.default_value) << key.name;
  }
  EXPECT_EQ(IniSpelling("reserve_pool_timeout", "2500ms"), "2.5");
  EXPECT_EQ(IniSpelling("query_wait_timeout", "1us"), "0.000001");
  EXPECT_EQ(IniSpelling("tcp_user_timeout", "2s"), "2000");
  EXPECT_EQ(IniSpelling("pool_mode", "session"), "session");
  EXPECT_EQ(IniSpelling("leak_threshold", "30s"), "30s") << "PgBouncer has no such key";
}

TEST(IniDefaults, OfEveryMappedKeyAreReadableAndKeepTheirMeaning) {
  for (const IniKey& key : IniGlobalKeys()) {
    if (key.fate != IniFate::kMapped) continue;
    const auto value = ReadIniValue(key.reading, key.default_value);
    ASSERT_TRUE(value.has_value()) << key.name << value.error();
    const auto* target = FindKey(GlobalKeys(), key.Target());
    ASSERT_NE(target, nullptr) << key.name;
    Global global = IniDefaults();
    ASSERT_TRUE(target->set(global, *value).has_value()) << key.name;
    EXPECT_EQ(global, IniDefaults()) << key.name;
  }
  for (const IniKey& key : IniDatabaseKeys()) {
    if (key.fate == IniFate::kMapped) {
      EXPECT_NE(FindKey(DatabaseKeys(), key.Target()), nullptr) << key.name;
    }
  }
  for (const IniKey& key : IniUserKeys()) EXPECT_NE(FindKey(UserKeys(), key.Target()), nullptr) << key.name;
}

TEST(IniTable, HasEveryKeyOfPgBouncerOnceAndSaysWhyItDoesNothing) {
  EXPECT_EQ(IniGlobalKeys().size(), 101U);
  for (const auto* table : {&IniGlobalKeys(), &IniDatabaseKeys(), &IniUserKeys()}) {
    std::set<std::string_view> names;
    for (const IniKey& key : *table) {
      EXPECT_TRUE(names.insert(key.name).second) << key.name;
      if (key.fate != IniFate::kMapped) {
        EXPECT_FALSE(key.remark.empty()) << key.name;
      }
    }
  }
}

TEST(IniValues, UnitsAndSpellings) {
  const auto config = Loaded(LoadingIni().Text(Ini("server_lifetime = 1.5\nquery_wait_timeout=0.25\ntcp_user_timeout = 1500\n"
                                                   "unix_socket_mode = 0700\ndefault_pool_size = 0x10\nmax_client_conn = 0144\n"
                                                   "log_connections = 0\nverbose = 2\nauth_type = plain\nclient_tls_protocols = legacy\n"
                                                   "admin_users = a, b\nlisten_addr = *\nlisten_backlog = 7\nserver_check_query =\n"
                                                   "tcp_defer_accept = 45\n"
                                                   "unix_socket_dir =")));
  EXPECT_EQ(config->global.keys.server_lifetime, milliseconds(1500));
  EXPECT_EQ(config->global.keys.query_wait_timeout, milliseconds(250));
  EXPECT_EQ(config->global.tcp_user_timeout, milliseconds(1500));
  EXPECT_EQ(config->global.tcp_defer_accept, 45);
  EXPECT_EQ(config->global.unix_socket_mode, 0700);
  EXPECT_EQ(config->global.keys.pool_size, 16);
  EXPECT_EQ(config->global.max_client_conn, 100) << "octal, as strtol has it";
  EXPECT_FALSE(config->global.log_connections);
  EXPECT_EQ(config->global.log_level, LogLevel::kDebug);
  EXPECT_EQ(config->global.auth_type, AuthType::kPassword);
  EXPECT_EQ(config->global.client_tls.protocols, "all");
  EXPECT_THAT(config->global.admin_users, ElementsAre("a", "b"));
  EXPECT_EQ(config->global.keys.server_check_query, "");
  EXPECT_EQ(SourceOf(*config, "server_lifetime"), "1.5 from pgbouncer.ini:5");
  EXPECT_EQ(SourceOf(*config, "max_waiting"), "100 from pgbouncer.ini:10");
}

TEST(IniValues, WhatClientsAreTold) {
  const auto config = Loaded(LoadingIni().Text(
      "[databases]\na = host=b connect_query='SET search_path = ''$user'', public'\n" +
      Ini("query_wait_notify = 0.5\nlogin_notify_message = Mind the weir; it's low\napplication_name_add_host = 1\ndisable_pqexec = 1\n"
          "autodb_idle_timeout = 60\npool_idle_timeout = 7.5")));
  EXPECT_EQ(config->global.query_wait_notify, milliseconds(500));
  EXPECT_EQ(config->global.login_notify_message, "Mind the weir; it's low");
  EXPECT_TRUE(config->global.application_name_add_host);
  EXPECT_TRUE(config->global.disable_pqexec);
  EXPECT_EQ(config->global.autodb_idle_timeout, seconds(60));
  EXPECT_EQ(config->global.pool_idle_timeout, milliseconds(7500));
  EXPECT_EQ(config->databases.at("a").connect_query, "SET search_path = '$user', public");
}

TEST(IniValues, EnvironmentAndCommandLineStillWin) {
  auto loading = LoadingIni();
  loading.environment = {{"PGWEIR_DEFAULT_POOL_SIZE", "7"}, {"PGWEIR_QUERY_WAIT_TIMEOUT", "3s"}};
  loading.command_line = {{"query_wait_timeout", "4s"}, {"user", "postgres"}};
  const auto config = Loaded(loading.Text(Ini("default_pool_size = 3\nuser = nobody")));
  EXPECT_EQ(config->global.keys.pool_size, 7);
  EXPECT_EQ(config->global.keys.query_wait_timeout, seconds(4));
  EXPECT_EQ(config->global.user, "postgres");
}

TEST(IniFiles, PathsStartAtTheWorkingFolder) {
  auto loading = LoadingIni();
  loading.file = "/etc/pgbouncer/pgbouncer.ini";
  const std::string here = std::filesystem::current_path().string();
  loading.files[here + "/users.txt"] = "\"app\" \"x\"\n";
  loading.files["more.ini"] = "logfile = log/pgweir\n";
  const auto config = Loaded(loading.Text("[databases]\nshop = host=a\n[pgbouncer]\nauth_file = users.txt\n%include more.ini\n"));
  EXPECT_EQ(config->global.auth_file, here + "/users.txt");
  EXPECT_EQ(config->global.logfile, here + "/log/pgweir");
  EXPECT_EQ(SourceOf(*config, "logfile"), config->global.logfile + " from more.ini:1");
}

TEST(IniFiles, OnlyTheExtensionMakesAnIni) {
  auto loading = LoadingIni();
  loading.file = "pgbouncer.conf";
  EXPECT_THAT(Mistakes(loading.Text(Ini(""))), ElementsAre(HasSubstr("not valid TOML")));
}

TEST(IniDatabases, ConnectionStrings) {
  const auto config = Loaded(LoadingIni().Text(
      "[databases]\n"
      "full = host=10.0.0.1,10.0.0.2 port=5433 dbname=real user=u password='it''s' pool_size=5 min_pool_size=1 "
      "reserve_pool=2 max_db_connections=9 max_db_client_connections=8 server_lifetime=60 query_wait_timeout=7 pool_mode=statement "
      "load_balance_hosts=disable client_encoding=UTF8 datestyle=ISO timezone=UTC application_name=x\n"
      "socket = port=5434\nempty =\n'odd name' = host=::1\n* = host=/run/pg\n"
      "[pgbouncer]\nunix_socket_dir = /run/own\nauth_file = /etc/pgbouncer/userlist.txt\nauth_type = trust\n"
      "[users]\napp = pool_mode=transaction pool_size=3 reserve_pool_size=1 max_user_connections=4 max_user_client_connections=5 "
      "query_timeout=1 query_wait_timeout=6 idle_transaction_timeout=3 transaction_timeout=4 client_idle_timeout=0.5\n"));
  ASSERT_EQ(config->databases.size(), 5U);
  const Database& full = config->databases.at("full");
  EXPECT_THAT(full.hosts, ElementsAre(Host{"10.0.0.1", 5433}, Host{"10.0.0.2", 5433}));
  EXPECT_EQ(full.dbname, "real");
  EXPECT_EQ(full.user, "u");
  EXPECT_EQ(full.password.Reveal(), "it's");
  EXPECT_EQ(full.keys.pool_size, 5);
  EXPECT_EQ(full.keys.min_pool_size, 1);
  EXPECT_EQ(full.keys.reserve_pool_size, 2);
  EXPECT_EQ(full.max_db_connections, 9);
  EXPECT_EQ(full.max_db_client_connections, 8);
  EXPECT_EQ(full.keys.server_lifetime, seconds(60));
  EXPECT_EQ(full.keys.query_wait_timeout, seconds(7));
  EXPECT_EQ(full.keys.pool_mode, PoolMode::kStatement);
  EXPECT_EQ(full.application_name + full.client_encoding + full.datestyle + full.timezone, "xUTF8ISOUTC");
  EXPECT_THAT(config->databases.at("socket").hosts, ElementsAre(Host{"/run/own", 5434}));
  EXPECT_THAT(config->databases.at("empty").hosts, ElementsAre(Host{"/run/own", 5432}));
  EXPECT_THAT(config->databases.at("odd name").hosts, ElementsAre(Host{"::1", 5432}));
  EXPECT_THAT(config->FindDatabase("any")->hosts, ElementsAre(Host{"/run/pg", 5432}));
  const User& user = config->users.at("app");
  EXPECT_EQ(user.keys.pool_size, 3);
  EXPECT_EQ(user.max_user_connections, 4);
  EXPECT_EQ(user.max_user_client_connections, 5);
  EXPECT_EQ(user.keys.client_idle_timeout, milliseconds(500));
  EXPECT_EQ(config->FindSecret("app")->Reveal(), "hunter2");
}

TEST(IniNotes, InnerKeysAreAcceptedAndTold) {
  int line = 5;
  std::string global;
  std::vector<std::string> names;
  for (const IniKey& key : IniGlobalKeys()) {
    if (key.fate != IniFate::kNoted) continue;
    global += std::string(key.name) + " = 1\n";
    names.emplace_back(key.name);
  }
  const auto config = Loaded(LoadingIni().Text(Ini(global)));
  ASSERT_EQ(config->notes.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_THAT(config->notes[i], HasSubstr("pgbouncer.ini:" + std::to_string(line++) + ": " + names[i] + " has no effect: "));
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"pkt_buf", "sbuf_loopcnt", "tcp_socket_buffer"}));
}

TEST(IniNotes, WhatIsGivenTwiceCountsAsLast) {
  const auto config = Loaded(LoadingIni().Text(
      "[databases]\na = host=x pool_size=3\na = host=y host=z port=1 port=2\n[pgbouncer]\nlisten_port = 1\nmax_client_conn = 5\n"
      "[users]\nu = pool_size=1\nu = pool_mode=session\n[pgbouncer]\nauth_file = /etc/pgbouncer/userlist.txt\nlisten_port = 2\nlisten_port = 3\n"));
  EXPECT_EQ(config->global.listen_port, 3);
  EXPECT_EQ(config->global.max_client_conn, 100) << "the second [pgbouncer] has set it back";
  EXPECT_EQ(SourceOf(*config, "max_client_conn"), "100 from default");
  EXPECT_THAT(config->databases.at("a").hosts, ElementsAre(Host{"z", 2}));
  EXPECT_FALSE(config->databases.at("a").keys.pool_size.has_value());
  EXPECT_FALSE(config->users.at("u").keys.pool_size.has_value());
  EXPECT_THAT(config->notes, ElementsAre(HasSubstr("ini:10: another [pgbouncer]"), HasSubstr("ini:13: listen_port is given twice"),
                                         HasSubstr("ini:3: database 'a' is given twice"), HasSubstr("ini:3: host of 'a'"),
                                         HasSubstr("ini:3: port of 'a'"), HasSubstr("ini:9: user 'u' is given twice")));
}

TEST(IniNotes, NoReserveTimeoutMeansNoReserve) {
  const auto config = Loaded(LoadingIni().Text(
      "[databases]\na = host=x reserve_pool_size=3\n" + Ini("reserve_pool_size = 2\nreserve_pool_timeout = 0")));
  EXPECT_EQ(config->global.keys.reserve_pool_size, 0);
  EXPECT_EQ(config->databases.at("a").keys.reserve_pool_size, 0);
  EXPECT_THAT(config->notes, ElementsAre(HasSubstr("pgbouncer.ini:8: reserve_pool_timeout = 0 switches")));
}

TEST(IniMistakes, WhatPgweirCannotHonourIsRefusedUnlessItIsTheDefault) {
  for (const IniKey& key : IniGlobalKeys()) {
    if (key.fate != IniFate::kRefused) continue;
    const std::string name(key.name);
    EXPECT_THAT(Mistakes(LoadingIni().Text(Ini(name + " = something"))),
                ElementsAre("pgbouncer.ini:5: " + name + " is not supported: " + std::string(key.remark)));
    EXPECT_THAT(Mistakes(LoadingIni().Text(Ini(name + " = " + std::string(key.default_value)))), IsEmpty()) << name;
  }
  for (const IniKey& key : IniDatabaseKeys()) {
    if (key.fate != IniFate::kRefused) continue;
    const std::string name(key.name);
    EXPECT_THAT(Mistakes(LoadingIni().Text(WithDatabase("a = host=b " + name + "=x"))),
                ElementsAre("pgbouncer.ini:2: " + name + " is not supported: " + std::string(key.remark)));
  }
}

struct WrongLine {
  const char* line;
  const char* expected;
};

TEST(IniMistakes, InPgbouncer) {
  const WrongLine cases[] = {
      {"pool_mod = session", "unknown key 'pool_mod' in [pgbouncer]; did you mean 'pool_mode'?"},
      {"pool_size = 5", "it belongs in a line of [databases]"},
      {"http_listen_port = 9", "it is pgweir's own: write it in TOML (pgweir convert), or give it as -s http_listen_port=VALUE"},
      {"dbname = x", "it belongs in a line of [databases]"},
      {"pool_mode = sesion", "pool_mode must be session, transaction or statement, not 'sesion'"},
      {"pool_mode = session ; comment", "not 'session ; comment'"},
      {"default_pool_size = 0", "0 is not \"unlimited\" here"},
      {"default_pool_size = 5x", "default_pool_size must be a whole number, not '5x'"},
      {"listen_port = 08", "listen_port must be a whole number, not '08'"},
      {"listen_port = 70000", "listen_port must be a whole number from 1 to 65535, not 70000"},
      {"listen_port = -1", "not -1"},
      {"log_connections = yes", "log_connections must be 0 or 1, not 'yes'"},
      {"verbose = 4", "verbose must be 0 to 3"},
      {"server_lifetime = 1h", "server_lifetime must be a number of seconds without a unit, not '1h'"},
      {"server_lifetime = nan", "without a unit"},
      {"server_lifetime = -1", "must not be negative"},
      {"query_wait_timeout = 0", "waiting must have an end"},
      {"unix_socket_mode = 777", "octal needs a 0 in front"},
      {"tcp_user_timeout = 1s", "must be a whole number"},
      {"auth_type = scram", "auth_type must be trust, password, md5, scram-sha-256, cert, peer, pam, ldap, any or hba"},
      {"auth_type = password", "must be written plain"},
      {"client_tls_sslmode = on", "client_tls_sslmode must be"},
      {"client_tls_ca_file = /missing.pem", "client_tls_ca_file: cannot read '/missing.pem'"},
      {"min_pool_size = 30", "min_pool_size (30) is larger than the pool size (20)"},
      {"%include /missing.ini", "%include: cannot read '/missing.ini'"},
      {"[peers]\n", nullptr},
      {"[database]", "unknown section [database]; did you mean 'databases'?"},
      {"word", "a line must be key = value"},
  };
  for (const WrongLine& wrong : cases) {
    const auto lines = Mistakes(LoadingIni().Text(Ini(wrong.line)));
    if (wrong.expected == nullptr) {
      EXPECT_THAT(lines, IsEmpty()) << wrong.line;
      continue;
    }
    ASSERT_EQ(lines.size(), 1U) << wrong.line << testing::PrintToString(lines);
    EXPECT_THAT(lines[0], HasSubstr("pgbouncer.ini:5: ")) << wrong.line;
    EXPECT_THAT(lines[0], HasSubstr(wrong.expected)) << wrong.line;
  }
}

TEST(IniMistakes, InDatabasesAndUsers) {
  const WrongLine cases[] = {
      {"a = host=b pool_sise=1", "unknown key 'pool_sise' of 'a' in [databases]; did you mean 'pool_size'?"},
      {"a = host=b listen_port=1", "it belongs in [pgbouncer]"},
      {"a = host=b max_user_connections=1", "it belongs in [pgbouncer]"},
      {"a = host=b pool_size=many", "pool_size must be a whole number, not 'many'"},
      {"a = host=b pool_size=0", "0 is not \"unlimited\" here"},
      {"a = host=b port=0", "port must be a whole number from 1 to 65535"},
      {"a = host=b password=x", "password of 'a' in [databases] has no user"},
      {"a = host=b load_balance_hosts=off", "load_balance_hosts must be disable or round-robin, not 'off'"},
      {"a = host=b port", "the line of database 'a' must be key=value"},
      {"pgbouncer = host=b", "database name 'pgbouncer' is reserved for the console"},
      {"pgweir = host=b", "database name 'pgweir' is reserved for the console"},
      {"'' = host=b", "the name of database '' must not be empty"},
      {"a = host=b user=u password=se cret=1", "unknown key behind password of 'a' in [databases]; a password with blanks stands in '...'"},
      {"a = host=b\n[users]\nu = pool_sise=1", "unknown key 'pool_sise' of 'u' in [users]; did you mean 'pool_size'?"},
      {"a = host=b\n[users]\nu = query_timeout=1s", "query_timeout must be a number of seconds without a unit"},
      {"a = host=b\n[users]\n* = pool_size=1", "there is no user *; what is for every user stands in [pgbouncer]"},
  };
  for (const WrongLine& wrong : cases) {
    const auto lines = Mistakes(LoadingIni().Text(WithDatabase(wrong.line)));
    ASSERT_EQ(lines.size(), 1U) << wrong.line << testing::PrintToString(lines);
    const bool is_user = std::string(wrong.line).find("[users]") != std::string::npos;
    EXPECT_THAT(lines[0], HasSubstr(is_user ? "pgbouncer.ini:4: " : "pgbouncer.ini:2: ")) << wrong.line;
    EXPECT_THAT(lines[0], HasSubstr(wrong.expected)) << wrong.line;
    EXPECT_EQ(lines[0].find("cret"), std::string::npos) << lines[0];
  }
}

TEST(IniMistakes, NoHostAndNoSocketFolder) {
  EXPECT_THAT(Mistakes(LoadingIni().Text("[databases]\na =\n[pgbouncer]\nunix_socket_dir =\nlisten_addr = *\nauth_file = /etc/pgbouncer/userlist.txt\n")),
              ElementsAre("pgbouncer.ini:2: database 'a' has no host, and unix_socket_dir is empty; name a host"));
}

TEST(IniMistakes, SpeakIniWhereSomethingIsMissing) {
  EXPECT_THAT(Mistakes(LoadingIni().Text("[pgbouncer]\n")),
              testing::UnorderedElementsAre(HasSubstr("no database: add a line such as shop = host=10.0.0.5 under [databases]"),
                                            HasSubstr("needs secrets; set auth_file or auth_user, or a password in DATABASE_URL")));
}

TEST(IniHosts, SeveralTakeTurnsUnlessTheyAreToldNotTo) {
  const auto order_of = [](const std::string& line) {
    const auto result = LoadingIni().Text(WithDatabase(line));
    return result ? (*result)->databases.at("a").load_balance_hosts : throw std::runtime_error(testing::PrintToString(Mistakes(result)));
  };
  EXPECT_EQ(order_of("a = host=b,c"), HostOrder::kRoundRobin);
  EXPECT_EQ(order_of("a = host=b,c load_balance_hosts=round-robin"), HostOrder::kRoundRobin);
  EXPECT_EQ(order_of("a = host=b,c load_balance_hosts=disable"), HostOrder::kInOrder);
  EXPECT_EQ(order_of("a = host=b"), HostOrder::kInOrder) << "one has no order";
}

TEST(IniMistakes, AreToldAllAtOnceEachAtItsOwnFile) {
  auto loading = LoadingIni();
  loading.files["more.ini"] = "listen_port = x\nword\n";
  EXPECT_THAT(Mistakes(loading.Text("[databases]\nshop = host=10.0.0.5 nope=1\n[pgbouncer]\nauth_type = pim\n%include more.ini\npool_mode = 3\n")),
              ElementsAre(HasSubstr("pgbouncer.ini:2: unknown key 'nope'"), HasSubstr("pgbouncer.ini:4: auth_type must be"),
                          HasSubstr("pgbouncer.ini:6: pool_mode must be"), HasSubstr("more.ini:1: listen_port must be"),
                          HasSubstr("more.ini:2: a line must be")));
}

}  // namespace
}  // namespace conf
