// A TCP port of 127.0.0.1 where connections are taken, and nothing is ever said: a server that hangs.
//
// Threads: any. Ownership: the socket; connections end with it.
#pragma once

namespace test_support {

class SilentPort {
 public:
  SilentPort();
  ~SilentPort();
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;
  int port() const { return port_; }

 private:
  int fd_, port_ = 0;
};

}  // namespace test_support
