// What the tests of proxy/tls share: settings over certificates made for the run, and both ends of a connection on one
// socketpair, driven in turns, so that every test ends by itself and nothing waits.
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <openssl/ssl.h>
#include <random>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/tls.h"
#include "tests/support/certificates.h"

namespace proxy {

using Context = std::shared_ptr<const TlsContext>;

class TlsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::signal(SIGPIPE, SIG_IGN);
    std::string pattern = (std::filesystem::temp_directory_path() / "pgweir_tls_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    files_ = test_support::MakeCertificates(folder_);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static conf::TlsSettings ClientSide(conf::TlsMode mode = conf::TlsMode::kRequire) {
    conf::TlsSettings settings;
    settings.mode = mode;
    settings.cert_file = files_.server_cert;
    settings.key_file = files_.server_key;
    return settings;
  }
  static conf::TlsSettings ServerSide(conf::TlsMode mode = conf::TlsMode::kRequire) {
    conf::TlsSettings settings;
    settings.mode = mode;
    settings.ca_file = files_.ca;
    return settings;
  }
  static Context ForClients(const conf::TlsSettings& settings) {
    auto context = TlsContext::ForClients(settings);
    if (!context) throw std::runtime_error(context.error());
    return *context;
  }
  static Context ForServers(const conf::TlsSettings& settings) {
    auto context = TlsContext::ForServers(settings);
    if (!context) throw std::runtime_error(context.error());
    return *context;
  }
  static std::string ClientError(const conf::TlsSettings& settings) {
    auto context = TlsContext::ForClients(settings);
    return context ? "no error" : context.error();
  }
  static std::string ServerError(const conf::TlsSettings& settings) {
    auto context = TlsContext::ForServers(settings);
    return context ? "no error" : context.error();
  }
  static std::string WriteFile(const std::string& name, std::string_view text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  static inline std::string folder_;
  static inline test_support::CertificateFiles files_;
};

class SocketPair {
 public:
  SocketPair() {
    const int kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (socketpair(AF_UNIX, kind, 0, fds_) != 0) throw std::runtime_error("socketpair");
  }
  ~SocketPair() {
    for (int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  int client() const { return fds_[0]; }
  int server() const { return fds_[1]; }
  void CloseClient() {
    close(fds_[0]);
    fds_[0] = -1;
  }

 private:
  int fds_[2] = {-1, -1};
};

// `accepting` is pgweir toward a client, `connecting` pgweir toward a server: here they talk to each other.
struct Link {
  Link(Context accept, Context connect, std::string_view host = "localhost", bool direct = false)
      : accept_context(std::move(accept)), connect_context(std::move(connect)) {
    accepting = TlsStream::Accept(*accept_context, sockets.server(), direct);
    connecting = TlsStream::Connect(*connect_context, sockets.client(), host);
  }

  static bool IsWaiting(IoStatus status) { return status == IoStatus::kWantRead || status == IoStatus::kWantWrite; }

  // True when both ends came through. A side that failed is not driven any more, the other still hears of it.
  bool Handshake() {
    accepted = connected = IoStatus::kWantRead;
    for (int turn = 0; turn < 20 && (IsWaiting(accepted) || IsWaiting(connected)); turn++) {
      if (IsWaiting(connected)) connected = connecting->Handshake();
      if (IsWaiting(accepted)) accepted = accepting->Handshake();
    }
    return accepted == IoStatus::kOk && connected == IoStatus::kOk;
  }

  Context accept_context, connect_context;
  SocketPair sockets;
  std::unique_ptr<TlsStream> accepting, connecting;
  IoStatus accepted = IoStatus::kWantRead, connected = IoStatus::kWantRead;
};

inline std::string ReadAll(TlsStream& stream) {
  std::string all;
  char bytes[5000];
  for (IoResult got = stream.Read(bytes, sizeof bytes); got.status == IoStatus::kOk;
       got = stream.Read(bytes, sizeof bytes)) {
    all.append(bytes, got.bytes);
  }
  return all;
}

// Sends `text` while the other end reads; each retry comes from another place in memory.
inline std::string Send(TlsStream& from, TlsStream& to, const std::string& text, int* partial_writes) {
  std::string received, buffer = text;
  for (int turn = 0; turn < 100000 && received.size() < text.size(); turn++) {
    if (!buffer.empty()) {
      const IoResult sent = from.Write(buffer.data(), buffer.size());
      if (sent.status != IoStatus::kOk && sent.status != IoStatus::kWantWrite) return "failed: " + from.error_text();
      if (sent.bytes < buffer.size()) ++*partial_writes;
      buffer = std::string(buffer.begin() + static_cast<std::ptrdiff_t>(sent.bytes), buffer.end());
      if (sent.status == IoStatus::kOk) continue;
    }
    received += ReadAll(to);
  }
  return received;
}

inline std::string RandomText(size_t size) {
  std::mt19937 random(7);
  std::string text(size, '\0');
  for (char& letter : text) letter = static_cast<char>(random());
  return text;
}

}  // namespace proxy
