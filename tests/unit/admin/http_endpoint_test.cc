// Over a real loopback socket; the test turns the event loop itself.
#include "admin/http_endpoint.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/status_page.h"
#include "tests/unit/admin/console_client.h"
#include "tests/unit/admin/fake_control.h"

namespace admin {
namespace {

class Socket {
 public:
  explicit Socket(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    fcntl(fd_, F_SETFL, O_NONBLOCK);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { Close(); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  void Send(std::string_view bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // False at the end of the stream.
  bool Read(std::string& into) {
    char buffer[4096];
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    if (count > 0) into.append(buffer, static_cast<size_t>(count));
    return count > 0 || (count < 0 && errno == EAGAIN);
  }

 private:
  int fd_;
};

class Http : public testing::Test {
 protected:
  Http() {
    control_.snapshot = admin_test::ShopSnapshot();
    const auto port = endpoint_->Listen("127.0.0.1", 0);
    EXPECT_TRUE(port) << port.error();
    port_ = port.value_or(0);
  }

  // One turn: what the sockets brought, waiting for it up to 10 ms.
  void Turn() {
    const timeval patience{.tv_sec = 0, .tv_usec = 10'000};
    event_base_loopexit(control_.base(), &patience);
    event_base_loop(control_.base(), EVLOOP_ONCE);
  }
  void TurnUntil(const std::function<bool()>& is_true) {
    for (int turns = 0; turns < 3000 && !is_true(); ++turns) Turn();
    EXPECT_TRUE(is_true());
  }
  std::string Exchange(const std::string& request) {
    Socket socket(port_);
    socket.Send(request);
    std::string answer;
    TurnUntil([&] {
      control_.RunPending();
      return !socket.Read(answer);
    });
    return answer;
  }
  std::string Get(const std::string& path, const std::string& method = "GET") {
    return Exchange(method + ' ' + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  static int Status(const std::string& answer) { return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3)); }
  static std::string Body(const std::string& answer) {
    const size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "" : answer.substr(end + 4);
  }

  admin_test::FakeControl control_;
  std::unique_ptr<HttpEndpoint> endpoint_ = std::make_unique<HttpEndpoint>(control_);
  uint16_t port_ = 0;
};

TEST_F(Http, Metrics) {
  const std::string answer = Get("/metrics");
  EXPECT_EQ(Status(answer), 200);
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(Body(answer).find("pgweir_pool_size{database=\"shop\",user=\"app\"} 5\n"), std::string::npos);
  EXPECT_EQ(control_.collected, std::vector{proxy::Collecting::kTotals}) << "no rows of clients";
  EXPECT_EQ(Status(Get("/metrics?x=1")), 200);
}

TEST_F(Http, LivezAsksTheWorkers) {
  std::string answer = Get("/livez");
  EXPECT_EQ(Status(answer), 200);
  EXPECT_EQ(Body(answer), "{\"status\":\"ok\"}\n");
  EXPECT_EQ(control_.asked_within, std::chrono::milliseconds(1000));
  control_.workers_turn = false;
  answer = Get("/livez");
  EXPECT_EQ(Status(answer), 503);
  EXPECT_NE(Body(answer).find("\"reasons\":[\"stuck: "), std::string::npos);
}

TEST_F(Http, ReadyzAndStartupz) {
  EXPECT_EQ(Status(Get("/readyz")), 200);
  EXPECT_EQ(Status(Get("/startupz")), 200);
  control_.state = proxy::RunState::kDraining;
  EXPECT_EQ(Status(Get("/readyz")), 503);
  EXPECT_NE(Body(Get("/readyz")).find("[\"draining: "), std::string::npos);
  EXPECT_EQ(Status(Get("/startupz")), 200);
  control_.state = proxy::RunState::kPaused;
  EXPECT_EQ(Status(Get("/readyz")), 503);
  control_.has_started = false;
  EXPECT_NE(Body(Get("/readyz")).find("[\"not started: the listeners are not open yet\",\"paused: "),
            std::string::npos);
  EXPECT_EQ(Status(Get("/startupz")), 503);
  EXPECT_EQ(Status(Get("/livez")), 200) << "neither is a reason to restart it";
}

TEST_F(Http, StatusPageEscapesNames) {
  control_.snapshot.pools[0].database = "<script>alert(1)</script>";
  const std::string answer = Get("/");
  EXPECT_EQ(Status(answer), 200);
  EXPECT_NE(answer.find("text/html"), std::string::npos);
  EXPECT_EQ(answer.find("<script>"), std::string::npos);
  EXPECT_NE(answer.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(answer.find("State: <b>active</b>"), std::string::npos);
  EXPECT_NE(answer.find("20 of 10000 client connections"), std::string::npos);
  EXPECT_NE(answer.find("Database shop is paused"), std::string::npos);
  EXPECT_NE(answer.find("<td>connection refused</td>"), std::string::npos);
}

TEST_F(Http, HeadOtherPathsAndOtherMethods) {
  const std::string head = Get("/readyz", "HEAD");
  EXPECT_EQ(Status(head), 200);
  EXPECT_EQ(Body(head), "");
  EXPECT_NE(head.find("Content-Length: 16\r\n"), std::string::npos) << head;
  EXPECT_EQ(Status(Get("/nothing")), 404);
  EXPECT_EQ(Status(Get("/metrics/")), 404);
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    const std::string answer = Get("/metrics", method);
    EXPECT_EQ(Status(answer), 405) << method;
    EXPECT_NE(answer.find("Allow: GET, HEAD"), std::string::npos) << method;
  }
  EXPECT_TRUE(control_.collected.empty());
}

TEST_F(Http, MalformedAndOversizedRequestsAreRefused) {
  EXPECT_NE(Status(Exchange("nonsense\r\n\r\n")), 200);
  EXPECT_EQ(
      Exchange("GET /readyz HTTP/1.1\r\nX: " + std::string(kHttpHeaderBytesMax + 1, 'x') + "\r\n\r\n").find("200 OK"),
      std::string::npos);
  EXPECT_EQ(Status(Exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")), 413);
  EXPECT_EQ(Status(Get("/readyz")), 200) << "the endpoint goes on";
}

TEST_F(Http, AClientThatHangsUpWhileItsAnswerIsMade) {
  for (const char* path : {"/metrics", "/livez", "/"}) {
    Socket socket(port_);
    socket.Send(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    TurnUntil([&] { return endpoint_->pending() == 1; });
    socket.Close();
    for (int turns = 0; turns < 5; ++turns) Turn();
    control_.RunPending();  // ASan tells if the request was freed by then
    EXPECT_EQ(endpoint_->pending(), 0U);
    Turn();
  }
  EXPECT_EQ(Status(Get("/readyz")), 200);
}

TEST_F(Http, EndsWithRequestsStillPending) {
  Socket stays(port_), leaves(port_);
  stays.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  leaves.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  TurnUntil([&] { return endpoint_->pending() == 2; });
  leaves.Close();
  for (int turns = 0; turns < 5; ++turns) Turn();
  endpoint_.reset();
  control_.RunPending();
  std::string answer;
  while (stays.Read(answer) && answer.empty()) Turn();
  EXPECT_EQ(answer, "");
}

TEST_F(Http, PendingRequestsAreBounded) {
  std::vector<std::unique_ptr<Socket>> sockets;
  for (size_t i = 0; i < kHttpPendingMax; ++i) {
    sockets.push_back(std::make_unique<Socket>(port_));
    sockets.back()->Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  TurnUntil([&] { return endpoint_->pending() == kHttpPendingMax; });
  Socket last(port_);
  last.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string answer;
  TurnUntil([&] { return !last.Read(answer); });
  EXPECT_EQ(Status(answer), 503);
  EXPECT_NE(answer.find("busy: "), std::string::npos);
  control_.RunPending();
  EXPECT_EQ(Status(Get("/metrics")), 200);
}

TEST_F(Http, APortThatIsTakenIsAnError) {
  HttpEndpoint second(control_);
  const auto port = second.Listen("127.0.0.1", port_);
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().find("127.0.0.1:" + std::to_string(port_) + ": "), std::string::npos) << port.error();
  EXPECT_NE(port.error().find("http_listen_port"), std::string::npos);
}

TEST_F(Http, AdminOpensItOnlyWhenConfigured) {
  Admin off(control_);
  EXPECT_TRUE(off.StartHttp()) << "port 0 is off";
  control_.config_->global.http_listen_port = port_;  // taken by the fixture
  EXPECT_FALSE(off.StartHttp());
}

TEST_F(Http, AdminFeedsTheAveragesByItself) {
  control_.config_->global.stats_period = std::chrono::milliseconds(5);
  Admin admin(control_);
  const auto average = [&] {
    std::string row;
    proxy::ConsoleRequest request;
    request.client_id = 1;
    request.access = proxy::ConsoleAccess::kStats;
    request.type = 'Q';
    request.body = test_support::Text("SHOW STATS_AVERAGES");
    admin.console().OnMessage(request, [&](std::string bytes) { row = std::move(bytes); });
    control_.RunPending();
    return test_support::RowValues(admin_test::Cut(row)[2])[3].value_or("");
  };
  EXPECT_EQ(average(), "0");
  // Grows from turn to turn, so that every period has queries.
  TurnUntil([&] {
    control_.snapshot.pools[0].totals.queries += 1000;
    control_.RunPending();
    return average() != "0";
  });
}

TEST(StatusText, Ages) {
  EXPECT_EQ(AgeText(std::chrono::seconds(0)), "0d 00:00:00");
  EXPECT_EQ(AgeText(std::chrono::seconds(3 * 86400 + 4 * 3600 + 5 * 60 + 6)), "3d 04:05:06");
  EXPECT_EQ(AgeText(std::chrono::seconds(-5)), "0d 00:00:00");
}

}  // namespace
}  // namespace admin
