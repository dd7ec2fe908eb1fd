// What a client is told beside its answers (that it waits, a word at its login), its address in its application_name, and that it may
// send no simple query. Beside PgBouncer where Debian's knows the key.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <regex>

#include "tests/integration/environment.h"
#include "tests/integration/proxy.h"
#include "tests/support/wire_messages.h"

namespace integration {
namespace {

using namespace test_support;

constexpr const char* kWaits = "No server connection available in postgres backend, client being queued";

std::string Types(const std::vector<Message>& messages) {
  std::string types;
  for (const Message& message : messages) types += message.type;
  return types;
}

std::vector<Message> ReadTo(WireClient& client, char last) {
  std::vector<Message> messages;
  do {
    auto message = client.ReadMessage();
    if (!message) throw std::runtime_error("the connection ended before " + std::string(1, last));
    messages.push_back(std::move(*message));
  } while (messages.back().type != last);
  return messages;
}

// --- query_wait_notify ---------------------------------------------------------------------------------------------------

class WaitNoticeTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  // The only server is taken until LetGo.
  void Start(const std::string& global) {
    StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60s\"\nworkers = 1\n" + global);
    holder_.emplace(Connect());
    Hold();
  }
  void Hold() { ASSERT_TRUE(holder_->QueryAll("BEGIN; SELECT 1").back().ok()); }
  void LetGo() { ASSERT_TRUE(holder_->Query("COMMIT").ok()); }
  static void ExpectNotice(const Message& message) {
    ASSERT_EQ(message.type, 'N');
    EXPECT_EQ(ErrorField(message, 'S'), "NOTICE");
    EXPECT_EQ(ErrorField(message, 'C'), "00000");
    EXPECT_EQ(ErrorField(message, 'M'), kWaits);
    EXPECT_TRUE(std::regex_match(ErrorField(message, 'D'), std::regex("waited \\d+ ms so far, at most 60000 ms"))) << ErrorField(message, 'D');
  }
  std::optional<Connection> holder_;
};

TEST_F(WaitNoticeTest, OnceForEachWaitAndBeforeTheAnswer) {
  Start("query_wait_notify = \"30ms\"\n");
  WireClient client = ConnectWire();
  for (int wait = 0; wait < 2; ++wait) {
    client.Send(Query("SELECT 'simple'"));
    ExpectNotice(ReadTo(client, 'N').front());
    LetGo();
    EXPECT_EQ(Types(ReadTo(client, 'Z')), "TDCZ");
    Hold();
    client.Send(Parse("", "SELECT 'extended'") + Bind("", "") + Execute("") + Sync());
    ExpectNotice(ReadTo(client, 'N').front());
    LetGo();
    EXPECT_EQ(Types(ReadTo(client, 'Z')), "12DCZ");
    EXPECT_EQ(Types(client.Ask(Query("SELECT 'no wait'"))), "TDCZ");
    Hold();
  }
}

TEST_F(WaitNoticeTest, TheWaitStillHasItsEnd) {
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"150ms\"\nquery_wait_notify = \"30ms\"\n");
  holder_.emplace(Connect());
  Hold();
  WireClient client = ConnectWire();
  client.Send(Query("SELECT 1"));
  const auto messages = ReadTo(client, 'Z');
  EXPECT_EQ(Types(messages), "NEZ");
  EXPECT_EQ(ErrorField(messages[1], 'C'), "53300");
  LetGo();
  EXPECT_EQ(Types(client.Ask(Query("SELECT 1"))), "TDCZ");
}

TEST_F(WaitNoticeTest, AWaitThatEndsBeforeItIsNotTold) {
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60ms\"\nquery_wait_notify = \"60s\"\n");
  holder_.emplace(Connect());
  Hold();
  WireClient client = ConnectWire();
  client.Send(Query("SELECT 1"));
  EXPECT_EQ(Types(ReadTo(client, 'Z')), "EZ");
}

TEST_F(WaitNoticeTest, WhileTheDatabaseIsPaused) {
  Start("query_wait_notify = \"30ms\"\n");
  LetGo();
  WireClient client = ConnectWire();
  Connection admin = Admin();
  ASSERT_TRUE(admin.Query("PAUSE").ok());
  client.Send(Query("SELECT 1"));
  ExpectNotice(ReadTo(client, 'N').front());
  ASSERT_TRUE(admin.Query("RESUME").ok());
  EXPECT_EQ(Types(ReadTo(client, 'Z')), "TDCZ");
}

// A startup value that no server has accepted yet makes the login wait for one. libpq would take the NOTICE for a broken protocol.
TEST_F(WaitNoticeTest, AWaitAtTheLoginIsNotTold) {
  Start("query_wait_notify = \"1ms\"\n");
  auto login = std::async(std::launch::async, [this] { return TryConnect("app", "app", "options='-c work_mem=8MB'"); });
  WireClient client(target_port());
  client.Send(StartupBytes({{"user", "app"}, {"database", "app"}, {"work_mem", "7MB"}}));
  Connection admin = Admin();
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 2));
  // Somebody who began to wait behind them has been told: their time has passed, too.
  WireClient later = ConnectWire();
  later.Send(Query("SELECT 1"));
  ExpectNotice(ReadTo(later, 'N').front());
  LetGo();
  const std::string types = Types(ReadTo(client, 'Z'));
  EXPECT_TRUE(types.starts_with("RS") && types.ends_with("KZ")) << types;
  EXPECT_EQ(types.find('N'), std::string::npos) << types;
  Connection connected = login.get();
  ASSERT_TRUE(connected.ok()) << connected.error();
  EXPECT_EQ(connected.Value("SHOW work_mem"), "8MB");
}

// --- login_notify_message ------------------------------------------------------------------------------------------------

TEST_F(WaitNoticeTest, ALoginIsGreeted) {
  for (const char* mode : {"transaction", "session"}) {
    StartPgweir("pool_mode = \"" + std::string(mode) + "\"\nlogin_notify_message = \"mind the weir\"\n");
    const WireClient client = ConnectWire();
    const auto& messages = client.login_messages();
    ASSERT_TRUE(Types(messages).ends_with("KNZ")) << Types(messages);
    const Message& notice = messages[messages.size() - 2];
    EXPECT_EQ(ErrorField(notice, 'S'), "NOTICE");
    EXPECT_EQ(ErrorField(notice, 'C'), "00000");
    EXPECT_EQ(ErrorField(notice, 'M'), "mind the weir");
  }
  StartPgweir("");
  EXPECT_EQ(Types(ConnectWire().login_messages()).find('N'), std::string::npos);
}

// --- beside PgBouncer ----------------------------------------------------------------------------------------------------

class BesideTest : public testing::Test {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    WriteFile(folder_.File("users.txt"), "\"app\" \"\"\n");
  }
  std::unique_ptr<Proxy> Start(const std::string& program, const std::string& global) {
    port_ = FreePort();
    const std::string file = folder_.File(std::to_string(port_) + ".ini");
    WriteFile(file, "[databases]\napp = host=127.0.0.1 port=" + std::to_string(SharedCluster().port()) +
                        "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir = " + folder_.path() + "\nlisten_port = " + std::to_string(port_) +
                        "\nauth_type = trust\nauth_file = " + folder_.File("users.txt") + "\npool_mode = transaction\n" + global);
    GiveToUnprivilegedUser(folder_.path());
    return std::make_unique<Proxy>(program, file, port_, folder_.File("out"));
  }
  static std::vector<std::string> Programs() {
    std::vector<std::string> programs{PgweirProcess::Binary()};
    if (access(kPgBouncer, X_OK) == 0) programs.emplace_back(kPgBouncer);
    return programs;
  }
  Connection Log(const std::string& host, const std::string& more) const {
    return Connection("host=" + host + " port=" + std::to_string(port_) + " user=app dbname=app sslmode=disable " + more);
  }
  const TemporaryFolder folder_;
  int port_ = 0;
};

std::string OwnHost() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

int LocalPort(Connection& client) {
  sockaddr_in own{};
  socklen_t length = sizeof own;
  getsockname(PQsocket(client.get()), reinterpret_cast<sockaddr*>(&own), &length);
  return ntohs(own.sin_port);
}

TEST_F(BesideTest, TheAddressIsInTheApplicationName) {
  for (const std::string& program : Programs()) {
    const auto proxy = Start(program, "application_name_add_host = 1\n");
    Connection named = Log("127.0.0.1", "application_name=shop");
    ASSERT_TRUE(named.ok()) << program << named.error();
    const std::string place = " - 127.0.0.1:" + std::to_string(LocalPort(named));
    EXPECT_EQ(named.Value("SHOW application_name"), "shop" + place) << program;
    EXPECT_EQ(named.StatusOf("application_name"), "shop" + place) << program;
    Connection unnamed = Log("127.0.0.1", "");
    EXPECT_EQ(unnamed.Value("SHOW application_name"), "app - 127.0.0.1:" + std::to_string(LocalPort(unnamed))) << program;
    Connection local = Log(folder_.path(), "application_name=shop");
    EXPECT_EQ(local.Value("SHOW application_name"), "shop - unix(" + std::to_string(getpid()) + "@" + OwnHost() + "):" + std::to_string(port_)) << program;
    EXPECT_EQ(named.Value("SHOW application_name"), "shop" + place) << program << ": to each its own";
    EXPECT_TRUE(named.Query("SET application_name = 'changed'").ok());
    EXPECT_EQ(named.Value("SHOW application_name"), "changed") << program;
  }
}

TEST_F(BesideTest, ResetGoesBackToTheNameWithTheAddressAndALongNameIsCutBeforeIt) {
  const auto proxy = Start(PgweirProcess::Binary(), "application_name_add_host = 1\n");
  Connection client = Log("127.0.0.1", "application_name=shop");
  const std::string place = " - 127.0.0.1:" + std::to_string(LocalPort(client));
  EXPECT_TRUE(client.Query("SET application_name = 'changed'").ok());
  EXPECT_TRUE(client.Query("RESET application_name").ok());
  EXPECT_EQ(client.Value("SHOW application_name"), "shop" + place);
  Connection longer = Log("127.0.0.1", "application_name=" + std::string(70, 'x'));
  const std::string its_place = " - 127.0.0.1:" + std::to_string(LocalPort(longer));
  EXPECT_EQ(longer.Value("SHOW application_name"), std::string(63 - its_place.size(), 'x') + its_place);
}

TEST_F(BesideTest, ASimpleQueryEndsTheClient) {
  for (const std::string& program : Programs()) {
    const auto proxy = Start(program, "disable_pqexec = 1\n");
    Connection client = Log("127.0.0.1", "");
    EXPECT_EQ(client.Params("SELECT 'extended'").Value(), "extended") << program;
    const Result refused = client.Query("SELECT 1");
    EXPECT_EQ(refused.message(), "PQexec disallowed") << program;
    EXPECT_EQ(refused.sqlstate(), "08P01") << program;
    EXPECT_FALSE(client.ok()) << program << ": its connection has ended";
    Connection admin("host=127.0.0.1 port=" + std::to_string(port_) + " user=app dbname=pgbouncer");
  }
}

}  // namespace
}  // namespace integration
