// TlsStream: handshake, bytes, ends and errors.
#include <algorithm>

#include "tests/unit/proxy/tls_fixture.h"

namespace proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(TlsTest, HandshakeAndBothDirections) {
  Link link(ForClients(ClientSide()), ForServers(ServerSide()));
  EXPECT_EQ(link.accepting->Description(), "");
  EXPECT_FALSE(link.accepting->HasPending());
  ASSERT_TRUE(link.Handshake()) << link.accepting->error_text() << link.connecting->error_text();
  EXPECT_EQ(link.accepting->Description(), "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519");
  EXPECT_EQ(link.connecting->Description(), link.accepting->Description());
  int partial_writes = 0;
  const std::string megabyte = RandomText(1 << 20);
  EXPECT_EQ(Send(*link.connecting, *link.accepting, "hello", &partial_writes), "hello");
  EXPECT_EQ(partial_writes, 0);
  EXPECT_TRUE(Send(*link.connecting, *link.accepting, megabyte, &partial_writes) == megabyte);
  EXPECT_GT(partial_writes, 0);
  EXPECT_TRUE(Send(*link.accepting, *link.connecting, megabyte, &partial_writes) == megabyte);
}

TEST_F(TlsTest, ServerNameIsSentForNamesOnly) {
  const auto server_name = [&](std::string_view host) -> std::string {
    Link link(ForClients(ClientSide()), ForServers(ServerSide()), host);
    std::string name = "none";
    SSL_CTX_set_tlsext_servername_arg(link.accept_context->get(), &name);
    SSL_CTX_set_tlsext_servername_callback(link.accept_context->get(), +[](SSL* ssl, int*, void* seen) {
      const char* sent = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
      if (sent != nullptr) *static_cast<std::string*>(seen) = sent;
      return SSL_TLSEXT_ERR_OK;
    });
    EXPECT_TRUE(link.Handshake());
    return name;
  };
  EXPECT_EQ(server_name("db.example.test"), "db.example.test");
  EXPECT_EQ(server_name("db.example.test."), "db.example.test");
  EXPECT_EQ(server_name("127.0.0.1"), "none");
  EXPECT_EQ(server_name("::1"), "none");
  EXPECT_EQ(server_name("fe80::1%eth0"), "none");
  EXPECT_EQ(server_name(""), "none");
}

TEST_F(TlsTest, PartialWritesIntoAFullSocket) {
  Link link(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_TRUE(link.Handshake());
  std::string buffer = RandomText(1 << 20);
  const std::string original = buffer;
  IoResult sent = {IoStatus::kOk, 0};
  while ((sent = link.accepting->Write(buffer.data(), buffer.size())).status == IoStatus::kOk) {
    ASSERT_GT(sent.bytes, 0U);
    ASSERT_LT(sent.bytes, buffer.size());
    buffer.erase(0, sent.bytes);
  }
  EXPECT_EQ(sent.status, IoStatus::kWantWrite);
  EXPECT_EQ(sent.bytes, 0U);
  // still full: the same answer again, and from a longer buffer, as when a client sent more meanwhile
  const std::string longer = buffer + "tail";
  EXPECT_EQ(link.accepting->Write(longer.data(), longer.size()).status, IoStatus::kWantWrite);
  std::string received = ReadAll(*link.connecting);
  int partial_writes = 0;
  received += Send(*link.accepting, *link.connecting, longer, &partial_writes);
  EXPECT_TRUE(received == original + "tail");
}

TEST_F(TlsTest, HasPendingTellsOfBytesThatNoEventAnnounces) {
  Link link(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_TRUE(link.Handshake());
  EXPECT_EQ(ReadAll(*link.connecting), "");
  EXPECT_FALSE(link.connecting->HasPending());
  for (int i = 0; i < 3; i++) ASSERT_EQ(link.accepting->Write("abcdef", 6).status, IoStatus::kOk);
  std::string received;
  char bytes[4];
  do {
    const IoResult got = link.connecting->Read(bytes, sizeof bytes);
    if (got.status != IoStatus::kOk) break;
    received.append(bytes, got.bytes);
  } while (link.connecting->HasPending());
  EXPECT_EQ(received, "abcdefabcdefabcdef");
}

TEST_F(TlsTest, DataRightBehindTheHandshakeIsPending) {
  Link link(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_EQ(link.connecting->Handshake(), IoStatus::kWantRead);
  ASSERT_EQ(link.accepting->Handshake(), IoStatus::kWantRead);
  ASSERT_EQ(link.connecting->Handshake(), IoStatus::kOk);
  ASSERT_EQ(link.connecting->Write("startup", 7).status, IoStatus::kOk);
  ASSERT_EQ(link.accepting->Handshake(), IoStatus::kOk);
  EXPECT_TRUE(link.accepting->HasPending());
  EXPECT_EQ(ReadAll(*link.accepting), "startup");
  EXPECT_FALSE(link.accepting->HasPending());
}

TEST_F(TlsTest, ClientHelloByteByByte) {
  const Context accept = ForClients(ClientSide()), connect = ForServers(ServerSide());
  SocketPair whole, slow;
  auto connecting = TlsStream::Connect(*connect, whole.client(), "localhost");
  ASSERT_EQ(connecting->Handshake(), IoStatus::kWantRead);
  char bytes[4096];
  const ssize_t size = recv(whole.server(), bytes, sizeof bytes, 0);
  ASSERT_GT(size, 100);
  auto accepting = TlsStream::Accept(*accept, slow.server(), false);
  for (ssize_t i = 0; i < size; i++) {
    ASSERT_EQ(accepting->Handshake(), IoStatus::kWantRead);
    ASSERT_FALSE(accepting->HasPending());
    ASSERT_LT(recv(slow.client(), bytes + size, 1, 0), 0) << "an answer before the question is complete";
    ASSERT_EQ(write(slow.client(), bytes + i, 1), 1);
  }
  EXPECT_EQ(accepting->Handshake(), IoStatus::kWantRead);
  EXPECT_GT(recv(slow.client(), bytes, sizeof bytes, 0), 500) << "ServerHello up to Finished";
}

TEST_F(TlsTest, AHalfRecordIsNotPending) {
  Link link(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_TRUE(link.Handshake());
  ASSERT_EQ(ReadAll(*link.connecting), "");
  ASSERT_EQ(link.accepting->Write("abcdef", 6).status, IoStatus::kOk);
  char record[128];
  const ssize_t size = recv(link.sockets.client(), record, sizeof record, 0);
  ASSERT_GT(size, 10);
  // what is written to the server's end arrives at the client's, as if the record had come in two packets
  ASSERT_EQ(write(link.sockets.server(), record, 10), 10);
  char bytes[16];
  EXPECT_EQ(link.connecting->Read(bytes, sizeof bytes).status, IoStatus::kWantRead);
  EXPECT_FALSE(link.connecting->HasPending());
  ASSERT_EQ(write(link.sockets.server(), record + 10, static_cast<size_t>(size - 10)), size - 10);
  EXPECT_EQ(ReadAll(*link.connecting), "abcdef");
}

TEST_F(TlsTest, EndOfStreamWithAndWithoutCloseNotify) {
  char byte;
  {
    Link link(ForClients(ClientSide()), ForServers(ServerSide()));
    ASSERT_TRUE(link.Handshake());
    ASSERT_EQ(link.connecting->Write("bye", 3).status, IoStatus::kOk);
    link.connecting->Shutdown();
    EXPECT_EQ(ReadAll(*link.accepting), "bye");
    EXPECT_EQ(link.accepting->Read(&byte, 1).status, IoStatus::kEof);
    EXPECT_EQ(link.accepting->error_text(), "");
    link.accepting->Shutdown();
  }
  {
    Link link(ForClients(ClientSide()), ForServers(ServerSide()));
    ASSERT_TRUE(link.Handshake());
    ASSERT_EQ(ReadAll(*link.connecting), "");
    link.sockets.CloseClient();
    EXPECT_EQ(link.accepting->Read(&byte, 1).status, IoStatus::kEof);
  }
  {
    Link link(ForClients(ClientSide()), ForServers(ServerSide()));
    link.sockets.CloseClient();
    EXPECT_EQ(link.accepting->Handshake(), IoStatus::kEof);
    link.accepting->Shutdown();
  }
}

TEST_F(TlsTest, ResetAndBrokenPipeAreErrorsWithAText) {
  Link link(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_TRUE(link.Handshake());
  // the tickets and this text lie unread in the closed socket: that is a reset
  ASSERT_EQ(link.accepting->Write("unread", 6).status, IoStatus::kOk);
  link.sockets.CloseClient();
  char byte;
  EXPECT_EQ(link.accepting->Read(&byte, 1).status, IoStatus::kError);
  EXPECT_THAT(link.accepting->error_text(), HasSubstr("Connection reset by peer"));
  EXPECT_EQ(link.accepting->Write("more", 4).status, IoStatus::kError);
  EXPECT_EQ(link.accepting->Handshake(), IoStatus::kError);
  link.accepting->Shutdown();

  Link other(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_TRUE(other.Handshake());
  ASSERT_EQ(ReadAll(*other.connecting), "");
  other.sockets.CloseClient();
  EXPECT_EQ(other.accepting->Write("more", 4).status, IoStatus::kError);
  EXPECT_THAT(other.accepting->error_text(), HasSubstr("Broken pipe"));
}

TEST_F(TlsTest, NothingToMoveIsOk) {
  Link link(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_TRUE(link.Handshake());
  char byte;
  EXPECT_EQ(link.accepting->Write("", 0).status, IoStatus::kOk);
  EXPECT_EQ(link.accepting->Read(&byte, 0).status, IoStatus::kOk);
  EXPECT_EQ(link.accepting->Read(&byte, 1).status, IoStatus::kWantRead);
}

TEST_F(TlsTest, GarbageInsteadOfClientHello) {
  const Context context = ForClients(ClientSide());
  const std::string startup = std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8);
  for (const std::string& garbage : {std::string("GET / HTTP/1.0\r\n\r\n"), startup, std::string(300, '\xff')}) {
    SocketPair sockets;
    auto stream = TlsStream::Accept(*context, sockets.server(), false);
    ASSERT_EQ(write(sockets.client(), garbage.data(), garbage.size()), static_cast<ssize_t>(garbage.size()));
    EXPECT_EQ(stream->Handshake(), IoStatus::kError);
    EXPECT_THAT(stream->error_text(), StartsWith("TLS: "));
    EXPECT_EQ(stream->Handshake(), IoStatus::kError) << "an error stays";
    stream->Shutdown();
    EXPECT_EQ(stream->Description(), "");
  }
}

TEST_F(TlsTest, DamagedClientHelloNeverComesThrough) {
  const Context accept = ForClients(ClientSide());
  const Context connect = ForServers(ServerSide());
  std::mt19937 random(11);
  for (int round = 0; round < 300; round++) {
    SocketPair whole, damaged;
    auto connecting = TlsStream::Connect(*connect, whole.client(), "localhost");
    ASSERT_EQ(connecting->Handshake(), IoStatus::kWantRead);
    char hello[4096];
    const ssize_t size = recv(whole.server(), hello, sizeof hello, 0);
    ASSERT_GT(size, 100);
    for (int i = 0; i < 3; i++) hello[random() % static_cast<size_t>(size)] ^= static_cast<char>(1 + random() % 255);
    ASSERT_EQ(write(damaged.client(), hello, static_cast<size_t>(size)), size);
    shutdown(damaged.client(), SHUT_WR);
    auto accepting = TlsStream::Accept(*accept, damaged.server(), true);
    IoStatus status = accepting->Handshake();
    if (status == IoStatus::kWantRead) status = accepting->Handshake();
    ASSERT_TRUE(status == IoStatus::kError || status == IoStatus::kEof) << static_cast<int>(status);
    ASSERT_EQ(status == IoStatus::kError, !accepting->error_text().empty());
  }
}

}  // namespace
}  // namespace proxy
