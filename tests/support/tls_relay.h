// Somebody in the middle: takes TLS with a certificate of its own, opens TLS to the real server, and passes everything on.
//
// What: what a stolen or wrongly issued certificate makes possible. Only channel binding notices it. Threads: one that accepts,
// one per connection; the destructor ends them all. Limits: none, it is for a handful of connections.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

struct ssl_ctx_st;

namespace test_support {

class TlsRelay {
 public:
  TlsRelay(int to_port, const std::string& certificate, const std::string& key);
  ~TlsRelay();
  TlsRelay(const TlsRelay&) = delete;
  TlsRelay& operator=(const TlsRelay&) = delete;
  int port() const { return port_; }
  int connections() const { return connections_; }  // that came through both handshakes

 private:
  void Accept();
  void Relay(int client);
  const int to_port_;
  ssl_ctx_st* server_side_;
  ssl_ctx_st* client_side_;
  int listener_ = -1, port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::thread> threads_;  // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace test_support
