// The log beside PgBouncer's own: Debian's pgbouncer and pgweir run from the same ini and live through the same story, and
// every line of one must be a line of the other, but for those that are listed here with the reason.
//
// Compared are the lines of each step without what differs from run to run: times, process ids, pointers, ports, ages, rates.
// How often a line comes is not compared: the two open and close their servers at moments of their own.
// Debian's is 1.18; where 1.25, which pgweir follows, has other words, NewWords makes them of the old ones.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "tests/integration/proxy.h"
#include "tests/support/temporary_folder.h"

namespace integration {
namespace {

using namespace test_support;

struct Difference {
  const char* step;
  const char* line;  // as Normal makes it; * at the end: whatever follows
  const char* reason;
};

const Difference kOnlyPgBouncer[] = {
    {"start", "LOG process up: PgBouncer*", "pgweir says its own name and version"},
    {"unknown user", "LOG C-PTR: (nodb)/(nouser)@ADDR no such user: nobody", "pgweir tells the user and database that were asked for in front, too"},
    {"unknown user", "LOG C-PTR: (nodb)/nobody@ADDR *", "the same"},
    {"unknown user", "WARNING C-PTR: (nodb)/nobody@ADDR *", "the same"},
    {"unknown database", "LOG C-PTR: (nodb)/app@ADDR *", "the same; and 'login failed:' adds nothing to the next line"},
    {"unknown database", "WARNING C-PTR: (nodb)/app@ADDR *", "the same"},
    {"dead server", "LOG C-PTR: dead/app@ADDR closing because: query_wait_timeout (age=N)", "pgweir knows why it waits for nothing, and says so"},
    {"dead server", "WARNING C-PTR: dead/app@ADDR pooler error: query_wait_timeout", "the same"},
    {"wait", "LOG C-PTR: app/app@ADDR closing because: query_wait_timeout (age=N)", "in pgweir it is an ERROR, and the client stays"},
    {"*", "LOG S-PTR: app/app@ADDR closing because: client disconnect while server was not ready (age=N)", "pgweir cancels, rolls back and keeps the server"},
    {"kill", "LOG C-PTR: app/app@ADDR closing because: database removed (age=N)", "1.25 says admin forced disconnect"},
    {"kill", "WARNING C-PTR: app/app@ADDR pooler error: database removed", "the same"},
    {"bad reload", "ERROR unknown parameter: pgbouncer/no_such_key", "pgweir's words, with file and line in front"},
    {"bad reload", "ERROR invalid value*", "the same"},
    {"bad command", "ERROR invalid command 'NONSENSE', use SHOW HELP;", "what is wrong with a command is told to who typed it only"},
    {"bad command", "WARNING C-PTR: pgbouncer/admin@ADDR pooler error: invalid command 'NONSENSE', use SHOW HELP;", "the same"},
    {"garbage", "LOG C-PTR: (nodb)/(nouser)@ADDR closing because: *", "pgweir says what is wrong with the packet"},
    {"garbage", "WARNING C-PTR: (nodb)/(nouser)@ADDR pooler error: *", "the same"},
    {"end", "LOG got SIGTERM, fast exit", "1.18 does not wait for its clients at SIGTERM; 1.25 does, as pgweir"},
};
// Whether it comes is a matter of who is faster: the end of the server, or the next client that wants it.
const Difference kMayBeOnlyPgBouncer[] = {
    {"*", "LOG S-PTR: app/app@ADDR closing because: idle server got dirty (age=N)", "pgweir looks at once at an idle server that says something"},
};

const Difference kOnlyPgweir[] = {
    {"start", "LOG process up: pgweir*", "its own name and version"},
    {"*", "WARNING DIR/both.ini:*has no effect*", "a key of the ini that does nothing is told"},
    {"bad password", "LOG C-PTR: app/app@ADDR login failed: db=app user=app cause=wrong password", "the cause, which the client is not told"},
    {"unknown user", "LOG C-PTR: app/nobody@ADDR *", "with the user and database that were asked for"},
    {"unknown user", "WARNING C-PTR: app/nobody@ADDR pooler error: password authentication failed", "the same"},
    {"unknown database", "LOG C-PTR: nosuch/app@ADDR *", "the same"},
    {"unknown database", "WARNING C-PTR: nosuch/app@ADDR pooler error: no such database: nosuch", "the same"},
    {"dead server", "WARNING S-PTR: dead/app@ADDR cannot connect: *", "the cause"},
    {"dead server", "LOG C-PTR: dead/app@ADDR closing because: server login has been failing, cached error: * (server_login_retry) (age=N)", "1.25's words for it"},
    {"dead server", "WARNING C-PTR: dead/app@ADDR pooler error: server login has been failing, cached error: * (server_login_retry)", "the same"},
    {"*kill", "LOG C-PTR: app/app@ADDR closing because: admin forced disconnect (age=N)", "1.25's words"},
    {"*kill", "WARNING C-PTR: app/app@ADDR pooler error: admin forced disconnect", "the same"},
    {"bad reload", "ERROR DIR/both.ini:*: unknown key 'no_such_key' in [pgbouncer]", "with file and line"},
    {"garbage", "LOG C-PTR: (nodb)/(nouser)@ADDR closing because: invalid startup packet layout: *", "what is wrong with it"},
    {"garbage", "WARNING C-PTR: (nodb)/(nouser)@ADDR pooler error: invalid startup packet layout: *", "the same"},
    {"end", "LOG got SIGTERM, shutting down, waiting for all clients disconnect", "1.25's words"},
    {"end", "LOG client connections dropped, exiting", "1.25's words"},
};

// What 1.25 says instead.
std::string NewWords(std::string line) {
  if (line.find("login attempt: ") != std::string::npos) return line + " replication=no";
  return std::regex_replace(line, std::regex("(stats: N xacts/s, N queries/s, )in"), "$1N client parses/s, N server parses/s, N binds/s, in");
}

// Without what differs from run to run. Empty: no line of the log, such as the output of a helper.
std::string Normal(const std::string& line, const std::string& folder) {
  static const std::regex front(R"(^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[\d+\] ((LOG|WARNING|ERROR|FATAL|DEBUG|NOISE) .*)$)");
  std::smatch match;
  if (!std::regex_match(line, match, front)) return "";
  std::string text = match[1];
  // Events that PgBouncer does not have, in our own form and at their own time.
  if (std::regex_search(text, std::regex("^\\w+ (capacity_(unknown|exceeded)|host_(down|up)) "))) return "";
  for (size_t at = 0; (at = text.find(folder, at)) != std::string::npos;) text.replace(at, folder.size(), "DIR");
  text = std::regex_replace(text, std::regex("^(\\w+) ([CS])-0x[0-9a-f]+:"), "$1 $2-PTR:");
  text = std::regex_replace(text, std::regex(R"(@(127\.0\.0\.1|unix(\(\d+\))?):\d+)"), "@ADDR");
  text = std::regex_replace(text, std::regex(R"(127\.0\.0\.1:\d+)"), "ADDR");
  text = std::regex_replace(text, std::regex(R"(PGSQL\.\d+)"), "PGSQL.PORT");
  text = std::regex_replace(text, std::regex(R"(age=\d+s)"), "age=N");
  if (text.find("stats: ") != std::string::npos || text.find("descriptor limit") != std::string::npos) {
    text = std::regex_replace(text, std::regex("\\d+"), "N");
  }
  return text;
}

// The lines of each step, in the order in which they came first.
using Story = std::vector<std::pair<std::string, std::vector<std::string>>>;

class LogBesideTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    if (access(kPgBouncer, X_OK) != 0) GTEST_SKIP() << kPgBouncer << " is not installed";
    WriteFile(File("users.txt"), "\"app\" \"secret\"\n\"admin\" \"admin\"\n");
    GiveToUnprivilegedUser(folder_.path());
  }
  std::string File(const std::string& name) const { return folder_.File(name); }

  std::string WriteIni(const std::string& more) const {
    const std::string server = "host=127.0.0.1 port=" + std::to_string(SharedCluster().port());
    WriteFile(File("both.ini"),
              "[databases]\napp = " + server + " pool_size=1\nmissing = " + server + " dbname=nowhere\n" +
                  "socket = host=" + SharedCluster().socket_folder() + " port=" + std::to_string(SharedCluster().port()) + " dbname=app\n" +
                  "dead = host=127.0.0.1 port=" + std::to_string(dead_port_) + "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " +
                  std::to_string(port_) + "\nunix_socket_dir = " + folder_.path() + "\nauth_type = md5\nauth_file = " + File("users.txt") +
                  "\nadmin_users = admin\npool_mode = transaction\nquery_wait_timeout = 1\nserver_login_retry = 1\nstats_period = 1\n" +
                  "pkt_buf = 8192\n" + more);
    return File("both.ini");
  }

  // --- the story ---

  class Teller {
   public:
    Teller(LogBesideTest& test, const std::string& program, const std::string& name)
        : test_(test), proxy_(program, test.WriteIni(""), test.port_, test.File(name)) {
      Step("start", "process up", [] {});
    }
    // `until`: a line that comes when all is done.
    template <typename Action>
    void Step(const std::string& name, const std::string& until, Action action) {
      action();
      const std::regex pattern(until);
      const auto came = [&] { return std::regex_search(proxy_.output().substr(told_), pattern); };
      EXPECT_TRUE(Eventually(came)) << name << ": no line " << until << " in\n" << proxy_.output().substr(told_);
      const std::string output = proxy_.output();
      const size_t end = output.rfind('\n') + 1;
      Tell(name, output.substr(told_, end - told_));
      told_ = end;
    }
    Story End() {
      proxy_.process().Signal(SIGTERM);
      EXPECT_EQ(proxy_.process().WaitExit().value_or(-1) & 0xfe, 0) << "1.18 exits with 1";
      Tell("end", proxy_.output().substr(told_));
      return story_;
    }
    void Signal(int number) { proxy_.process().Signal(number); }
    Connection Log(const std::string& user, const std::string& password, const std::string& database, const std::string& host = "127.0.0.1") {
      return Connection("host=" + host + " port=" + std::to_string(proxy_.port()) + " user=" + user + " password=" + password +
                        " sslmode=disable dbname=" + database);
    }
    Connection App() { return Log("app", "secret", "app"); }
    void Admin(const std::string& sql) { Log("admin", "admin", "pgbouncer").Query(sql); }
    int port() const { return proxy_.port(); }

   private:
    void Tell(const std::string& name, const std::string& text) {
      std::vector<std::string> lines;
      std::istringstream stream(text);
      for (std::string line; std::getline(stream, line);) {
        const std::string normal = Normal(line, test_.folder_.path());
        if (!normal.empty() && std::find(lines.begin(), lines.end(), normal) == lines.end()) lines.push_back(normal);
      }
      story_.emplace_back(name, std::move(lines));
    }
    LogBesideTest& test_;
    Proxy proxy_;
    size_t told_ = 0;
    Story story_;
  };

  void EndServers() const {
    Connection superuser(SharedCluster().SuperuserString());
    superuser.Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
  }

  Story TellStory(const std::string& program, const std::string& name) {
    const std::string done = "command issued\n(.*\n)*.*pgbouncer/admin@.*closing";
    const std::string closed = "C-0x.*closing because: .*\n", refused = "pooler error: .*\n";
    Teller teller(*this, program, name);
    teller.Step("login", closed, [&] { EXPECT_EQ(teller.App().Value("SELECT 1"), "1"); });
    teller.Step("unix login", closed, [&] { EXPECT_EQ(teller.Log("app", "secret", "socket", folder_.path()).Value("SELECT 1"), "1"); });
    teller.Step("bad password", refused, [&] { EXPECT_FALSE(teller.Log("app", "bad", "app").ok()); });
    teller.Step("unknown user", refused, [&] { EXPECT_FALSE(teller.Log("nobody", "bad", "app").ok()); });
    teller.Step("unknown database", refused, [&] { EXPECT_FALSE(teller.Log("app", "secret", "nosuch").ok()); });
    teller.Step("not on the server", "S-0x.*closing because: login failed", [&] { EXPECT_FALSE(teller.Log("app", "secret", "missing").ok()); });
    teller.Step("dead server", refused, [&] { EXPECT_FALSE(teller.Log("app", "secret", "dead").ok()); });
    teller.Step("console", closed, [&] { teller.Admin("SHOW VERSION"); });
    teller.Step("console forbidden", refused, [&] { EXPECT_FALSE(teller.Log("app", "secret", "pgbouncer").ok()); });
    teller.Step("wait", closed + "(.*\n)*.*closing because: ", [&] {
      Connection holder = teller.App(), waiter = teller.App();
      holder.Query("BEGIN; SELECT 1");
      EXPECT_FALSE(waiter.Query("SELECT 1").ok());
    });
    teller.Step("lost while idle", "S-0x.* app/app@.*server conn crashed", [&] {
      EXPECT_EQ(teller.App().Value("SELECT 1"), "1");
      EndServers();
    });
    teller.Step("lost while it runs", "login attempt(.*\n)*.*S-0x.*server conn crashed(.*\n)*.*C-0x.*" + refused, [&] {
      Connection client = teller.App();
      client.Send("SELECT pg_sleep(60)");
      EXPECT_TRUE(Eventually([&] { return IsRunning("pg_sleep(60)"); }));
      EndServers();
      client.Collect();
    });
    teller.Step("client gone", "unexpected eof", [&] {
      WireClient client(teller.port());
      ASSERT_TRUE(client.Login({{"user", "app"}, {"database", "app"}}, "secret"));
      client.Value("BEGIN; SELECT 1");
    });
    // both have an idle server that a PAUSE closes
    teller.Step("before PAUSE", closed, [&] { EXPECT_EQ(teller.App().Value("SELECT 1"), "1"); });
    for (const char* sql : {"PAUSE", "RESUME", "PAUSE app", "RESUME app", "RECONNECT", "RECONNECT app", "DISABLE app", "ENABLE app", "RELOAD"}) {
      teller.Step(sql, done, [&] { teller.Admin(sql); });
    }
    teller.Step("kill", done, [&] {
      Connection client = teller.App();
      client.Send("SELECT pg_sleep(60)");
      EXPECT_TRUE(Eventually([&] { return IsRunning("pg_sleep(60)"); }));
      teller.Admin("KILL app");
      client.Collect();
    });
    teller.Step("resume after kill", done, [&] { teller.Admin("RESUME app"); });
    teller.Step("bad reload", done, [&] {
      WriteIni("no_such_key = 1\n");
      teller.Admin("RELOAD");
      WriteIni("");
    });
    teller.Step("bad command", closed, [&] { teller.Admin("NONSENSE"); });
    teller.Step("hangup", "SIGHUP.*\n", [&] { teller.Signal(SIGHUP); });
    teller.Step("pause by signal", "SIGUSR1.*\n", [&] { teller.Signal(SIGUSR1); });
    teller.Step("resume by signal", "SIGUSR2.*\n", [&] { teller.Signal(SIGUSR2); });
    teller.Step("garbage", refused, [&] {
      WireClient client(teller.port());
      client.Send("GET / HTTP/1.0\r\n\r\n");
      client.ReadToEnd();
    });
    teller.Step("probe", "stats: ", [&] { WireClient(teller.port()); });
    return teller.End();
  }
  bool IsRunning(const std::string& sql) const {
    Connection superuser(SharedCluster().SuperuserString());
    return superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'app' AND query LIKE '%" + sql + "%'") != "0";
  }

  const TemporaryFolder folder_;
  const int port_ = FreePort(), dead_port_ = FreePort();
};

bool Fits(const std::string& line, std::string_view pattern) {
  std::string text;
  for (const char c : pattern) text += c == '*' ? ".*" : std::string(std::ispunct(static_cast<unsigned char>(c)) != 0 ? "\\" : "") + c;
  return std::regex_match(line, std::regex(text));
}

// Lines that come with the time and not with a step: those of the statistics, and of servers that are opened or closed then.
bool IsOfItsOwnTime(const std::string& line) {
  return line.starts_with("LOG stats: ") || line.find(" S-PTR: ") != std::string::npos || line.starts_with("WARNING server login failed: ");
}

TEST_F(LogBesideTest, TheLinesAreThoseOfTheOther) {
  Story theirs = TellStory(kPgBouncer, "theirs"), ours = TellStory(PgweirProcess::Binary(), "ours");
  ASSERT_EQ(theirs.size(), ours.size());
  for (auto& [step, lines] : theirs) std::transform(lines.begin(), lines.end(), lines.begin(), NewWords);
  std::set<std::string> all_theirs, all_ours;
  for (const auto& [step, lines] : theirs) all_theirs.insert(lines.begin(), lines.end());
  for (const auto& [step, lines] : ours) all_ours.insert(lines.begin(), lines.end());
  std::set<const Difference*> seen;
  const auto compare = [&](const Story& story, const Story& other, const std::set<std::string>& all_other, const auto& allowed, const char* whose) {
    for (size_t i = 0; i < story.size(); ++i) {
      const std::string& step = story[i].first;
      const std::vector<std::string>& lines = story[i].second;
      for (const std::string& line : lines) {
        const auto& beside = other[i].second;
        if (std::find(beside.begin(), beside.end(), line) != beside.end()) continue;
        if (IsOfItsOwnTime(line) && all_other.contains(line)) continue;
        const auto fits = [&](const Difference& each) { return Fits(step, each.step) && Fits(line, each.line); };
        const auto* known = std::find_if(std::begin(allowed), std::end(allowed), fits);
        if (known != std::end(allowed)) seen.insert(known);
        else if (std::none_of(std::begin(kMayBeOnlyPgBouncer), std::end(kMayBeOnlyPgBouncer), fits))
          ADD_FAILURE() << "only " << whose << ", step \"" << step << "\": " << line;
      }
    }
  };
  compare(theirs, ours, all_ours, kOnlyPgBouncer, "PgBouncer");
  compare(ours, theirs, all_theirs, kOnlyPgweir, "pgweir");
  // A difference that is no more shall not stay in the list.
  const auto all_seen = [&](const auto& allowed) {
    for (const Difference& each : allowed) EXPECT_TRUE(seen.contains(&each)) << "no difference any more: " << each.step << ": " << each.line;
  };
  all_seen(kOnlyPgBouncer);
  all_seen(kOnlyPgweir);
  // The lines of one client stand in the same order.
  const auto of_clients = [](const std::vector<std::string>& lines) {
    std::vector<std::string> kept;
    for (const std::string& line : lines) {
      if (line.find(" C-PTR: app/app@") != std::string::npos) kept.push_back(line);
    }
    return kept;
  };
  for (size_t i = 0; i < ours.size(); ++i) {
    const std::string& step = ours[i].first;
    if (step != "login" && step != "lost while idle" && step != "bad password") continue;
    auto mine = of_clients(ours[i].second);
    std::erase_if(mine, [](const std::string& line) { return line.find("login failed: ") != std::string::npos; });
    EXPECT_EQ(mine, of_clients(theirs[i].second)) << step;
  }
}

// The switches of the ini decide, as there, which lines there are at all.
TEST_F(LogBesideTest, TheSwitchesOfTheIniAreHonoured) {
  for (const std::string& program : {std::string(kPgBouncer), PgweirProcess::Binary()}) {
    const auto output = [&](const std::string& more) {
      const std::string file = File(std::filesystem::path(program).filename().string() + more.substr(0, more.find(' ')));
      Proxy proxy(program, WriteIni(more), port_, file);
      const std::string where = "host=127.0.0.1 sslmode=disable port=" + std::to_string(port_) + " user=app dbname=app password=";
      EXPECT_EQ(Connection(where + "secret").Value("SELECT 1"), "1");
      EXPECT_FALSE(Connection(where + "bad").ok());
      // the last thing that is told, whatever is switched off
      proxy.process().Signal(SIGHUP);
      EXPECT_TRUE(Eventually([&] { return proxy.output().find("SIGHUP") != std::string::npos; }));
      return proxy.output();
    };
    const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
    const std::string quiet = output("log_connections = 0\nlog_disconnections = 0\n");
    EXPECT_FALSE(has(quiet, "login attempt")) << program << quiet;
    EXPECT_FALSE(has(quiet, "new connection to server")) << program << quiet;
    EXPECT_FALSE(has(quiet, "closing because")) << program << quiet;
    EXPECT_TRUE(has(quiet, "pooler error: password authentication failed")) << program << quiet;
    const std::string no_errors = output("log_pooler_errors = 0\n");
    EXPECT_FALSE(has(no_errors, "pooler error")) << program << no_errors;
    EXPECT_TRUE(has(no_errors, "closing because: password authentication failed")) << program << no_errors;
  }
}

}  // namespace
}  // namespace integration
