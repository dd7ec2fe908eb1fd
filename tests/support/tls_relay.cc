#include "tests/support/tls_relay.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace test_support {
namespace {

constexpr int kLookAgainMs = 20;  // how soon it notices that the test has ended
constexpr char kSslRequest[] = "\0\0\0\x08\x04\xd2\x16\x2f";
constexpr size_t kSslRequestBytes = 8;

int Listen(int& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd, 16) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("the relay cannot listen");
  }
  port = ntohs(address.sin_port);
  return fd;
}

int ConnectToPort(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

// True when something was passed on.
bool Pass(SSL* from, SSL* to) {
  char bytes[16384];
  const int got = SSL_read(from, bytes, sizeof bytes);
  return got > 0 && SSL_write(to, bytes, got) == got;
}

}  // namespace

TlsRelay::TlsRelay(int to_port, const std::string& certificate, const std::string& key)
    : to_port_(to_port), server_side_(SSL_CTX_new(TLS_server_method())), client_side_(SSL_CTX_new(TLS_client_method())) {
  // Without tickets a readable socket always means bytes of the other side's.
  SSL_CTX_set_num_tickets(server_side_, 0);
  SSL_CTX_set_mode(client_side_, SSL_MODE_AUTO_RETRY);
  if (SSL_CTX_use_certificate_chain_file(server_side_, certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(server_side_, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("the relay cannot use its certificate");
  }
  listener_ = Listen(port_);
  acceptor_ = std::thread([this] { Accept(); });
}

TlsRelay::~TlsRelay() {
  stopping_ = true;
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  close(listener_);
  SSL_CTX_free(server_side_);
  SSL_CTX_free(client_side_);
}

void TlsRelay::Accept() {
  while (!stopping_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, kLookAgainMs) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    std::lock_guard lock(mutex_);
    threads_.emplace_back([this, client] { Relay(client); });
  }
}

void TlsRelay::Relay(int client) {
  const int server = ConnectToPort(to_port_);
  SSL* to_client = SSL_new(server_side_);
  SSL* to_server = SSL_new(client_side_);
  SSL_set_fd(to_client, client);
  SSL_set_fd(to_server, server);
  char request[kSslRequestBytes], answer = 0;
  bool is_open = server >= 0 && recv(client, request, sizeof request, MSG_WAITALL) == kSslRequestBytes &&
                 send(server, kSslRequest, kSslRequestBytes, MSG_NOSIGNAL) == kSslRequestBytes && recv(server, &answer, 1, 0) == 1 &&
                 answer == 'S' && SSL_connect(to_server) == 1 && send(client, "S", 1, MSG_NOSIGNAL) == 1 && SSL_accept(to_client) == 1;
  if (is_open) ++connections_;
  while (is_open && !stopping_) {
    if (SSL_pending(to_client) > 0) {
      is_open = Pass(to_client, to_server);
      continue;
    }
    if (SSL_pending(to_server) > 0) {
      is_open = Pass(to_server, to_client);
      continue;
    }
    pollfd waiting[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(waiting, 2, kLookAgainMs) <= 0) continue;
    if (waiting[0].revents != 0) is_open = Pass(to_client, to_server);
    if (is_open && waiting[1].revents != 0) {
      // Tickets of the server come without bytes of its own, so it must not block here.
      timeval patience{.tv_sec = 0, .tv_usec = kLookAgainMs * 1000};
      setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      char bytes[16384];
      const int got = SSL_read(to_server, bytes, sizeof bytes);
      if (got > 0) is_open = SSL_write(to_client, bytes, got) == got;
      else is_open = SSL_get_error(to_server, got) == SSL_ERROR_WANT_READ;
    }
  }
  SSL_free(to_client);
  SSL_free(to_server);
  close(client);
  if (server >= 0) close(server);
}

}  // namespace test_support
