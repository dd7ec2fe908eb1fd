// SendBatch: what the sockets of a loop send in one turn leaves at its end, in order, whole, and a failure is told once.
#include "proxy/send_batch.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "proxy/socket.h"
#include "tests/support/forbidden_call.h"
#include "tests/unit/proxy/loop_fixture.h"
#include "tests/unit/proxy/tls_fixture.h"

namespace proxy {
namespace {

// A socket on the loop and its other end.
class Pair final : public SocketHandler {
 public:
  explicit Pair(EventLoop& loop) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) throw std::runtime_error("socketpair");
    socket = std::make_unique<Socket>(loop, fds[0], *this);
    peer_ = fds[1];
  }
  ~Pair() { ClosePeer(); }
  void ClosePeer() {
    if (peer_ >= 0) close(peer_);
    peer_ = -1;
  }
  std::string Arrived(size_t limit = SIZE_MAX) { return TakeAll(peer_, limit); }
  void OnReadable() override {}
  void OnWritable() override {}
  void OnDrained() override { ++drained; }
  void OnBroken() override {
    ++broken;
    if (on_broken) on_broken();
  }
  std::unique_ptr<Socket> socket;
  int drained = 0, broken = 0;
  std::function<void()> on_broken;

 private:
  int peer_ = -1;
};

class SendBatchTest : public LoopTest {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    auto batch = SendBatch::Make();
    if (!batch) GTEST_SKIP() << "no io_uring here: " << batch.error();
    loop_.UseBatch(*std::move(batch));
  }
  // Inside of a turn, as everything that a loop tells of.
  void InATurn(const std::function<void()>& what) {
    bool ran = false;
    loop_.Post([&] {
      what();
      ran = true;
    });
    ASSERT_TRUE(Until([&] { return ran; }));
  }
  std::vector<std::unique_ptr<Pair>> Pairs(size_t count) {
    std::vector<std::unique_ptr<Pair>> pairs;
    for (size_t i = 0; i < count; ++i) pairs.push_back(std::make_unique<Pair>(loop_));
    return pairs;
  }
};

TEST_F(SendBatchTest, WhatATurnSendsLeavesAtItsEnd) {
  const auto pairs = Pairs(3);
  InATurn([&] {
    for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write("answer"));
    for (const auto& pair : pairs) EXPECT_EQ(pair->Arrived(), "");
  });
  for (const auto& pair : pairs) {
    EXPECT_EQ(pair->Arrived(), "answer");
    EXPECT_EQ(pair->socket->bytes_out(), 6u);
    EXPECT_EQ(pair->socket->unsent(), 0u);
  }
}

TEST_F(SendBatchTest, OutsideOfATurnItLeavesAtOnce) {
  const auto pairs = Pairs(1);
  EXPECT_TRUE(pairs[0]->socket->Write("answer"));
  EXPECT_EQ(pairs[0]->Arrived(), "answer");
}

// A timer is all that is ready in its turn.
TEST_F(SendBatchTest, ATurnWithOneThingReadySendsAtOnceUnlessItGathers) {
  const auto pairs = Pairs(1);
  for (const bool gathers : {false, true}) {
    std::string seen;
    bool fired = false;
    Timer timer(loop_, [&] {
      if (gathers) loop_.Gather();
      EXPECT_TRUE(pairs[0]->socket->Write("last word,"));
      EXPECT_TRUE(pairs[0]->socket->Write("welcome"));
      seen = pairs[0]->Arrived();
      fired = true;
    });
    timer.Start(pool::Duration(0));
    ASSERT_TRUE(Until([&] { return fired; }));
    EXPECT_EQ(seen, gathers ? "" : "last word,welcome");
    EXPECT_EQ(pairs[0]->Arrived(), gathers ? "last word,welcome" : "");
  }
}

TEST_F(SendBatchTest, ThreeThatAreReadyShareTheirTurn) {
  for (size_t ready = 1; ready <= 4; ++ready) {
    const auto pairs = Pairs(1);
    struct Ready {
      explicit Ready(EventLoop& loop) : fd(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)), watch(loop, fd, &Ready::Fire, this) { watch.Want(Watch::kRead); }
      ~Ready() {
        watch.Leave();
        close(fd);
      }
      static void Fire(void* self, uint32_t) {
        auto& mine = *static_cast<Ready*>(self);
        mine.watch.Want(0);
        mine.fire();
      }
      int fd;
      Watch watch;
      std::function<void()> fire;
    };
    std::vector<std::unique_ptr<Ready>> all;
    size_t fired = 0;
    std::string seen;
    for (size_t i = 0; i < ready; ++i) {
      all.push_back(std::make_unique<Ready>(loop_));
      all.back()->fire = [&] {
        EXPECT_TRUE(pairs[0]->socket->Write("x"));
        seen += pairs[0]->Arrived();
        ++fired;
      };
    }
    ASSERT_TRUE(Until([&] { return fired == ready; }));
    EXPECT_EQ(seen, ready < 3 ? std::string(ready, 'x') : "");
    EXPECT_EQ(seen + pairs[0]->Arrived(), std::string(ready, 'x'));
  }
}

TEST_F(SendBatchTest, WhatATaskOfTheTurnsEndSendsBelongsToTheTurn) {
  const auto pairs = Pairs(2);
  InATurn([&] {
    loop_.AtEndOfTurn([&] {
      for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write("late"));
    });
  });
  for (const auto& pair : pairs) EXPECT_EQ(pair->Arrived(), "late");
}

TEST_F(SendBatchTest, TheBytesOfASocketKeepTheirOrder) {
  const auto pairs = Pairs(2);
  const std::string large(kBatchedBytesMax + 1, 'L');
  InATurn([&] {
    Socket& first = *pairs[0]->socket;
    EXPECT_TRUE(first.Write("one,"));
    EXPECT_TRUE(first.Write("two,"));
    EXPECT_TRUE(pairs[1]->socket->Write("between"));
    EXPECT_TRUE(first.Write("three,"));
    EXPECT_TRUE(first.Write(large));
    std::string four = ",fo", more = "ur";
    const iovec pieces[] = {{four.data(), four.size()}, {more.data(), more.size()}};
    EXPECT_TRUE(first.Write(pieces));
  });
  EXPECT_TRUE(pairs[0]->Arrived() == "one,two,three," + large + ",four");
  EXPECT_EQ(pairs[1]->Arrived(), "between");
}

TEST_F(SendBatchTest, MoreThanItHoldsLeavesEarly) {
  const auto pairs = Pairs(kBatchSocketsMax * 2 + 3);
  const std::string text(kBatchBytes / kBatchSocketsMax * 3, 't');
  InATurn([&] {
    for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write(text));
  });
  for (const auto& pair : pairs) EXPECT_TRUE(pair->Arrived() == text);
}

TEST_F(SendBatchTest, WhatTheKernelDoesNotTakeIsKeptAndFollows) {
  const auto pairs = Pairs(2);
  const std::string text(kBatchedBytesMax, 'k');
  std::string sent;
  while (pairs[0]->socket->unsent() == 0) {
    InATurn([&] {
      for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write(text));
    });
    sent += text;
    pairs[1]->Arrived();
    ASSERT_LT(sent.size(), size_t{64} << 20);
  }
  InATurn([&] { EXPECT_TRUE(pairs[0]->socket->Write("tail")); });
  std::string got;
  ASSERT_TRUE(Until([&] {
    got += pairs[0]->Arrived();
    return got.size() == sent.size() + 4;
  }));
  EXPECT_TRUE(got == sent + "tail");
  EXPECT_EQ(pairs[0]->socket->bytes_out(), got.size());
  EXPECT_GE(pairs[0]->drained, 1);
}

TEST_F(SendBatchTest, ABrokenConnectionIsToldOnceFromTheLoop) {
  const auto pairs = Pairs(3);
  pairs[1]->ClosePeer();
  InATurn([&] {
    for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write("answer"));
    EXPECT_EQ(pairs[1]->broken, 0);
  });
  EXPECT_EQ(pairs[1]->broken, 1);
  EXPECT_EQ(pairs[0]->Arrived() + pairs[2]->Arrived(), "answeranswer");
  EXPECT_EQ(pairs[0]->broken + pairs[2]->broken, 0);
  Turn();
  EXPECT_EQ(pairs[1]->broken, 1);
}

// A client that broke takes its neighbour with it before that one is told.
TEST_F(SendBatchTest, WhoHasGoneIsNotTold) {
  const auto pairs = Pairs(3);
  pairs[0]->ClosePeer();
  pairs[1]->ClosePeer();
  for (size_t i : {0u, 1u}) {
    pairs[i]->on_broken = [&, i] {
      pairs[1 - i]->socket.reset();
      EXPECT_TRUE(pairs[2]->socket->Write("told"));
    };
  }
  InATurn([&] {
    for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write("answer,"));
  });
  EXPECT_EQ(pairs[0]->broken + pairs[1]->broken, 1);
  EXPECT_EQ(pairs[2]->Arrived(), "answer,told");
}

TEST_F(SendBatchTest, ASocketThatEndsSendsFirst) {
  const auto pairs = Pairs(2);
  InATurn([&] {
    for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write("last words"));
    pairs[0]->socket.reset();
    EXPECT_EQ(pairs[0]->Arrived(), "last words");
    EXPECT_TRUE(pairs[1]->socket->SendBatched());
    EXPECT_EQ(pairs[1]->Arrived(), "last words");
    EXPECT_TRUE(pairs[1]->socket->Write("!"));
    pairs[1]->socket->Shutdown();
    EXPECT_EQ(pairs[1]->Arrived(), "!");
  });
}

TEST_F(SendBatchTest, ASocketThatGoesToAnotherLoopSendsFirst) {
  const auto pairs = Pairs(2);
  EventLoop other;
  InATurn([&] {
    for (const auto& pair : pairs) EXPECT_TRUE(pair->socket->Write("here,"));
    pairs[0]->socket->Detach();
    EXPECT_EQ(pairs[0]->Arrived(), "here,");
    pairs[0]->socket->Attach(other, *pairs[0]);
    EXPECT_TRUE(pairs[0]->socket->Write("there"));
    EXPECT_EQ(pairs[0]->Arrived(), "there");
  });
  EXPECT_EQ(pairs[1]->Arrived(), "here,");
  pairs[0]->socket.reset();
}

// Random writes of random sizes by several sockets, read at random: every stream arrives as it was written.
TEST_F(SendBatchTest, StreamsStayWhole) {
  std::mt19937 random(20261201);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  const auto pairs = Pairs(9);
  std::vector<std::string> sent(pairs.size()), got(pairs.size());
  for (int turn = 0; turn < 400; ++turn) {
    InATurn([&] {
      for (size_t writes = below(30); writes > 0; --writes) {
        const size_t i = below(pairs.size());
        std::string text(1 + below(below(5) == 0 ? 3 * kBatchedBytesMax : 300), static_cast<char>('a' + below(26)));
        if (below(3) == 0) {
          const iovec pieces[] = {{text.data(), text.size() / 2}, {text.data() + text.size() / 2, text.size() - text.size() / 2}};
          EXPECT_TRUE(pairs[i]->socket->Write(pieces));
        } else {
          EXPECT_TRUE(pairs[i]->socket->Write(text));
        }
        sent[i] += text;
      }
    });
    const size_t i = below(pairs.size());
    got[i] += pairs[i]->Arrived(1 + below(100000));
  }
  ASSERT_TRUE(Until([&] {
    bool all = true;
    for (size_t i = 0; i < pairs.size(); ++i) {
      got[i] += pairs[i]->Arrived();
      all = all && got[i].size() >= sent[i].size();
    }
    return all;
  }));
  for (size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_TRUE(got[i] == sent[i]) << i;
    EXPECT_EQ(pairs[i]->socket->bytes_out(), sent[i].size());
  }
}

// The kernel may refuse at any time. The filter stays with its thread, so the thread is the test's own.
TEST(SendBatchFailureTest, WhatTheRingDoesNotTakeIsSentAllTheSame) {
  std::string why;
  std::thread([&why] {
    EventLoop loop;
    auto batch = SendBatch::Make();
    if (!batch) {
      why = batch.error();
      return;
    }
    loop.UseBatch(*std::move(batch));
    Pair first(loop), second(loop);
    test_support::ForbidHere(SYS_io_uring_enter);
    for (int turn = 0; turn < 2; ++turn) {
      loop.Post([&] {
        EXPECT_TRUE(first.socket->Write("to the first"));
        EXPECT_TRUE(second.socket->Write("to the second"));
      });
      loop.Turn(EventLoop::Wait::kNo);
      EXPECT_EQ(first.Arrived(), "to the first");
      EXPECT_EQ(second.Arrived(), "to the second");
    }
  }).join();
  if (!why.empty()) GTEST_SKIP() << "no io_uring here: " << why;
}

// Both ends are sockets of the loop, and both write in its turns.
class SendBatchTlsTest : public TlsTest {
 protected:
  struct End final : SocketHandler {
    void OnReadable() override {
      if (!is_up) return Shake();
      char bytes[4000];
      const IoResult result = socket->Read(bytes, sizeof bytes);
      if (result.status == IoStatus::kOk) received.append(bytes, result.bytes);
    }
    void OnWritable() override { Shake(); }
    void OnDrained() override {}
    void OnBroken() override { ++broken; }
    void Shake() { is_up = socket->Handshake() == IoStatus::kOk; }
    std::unique_ptr<Socket> socket;
    bool is_up = false;
    int broken = 0;
    std::string received, sent;
  };
  void SetUp() override {
    auto batch = SendBatch::Make();
    if (!batch) GTEST_SKIP() << "no io_uring here: " << batch.error();
    loop_.UseBatch(*std::move(batch));
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    ends_[0].socket = std::make_unique<Socket>(loop_, fds[0], ends_[0]);
    ends_[1].socket = std::make_unique<Socket>(loop_, fds[1], ends_[1]);
  }
  void InATurn(std::function<void()> what) {
    loop_.Post(std::move(what));
    Turn();
  }
  void Turn() {
    while (loop_.Turn(EventLoop::Wait::kNo)) {
    }
  }
  template <class Condition>
  bool Until(Condition&& condition) {
    return test_support::Eventually([&] {
      Turn();
      return condition();
    });
  }
  void StartTls() {
    InATurn([this] {
      ends_[0].socket->StartTls(TlsStream::Accept(*accepts_, ends_[0].socket->fd(), false));
      ends_[1].socket->StartTls(TlsStream::Connect(*connects_, ends_[1].socket->fd(), "localhost"));
      for (End& end : ends_) end.socket->StartReading();
      ends_[1].Shake();
    });
    ASSERT_TRUE(Until([&] { return ends_[0].is_up && ends_[1].is_up; }));
  }

  EventLoop loop_;
  Context accepts_ = ForClients(ClientSide()), connects_ = ForServers(ServerSide(conf::TlsMode::kVerifyFull));
  End ends_[2];
};

// The answer to SSLRequest is in clear, and what follows is OpenSSL's.
TEST_F(SendBatchTlsTest, WhatIsInClearLeavesBeforeTls) {
  const auto seen = [this] {
    char byte = '-';
    return recv(ends_[1].socket->fd(), &byte, 1, 0) == 1 ? byte : '-';
  };
  char before = '?', after = '?';
  InATurn([&] {
    EXPECT_TRUE(ends_[0].socket->Write("S"));
    before = seen();
    ends_[0].socket->StartTls(TlsStream::Accept(*accepts_, ends_[0].socket->fd(), false));
    after = seen();
  });
  EXPECT_EQ(before, '-');
  EXPECT_EQ(after, 'S');
}

TEST_F(SendBatchTlsTest, RecordsOfATurnLeaveAtItsEnd) {
  StartTls();
  InATurn([&] {
    for (const char* text : {"one,", "two,", "three"}) EXPECT_TRUE(ends_[0].socket->Write(text));
    char byte = 0;
    EXPECT_EQ(recv(ends_[1].socket->fd(), &byte, 1, MSG_PEEK), -1);
    EXPECT_EQ(ends_[0].socket->unsent(), 0u);
  });
  EXPECT_TRUE(Until([&] { return ends_[1].received == "one,two,three"; }));
}

// Records that the kernel did not take whole are kept and follow, whatever is written meanwhile.
TEST_F(SendBatchTlsTest, StreamsStayWholeWhileTheKernelIsFull) {
  StartTls();
  std::mt19937 random(20261202);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  bool was_full = false;
  for (int turn = 0; turn < 600; ++turn) {
    for (End& end : ends_) {
      if (below(20) == 0) end.socket->Pause(PauseReason::kPeerFull);
      if (below(20) == 0) end.socket->Resume(PauseReason::kPeerFull);
    }
    InATurn([&] {
      for (size_t writes = below(12); writes > 0; --writes) {
        End& end = ends_[below(2)];
        const std::string text(1 + below(below(6) == 0 ? 5 * kBatchedBytesMax : 2000), static_cast<char>('a' + below(26)));
        EXPECT_TRUE(end.socket->Write(text));
        end.sent += text;
        was_full = was_full || end.socket->tls()->sealed_bytes() > 0;
      }
    });
    for (const End& end : ends_) was_full = was_full || end.socket->tls()->sealed_bytes() > 0;
  }
  EXPECT_TRUE(was_full) << "the kernel took everything: the test proves nothing";
  for (End& end : ends_) end.socket->Resume(PauseReason::kPeerFull);
  EXPECT_TRUE(Until([&] { return ends_[0].received.size() >= ends_[1].sent.size() && ends_[1].received.size() >= ends_[0].sent.size(); }));
  EXPECT_TRUE(ends_[0].received == ends_[1].sent);
  EXPECT_TRUE(ends_[1].received == ends_[0].sent);
  EXPECT_EQ(ends_[0].socket->unsent() + ends_[1].socket->unsent(), 0u);
  EXPECT_EQ(ends_[0].broken + ends_[1].broken, 0);
}

TEST_F(SendBatchTlsTest, GoodbyeAndEndFollowWhatWasSealed) {
  StartTls();
  InATurn([&] {
    EXPECT_TRUE(ends_[0].socket->Write("last words"));
    ends_[0].socket->Shutdown();
    ends_[0].socket.reset();
  });
  EXPECT_TRUE(Until([&] { return ends_[1].received == "last words"; }));
}

TEST_F(SendBatchTlsTest, ABrokenConnectionIsToldFromTheLoop) {
  StartTls();
  ends_[0].socket->Pause(PauseReason::kEnding);
  ends_[1].socket.reset();
  InATurn([&] {
    EXPECT_TRUE(ends_[0].socket->Write("answer"));
    EXPECT_EQ(ends_[0].broken, 0);
  });
  EXPECT_EQ(ends_[0].broken, 1);
}

}  // namespace
}  // namespace proxy
