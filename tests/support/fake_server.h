// A scripted PostgreSQL server for tests: accepts on a free port of 127.0.0.1, does the trust login, and hands each
// connection to a script, which speaks bytes as it likes. Records what every connection received.
//
// Threads: one thread accepts, each connection's script runs on its own; a script that throws ends its connection and
// the reason is kept in Problems(). The destructor closes every connection and joins. Limits: none on connections one
// after another (ended threads are joined on the way), but what each received is kept only when asked for.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "tests/support/wire_socket.h"

namespace test_support {

struct FakeStartup {
  Names parameters;
  uint32_t version = 0;
  std::string Find(const std::string& name) const;
};

class FakeConnection : public WireSocket {
 public:
  FakeConnection(WireSocket socket, int number) : WireSocket(std::move(socket)), number_(number) {}
  int number() const { return number_; }  // 0 for the first connection of this server
  const FakeStartup& startup() const { return startup_; }
  // ReadMessage that also records. nullopt at the end.
  std::optional<Message> Receive();
  // Answers one simple query with one row, or an extended one at its Sync.
  bool Answer(const Values& row, char status = 'I');
  const std::vector<Message>& received() const { return received_; }

 private:
  friend class FakeServer;
  int number_;
  FakeStartup startup_;
  std::vector<Message> received_;
  bool records_ = true;
};

struct FakeServerOptions {
  Names parameters = {{"server_version", "15.0"},
                      {"server_encoding", "UTF8"},
                      {"client_encoding", "UTF8"},
                      {"DateStyle", "ISO, MDY"},
                      {"TimeZone", "UTC"},
                      {"integer_datetimes", "on"},
                      {"standard_conforming_strings", "on"},
                      {"is_superuser", "off"},
                      {"IntervalStyle", "postgres"},
                      {"session_authorization", "app"},
                      {"application_name", ""},
                      {"in_hot_standby", "off"},
                      {"default_transaction_read_only", "off"}};
  std::string key = std::string("\x11\x22\x33\x44", 4);
  std::string welcome;  // when set: sent instead of the whole login answer
  // When set: runs after the StartupMessage instead of the login answer; false ends the connection without its script.
  // `answer` is what would have been sent.
  std::function<bool(FakeConnection&, const std::string& answer)> login;
  std::string answer_to_ssl_request = "N";
  enum class Record : uint8_t { kAll, kNothing } record = Record::kAll;  // what Received() knows
};

class FakeServer {
 public:
  using Script = std::function<void(FakeConnection&)>;
  // Runs after the login. The default is EchoScript.
  explicit FakeServer(Script script = EchoScript(), FakeServerOptions options = {});
  ~FakeServer();
  int port() const { return port_; }

  int accepted() const { return accepted_; }  // connections that sent a StartupMessage
  int open_connections() const { return open_; }
  std::vector<std::string> Problems() const;            // what scripts threw
  std::vector<Message> Received(int connection) const;  // copies, after the script has ended
  std::vector<FakeStartup> Startups() const;
  std::vector<std::pair<uint32_t, std::string>> Cancels() const;  // process id and key of CancelRequests

  // Each simple query gets one row: its own text.
  static Script EchoScript();

 private:
  struct Ended {
    int number;
    std::vector<Message> received;
  };
  void Accept();
  void JoinEnded();
  void Serve(WireSocket socket);
  bool Welcome(FakeConnection& connection);

  const Script script_;
  const FakeServerOptions options_;
  int listener_ = -1, wake_ = -1;
  int port_ = 0;
  std::atomic<int> accepted_{0}, open_{0};
  mutable std::mutex mutex_;  // guards everything below
  std::vector<std::string> problems_;
  std::vector<Ended> ended_;
  std::vector<FakeStartup> startups_;
  std::vector<std::pair<uint32_t, std::string>> cancels_;
  std::vector<int> open_fds_;
  struct Running {
    std::thread thread;
    bool ended = false;
  };
  std::list<Running> threads_;
  std::thread acceptor_;
};

}  // namespace test_support
