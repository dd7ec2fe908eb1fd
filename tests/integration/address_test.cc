// Where clients come from: PROXY headers of load balancers, and the limits by address.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <regex>

#include "tests/integration/certificate_test.h"

namespace integration {
namespace {

using namespace test_support;

std::string LineFor(const std::string& source, int port = 4711, const std::string& family = "TCP4") {
  return "PROXY " + family + " " + source + " " + (family == "TCP4" ? "192.0.2.1" : "::1") + " " + std::to_string(port) + " 6432\r\n";
}

// Version 2, with a TLV behind the addresses.
std::string BlockFor(const std::string& source, int port = 4711, char command = '\x21') {
  const bool is_v6 = source.find(':') != std::string::npos;
  char bytes[16] = {};
  inet_pton(is_v6 ? AF_INET6 : AF_INET, source.c_str(), bytes);
  const size_t length = is_v6 ? 16 : 4;
  std::string body(bytes, length);
  body.append(length, '\x7f');
  body += Int16Bytes(port) + Int16Bytes(6432) + std::string("\x04\0\x03xyz", 6);
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + command + (is_v6 ? '\x21' : '\x11') + Int16Bytes(static_cast<int>(body.size())) + body;
}
std::string LocalBlock() { return std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16); }

class AddressFixture : public CertificateTest {
 protected:
  const Names app_ = {{"user", "app"}, {"database", "app"}};
  const std::string trusted_ = "proxy_protocol_from = [\"127.0.0.1\", \"fd00::/8\"]\n";

  WireClient ClientWith(const std::string& header) {
    WireClient client(pgweir().port());
    client.Send(header);
    return client;
  }
  // "in", or SQLSTATE and message of the refusal.
  std::string Outcome(WireClient& client, const Names& names) {
    if (client.Login(names)) return "in";
    return ErrorField(client.error(), 'C') + " " + ErrorField(client.error(), 'M');
  }
  std::string Outcome(const std::string& header) {
    WireClient client = ClientWith(header);
    return Outcome(client, app_);
  }
  WireClient Enter(const std::string& header) {
    WireClient client = ClientWith(header);
    if (!client.Login(app_)) throw std::runtime_error("login: " + ErrorField(client.error(), 'M'));
    return client;
  }
  // By the Unix socket, which takes no header and has no limit.
  Connection Console() { return Connection(pgweir().AdminString() + " host=" + pgweir().socket_folder()); }
  std::string Ask(const std::string& sql) { return Console().Value(sql); }
  void ReloadWith(const std::string& global) {
    PgweirConfig config;
    config.global = global;
    config.sections = DatabaseSection("*");
    pgweir().WriteConfig(config);
    const Result result = Console().Query("RELOAD");
    ASSERT_TRUE(result.ok()) << result.error();
  }
  void StartWithTls(const std::string& more) {
    PgweirConfig config;
    config.global = ClientTls("prefer") + more;
    StartPgweir(config);
  }
};

// --- PROXY headers -------------------------------------------------------------------------------------------------------

class ProxyHeaderTest : public AddressFixture {
 protected:
  void StartWithHba(const std::string& lines) {
    WriteFile(folder_->File("hba"), lines);
    GiveToUnprivilegedUser(folder_->File("hba"));
    StartPgweir(trusted_ + "auth_type = \"hba\"\nauth_hba_file = \"" + folder_->File("hba") + "\"\n");
  }
};

TEST_F(ProxyHeaderTest, TheLinesOfHbaSeeTheAddressInTheHeader) {
  StartWithHba("host all app 10.1.2.3/32 trust\nhost all app 2001:db8::/32 trust\nlocal all admin trust\n");
  const std::string refused = "28000 no pg_hba.conf entry for host \"";
  EXPECT_EQ(Outcome(LineFor("10.1.2.3")), "in");
  EXPECT_EQ(Outcome(BlockFor("10.1.2.3")), "in");
  EXPECT_EQ(Outcome(LineFor("::ffff:10.1.2.3", 1, "TCP6")), "in") << "an IPv4 address all the same";
  EXPECT_EQ(Outcome(LineFor("2001:db8::7", 1, "TCP6")), "in");
  EXPECT_EQ(Outcome(BlockFor("2001:db8::7")), "in");
  EXPECT_EQ(Outcome(LineFor("10.1.2.4")).substr(0, refused.size() + 9), refused + "10.1.2.4\"");
  EXPECT_EQ(Outcome(BlockFor("10.1.2.4")).substr(0, refused.size() + 9), refused + "10.1.2.4\"");
  EXPECT_EQ(Outcome(BlockFor("2001:db9::7")).substr(0, refused.size() + 12), refused + "2001:db9::7\"");
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*addr=\"?10\\.1\\.2\\.4"));
}

TEST_F(ProxyHeaderTest, WithoutAnAddressTheConnectionsOwnCounts) {
  StartWithHba("host all app 127.0.0.1/32 trust\nlocal all admin trust\n");
  EXPECT_EQ(Outcome(LocalBlock()), "in");
  EXPECT_EQ(Outcome(BlockFor("10.1.2.3", 1, '\x20')), "in") << "LOCAL, with an address that means nothing";
  EXPECT_EQ(Outcome("PROXY UNKNOWN\r\n"), "in");
  EXPECT_EQ(Outcome("PROXY UNKNOWN 10.1.2.3 10.1.2.4 1 2\r\n"), "in");
  EXPECT_EQ(Outcome(BlockFor("10.1.2.3")).substr(0, 5), "28000");
}

TEST_F(ProxyHeaderTest, ShowClientsAndTheLogHaveTheAddress) {
  StartPgweir(trusted_);
  WireClient first = Enter(LineFor("10.1.2.3", 4711)), second = Enter(BlockFor("2001:db8::7", 65535)), own = Enter(LocalBlock());
  EXPECT_EQ(Ask("SELECT count(*) FROM clients WHERE addr = '10.1.2.3' AND port = 4711"), "1");
  EXPECT_EQ(Ask("SELECT count(*) FROM clients WHERE addr = '2001:db8::7' AND port = 65535"), "1");
  EXPECT_EQ(Ask("SELECT count(*) FROM clients WHERE addr = '127.0.0.1' AND user = 'app'"), "1");
  EXPECT_TRUE(pgweir().WaitForLog("client_login.*10\\.1\\.2\\.3"));
  EXPECT_EQ(first.Value("SELECT 1"), "1");
}

TEST_F(ProxyHeaderTest, RejectedAddressesAreThoseInTheHeader) {
  StartPgweir(trusted_ + "reject_addresses = [\"10.0.0.0/8\"]\n");
  EXPECT_EQ(Outcome(LineFor("10.1.2.3")).substr(0, 5), "28000");
  EXPECT_EQ(Outcome(LineFor("11.1.2.3")), "in");
}

TEST_F(ProxyHeaderTest, InPieces) {
  StartPgweir(trusted_);
  for (const std::string& header : {LineFor("10.1.2.3"), BlockFor("10.1.2.3"), LocalBlock()}) {
    const std::string bytes = header + StartupBytes(app_);
    for (size_t at = 1; at <= header.size() + 1; ++at) {
      WireClient client(pgweir().port());
      ASSERT_TRUE(client.SendSplit(bytes, at)) << at;
      ASSERT_TRUE(client.FinishLogin("app", "")) << at << ": " << ErrorField(client.error(), 'M');
    }
    WireClient client(pgweir().port());
    ASSERT_TRUE(client.SendByteByByte(bytes));
    ASSERT_TRUE(client.FinishLogin("app", "")) << ErrorField(client.error(), 'M');
    EXPECT_EQ(client.Value("SELECT 1"), "1");
  }
}

TEST_F(ProxyHeaderTest, MalformedOrMissingIsTheEndAndTold) {
  StartPgweir(trusted_);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"PROXY TCP4 10.1.2.3\r\n", "two addresses and two ports are needed"},
      {"PROXY TCP4 10.1.2.3 10.1.2.4 70000 1\r\n", "a port is no number"},
      {"PROXY TCP4 " + std::string(200, ' '), "no end of the line within 107 bytes"},
      {BlockFor("10.1.2.3", 1, '\x31'), "the version is another one"},
      {std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", 16), "longer than 8192 bytes"},
      {StartupBytes(app_), "does not begin with one"},
      {SslRequestBytes(), "does not begin with one"},
  };
  for (const auto& [bytes, cause] : cases) {
    WireClient client(pgweir().port());
    client.Send(bytes);
    const auto error = client.ReadMessage();
    ASSERT_TRUE(error.has_value()) << cause << ": a bare end";
    EXPECT_EQ(ErrorField(*error, 'S'), "FATAL");
    EXPECT_EQ(ErrorField(*error, 'C'), "08P01");
    EXPECT_NE(ErrorField(*error, 'M').find(cause), std::string::npos) << ErrorField(*error, 'M');
    EXPECT_NE(ErrorField(*error, 'H').find("proxy_protocol_from"), std::string::npos);
    EXPECT_TRUE(client.AtEnd()) << cause;
    EXPECT_TRUE(pgweir().WaitForLog("proxy_header_malformed.*127\\.0\\.0\\.1.*" + cause));
  }
  {
    WireClient cut = ClientWith("PROXY TCP4 10.1");
    cut.Close();
    EXPECT_TRUE(pgweir().WaitForLog("proxy_header_malformed.*ended inside it"));
    WireClient only_looks(pgweir().port());
    only_looks.Close();
  }
  EXPECT_TRUE(Eventually([&] { return Ask("SELECT count FROM errors WHERE name = 'proxy_header'") == std::to_string(cases.size() + 1); }));
  EXPECT_EQ(Outcome(LineFor("10.1.2.3")), "in") << "others live";
}

TEST_F(ProxyHeaderTest, TheLoginTimeoutCoversIt) {
  StartPgweir(trusted_ + "client_login_timeout = \"300ms\"\n");
  for (const char* begin : {"", "PROXY TCP4 10.1"}) {
    WireClient client = ClientWith(begin);
    const auto error = client.ReadMessage();
    ASSERT_TRUE(error.has_value());
    EXPECT_NE(ErrorField(*error, 'M').find("client_login_timeout"), std::string::npos) << ErrorField(*error, 'M');
  }
}

TEST_F(ProxyHeaderTest, FromAnybodyElseItIsNoHeader) {
  StartPgweir("proxy_protocol_from = [\"127.0.0.2\"]\n");
  EXPECT_EQ(Outcome(""), "in");
  for (const std::string& header : {LineFor("10.1.2.3"), BlockFor("10.1.2.3")}) {
    const std::string outcome = Outcome(header);
    EXPECT_EQ(outcome.substr(0, 5), "08P01") << outcome;
    EXPECT_EQ(outcome.find("PROXY"), std::string::npos) << outcome;
  }
  Connection unix_socket = Connect("app", "app", "host=" + pgweir().socket_folder());
  EXPECT_EQ(unix_socket.Value("SELECT 1"), "1");
}

TEST_F(ProxyHeaderTest, OneHeaderAndNoMore) {
  StartPgweir(trusted_);
  EXPECT_EQ(Outcome(LineFor("10.1.2.3") + LineFor("10.1.2.4")).substr(0, 5), "08P01");
}

TEST_F(ProxyHeaderTest, ACancelRequestBehindIt) {
  StartPgweir(trusted_);
  WireClient client = Enter(LineFor("10.1.2.3"));
  client.Send(Query("SELECT pg_sleep(600)"));
  Connection superuser = Direct();
  ASSERT_TRUE(Eventually([&] { return superuser.Query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").rows() == 1; }));
  WireClient cancel = ClientWith(BlockFor("10.1.2.3") + CancelBytes(client.process_id(), client.key()));
  EXPECT_TRUE(cancel.AtEnd());
  const auto answer = client.ReadUntil('Z');
  const auto error = std::find_if(answer.begin(), answer.end(), [](const Message& message) { return message.type == 'E'; });
  ASSERT_NE(error, answer.end());
  EXPECT_EQ(ErrorField(*error, 'C'), "57014");
}

TEST_F(ProxyHeaderTest, TlsBehindIt) {
  StartWithTls(trusted_);
  {
    WireClient client = ClientWith(LineFor("10.1.2.3") + SslRequestBytes());
    ASSERT_EQ(client.ReadBytes(1), "S");
    ASSERT_TRUE(client.StartTls());
    EXPECT_EQ(Outcome(client, app_), "in");
    EXPECT_EQ(Ask("SELECT count(*) FROM clients WHERE addr = '10.1.2.3' AND tls LIKE 'TLS%'"), "1");
  }
  // Without SSLRequest, in one segment with the header: no byte of the handshake may be read with it.
  WireClient client(pgweir().port());
  const int on = 1;
  ASSERT_EQ(setsockopt(client.fd(), IPPROTO_TCP, TCP_CORK, &on, sizeof on), 0);
  client.Send(BlockFor("10.1.2.4"));
  ASSERT_TRUE(client.StartTls(Alpn::kPostgresql));
  const int off = 0;
  setsockopt(client.fd(), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
  EXPECT_EQ(Outcome(client, app_), "in");
  EXPECT_EQ(Ask("SELECT count(*) FROM clients WHERE addr = '10.1.2.4' AND tls LIKE 'TLS%'"), "1");
}

TEST_F(ProxyHeaderTest, AReloadSwitchesItForNewConnections) {
  StartPgweir();
  WireClient before = Enter("");
  ReloadWith(trusted_);
  EXPECT_EQ(before.Value("SELECT 1"), "1");
  EXPECT_EQ(Outcome("").substr(0, 5), "08P01");
  WireClient client = Enter(LineFor("10.1.2.3"));
  EXPECT_EQ(Ask("SELECT value FROM config WHERE key = 'proxy_protocol_from'"), "127.0.0.1/32, fd00::/8");
  ReloadWith("");
  EXPECT_EQ(Outcome(""), "in");
  EXPECT_EQ(Ask("SELECT count(*) FROM clients WHERE addr = '10.1.2.3'"), "1");
}

// --- limits by address ---------------------------------------------------------------------------------------------------

class AddressLimitTest : public AddressFixture {
 protected:
  static constexpr const char* kFull = "53300 no more client connections allowed from this address (max_client_conn_per_address is 3)";
  const std::string three_ = trusted_ + "max_client_conn_per_address = 3\n";
  std::vector<WireClient> EnterThree(const std::string& header) {
    std::vector<WireClient> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(Enter(header));
    return clients;
  }
};

TEST_F(AddressLimitTest, ThreePerAddress) {
  StartPgweir(three_);
  auto clients = EnterThree(LineFor("10.1.2.3"));
  WireClient fourth = ClientWith(BlockFor("10.1.2.3"));
  EXPECT_EQ(Outcome(fourth, app_), kFull);
  EXPECT_EQ(ErrorField(fourth.error(), 'S'), "FATAL");
  EXPECT_EQ(ErrorField(fourth.error(), 'D'), "address 10.1.2.3 has 3 connections");
  EXPECT_NE(ErrorField(fourth.error(), 'H').find("raise max_client_conn_per_address"), std::string::npos);
  EXPECT_TRUE(fourth.AtEnd());
  EXPECT_EQ(Outcome(LineFor("10.1.2.4")), "in") << "another address";
  for (auto& client : clients) EXPECT_EQ(client.Value("SELECT 1"), "1");
  EXPECT_TRUE(pgweir().WaitForLog("address_refused.*10\\.1\\.2\\.3.*max_client_conn_per_address"));
  EXPECT_EQ(Ask("SELECT count FROM errors WHERE name = 'max_client_conn_per_address'"), "1");
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return Outcome(LineFor("10.1.2.3")) == "in"; })) << "the place is free again";
}

TEST_F(AddressLimitTest, ASlash64IsOneAddress) {
  StartPgweir(three_);
  const auto clients = EnterThree(BlockFor("2001:db8:0:1::7"));
  WireClient fourth = ClientWith(BlockFor("2001:db8:0:1:ffff::9"));
  EXPECT_EQ(Outcome(fourth, app_), kFull);
  EXPECT_EQ(ErrorField(fourth.error(), 'D'), "address 2001:db8:0:1::/64 has 3 connections");
  EXPECT_EQ(Outcome(BlockFor("2001:db8:0:2::7")), "in");
}

TEST_F(AddressLimitTest, TheUnixSocketIsNeverRefused) {
  StartPgweir("max_client_conn_per_address = 3\nclient_connect_rate = 10000\n");
  const auto clients = EnterThree("");
  EXPECT_EQ(Outcome(""), kFull);
  std::vector<Connection> consoles;
  for (int i = 0; i < 6; ++i) consoles.push_back(Console());
  for (auto& console : consoles) EXPECT_TRUE(console.Query("SHOW VERSION").ok()) << console.error();
  EXPECT_EQ(Connect("app", "app", "host=" + pgweir().socket_folder()).Value("SELECT 1"), "1");
}

TEST_F(AddressLimitTest, ThoseThatHaveNotLoggedInCountToo) {
  StartPgweir("max_client_conn_per_address = 3\ntcp_defer_accept = 0\n");
  std::vector<WireClient> silent;
  // Whoever is accepted first counts, on whichever worker: when the fourth was, the third is the one too many, and all is tried again.
  EXPECT_TRUE(Eventually([&] {
    silent.clear();
    for (int i = 0; i < 3; ++i) silent.emplace_back(pgweir().port());
    return Outcome("") == kFull;
  }));
  silent.clear();
  EXPECT_TRUE(Eventually([&] { return Outcome("") == "in"; }));
}

// Not for the whole client_login_timeout, which is a minute here: that is what a flood would want.
TEST_F(AddressLimitTest, ARefusedOneThatSaysNothingIsTold) {
  StartPgweir("max_client_conn_per_address = 3\n");
  const auto clients = EnterThree("");
  WireClient silent(pgweir().port());
  const auto error = silent.ReadMessage();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(ErrorField(*error, 'C'), "53300");
  EXPECT_TRUE(silent.AtEnd());
}

TEST_F(AddressLimitTest, ACancelRequestIsNeverOneTooMany) {
  StartWithTls("max_client_conn_per_address = 3\n");
  auto clients = EnterThree("");
  Connection superuser = Direct();
  for (const bool encrypted : {false, true}) {
    WireClient& client = clients[0];
    client.Send(Query("SELECT pg_sleep(600)"));
    ASSERT_TRUE(Eventually([&] { return superuser.Query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").rows() == 1; }));
    WireClient cancel(pgweir().port());
    if (encrypted) {
      cancel.Send(SslRequestBytes());
      ASSERT_EQ(cancel.ReadBytes(1), "S");
      ASSERT_TRUE(cancel.StartTls());
    }
    cancel.Send(CancelBytes(client.process_id(), client.key()));
    const auto answer = client.ReadUntil('Z');
    ASSERT_FALSE(answer.empty());
    const auto error = std::find_if(answer.begin(), answer.end(), [](const Message& message) { return message.type == 'E'; });
    ASSERT_NE(error, answer.end()) << encrypted;
    EXPECT_EQ(ErrorField(*error, 'C'), "57014") << encrypted;
  }
}

TEST_F(AddressLimitTest, OneTooManyHearsItThroughTls) {
  StartWithTls("max_client_conn_per_address = 3\n");
  const auto clients = EnterThree("");
  Connection refused = TryConnect("app", "app", "sslmode=require");
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("max_client_conn_per_address is 3"), std::string::npos) << refused.error();
}

TEST_F(AddressLimitTest, TheRate) {
  StartPgweir(trusted_ + "client_connect_rate = 1\n");
  // On a slow machine a second may pass between two of them.
  std::string outcome;
  ASSERT_TRUE(Eventually([&] {
    WireClient client = ClientWith(LineFor("10.1.2.3"));
    outcome = Outcome(client, app_);
    if (outcome == "in") return false;
    const std::regex detail("address 10\\.1\\.2\\.3 has [01] connections; the next new one is let in after [0-9]+ ms");
    EXPECT_TRUE(std::regex_match(ErrorField(client.error(), 'D'), detail)) << ErrorField(client.error(), 'D');
    EXPECT_EQ(ErrorField(client.error(), 'S'), "FATAL");
    return true;
  }));
  EXPECT_EQ(outcome, "53300 too many new connections from this address (client_connect_rate is 1 per second)");
  EXPECT_EQ(Outcome(LineFor("10.1.2.4")), "in") << "another address";
  EXPECT_TRUE(Eventually([&] { return Outcome(LineFor("10.1.2.3")) == "in"; })) << "a second later";
  EXPECT_NE(Ask("SELECT count FROM errors WHERE name = 'client_connect_rate'"), "0");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Console().Query("SHOW VERSION").ok()) << "the Unix socket has no rate";
}

TEST_F(AddressLimitTest, OneTooFastGetsNoHandshake) {
  StartWithTls("client_connect_rate = 1\n");
  ASSERT_TRUE(Eventually([&] {
    WireClient client(pgweir().port());
    client.Send(SslRequestBytes());
    const auto answer = client.ReadBytes(1);
    if (answer == "S") return false;
    EXPECT_EQ(answer, "E");
    const auto rest = client.ReadBytes(4);
    EXPECT_TRUE(rest.has_value());
    if (!rest) return true;
    const std::string body = client.ReadBytes(Int32At(*rest, 0) - 4).value_or("");
    EXPECT_NE(body.find("client_connect_rate is 1 per second"), std::string::npos) << body;
    EXPECT_TRUE(client.AtEnd());
    return true;
  }));
}

TEST_F(AddressLimitTest, AReloadChangesTheLimits) {
  StartPgweir(trusted_);
  auto clients = EnterThree(LineFor("10.1.2.3"));
  clients.push_back(Enter(LineFor("10.1.2.3")));
  ReloadWith(three_);
  EXPECT_EQ(Outcome(LineFor("10.1.2.3")), kFull) << "those from before the limit count";
  for (auto& client : clients) EXPECT_EQ(client.Value("SELECT 1"), "1");
  EXPECT_EQ(Ask("SELECT value FROM config WHERE key = 'max_client_conn_per_address'"), "3");
  ReloadWith(trusted_ + "max_client_conn_per_address = 5\n");
  WireClient fifth = Enter(LineFor("10.1.2.3"));
  EXPECT_NE(Outcome(LineFor("10.1.2.3")), "in");
  ReloadWith(trusted_);
  EXPECT_EQ(Outcome(LineFor("10.1.2.3")), "in");
}

}  // namespace
}  // namespace integration
