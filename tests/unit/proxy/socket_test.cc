// Socket over a socketpair: partial writes, writes of pieces, watermarks, pauses by reason, memory, breakage, loops, TLS.
#include "proxy/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "tests/unit/proxy/loop_fixture.h"
#include "tests/unit/proxy/tls_fixture.h"

namespace proxy {
namespace {

class Recorder final : public SocketHandler {
 public:
  void OnReadable() override {
    ++readable;
    if (on_readable) on_readable();
  }
  void OnWritable() override {
    ++writable;
    if (on_writable) on_writable();
  }
  void OnDrained() override {
    ++drained;
    if (on_drained) on_drained();
  }
  void OnBroken() override { ++broken; }
  int readable = 0, writable = 0, drained = 0, broken = 0;
  std::function<void()> on_readable, on_writable, on_drained;
};

class SocketTest : public LoopTest {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    socket_ = std::make_unique<Socket>(loop_, fds[0], recorder_);
    peer_ = fds[1];
    handler_ = &recorder_;
    recorder_.on_readable = [this] { ReadSome(); };
  }
  void TearDown() override { ClosePeer(); }
  void ClosePeer() {
    if (peer_ >= 0) close(peer_);
    peer_ = -1;
  }
  void ReadSome() {
    char bytes[512];
    last_ = socket_->Read(bytes, sizeof bytes);
    if (last_.status == IoStatus::kOk) received_.append(bytes, last_.bytes);
    if (last_.status == IoStatus::kEof)
      socket_->Pause(PauseReason::kEnding);  // as owners do: the end is announced for ever
  }
  void SendFromPeer(std::string_view text) { ASSERT_EQ(send(peer_, text.data(), text.size(), 0), std::ssize(text)); }
  // What has arrived at the peer; at most `limit` bytes.
  std::string TakeAtPeer(size_t limit = SIZE_MAX) { return TakeAll(peer_, limit); }
  // More than the kernel takes at once.
  static std::string Big() {
    std::string text(2 * 1024 * 1024, '\0');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 1000) % 26);
    return text;
  }
  void RunQuietTurns() {
    for (int i = 0; i < 5; ++i) Turn();
  }

  Recorder recorder_;
  SocketHandler* handler_ = nullptr;
  std::unique_ptr<Socket> socket_;
  int peer_ = -1;
  IoResult last_{IoStatus::kOk, 0};
  std::string received_;
};

TEST_F(SocketTest, ReadsCountsAndSeesTheEnd) {
  socket_->StartReading();
  SendFromPeer("hello");
  ASSERT_TRUE(Until([&] { return received_ == "hello"; }));
  EXPECT_EQ(socket_->bytes_in(), 5u);
  ClosePeer();
  ASSERT_TRUE(Until([&] { return last_.status == IoStatus::kEof; }));
}

// A child that has been forked and has not yet become another program holds the same open file (PAM modules start helpers).
TEST_F(SocketTest, OneThatHasGoneIsNotToldOfAlthoughItsOpenFileLivesOn) {
  socket_->StartReading();
  const int copy = dup(socket_->fd());
  ASSERT_GE(copy, 0);
  int told = 0;
  recorder_.on_readable = [&] { ++told; };
  socket_.reset();
  SendFromPeer("too late");
  Turn();
  EXPECT_EQ(told, 0);
  close(copy);
}

TEST_F(SocketTest, PeekLeavesTheByte) {
  EXPECT_EQ(socket_->Peek(), -1);
  SendFromPeer("\x16rest");
  EXPECT_EQ(socket_->Peek(), 0x16);
  ReadSome();
  EXPECT_EQ(received_, "\x16rest");
  ReadSome();
  EXPECT_EQ(last_.status, IoStatus::kWantRead);
}

TEST_F(SocketTest, ASmallWriteLeavesAtOnceAndKeepsNoMemory) {
  const size_t empty = socket_->buffer_bytes();
  EXPECT_TRUE(socket_->Write("answer"));
  EXPECT_EQ(TakeAtPeer(), "answer");
  EXPECT_EQ(socket_->unsent(), 0u);
  EXPECT_EQ(socket_->buffer_bytes(), empty);
  EXPECT_EQ(socket_->bytes_out(), 6u);
}

TEST_F(SocketTest, PartialWritesAreKeptInOrderAndMemoryIsGivenBack) {
  const std::string big = Big();
  ASSERT_TRUE(socket_->Write(big));
  ASSERT_GT(socket_->unsent(), 0u) << "the kernel took everything: the test proves nothing";
  ASSERT_TRUE(socket_->Write("tail"));
  std::string got;
  ASSERT_TRUE(Until([&] {
    got += TakeAtPeer();
    return got.size() == big.size() + 4;
  }));
  EXPECT_TRUE(got == big + "tail");
  EXPECT_EQ(socket_->unsent(), 0u);
  EXPECT_EQ(socket_->bytes_out(), big.size() + 4);
  EXPECT_LE(socket_->buffer_bytes(), kUnsentKeptBytes);
  EXPECT_GE(recorder_.drained, 1);
}

std::vector<iovec> Pieces(const std::vector<std::string>& texts) {
  std::vector<iovec> pieces;
  for (const std::string& text : texts) pieces.push_back({const_cast<char*>(text.data()), text.size()});
  return pieces;
}

TEST_F(SocketTest, PiecesLeaveInOrderAndKeepNoMemory) {
  const std::vector<std::string> texts = {"one", "", "two", "three"};
  for (size_t count = 0; count <= texts.size(); ++count) {
    const uint64_t out = socket_->bytes_out();
    const std::vector<std::string> some(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(count));
    std::string all;
    for (const std::string& text : some) all += text;
    EXPECT_TRUE(socket_->Write(Pieces(some)));
    EXPECT_EQ(TakeAtPeer(), all);
    EXPECT_EQ(socket_->unsent(), 0u);
    EXPECT_EQ(socket_->bytes_out(), out + all.size());
  }
}

// The kernel takes a part that ends inside any one of the pieces: behind what it took before, in the first, in the
// last.
TEST_F(SocketTest, PiecesThatTheKernelTakesInPart) {
  const std::string big = Big();
  for (const size_t first : {size_t{1}, big.size() / 100, big.size() / 2, big.size() - 1}) {
    SCOPED_TRACE(first);
    const std::vector<std::string> texts = {big.substr(0, first), big.substr(first), "tail"};
    const uint64_t out = socket_->bytes_out();
    ASSERT_TRUE(socket_->Write(Pieces(texts)));
    ASSERT_GT(socket_->unsent(), 0u) << "the kernel took everything: the test proves nothing";
    EXPECT_EQ(socket_->bytes_out() - out + socket_->unsent(), big.size() + 4);
    std::string got;
    ASSERT_TRUE(Until([&] {
      got += TakeAtPeer();
      return got.size() == big.size() + 4;
    }));
    EXPECT_TRUE(got == big + "tail");
    EXPECT_EQ(socket_->unsent(), 0u);
    EXPECT_EQ(socket_->bytes_out(), out + big.size() + 4);
  }
}

TEST_F(SocketTest, PiecesWaitBehindWhatIsUnsent) {
  const std::string big = Big();
  ASSERT_TRUE(socket_->Write(big));
  const size_t unsent = socket_->unsent();
  ASSERT_GT(unsent, 0u);
  ASSERT_TRUE(socket_->Write(Pieces({"one", "two"})));  // the buffer is full: nothing of it leaves
  EXPECT_EQ(socket_->unsent(), unsent + 6);
  TakeAtPeer(64 * 1024);  // there is room, and still nothing may overtake
  ASSERT_TRUE(socket_->Write(Pieces({"three", "four"})));
  std::string got;
  ASSERT_TRUE(Until([&] {
    got += TakeAtPeer();
    return socket_->unsent() == 0 && got.ends_with("four");
  }));
  EXPECT_TRUE(got.ends_with("onetwothreefour"));
}

TEST_F(SocketTest, PiecesForAFullKernelAreAllKept) {
  const std::string filler(64 * 1024, 'x');
  size_t filled = 0;
  for (ssize_t n = 0; (n = send(socket_->fd(), filler.data(), filler.size(), MSG_NOSIGNAL)) > 0;)
    filled += static_cast<size_t>(n);
  ASSERT_TRUE(socket_->Write(Pieces({"one", "two"})));
  EXPECT_EQ(socket_->unsent(), 6u);
  std::string got;
  ASSERT_TRUE(Until([&] {
    got += TakeAtPeer();
    return got.size() == filled + 6;
  }));
  EXPECT_TRUE(got.ends_with("xonetwo"));
}

TEST_F(SocketTest, PiecesForAClosedPeerAreFalse) {
  ClosePeer();
  EXPECT_FALSE(socket_->Write(Pieces({"one", "two"})));
}

TEST_F(SocketTest, OnDrainedComesWhenNothingIsUnsent) {
  size_t unsent_at_drained = SIZE_MAX;
  recorder_.on_drained = [&] { unsent_at_drained = socket_->unsent(); };
  const std::string big = Big();
  ASSERT_TRUE(socket_->Write(big));
  size_t taken = 0;
  while (socket_->unsent() > 0) {
    EXPECT_EQ(recorder_.drained, 0) << "told with " << socket_->unsent() << " bytes unsent";
    const size_t now = TakeAtPeer(8192).size();
    taken += now;
    Turn();
    ASSERT_LE(taken, big.size());
    if (now == 0) break;
  }
  ASSERT_TRUE(Until([&] { return recorder_.drained > 0; }));
  EXPECT_EQ(recorder_.drained, 1);
  EXPECT_EQ(unsent_at_drained, 0u);
}

TEST_F(SocketTest, AfterTheDrainNothingIsWatchedAnyMore) {
  ASSERT_TRUE(socket_->Write(Big()));
  ASSERT_TRUE(Until([&] {
    TakeAtPeer();
    return socket_->unsent() == 0;
  }));
  const int drained = recorder_.drained;
  RunQuietTurns();
  EXPECT_EQ(recorder_.drained, drained) << "an empty socket is writable all the time: it would spin";
  EXPECT_EQ(recorder_.writable, 0);
}

TEST_F(SocketTest, WriteFromOnDrainedGoesOn) {
  bool has_refilled = false;
  recorder_.on_drained = [&] {
    if (std::exchange(has_refilled, true)) return;
    EXPECT_TRUE(socket_->Write(Big() + "END"));
  };
  const size_t all = 2 * Big().size() + 3;
  ASSERT_TRUE(socket_->Write(Big()));
  std::string got;
  ASSERT_TRUE(Until([&] {
    got += TakeAtPeer();
    return got.size() == all;
  }));
  EXPECT_TRUE(got.ends_with("END"));
}

TEST_F(SocketTest, TwoPauseReasonsNeverCancelEachOther) {
  socket_->StartReading();
  socket_->Pause(PauseReason::kPeerFull);
  socket_->Pause(PauseReason::kInputFull);
  socket_->Pause(PauseReason::kInputFull);
  SendFromPeer("x");
  RunQuietTurns();
  EXPECT_EQ(recorder_.readable, 0);
  socket_->Resume(PauseReason::kInputFull);
  RunQuietTurns();
  EXPECT_EQ(recorder_.readable, 0) << "one reason was taken for the other";
  EXPECT_TRUE(socket_->is_paused());
  socket_->Resume(PauseReason::kPeerFull);
  EXPECT_FALSE(socket_->is_paused());
  ASSERT_TRUE(Until([&] { return received_ == "x"; }));
}

TEST_F(SocketTest, ResumeOfAReasonThatWasNotThereChangesNothing) {
  socket_->StartReading();
  socket_->Pause(PauseReason::kConsole);
  socket_->Resume(PauseReason::kOwed);
  SendFromPeer("x");
  RunQuietTurns();
  EXPECT_EQ(recorder_.readable, 0);
}

TEST_F(SocketTest, PausedBeforeReadingBeginsStaysPaused) {
  socket_->Pause(PauseReason::kLeaving);
  socket_->StartReading();
  SendFromPeer("x");
  RunQuietTurns();
  EXPECT_EQ(recorder_.readable, 0);
  socket_->Resume(PauseReason::kLeaving);
  ASSERT_TRUE(Until([&] { return received_ == "x"; }));
}

TEST_F(SocketTest, ResumeWithoutStartReadingDoesNotBeginToRead) {
  socket_->Pause(PauseReason::kPeerFull);
  socket_->Resume(PauseReason::kPeerFull);
  SendFromPeer("x");
  RunQuietTurns();
  EXPECT_EQ(recorder_.readable, 0);
}

TEST_F(SocketTest, WriteToAClosedPeerIsFalseAndADeferredOneIsOnBroken) {
  ASSERT_TRUE(socket_->Write(Big()));
  ASSERT_GT(socket_->unsent(), 0u);
  ClosePeer();
  ASSERT_TRUE(Until([&] { return recorder_.broken > 0; }));
  RunQuietTurns();
  EXPECT_EQ(recorder_.broken, 1) << "broken is told once";
}

TEST_F(SocketTest, WriteToAClosedPeerIsFalse) {
  ClosePeer();
  EXPECT_FALSE(socket_->Write("x"));
}

TEST_F(SocketTest, WatchConnectTellsOnceThatItIsWritable) {
  socket_->WatchConnect();
  ASSERT_TRUE(Until([&] { return recorder_.writable > 0; }));
  RunQuietTurns();
  EXPECT_EQ(recorder_.writable, 1);
}

TEST_F(SocketTest, ShutdownEndsTheWritingSideOnly) {
  socket_->StartReading();
  ASSERT_TRUE(socket_->Write("bye"));
  socket_->Shutdown();
  char bytes[8];
  EXPECT_EQ(recv(peer_, bytes, sizeof bytes, 0), 3);
  EXPECT_EQ(recv(peer_, bytes, sizeof bytes, 0), 0);
  SendFromPeer("still");
  ASSERT_TRUE(Until([&] { return received_ == "still"; }));
}

TEST_F(SocketTest, MovesToAnotherLoopAndIsDeafOnTheFirst) {
  socket_->StartReading();
  Recorder other;
  EventLoop second;
  socket_->Detach();
  SendFromPeer("after the move");
  RunQuietTurns();
  EXPECT_EQ(recorder_.readable, 0);
  other.on_readable = [this] { ReadSome(); };
  socket_->Attach(second, other);
  ASSERT_TRUE(test_support::Eventually([&] {
    Turn(second);
    return received_ == "after the move";
  }));
  RunQuietTurns();
  EXPECT_EQ(recorder_.readable, 0);
  // Deferred writes belong to the new loop as well, also after one on the old loop.
  const std::string big = Big();
  ASSERT_TRUE(socket_->Write(big));
  std::string got;
  ASSERT_TRUE(test_support::Eventually([&] {
    Turn(second);
    got += TakeAtPeer();
    return got.size() == big.size();
  }));
  EXPECT_TRUE(got == big);
  EXPECT_GT(other.drained, 0);
  EXPECT_EQ(recorder_.drained, 0);
  socket_.reset();  // before its loop
}

TEST_F(SocketTest, MovesAfterADeferredWriteOnTheFirstLoop) {
  ASSERT_TRUE(socket_->Write(Big()));
  ASSERT_TRUE(Until([&] {
    TakeAtPeer();
    return socket_->unsent() == 0;
  }));
  EventLoop second;
  Recorder other;
  socket_->Detach();
  socket_->Attach(second, other);
  ASSERT_TRUE(socket_->Write(Big()));
  ASSERT_TRUE(test_support::Eventually([&] {
    Turn(second);
    TakeAtPeer();
    return socket_->unsent() == 0;
  }));
  EXPECT_GT(other.drained, 0);
  socket_.reset();
}

TEST_F(SocketTest, APauseMovesAlong) {
  socket_->StartReading();
  socket_->Pause(PauseReason::kOwed);
  EventLoop second;
  Recorder other;
  socket_->Detach();
  socket_->Attach(second, other);
  SendFromPeer("x");
  for (int i = 0; i < 5; ++i) Turn(second);
  EXPECT_EQ(other.readable, 0);
  socket_->Resume(PauseReason::kOwed);
  for (int i = 0; i < 5; ++i) Turn(second);
  EXPECT_GT(other.readable, 0);
  socket_.reset();
}

TEST_F(SocketTest, NamesOfAUnixSocket) {
  EXPECT_EQ(RemoteName(socket_->fd()).address, "unix");
  EXPECT_EQ(RemoteName(socket_->fd()).port, 0);
}

int OptionOf(int fd, int level, int option) {
  int value = -1;
  socklen_t length = sizeof value;
  getsockopt(fd, level, option, &value, &length);
  return value;
}

TEST(TuneTcpTest, SetsWhatIsAskedFor) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TuneTcp(fd, {.count = 4, .idle_s = 31, .interval_s = 7, .user_timeout_ms = 12'345});
  EXPECT_NE(OptionOf(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(OptionOf(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
  EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPIDLE), 31);
  EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
  EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12'345);
  close(fd);
}

TEST(TuneTcpTest, KeepAliveOff) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TuneTcp(fd, {.count = 4, .on = false});
  EXPECT_EQ(OptionOf(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_NE(OptionOf(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  close(fd);
}

// Both ends are Sockets on one loop: pgweir toward a client and pgweir toward a server.
class TlsSocketTest : public TlsTest {
 protected:
  struct End {
    Recorder recorder;
    std::unique_ptr<Socket> socket;
    bool is_up = false, has_failed = false;
    std::string received;
    size_t read_size = 1000;

    void Drive() {
      if (is_up) return ReadAllThere();
      const IoStatus status = socket->Handshake();
      if (status == IoStatus::kError || status == IoStatus::kEof) has_failed = true;
      is_up = status == IoStatus::kOk;
    }
    void ReadAllThere() {
      std::string bytes(read_size, '\0');
      const IoResult result = socket->Read(bytes.data(), bytes.size());
      if (result.status == IoStatus::kOk)
        received.append(bytes, 0, result.bytes);
      else if (result.status != IoStatus::kWantRead && result.status != IoStatus::kWantWrite)
        socket->Pause(PauseReason::kEnding);
    }
  };
  void SetUp() override {
    accept_context_ = ForClients(ClientSide());
    connect_context_ = ForServers(ServerSide(conf::TlsMode::kVerifyFull));
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client_.socket = std::make_unique<Socket>(loop_, fds[0], client_.recorder);
    server_.socket = std::make_unique<Socket>(loop_, fds[1], server_.recorder);
    client_.socket->StartTls(TlsStream::Accept(*accept_context_, fds[0], false));
    server_.socket->StartTls(TlsStream::Connect(*connect_context_, fds[1], "localhost"));
    for (End* end : {&client_, &server_}) {
      end->recorder.on_readable = [end] { end->Drive(); };
      end->recorder.on_writable = [end] { end->Drive(); };
      end->socket->StartReading();
    }
    server_.Drive();
    ASSERT_TRUE(Until([&] { return client_.is_up && server_.is_up; })) << client_.socket->tls()->error_text();
  }
  template <class Condition>
  bool Until(Condition&& condition) {
    return test_support::Eventually([&] {
      while (loop_.Turn(EventLoop::Wait::kNo)) {
      }
      return condition() || client_.has_failed || server_.has_failed;
    });
  }

  EventLoop loop_;
  Context accept_context_, connect_context_;
  End client_, server_;
};

TEST_F(TlsSocketTest, LargeAnswersInBothDirectionsAtOnce) {
  const std::string down = RandomText(3'000'000), up = RandomText(1'000'000);
  ASSERT_TRUE(client_.socket->Write(down));
  ASSERT_TRUE(server_.socket->Write(up));
  EXPECT_GT(client_.socket->unsent(), 0u);
  ASSERT_TRUE(Until([&] { return server_.received.size() == down.size() && client_.received.size() == up.size(); }));
  EXPECT_TRUE(server_.received == down);
  EXPECT_TRUE(client_.received == up);
  EXPECT_LE(client_.socket->buffer_bytes(), kUnsentKeptBytes);
  EXPECT_GT(client_.recorder.drained, 0);
}

TEST_F(TlsSocketTest, PiecesAreOneStream) {
  const std::string text = RandomText(2'000'000);
  const std::vector<std::string> texts = {text.substr(0, 10), text.substr(10, 1'500'000), text.substr(1'500'010)};
  ASSERT_TRUE(client_.socket->Write(Pieces(texts)));
  ASSERT_TRUE(Until([&] { return server_.received.size() == text.size(); }));
  EXPECT_TRUE(server_.received == text);
}

TEST_F(TlsSocketTest, BytesInsideOpensslAreNotForgottenByShortReads) {
  server_.read_size = 7;  // one record of 1000 bytes is announced by the kernel once
  const std::string text = RandomText(1000);
  ASSERT_TRUE(client_.socket->Write(text));
  ASSERT_TRUE(Until([&] { return server_.received.size() == text.size(); }));
  EXPECT_TRUE(server_.received == text);
}

TEST_F(TlsSocketTest, BytesInsideOpensslWaitForTheEndOfAPause) {
  server_.read_size = 10;
  server_.recorder.on_readable = [&] {
    server_.Drive();
    server_.socket->Pause(PauseReason::kPeerFull);
  };
  ASSERT_TRUE(client_.socket->Write(RandomText(100)));
  ASSERT_TRUE(Until([&] { return server_.received.size() == 10; }));
  for (int i = 0; i < 5; ++i) loop_.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(server_.received.size(), 10u) << "a paused socket was read";
  server_.recorder.on_readable = [&] { server_.Drive(); };
  server_.socket->Resume(PauseReason::kPeerFull);
  EXPECT_TRUE(Until([&] { return server_.received.size() == 100; }));
}

TEST_F(TlsSocketTest, MovesBetweenLoops) {
  EventLoop second;
  server_.socket->Detach();
  server_.socket->Attach(second, server_.recorder);
  ASSERT_TRUE(client_.socket->Write("to the other loop"));
  ASSERT_TRUE(test_support::Eventually([&] {
    loop_.Turn(EventLoop::Wait::kNo);
    second.Turn(EventLoop::Wait::kNo);
    return server_.received == "to the other loop";
  }));
  server_.socket.reset();
}

}  // namespace
}  // namespace proxy
