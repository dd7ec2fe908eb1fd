// A proxy of the test's own, pgweir or PgBouncer, with an ini that the test has written.
//
// Waits until it listens; throws with its output when it does not. Threads: those of ChildProcess.
#pragma once

#include <string>
#include <utility>

#include "tests/integration/environment.h"
#include "tests/support/wire_socket.h"

namespace integration {

inline constexpr const char* kPgBouncer = "/usr/sbin/pgbouncer";

class Proxy {
 public:
  Proxy(const std::string& program, const std::string& file, int port, const std::string& output)
      : Proxy({.arguments = {program, file}, .user = test_support::UnprivilegedUser()}, port, output) {}
  // Started in a way of the test's own.
  Proxy(test_support::ChildOptions options, int port, const std::string& output) : port_(port), output_(output), process_(WithOutput(std::move(options), output)) {
    const bool listens = test_support::Eventually([this] {
      if (!process_.IsRunning()) throw std::runtime_error("did not start:\n" + test_support::ReadFile(output_));
      return IsListening(port_);
    });
    if (!listens) throw test_support::TimedOut("does not listen:\n" + test_support::ReadFile(output_));
  }
  static bool IsListening(int port) {
    try {
      test_support::ConnectTcp(port);
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }
  int port() const { return port_; }
  std::string output() const { return test_support::ReadFile(output_); }
  test_support::ChildProcess& process() { return process_; }

 private:
  static test_support::ChildOptions WithOutput(test_support::ChildOptions options, const std::string& output) {
    options.output_file = output;
    return options;
  }
  int port_;
  std::string output_;
  test_support::ChildProcess process_;
};

}  // namespace integration
