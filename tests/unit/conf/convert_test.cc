// pgweir convert: the TOML means what the ini means.
#include "conf/convert.h"

#include "conf/ini_keys.h"
#include "tests/unit/conf/ini_fixture.h"

namespace conf {
namespace {

using testing::HasSubstr;
using testing::Not;

// The TOML of an ini text, or the refusal.
std::string Converted(const Loading& loading, const std::string& ini) {
  const auto loaded = loading.Text(ini);
  EXPECT_TRUE(loaded.has_value()) << testing::PrintToString(Mistakes(loaded));
  if (!loaded) return "";
  const auto toml = ToToml(**loaded, loading.Options());
  if (!toml) return toml.error();
  Loading again = loading;
  again.file = "elsewhere/pgweir.toml";
  const auto reloaded = again.Text(*toml);
  EXPECT_TRUE(reloaded.has_value()) << testing::PrintToString(Mistakes(reloaded)) << *toml;
  if (reloaded) {
    EXPECT_TRUE(MeanTheSame(**loaded, **reloaded)) << *toml;
  }
  return *toml;
}

TEST(Convert, OfNothingButADatabase) {
  const std::string toml = Converted(LoadingIni(), Ini(""));
  EXPECT_THAT(toml, HasSubstr("pool_mode = \"session\"\n"));
  EXPECT_THAT(toml, HasSubstr("query_wait_timeout = \"2min\"\n"));
  EXPECT_THAT(toml, HasSubstr("listen_addr = \"\"\n"));
  EXPECT_THAT(toml, HasSubstr("max_client_conn = 100\n"));
  EXPECT_THAT(toml, HasSubstr("[databases.\"shop\"]\nhost = [\"10.0.0.5\"]\nport = 5432\n"));
  EXPECT_THAT(toml, Not(HasSubstr("server_lifetime"))) << "the same in both";
}

TEST(Convert, KeepsWhatIsGivenAlthoughItIsTheDefault) {
  EXPECT_THAT(Converted(LoadingIni(), Ini("server_lifetime = 3600")), HasSubstr("server_lifetime = \"1h\"\n"));
}

TEST(Convert, TellsWhatIsDifferentAndWhatIsNotCarriedOver) {
  const std::string toml = Converted(LoadingIni(), Ini("pkt_buf = 8192\nquery_wait_timeout = 5"));
  EXPECT_THAT(toml, HasSubstr("#   pgbouncer.ini:5: pkt_buf has no effect: "));
  EXPECT_THAT(toml, HasSubstr("# query_wait_timeout: between transactions it is an error, and the client stays connected\n"
                              "query_wait_timeout = \"5s\"\n"));
  EXPECT_THAT(toml, HasSubstr("# max_waiting: PgBouncer has no such bound"));
  EXPECT_THAT(Converted(LoadingIni(), "[databases]\nb = host=x connect_query='SET a.b = ''c'''\n" + Ini("")),
              HasSubstr("# connect_query: an error in it is a failed login; PgBouncer logs it and goes on\nconnect_query = \"SET a.b = 'c'\"\n"));
}

TEST(Convert, EveryMappedKey) {
  auto loading = LoadingIni();
  for (const char* file : {"/key.pem", "/cert.pem", "/ca.pem", "/dh.pem", "/resolv.conf"}) loading.files[file] = "x";
  Converted(loading, Ini(
      "logfile = log.txt\npidfile = pid\nuser = nobody\nverbose = 1\nlog_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n"
      "stats_period = 30\nlisten_addr = 127.0.0.1, ::1\nlisten_port = 7000\nlisten_backlog = 50\nunix_socket_dir = /run/x\n"
      "unix_socket_mode = 0700\nunix_socket_group = adm\ntcp_defer_accept = 0\ntcp_keepalive = 0\ntcp_keepcnt = 1\ntcp_keepidle = 2\ntcp_keepintvl = 3\n"
      "tcp_user_timeout = 4500\npool_mode = transaction\ndefault_pool_size = 5\nmin_pool_size = 1\nreserve_pool_size = 2\n"
      "reserve_pool_timeout = 2.5\nmax_prepared_statements = 0\nmax_client_conn = 500\nmax_db_connections = 50\n"
      "max_user_connections = 51\nmax_db_client_connections = 52\nmax_user_client_connections = 53\nserver_lifetime = 10\n"
      "server_idle_timeout = 11\nserver_connect_timeout = 12\nserver_login_retry = 13\nserver_check_delay = 14\n"
      "server_check_query = select 'a\"b\\c'\nserver_reset_query = DISCARD\tALL\nquery_wait_timeout = 16\nclient_login_timeout = 17\n"
      "client_idle_timeout = 18\nquery_timeout = 19\nidle_transaction_timeout = 20\ntransaction_timeout = 21\ncancel_wait_timeout = 22\n"
      "query_wait_notify = 2.5\nlogin_notify_message = it's \"so\"\napplication_name_add_host = 1\ndisable_pqexec = 1\n"
      "autodb_idle_timeout = 60\npool_idle_timeout = 61\n"
      "auth_type = scram-sha-256\nscram_iterations = 5000\nadmin_users = a,b\nstats_users = c\n"
      "ignore_startup_parameters = extra_float_digits\nclient_tls_sslmode = verify-ca\nclient_tls_key_file = /key.pem\n"
      "client_tls_cert_file = /cert.pem\nclient_tls_ca_file = /ca.pem\nclient_tls_protocols = tlsv1.3\nclient_tls_ciphers = fast\n"
      "client_tls13_ciphers = x\nclient_tls_dheparams = /dh.pem\nclient_tls_ecdhcurve = none\nserver_tls_sslmode = verify-full\n"
      "server_tls_key_file = /key.pem\nserver_tls_cert_file = /cert.pem\nserver_tls_ca_file = /ca.pem\nserver_tls_protocols = all\n"
      "server_tls_ciphers = normal\nserver_tls13_ciphers = y\ndns_max_ttl = 3.5\ndns_nxdomain_ttl = 4\nresolv_conf = /resolv.conf"));
}

TEST(Convert, NamesHostsAndPasswordsOfEveryKind) {
  const std::string toml = Converted(LoadingIni(),
      "[databases]\n'a \"quoted\" na\\me.x' = host=::1 port=5433\n* = host=/run/pg port=5\n"
      "many = host=a,b:6,[::1]:7,@abstract port=8 load_balance_hosts=disable user='o''brien' password='p''a\"s\\s \t#'\n"
      "none =\n[users]\n'u.1' = pool_size=4 client_idle_timeout=0.5\nempty =\n" + Ini(""));
  EXPECT_THAT(toml, HasSubstr("host = [\"a\", \"b:6\", \"[::1]:7\", \"@abstract\"]\nport = 8\n"));
  EXPECT_THAT(toml, HasSubstr("[users.\"empty\"]"));
}

TEST(Convert, SaysWhatTomlCannotHold) {
  EXPECT_THAT(Converted(LoadingIni(), Ini("server_reset_query = \xff")), HasSubstr("cannot be written as TOML: "));
}

}  // namespace
}  // namespace conf
