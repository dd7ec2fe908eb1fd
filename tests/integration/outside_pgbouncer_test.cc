// PAM and the system's log beside Debian's PgBouncer: both run from the same ini, in a system of the test's own, where /etc/pam.d
// and /dev/log are the test's. The same clients are let in and refused in the same words, and the same lines go to the system's log.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <regex>

#include "tests/integration/proxy.h"
#include "tests/support/own_system.h"
#include "tests/support/temporary_folder.h"

namespace integration {
namespace {

using namespace test_support;

// What the system's log is to a program: a socket that takes datagrams.
class LogSocket {
 public:
  explicit LogSocket(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || chmod(path.c_str(), 0777) != 0) throw std::runtime_error(path);
  }
  ~LogSocket() { close(fd_); }
  LogSocket(const LogSocket&) = delete;
  LogSocket& operator=(const LogSocket&) = delete;
  // All lines so far.
  const std::vector<std::string>& lines() {
    char buffer[8192];
    for (ssize_t length; (length = recv(fd_, buffer, sizeof buffer, 0)) >= 0;) lines_.emplace_back(buffer, static_cast<size_t>(length));
    return lines_;
  }
  bool WaitFor(const std::string& expression) {
    const std::regex pattern(expression);
    return Eventually([&] {
      const auto& all = lines();
      return std::any_of(all.begin(), all.end(), [&pattern](const std::string& line) { return std::regex_search(line, pattern); });
    });
  }

 private:
  int fd_;
  std::vector<std::string> lines_;
};

class OutsidePgBouncerTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    if (!CanHaveOwnSystem()) GTEST_SKIP() << "no root, or no right to mount: /etc/pam.d and /dev/log cannot be the test's own";
    std::filesystem::create_directory(File("pam.d"));
    WriteFile(File("check.sh"), "#!/bin/sh\necho \"$PAM_SERVICE $PAM_USER $PAM_RHOST\" >>" + File("asked") + "\n[ \"$(tr -d '\\000')\" = \"$PAM_USER-secret\" ]\n");
    ASSERT_EQ(chmod(File("check.sh").c_str(), 0755), 0);
    WriteFile(File("pam.d/pgbouncer"), "auth required pam_exec.so expose_authtok quiet " + File("check.sh") + "\naccount required pam_permit.so\n");
    WriteFile(File("pam.d/other"), "auth required pam_deny.so\naccount required pam_deny.so\n");
    WriteFile(File("users.txt"), "\"app\" \"secret\"\n\"admin\" \"secret\"\n");
    log_ = std::make_unique<LogSocket>(File("log"));
    GiveToUnprivilegedUser(folder_.path());
  }
  std::string File(const std::string& name) const { return folder_.File(name); }
  std::unique_ptr<Proxy> Start(const std::string& program, const std::string& more) {
    const int port = FreePort();
    WriteFile(File("both.ini"), "[databases]\napp = host=127.0.0.1 port=" + std::to_string(SharedCluster().port()) + "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " +
                                    std::to_string(port) + "\nunix_socket_dir = " + folder_.path() + "\nadmin_users = admin\n" + more);
    GiveToUnprivilegedUser(File("both.ini"));
    return std::make_unique<Proxy>(InOwnSystem({.pam_folder = File("pam.d"), .log_socket = File("log"), .folder = folder_.path()}, {program, File("both.ini")}), port,
                                   File("output"));
  }
  // "in", or severity and message.
  static std::string Login(int port, const std::string& user, const std::string& password, const std::string& database) {
    WireClient client(port);
    if (client.Login({{"user", user}, {"database", database}}, password)) return "in";
    return ErrorField(client.error(), 'S') + " " + ErrorField(client.error(), 'M');
  }
  static std::vector<std::string> Programs() {
    std::vector<std::string> programs{PgweirProcess::Binary()};
    if (std::filesystem::exists(kPgBouncer)) programs.emplace_back(kPgBouncer);
    return programs;
  }
  TemporaryFolder folder_;
  std::unique_ptr<LogSocket> log_;
};

TEST_F(OutsidePgBouncerTest, PamLetsTheSameIn) {
  for (const std::string& program : Programs()) {
    std::filesystem::remove(File("asked"));
    const auto proxy = Start(program, "auth_type = pam\n");
    EXPECT_EQ(Login(proxy->port(), "app", "app-secret", "app"), "in") << program << "\n" << proxy->output();
    EXPECT_EQ(Login(proxy->port(), "admin", "admin-secret", "pgbouncer"), "in") << program;
    // PgBouncer says the same without the user's name, which PostgreSQL has
    EXPECT_EQ(Login(proxy->port(), "app", "wrong", "app").substr(0, 31), "FATAL PAM authentication failed") << program;
    EXPECT_EQ(Login(proxy->port(), "stranger", "app-secret", "app").substr(0, 31), "FATAL PAM authentication failed") << program;
    EXPECT_NE(Login(proxy->port(), "app", "", "app"), "in") << program;
    EXPECT_EQ(ReadFile(File("asked")).substr(0, 53), "pgbouncer app 127.0.0.1\npgbouncer admin 127.0.0.1\npgb") << program;
    EXPECT_TRUE(Eventually([&] { return proxy->output().find(" pooler error: PAM authentication failed\n") != std::string::npos; })) << program << proxy->output();
    EXPECT_NE(proxy->output().find(" closing because: PAM authentication failed (age="), std::string::npos) << program;
  }
}

TEST_F(OutsidePgBouncerTest, TheSameLinesGoToTheSystemsLog) {
  for (const std::string& program : Programs()) {
    const auto proxy = Start(program, "auth_type = trust\nauth_file = " + File("users.txt") + "\nsyslog = 1\nsyslog_facility = local5\nsyslog_ident = weir\n");
    const std::string front = R"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d weir\[)" + std::to_string(proxy->process().pid()) + R"(\]: )";
    EXPECT_EQ(Login(proxy->port(), "app", "", "app"), "in") << program;
    EXPECT_TRUE(log_->WaitFor("^<174>" + front + R"(C-0x[0-9a-f]+: app/app@127\.0\.0\.1:\d+ login attempt: db=app user=app tls=no)")) << program << "\n" << proxy->output();
    EXPECT_TRUE(log_->WaitFor("^<174>" + front + "process up: ")) << program;
    EXPECT_NE(Login(proxy->port(), "app", "", "no_database"), "in") << program;
    EXPECT_TRUE(log_->WaitFor("^<172>" + front + R"(C-0x[0-9a-f]+: .* pooler error: )")) << program;
    EXPECT_NE(proxy->output().find(" login attempt: db=app user=app tls=no"), std::string::npos) << "stderr goes on: " << program;
  }
}

TEST_F(OutsidePgBouncerTest, AReloadKeepsIdentAndFacilityOrChangesThem) {
  const auto proxy = Start(PgweirProcess::Binary(), "auth_type = trust\nauth_file = " + File("users.txt") + "\nsyslog = 1\nsyslog_ident = weir\n");
  Connection console("host=127.0.0.1 port=" + std::to_string(proxy->port()) + " user=admin dbname=pgbouncer");
  ASSERT_TRUE(console.ok()) << console.error();
  ASSERT_TRUE(console.Query("RELOAD").ok());
  EXPECT_EQ(Login(proxy->port(), "app", "", "app"), "in");
  EXPECT_TRUE(log_->WaitFor(R"(^<30>.* weir\[\d+\]: C-0x[0-9a-f]+: app/app@.* login attempt)"));
  ASSERT_TRUE(console.Query("SET syslog_ident = 'dam'").ok());
  ASSERT_TRUE(console.Query("SET syslog_facility = 'local0'").ok());
  EXPECT_EQ(Login(proxy->port(), "app", "", "app"), "in");
  EXPECT_TRUE(log_->WaitFor(R"(^<134>.* dam\[\d+\]: C-0x[0-9a-f]+: app/app@.* login attempt)"));
  // The last line of that client: nothing of before is on its way any more.
  EXPECT_TRUE(log_->WaitFor(R"(^<134>.* dam\[\d+\]: C-0x[0-9a-f]+: app/app@.* closing because: )"));
  ASSERT_TRUE(console.Query("SET syslog = 0").ok());
  const size_t before = log_->lines().size();
  EXPECT_EQ(Login(proxy->port(), "app", "", "app"), "in");
  ASSERT_TRUE(Eventually([&] { return proxy->output().find("client close request") != std::string::npos || proxy->output().find("unexpected eof") != std::string::npos; }));
  EXPECT_EQ(log_->lines().size(), before);
}

}  // namespace
}  // namespace integration
