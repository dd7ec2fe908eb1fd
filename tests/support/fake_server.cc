#include "tests/support/fake_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace test_support {
namespace {
constexpr uint32_t kCancelCode = 80877102, kSslCode = 80877103, kGssCode = 80877104;
}

std::string FakeStartup::Find(const std::string& name) const {
  std::string found;
  for (const auto& [key, value] : parameters) {
    if (key == name) found = value;
  }
  return found;
}

std::optional<Message> FakeConnection::Receive() {
  auto message = ReadMessage();
  if (message && records_) received_.push_back(*message);
  return message;
}

bool FakeConnection::Answer(const Values& row, char status) {
  std::vector<std::string> names;
  for (size_t i = 0; i < row.size(); ++i) names.push_back("c" + std::to_string(i));
  return Send(RowDescription(names) + DataRow(row) + CommandComplete("SELECT 1") + ReadyForQuery(status));
}

FakeServer::Script FakeServer::EchoScript() {
  return [](FakeConnection& connection) {
    while (auto message = connection.Receive()) {
      if (message->type == 'Q') connection.Answer({message->body.substr(0, message->body.size() - 1)});
    }
  };
}

FakeServer::FakeServer(Script script, FakeServerOptions options)
    : script_(std::move(script)), options_(std::move(options)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  wake_ = eventfd(0, EFD_CLOEXEC);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener_, 128) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("the fake server cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeServer::~FakeServer() {
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof one) != sizeof one) std::terminate();
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_fds_) shutdown(fd, SHUT_RDWR);
  }
  for (Running& running : threads_) running.thread.join();
  close(listener_);
  close(wake_);
}

void FakeServer::Accept() {
  while (true) {
    pollfd waited[] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    poll(waited, 2, -1);
    if (waited[1].revents != 0) return;
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    JoinEnded();
    const std::lock_guard lock(mutex_);
    open_fds_.push_back(fd);
    Running& running = threads_.emplace_back();
    running.thread = std::thread([this, fd, &running] {
      WireSocket socket(fd);
      socket.set_patience(std::chrono::minutes(10));  // a script waits as long as the proxy keeps it open
      Serve(std::move(socket));
      const std::lock_guard ended(mutex_);
      running.ended = true;
    });
  }
}

void FakeServer::JoinEnded() {
  std::list<Running> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = threads_.begin(); it != threads_.end();) {
      const auto next = std::next(it);
      if (it->ended) ended.splice(ended.end(), threads_, it);
      it = next;
    }
  }
  for (Running& running : ended) running.thread.join();
}

void FakeServer::Serve(WireSocket socket) {
  const int fd = socket.fd();
  FakeConnection connection(std::move(socket), -1);
  connection.records_ = options_.record == FakeServerOptions::Record::kAll;
  try {
    if (Welcome(connection)) {
      ++open_;
      script_(connection);
    }
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    problems_.push_back(error.what());
  }
  if (connection.number_ >= 0) --open_;
  const std::lock_guard lock(mutex_);
  // One entry only: a script that closed its connection itself may already have lent the number to the next one.
  open_fds_.erase(std::find(open_fds_.begin(), open_fds_.end(), fd));
  if (connection.records_) ended_.push_back({connection.number_, std::move(connection.received_)});
  connection.Close();
}

bool FakeServer::Welcome(FakeConnection& connection) {
  while (auto packet = connection.ReadUntyped()) {
    const uint32_t code = Int32At(packet->body, 0);
    if (code == kSslCode || code == kGssCode) {
      connection.Send(code == kSslCode ? options_.answer_to_ssl_request : "N");
      continue;
    }
    if (code == kCancelCode) {
      const std::lock_guard lock(mutex_);
      cancels_.emplace_back(Int32At(packet->body, 4), packet->body.substr(8));
      return false;
    }
    connection.startup_.version = code;
    const std::string& body = packet->body;
    for (size_t at = 4; at < body.size() && body[at] != '\0';) {
      const size_t name_end = body.find('\0', at), value_end = body.find('\0', name_end + 1);
      if (value_end == std::string::npos) throw std::runtime_error("startup parameter without its end");
      connection.startup_.parameters.emplace_back(body.substr(at, name_end - at),
                                                  body.substr(name_end + 1, value_end - name_end - 1));
      at = value_end + 1;
    }
    connection.number_ = accepted_++;
    {
      const std::lock_guard lock(mutex_);
      startups_.push_back(connection.startup_);
    }
    std::string answer = options_.welcome;
    if (answer.empty()) {
      answer = AuthenticationOk();
      for (const auto& [name, value] : options_.parameters) answer += ParameterStatus(name, value);
      answer += BackendKeyData(static_cast<uint32_t>(1000 + connection.number_), options_.key) + ReadyForQuery('I');
    }
    return options_.login ? options_.login(connection, answer) : connection.Send(answer);
  }
  return false;
}

std::vector<std::string> FakeServer::Problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

std::vector<Message> FakeServer::Received(int connection) const {
  const std::lock_guard lock(mutex_);
  for (const Ended& ended : ended_) {
    if (ended.number == connection) return ended.received;
  }
  return {};
}

std::vector<FakeStartup> FakeServer::Startups() const {
  const std::lock_guard lock(mutex_);
  return startups_;
}

std::vector<std::pair<uint32_t, std::string>> FakeServer::Cancels() const {
  const std::lock_guard lock(mutex_);
  return cancels_;
}

}  // namespace test_support
