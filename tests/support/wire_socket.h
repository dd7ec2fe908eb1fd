// A connected stream socket that speaks protocol messages as bytes, blocking with a deadline; shared by WireClient and
// FakeServer.
//
// Reading past the end of the connection is an answer (nullopt), not an exception; waiting too long is TimedOut.
// TLS: StartTls turns the client side into TLS, with or without a preceding SSLRequest. Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/deadline.h"
#include "tests/support/wire_messages.h"

struct ssl_st;

namespace test_support {

enum class Alpn { kNone, kPostgresql };

class WireSocket {
 public:
  WireSocket() = default;
  explicit WireSocket(int fd);  // takes it over
  ~WireSocket();
  WireSocket(WireSocket&& other) noexcept { Swap(other); }
  WireSocket& operator=(WireSocket&& other) noexcept {
    Swap(other);
    return *this;
  }

  int fd() const { return fd_; }
  void set_patience(Milliseconds patience) { patience_ = patience; }

  // False when the other side has gone.
  bool Send(std::string_view bytes);
  // In two writes, cut before byte `at`; the peer has read the first part when the second is written (wire_barrier.h).
  bool SendSplit(std::string_view bytes, size_t at);
  bool SendByteByByte(std::string_view bytes);

  std::optional<std::string> ReadBytes(size_t count);
  std::optional<Message> ReadMessage();
  std::optional<Message> ReadUntyped();  // a startup packet
  // Messages up to and including the first of this type, or to the end of the connection.
  std::vector<Message> ReadUntil(char type);
  std::vector<Message> ReadToEnd();
  // Raw bytes that are there within the given time; empty when none came. For proving that nothing is sent.
  std::string ReadAvailable(Milliseconds patience);
  bool AtEnd();  // waits for the end of the connection; false when a byte comes instead

  bool StartTls(Alpn alpn = Alpn::kNone, const std::string& server_name = "");

  void Close();
  void Reset();          // RST instead of FIN
  void ShutdownWrite();  // half closed
  bool is_open() const { return fd_ >= 0; }

 private:
  void Swap(WireSocket& other) noexcept;
  ssize_t ReadSome(char* bytes, size_t capacity, const Deadline& deadline);  // 0 = end
  bool Fill(size_t count);
  void Await(short events, const Deadline& deadline, const char* what) const;

  int fd_ = -1;
  ssl_st* tls_ = nullptr;
  std::string unread_;
  Milliseconds patience_ = kPatience;
};

// TCP to 127.0.0.1, or the Unix socket at a path. Throws when refused.
WireSocket ConnectTcp(int port);
WireSocket ConnectUnix(const std::string& path);

}  // namespace test_support
