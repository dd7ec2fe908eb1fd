#include "tests/integration/setup_beside.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <stdexcept>

#include "protocol/scram.h"

namespace integration {
namespace {

using namespace test_support;

std::string ScramSecret(const std::string& password) {
  return protocol::FormatVerifier(protocol::VerifierOf(protocol::DeriveKeys(password, "sixteen byte slt", 4096)));
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

bool FitsPattern(const std::string& text, const std::string& pattern) {
  std::string expression;
  for (const char c : pattern) expression += c == '*' ? "[^]*" : std::string(std::ispunct(static_cast<unsigned char>(c)) != 0 ? "\\" : "") + c;
  return std::regex_match(text, std::regex(expression));
}

// --- PostgreSQL and the files --------------------------------------------------------------------------------------------

void SetupBesideTest::SetUpTestSuite() {
  folder_ = new TemporaryFolder();
  certificates_ = new CertificateFiles(MakeCertificates(folder_->path()));
  // Nobody gets to it but by TLS and with a certificate of our CA: that of the pooler.
  cluster_ = new PostgresCluster(PostgresOptions{.hba_lines = {"hostssl all all 127.0.0.1/32 md5 clientcert=verify-ca"},
                                                 .tls_cert_file = certificates_->server_cert,
                                                 .tls_key_file = certificates_->server_key,
                                                 .tls_ca_file = certificates_->ca});
  MakeRolesAndDatabases(*cluster_);
  MakeRoles();
}

void SetupBesideTest::TearDownTestSuite() {
  delete std::exchange(cluster_, nullptr);
  delete std::exchange(certificates_, nullptr);
  delete std::exchange(folder_, nullptr);
}

void SetupBesideTest::MakeRoles() {
  Connection superuser(cluster_->SuperuserString("app"));
  for (const std::string& sql : {
           std::string("ALTER ROLE other PASSWORD 'other''s secret'"), std::string("ALTER ROLE client PASSWORD 'client secret'"),
           std::string("CREATE ROLE limited LOGIN PASSWORD 'limited secret'"), std::string("CREATE ROLE looked LOGIN PASSWORD 'looked secret'"),
           std::string("CREATE ROLE asker LOGIN PASSWORD 'asker secret'"), std::string("CREATE ROLE rejected LOGIN PASSWORD 'rejected secret'"),
           std::string("CREATE ROLE trusty LOGIN PASSWORD 'trusty secret'"), std::string("CREATE ROLE plainer LOGIN PASSWORD 'plain secret'"),
           "CREATE ROLE scrammy LOGIN PASSWORD '" + ScramSecret("scram secret") + "'",
           "CREATE ROLE hashed LOGIN PASSWORD '" + protocol::Md5Secret("hashed", "hashed secret") + "'",
           std::string("CREATE FUNCTION public.user_lookup(i_username text, OUT uname text, OUT phash text) LANGUAGE sql SECURITY DEFINER AS "
                       "$$SELECT rolname, rolpassword FROM pg_authid WHERE rolname = i_username AND rolcanlogin$$"),
       }) {
    const Result result = superuser.Query(sql);
    if (!result.ok()) throw std::runtime_error(sql + ": " + result.error());
  }
}

void SetupBesideTest::SetUp() {
  NEEDS_PGWEIR();
  if (access(kPgBouncer, X_OK) != 0) GTEST_SKIP() << kPgBouncer << " is not installed";
  port_ = FreePort();
}

void SetupBesideTest::Sql(const std::string& text, const std::string& database) const {
  const Result result = Connection(cluster_->SuperuserString(database)).Query(text);
  if (!result.ok()) throw std::runtime_error(text + ": " + result.error());
}

void SetupBesideTest::WriteFiles(const SetupFiles& files) {
  files_now_ = files;
  Sql("ALTER ROLE app PASSWORD '" + files.app_password + "'");
  const std::string server = "host=127.0.0.1 port=" + std::to_string(cluster_->port());
  WriteFile(File("userlist.txt"),
            "; who logs in, by secrets of three forms\n\"app\" \"" + files.app_password + "\"\n\"other\" \"other's secret\"\n\"client\" \"client secret\"\n" +
                "\"limited\" \"limited secret\"\n\"asker\" \"asker secret\"\n\"rejected\" \"rejected secret\"\n\"trusty\" \"trusty secret\"\n" +
                "\"plainer\" \"plain secret\"\n\"scrammy\" \"" + ScramSecret("scram secret") + "\"\n\"hashed\" \"" +
                protocol::Md5Secret("hashed", "hashed secret") + "\"\n\"admin\" \"admin secret\"\n\"watcher\" \"watcher secret\"\n\"" + OwnUser() + "\" \"\"\n");
  WriteFile(File("staff"), "app, limited other\n");
  WriteFile(File("hba"), "# TYPE DATABASE USER ADDRESS METHOD\n" + files.hba +
                         "local    forced    " + OwnUser() + "                  peer\n"
                         "local    all       trusty                    trust\n"
                         "local    all       all                       md5\n"
                         "hostssl  all       rejected  127.0.0.1/32    reject\n"
                         "hostssl  app,second client   127.0.0.1/32    cert\n"
                         "hostssl  app       scrammy,looked 127.0.0.0 255.0.0.0 scram-sha-256\n"
                         "hostssl  all       plainer   127.0.0.1/32    password\n"
                         "hostssl  all       @staff,hashed,admin,watcher,nobody 127.0.0.1/32 md5\n"
                         "hostssl  app       trusty    10.0.0.0/8      trust\n");
  WriteFile(File("databases.ini"),
            "; what stands behind\napp = " + server + " dbname=app pool_size=" + std::to_string(files.app_pool_size) + "\n" +
                "forced = " + server + " dbname=app user=other password='other''s secret' pool_size=1 pool_mode=session\n" +
                (files.has_stmt ? "stmt = " + server + " dbname=second pool_mode=statement\n" : "") +
                "capped = " + server + " dbname=app max_db_connections=1\n" +
                "hosts = host=127.0.0.1,127.0.0.1 port=" + std::to_string(cluster_->port()) + " dbname=second\n" + "* = " + server + "\n");
  WriteFile(File("limits.ini"), "; how much of everything\n"
                                "max_client_conn = 12\ndefault_pool_size = 5\nmin_pool_size = 0\nreserve_pool_size = 0\nreserve_pool_timeout = 3\n"
                                "max_db_connections = 0\nmax_user_connections = 0\n"
                                "server_lifetime = 1800\nserver_idle_timeout = 300\nserver_connect_timeout = 5\nserver_login_retry = 1\n"
                                "server_check_delay = 10\nserver_check_query = select 1\nserver_reset_query = DISCARD ALL\n"
                                "query_timeout = 0\nquery_wait_timeout = 1\nidle_transaction_timeout = 0\nclient_idle_timeout = 0\n"
                                "client_login_timeout = 20\nautodb_idle_timeout = 1800\n");
  WriteFile(File("pgbouncer.ini"),
            "; served by PgBouncer, then by pgweir\n[databases]\n%include " + File("databases.ini") +
                "\n[users]\nother = pool_mode=session\nlimited = max_user_connections=" + std::to_string(files.limited_connections) +
                "\n[pgbouncer]\n%include " + File("limits.ini") + "\npidfile = " + File("pid") + "\nlisten_addr = 127.0.0.1\nlisten_port = " +
                std::to_string(port_) + "\nlisten_backlog = 256\nunix_socket_dir = " + folder_->path() + "\nunix_socket_mode = 0777\n" +
                "pool_mode = transaction\nauth_type = hba\nauth_file = " + File("userlist.txt") + "\nauth_hba_file = " + File("hba") +
                "\nauth_user = asker\nauth_query = SELECT uname, phash FROM user_lookup($1)\nadmin_users = admin\nstats_users = watcher\n" +
                "ignore_startup_parameters = extra_float_digits,search_path\nlog_connections = 1\nlog_disconnections = 1\nlog_pooler_errors = 1\n" +
                "log_stats = 0\nstats_period = 30\nverbose = 0\ntcp_keepalive = 1\ntcp_keepidle = 30\ntcp_keepcnt = 3\ntcp_keepintvl = 10\n" +
                "client_tls_sslmode = verify-full\nclient_tls_key_file = " + certificates_->server_key + "\nclient_tls_cert_file = " +
                certificates_->server_cert + "\nclient_tls_ca_file = " + certificates_->ca + "\nclient_tls_protocols = secure\n" +
                "server_tls_sslmode = verify-ca\nserver_tls_ca_file = " + certificates_->ca + "\nserver_tls_key_file = " + certificates_->client_key +
                "\nserver_tls_cert_file = " + certificates_->client_cert + "\nserver_tls_protocols = tlsv1.2,tlsv1.3\n" + files.more);
  GiveToUnprivilegedUser(folder_->path());
  // libpq wants its key for itself
  std::filesystem::copy_file(certificates_->client_key, File("own.key"), std::filesystem::copy_options::overwrite_existing);
  std::filesystem::permissions(File("own.key"), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

// --- outcomes ------------------------------------------------------------------------------------------------------------

std::string SetupBesideTest::Outcome(const Result& result) {
  if (result.ok()) return result.columns() > 0 ? result.Value() : result.tag();
  if (result.sqlstate().empty()) return "gone: " + FirstLine(result.error());
  // PgBouncer sends the severity in its translated form only.
  return PQresultErrorField(result.get(), PG_DIAG_SEVERITY) + (" " + result.sqlstate()) + " " + result.message();
}

std::string SetupBesideTest::OutcomeAndAfter(Connection& client, const Result& result) {
  std::string text = Outcome(result);
  if (result.ok()) return text;
  const bool is_over = text.starts_with("FATAL") || text.starts_with("gone");
  return text + (!is_over ? ", stays" : client.WaitClosed() ? ", closed" : ", FATAL but open");
}

std::string SetupBesideTest::LastWords(Connection& client) {
  if (!client.WaitClosed()) return "is open";
  PQisBusy(client.get());  // reads what has come
  const auto notices = client.TakeNotices();
  return notices.empty() ? "closed without a word" : "closed: " + notices.back();
}

// With the SQLSTATE of a refusal, which libpq tells to those only who ask for it before the login.
std::string SetupBesideTest::LoginOutcome(const std::string& words) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectStart(words.c_str()), &PQfinish);
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);
  const Deadline deadline;
  for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED; state = PQconnectPoll(connection.get())) {
    pollfd waited{PQsocket(connection.get()), static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (poll(&waited, 1, deadline.remaining_ms()) == 0) throw TimedOut("login with " + words);
  }
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    const std::string error = PQerrorMessage(connection.get());
    std::smatch match;
    if (std::regex_search(error, match, std::regex(R"((FATAL|ERROR):  (\w{5}): ([^\n]*))"))) return match[1].str() + " " + match[2].str() + " " + match[3].str();
    return "gone: " + FirstLine(std::regex_replace(error, std::regex("port \\d+"), "port N"));
  }
  if (std::string(PQdb(connection.get())) == "pgbouncer") return "in the console";
  const Result result(PQexec(connection.get(), "SELECT current_user || ' on ' || current_database()"));
  return result.ok() ? "in as " + result.Value() + (PQsslInUse(connection.get()) == 1 ? " over TLS" : "") : Outcome(result);
}

// --- the script ----------------------------------------------------------------------------------------------------------

SetupBesideTest::Script::Script(SetupBesideTest& test, const std::string& program)
    : test_(test), is_pgbouncer_(program == kPgBouncer), proxy_(std::make_unique<Proxy>(program, test.File("pgbouncer.ini"), test.port_, test.File(is_pgbouncer_ ? "theirs" : "ours"))) {}

std::string SetupBesideTest::Script::Words(const std::string& user, const std::string& password, const std::string& database, Door door) const {
  std::string words = "port=" + std::to_string(test_.port_) + " user=" + user + " dbname=" + database + " gssencmode=disable password='" + password + "' host=";
  switch (door) {
    case Door::kUnix: return words + test_.folder_->path();
    case Door::kClear: return words + "127.0.0.1 sslmode=disable";
    case Door::kTlsWithoutCertificate: return words + "127.0.0.1 sslmode=require sslcert=/nonexistent sslkey=/nonexistent";
    case Door::kTls: break;
  }
  return words + "127.0.0.1 sslmode=verify-full sslrootcert=" + test_.certificates_->ca + " sslcert=" + test_.certificates_->client_cert +
         " sslkey=" + test_.File("own.key");
}

Connection SetupBesideTest::Script::Client(const std::string& user, const std::string& password, const std::string& database) const {
  Connection client(Words(user, password, database));
  if (!client.ok()) throw std::runtime_error("login of " + user + " to " + database + ": " + client.error() + ReadFile(test_.File(is_pgbouncer_ ? "theirs" : "ours")));
  return client;
}

void SetupBesideTest::Script::Login(Door door, const std::string& user, const std::string& password, const std::string& database) {
  static const char* const kDoors[] = {"TLS", "TLS without a certificate", "clear TCP", "the Unix socket"};
  const std::string own = OwnUser();
  Say("login of " + (user == own ? "the own user" : user) + " to " + database + " by " + kDoors[static_cast<int>(door)] + " with '" + password + "'",
      LoginOutcome(Words(user, password, database, door)));
}

void SetupBesideTest::Script::Ask(Connection& client, const std::string& sql, const std::string& what) {
  if (!client.ok()) return Say(what.empty() ? sql : what, "closed before");
  const Result result = client.Query(sql);
  Say(what.empty() ? sql : what, OutcomeAndAfter(client, result));
}

std::string SetupBesideTest::Script::Row(Connection& console, const std::string& table, const Pairs& where, const std::vector<std::string>& columns) const {
  const Result result = console.Query("SHOW " + table);
  if (!result.ok()) return Outcome(result);
  for (int row = 0; row < result.rows(); ++row) {
    if (!std::all_of(where.begin(), where.end(), [&](const auto& pair) { return result.Value(row, pair.first) == pair.second; })) continue;
    std::string text;
    for (const std::string& column : columns) text += (text.empty() ? "" : " ") + column + "=" + result.Value(row, column);
    return text;
  }
  return "none";
}

std::string SetupBesideTest::Script::Rows(Connection& console, const std::string& table, const std::vector<std::string>& columns,
                                          const std::string& without) const {
  const Result result = console.Query("SHOW " + table);
  if (!result.ok()) return Outcome(result);
  std::vector<std::string> rows;
  for (int row = 0; row < result.rows(); ++row) {
    std::string text;
    for (const std::string& column : columns) text += (text.empty() ? "" : " ") + column + "=" + result.Value(row, column);
    if (without.empty() || text.find(without) == std::string::npos) rows.push_back(text);
  }
  std::sort(rows.begin(), rows.end());
  std::string all;
  for (const std::string& row : rows) all += (all.empty() ? "" : "; ") + row;
  return all;
}

bool SetupBesideTest::Script::WaitForPool(Connection& console, const std::string& database, const std::string& user, const std::string& column,
                                          const std::string& value) const {
  const bool came = Eventually([&] { return Row(console, "POOLS", {{"database", database}, {"user", user}}, {column}) == column + "=" + value; });
  EXPECT_TRUE(came) << column << " of " << database << "/" << user << " is not " << value << ": " << Rows(console, "POOLS", {"database", "user", column});
  return came;
}

// --- the comparison ------------------------------------------------------------------------------------------------------

void SetupBesideTest::Compare(const std::string& part, const std::function<void(Script&)>& steps) {
  const auto run = [&](const std::string& program) {
    WriteFiles({});
    Script script(*this, program);
    steps(script);
    return script.story();
  };
  const auto theirs = run(kPgBouncer);
  const auto ours = run(PgweirProcess::Binary());
  ASSERT_EQ(theirs.size(), ours.size());
  std::set<const SetupDifference*> seen;
  for (size_t i = 0; i < theirs.size(); ++i) {
    ASSERT_EQ(theirs[i].first, ours[i].first) << "step " << i;
    if (theirs[i].second == ours[i].second) continue;
    const auto& known = SetupDifferences();
    const auto found = std::find_if(known.begin(), known.end(), [&](const SetupDifference& each) {
      return part == each.part && FitsPattern(theirs[i].first, each.what) && FitsPattern(theirs[i].second, each.theirs) &&
             FitsPattern(ours[i].second, each.ours);
    });
    if (found != known.end()) seen.insert(&*found);
    else ADD_FAILURE() << part << ": " << theirs[i].first << "\n  PgBouncer: " << theirs[i].second << "\n  pgweir:    " << ours[i].second;
  }
  for (const SetupDifference& each : SetupDifferences()) {
    if (part != each.part || HasFailure()) continue;
    EXPECT_TRUE(seen.contains(&each)) << "no difference any more: " << each.what << ": " << each.theirs;
  }
}

}  // namespace integration
