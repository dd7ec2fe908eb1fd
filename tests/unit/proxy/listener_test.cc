// Listener: addresses of both families, Unix sockets with mode, group and lock, errors that name the place; what it tells of whom it
// accepts, and when.
#include "proxy/listener.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

class ListenerTest : public LoopTest {
 protected:
  ListenerTest() {
    global_.listen_addr.clear();
    global_.unix_socket_dir.clear();
    global_.tcp_defer_accept = 0;  // most clients here say nothing
    global_.listen_port = test_support::FreePort();
  }
  ~ListenerTest() override {
    for (const int fd : fds_) close(fd);
  }
  std::unique_ptr<Listener> Make() {
    return std::make_unique<Listener>(loop_, [this](const Accepted& accepted) {
      fds_.push_back(accepted.fd);
      kinds_.push_back(accepted.peer);
      accepted_.push_back(accepted);
    });
  }
  int Keep(int fd) {
    fds_.push_back(fd);
    return fd;
  }
  // Whether a connect is taken by the kernel; client_ is the last one's socket.
  bool Connects(const sockaddr* address, socklen_t length) {
    client_ = Keep(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return connect(client_, address, length) == 0;
  }
  // Closes the last client, with FIN or with RST.
  void CloseClient(bool resets) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    if (resets) setsockopt(client_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    std::erase(fds_, client_);
    close(client_);
  }
  static int PortOf(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    return NameOf(address).port;
  }
  static int OptionOf(int fd, int level, int option) {
    int value = -1;
    socklen_t length = sizeof value;
    getsockopt(fd, level, option, &value, &length);
    return value;
  }
  // {SO_KEEPALIVE, count, idle, interval, user timeout}
  static std::vector<int> KeepAliveOf(int fd) {
    return {OptionOf(fd, SOL_SOCKET, SO_KEEPALIVE), OptionOf(fd, IPPROTO_TCP, TCP_KEEPCNT), OptionOf(fd, IPPROTO_TCP, TCP_KEEPIDLE),
            OptionOf(fd, IPPROTO_TCP, TCP_KEEPINTVL), OptionOf(fd, IPPROTO_TCP, TCP_USER_TIMEOUT)};
  }
  std::vector<int> KeepAliveOfNext() {
    const size_t before = accepted_.size();
    EXPECT_TRUE(ConnectsV4("127.0.0.1"));
    EXPECT_TRUE(Until([&] { return accepted_.size() > before; }));
    EXPECT_NE(OptionOf(accepted_.back().fd, IPPROTO_TCP, TCP_NODELAY), 0);
    return KeepAliveOf(accepted_.back().fd);
  }
  std::vector<int> KeepAliveOfUntuned() { return KeepAliveOf(Keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))); }
  bool ConnectsV4(const char* text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(global_.listen_port));
    inet_pton(AF_INET, text, &address.sin_addr);
    return Connects(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  bool ConnectsV6() {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<uint16_t>(global_.listen_port));
    address.sin6_addr = in6addr_loopback;
    return Connects(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  bool ConnectsUnix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const bool is_abstract = path[0] == '@';
    if (is_abstract) address.sun_path[0] = '\0';
    return Connects(reinterpret_cast<sockaddr*>(&address),
                    static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1)));
  }
  // Holds the port on an address of this family.
  void Occupy(int family) {
    const int fd = Keep(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    socklen_t length = sizeof(sockaddr_in);
    if (family == AF_INET) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(address);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(static_cast<uint16_t>(global_.listen_port));
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(static_cast<uint16_t>(global_.listen_port));
      v6.sin6_addr = in6addr_loopback;
      length = sizeof v6;
    }
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(listen(fd, 1), 0);
  }
  static bool HasV6() {
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    const bool has = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (fd >= 0) close(fd);
    return has;
  }
  std::string SocketPath() const { return folder_.path() + "/.s.PGSQL." + std::to_string(global_.listen_port); }

  test_support::TemporaryFolder folder_;
  conf::Global global_;
  std::vector<int> fds_;
  std::vector<PeerKind> kinds_;
  std::vector<Accepted> accepted_;
  int client_ = -1;
  std::string error_;
};

TEST_F(ListenerTest, StarIsEveryAddressOfBothFamilies) {
  global_.listen_addr = {"*"};
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  EXPECT_TRUE(listener->is_open());
  EXPECT_TRUE(ConnectsV4("127.0.0.1"));
  EXPECT_TRUE(ConnectsV4("127.0.0.2"));
  size_t clients = 2;
  if (HasV6()) {
    EXPECT_TRUE(ConnectsV6());
    ++clients;
  }
  ASSERT_TRUE(Until([&] { return kinds_.size() == clients; }));
  for (const PeerKind kind : kinds_) EXPECT_EQ(kind, PeerKind::kTcp);
}

TEST_F(ListenerTest, SeveralAddressesAndOnlyThose) {
  global_.listen_addr = {"127.0.0.1", "127.0.0.3"};
  if (HasV6()) global_.listen_addr.push_back("::1");
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  EXPECT_TRUE(ConnectsV4("127.0.0.1"));
  EXPECT_TRUE(ConnectsV4("127.0.0.3"));
  EXPECT_FALSE(ConnectsV4("127.0.0.2"));
  if (HasV6()) {
    EXPECT_TRUE(ConnectsV6());
  }
}

TEST_F(ListenerTest, AnAddressInUseIsNamedWithARemedy) {
  Occupy(AF_INET);
  global_.listen_addr = {"127.0.0.1"};
  EXPECT_FALSE(Make()->Open(global_, error_));
  EXPECT_NE(error_.find("127.0.0.1:" + std::to_string(global_.listen_port)), std::string::npos) << error_;
  EXPECT_NE(error_.find("Address already in use"), std::string::npos) << error_;
  EXPECT_NE(error_.find("listen_port"), std::string::npos) << "no remedy: " << error_;
}

TEST_F(ListenerTest, StarWithOneFamilyInUseIsAnErrorNotHalfAListener) {
  if (!HasV6()) GTEST_SKIP() << "no IPv6 here";
  for (const int family : {AF_INET, AF_INET6}) {
    global_.listen_port = test_support::FreePort();
    Occupy(family);
    global_.listen_addr = {"*"};
    EXPECT_FALSE(Make()->Open(global_, error_)) << "clients of the other family would reach another program";
    EXPECT_NE(error_.find("Address already in use"), std::string::npos) << error_;
  }
}

TEST_F(ListenerTest, ANameWithBothFamiliesListensOnBoth) {
  global_.listen_addr = {"localhost"};
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  EXPECT_TRUE(ConnectsV4("127.0.0.1") || ConnectsV6());
}

TEST_F(ListenerTest, AnAddressThatIsNotOursIsNamed) {
  global_.listen_addr = {"192.0.2.1"};
  EXPECT_FALSE(Make()->Open(global_, error_));
  EXPECT_NE(error_.find("192.0.2.1"), std::string::npos) << error_;
  global_.listen_addr = {"no such name"};
  EXPECT_FALSE(Make()->Open(global_, error_));
  EXPECT_NE(error_.find("no such name"), std::string::npos) << error_;
}

TEST_F(ListenerTest, UnixSocketWithModeAndLockAndNothingLeftBehind) {
  global_.unix_socket_dir = folder_.path();
  global_.unix_socket_mode = 0640;
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  struct stat about {};
  ASSERT_EQ(stat(SocketPath().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0640u);
  EXPECT_TRUE(std::filesystem::exists(SocketPath() + ".lock"));
  EXPECT_TRUE(ConnectsUnix(SocketPath()));
  ASSERT_TRUE(Until([&] { return kinds_.size() == 1; }));
  EXPECT_EQ(kinds_[0], PeerKind::kUnix);
  listener->Close();
  EXPECT_FALSE(listener->is_open());
  EXPECT_FALSE(std::filesystem::exists(SocketPath()));
  EXPECT_FALSE(std::filesystem::exists(SocketPath() + ".lock"));
}

TEST_F(ListenerTest, ALiveNeighbourKeepsItsSocket) {
  global_.unix_socket_dir = folder_.path();
  const auto first = Make();
  ASSERT_TRUE(first->Open(global_, error_)) << error_;
  {
    const auto second = Make();
    EXPECT_FALSE(second->Open(global_, error_));
    EXPECT_NE(error_.find(SocketPath() + ".lock"), std::string::npos) << error_;
    EXPECT_NE(error_.find("unix_socket_dir"), std::string::npos) << error_;
  }
  EXPECT_TRUE(ConnectsUnix(SocketPath())) << "the one that failed took the other's files away";
  EXPECT_TRUE(std::filesystem::exists(SocketPath() + ".lock"));
}

TEST_F(ListenerTest, FilesOfADeadOneAreReplaced) {
  const int dead = Keep(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  SocketPath().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  test_support::WriteFile(SocketPath() + ".lock", "");
  global_.unix_socket_dir = folder_.path();
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  EXPECT_TRUE(ConnectsUnix(SocketPath()));
}

TEST_F(ListenerTest, UnixSocketGroup) {
  const group* own = getgrgid(getegid());
  if (own == nullptr) GTEST_SKIP() << "the group of this process has no name";
  const std::string name = own->gr_name;
  const gid_t id = own->gr_gid;
  global_.unix_socket_dir = folder_.path();
  global_.unix_socket_group = name;
  {
    const auto listener = Make();
    ASSERT_TRUE(listener->Open(global_, error_)) << error_;
    struct stat about {};
    ASSERT_EQ(stat(SocketPath().c_str(), &about), 0);
    EXPECT_EQ(about.st_gid, id);
  }
  global_.unix_socket_group = "no-such-group";
  EXPECT_FALSE(Make()->Open(global_, error_));
  EXPECT_NE(error_.find("no-such-group"), std::string::npos) << error_;
}

TEST_F(ListenerTest, AbstractUnixSocketLeavesNoFile) {
  global_.unix_socket_dir = "@pgweir_test_" + std::to_string(getpid());
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  EXPECT_TRUE(ConnectsUnix(global_.unix_socket_dir + "/.s.PGSQL." + std::to_string(global_.listen_port)));
  ASSERT_TRUE(Until([&] { return kinds_.size() == 1; }));
  EXPECT_EQ(kinds_[0], PeerKind::kUnix);
}

TEST_F(ListenerTest, AFolderThatIsMissingOrTooLongIsNamed) {
  global_.unix_socket_dir = folder_.path() + "/missing";
  EXPECT_FALSE(Make()->Open(global_, error_));
  EXPECT_NE(error_.find("/missing/"), std::string::npos) << error_;
  global_.unix_socket_dir = "/" + std::string(200, 'x');
  EXPECT_FALSE(Make()->Open(global_, error_));
  EXPECT_NE(error_.find("too long"), std::string::npos) << error_;
}

TEST_F(ListenerTest, PausedTakesNobodyAndResumedTakesThoseThatWaited) {
  global_.listen_addr = {"127.0.0.1"};
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  listener->Pause();
  EXPECT_TRUE(ConnectsV4("127.0.0.1")) << "the kernel's queue";
  for (int i = 0; i < 5; ++i) Turn();
  EXPECT_TRUE(kinds_.empty());
  listener->Resume();
  EXPECT_TRUE(Until([&] { return kinds_.size() == 1; }));
}

// --- what it tells of whom it accepts ------------------------------------------------------------------------------------

TEST_F(ListenerTest, TellsTheAddressAlsoOfOneThatHasReset) {
  global_.listen_addr = {"127.0.0.1"};
  if (HasV6()) global_.listen_addr.push_back("::1");
  global_.unix_socket_dir = folder_.path();
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  for (const bool resets : {false, true}) {
    accepted_.clear();
    ASSERT_TRUE(ConnectsV4("127.0.0.1"));
    const int port = PortOf(client_);
    if (resets) CloseClient(true);
    ASSERT_TRUE(Until([&] { return accepted_.size() == 1; }));
    ASSERT_TRUE(accepted_[0].ip.has_value()) << (resets ? "reset" : "open");
    EXPECT_EQ(accepted_[0].ip->port, port);
    EXPECT_EQ(ClientAddress(accepted_[0].ip).Name().address, "127.0.0.1");
  }
  ASSERT_TRUE(ConnectsUnix(SocketPath()));
  ASSERT_TRUE(Until([&] { return accepted_.size() == 2; }));
  EXPECT_FALSE(accepted_[1].ip.has_value()) << "a Unix socket has none, and not that of the one before";
  if (!HasV6()) return;
  ASSERT_TRUE(ConnectsV6());
  ASSERT_TRUE(Until([&] { return accepted_.size() == 3; }));
  EXPECT_EQ(ClientAddress(accepted_[2].ip).Name().address, "::1");
}

TEST_F(ListenerTest, DeferredIsToldOfWithItsFirstBytesOrAtItsEnd) {
  global_.listen_addr = {"127.0.0.1"};
  global_.unix_socket_dir = folder_.path();
  global_.tcp_defer_accept = 600;
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  ASSERT_TRUE(ConnectsV4("127.0.0.1"));
  const int silent = client_;
  ASSERT_TRUE(ConnectsV4("127.0.0.1"));
  ASSERT_EQ(send(client_, "x", 1, 0), 1);
  ASSERT_TRUE(Until([&] { return !accepted_.empty(); }));
  for (int i = 0; i < 5; ++i) Turn();
  ASSERT_EQ(accepted_.size(), 1u) << "the silent one was there before";
  EXPECT_TRUE(accepted_[0].has_spoken);
  EXPECT_EQ(accepted_[0].ip->port, PortOf(client_));
  EXPECT_EQ(TakeAll(accepted_[0].fd), "x") << "without a wait";
  ASSERT_EQ(send(silent, "y", 1, 0), 1);
  ASSERT_TRUE(Until([&] { return accepted_.size() == 2; }));
  EXPECT_EQ(TakeAll(accepted_[1].fd), "y");
  // who only looks whether the port is open
  ASSERT_TRUE(ConnectsV4("127.0.0.1"));
  CloseClient(false);
  ASSERT_TRUE(Until([&] { return accepted_.size() == 3; }));
  char byte = 0;
  EXPECT_EQ(recv(accepted_[2].fd, &byte, 1, 0), 0);
  ASSERT_TRUE(ConnectsUnix(SocketPath()));
  ASSERT_TRUE(Until([&] { return accepted_.size() == 4; })) << "Unix sockets do not have it";
  EXPECT_FALSE(accepted_[3].has_spoken);
}

TEST_F(ListenerTest, ASilentOneShowsUpAfterTheTime) {
  global_.listen_addr = {"127.0.0.1"};
  global_.tcp_defer_accept = 1;
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  ASSERT_TRUE(ConnectsV4("127.0.0.1"));
  EXPECT_TRUE(Until([&] { return accepted_.size() == 1; }));
}

TEST_F(ListenerTest, NotDeferredIsToldOfAtOnce) {
  global_.listen_addr = {"127.0.0.1"};
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  ASSERT_TRUE(ConnectsV4("127.0.0.1"));
  ASSERT_TRUE(Until([&] { return accepted_.size() == 1; }));
  EXPECT_FALSE(accepted_[0].has_spoken);
}

TEST_F(ListenerTest, AcceptedHaveTheOptionsOfTcpAndThoseOfAReload) {
  global_.listen_addr = {"127.0.0.1"};
  global_.tcp_keepcnt = 4;
  global_.tcp_keepidle = 31;
  global_.tcp_keepintvl = 7;
  global_.tcp_user_timeout = std::chrono::milliseconds(12'345);
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  EXPECT_EQ(KeepAliveOfNext(), (std::vector<int>{1, 4, 31, 7, 12'345}));
  listener->Tune({.count = 5, .idle_s = 32, .interval_s = 8, .user_timeout_ms = 1'000});
  EXPECT_EQ(KeepAliveOfNext(), (std::vector<int>{1, 5, 32, 8, 1'000}));
  listener->Tune({.on = false});
  EXPECT_EQ(KeepAliveOfNext(), KeepAliveOfUntuned()) << "0 is the system's, also when it was another";
}

TEST_F(ListenerTest, OneATurnButACrowdTogether) {
  global_.listen_addr = {"127.0.0.1"};
  const auto listener = Make();
  ASSERT_TRUE(listener->Open(global_, error_)) << error_;
  const int crowd = kTurnsToACrowd + kAcceptsPerTurn / 2;
  for (int i = 0; i < crowd; ++i) ASSERT_TRUE(ConnectsV4("127.0.0.1"));
  for (int turn = 1; turn <= kTurnsToACrowd; ++turn) {
    loop_.Turn(EventLoop::Wait::kNo);
    ASSERT_EQ(accepted_.size(), static_cast<size_t>(turn)) << "asked once more than it was told of";
  }
  loop_.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(accepted_.size(), static_cast<size_t>(crowd));
  // the next crowd is one at once, until one has come alone
  for (const size_t each : {size_t{3}, size_t{1}}) {
    const size_t before = accepted_.size();
    for (size_t i = 0; i < each; ++i) ASSERT_TRUE(ConnectsV4("127.0.0.1"));
    loop_.Turn(EventLoop::Wait::kNo);
    EXPECT_EQ(accepted_.size(), before + each);
  }
  const size_t before = accepted_.size();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(ConnectsV4("127.0.0.1"));
  loop_.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(accepted_.size(), before + 1);
}

}  // namespace
}  // namespace proxy
