// TLS for both sides, from conf::TlsSettings, over OpenSSL 3.
//
// What: TlsContext is one SSL_CTX (shared, immutable, thread-safe once built); TlsStream is one SSL bound to a
// non-blocking socket's fd. proxy/socket drives TlsStream; nothing else touches SSL.
// Sending: what OpenSSL seals goes to where SendBy says (proxy/socket: into the turn's batch), and to the fd without that.
// Threads: a TlsContext may be used by every worker; a TlsStream belongs to one worker at a time.
// Memory: SSL_MODE_RELEASE_BUFFERS, so an idle TLS client keeps no record buffers; OpenSSL itself holds about 16 kB
// for a client and 35 kB for a server connection (measured, OpenSSL 3.0.22).
// Errors: ForClients and ForServers return a text that names the key and the file ("client_tls_cert_file /x: No such
// file or directory"). A key file with a passphrase is such an error; nobody is asked on a terminal.
// Verification, as PgBouncer does it: servers are verified under verify-ca and verify-full only (libpq's "require with
// a CA file verifies" is not ours), with the system's roots when server_tls_ca_file is empty. Clients must show a
// certificate signed by client_tls_ca_file under verify-ca and verify-full (the same thing there). Stricter than
// PgBouncer: under the modes below, one is asked for when client_tls_ca_file is set, and verified if it comes.
// Protocols: TLS 1.0 and 1.1 need a *_tls_ciphers with @SECLEVEL=0 in it, that is how OpenSSL 3 guards them.
// client_tls_ecdhcurve = none leaves the finite-field groups (ffdhe2048, ffdhe3072) to TLS 1.3 clients.
// SIGPIPE: OpenSSL writes with write(), so the process must ignore SIGPIPE; a broken connection is then kError.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <tl/expected.hpp>
#include <vector>

#include "conf/config.h"

struct bio_method_st;
struct bio_st;
struct ssl_ctx_st;
struct ssl_st;

namespace proxy {

std::string TlsLibrary();  // "OpenSSL 3.0.15 3 Sep 2024", for the log

class TlsContext {
 public:
  // For clients that connect to us; needs a certificate, so not for mode kDisable. ALPN: takes "postgresql", refuses a
  // client that offers only others; a direct TLS client that offers none is refused by TlsStream.
  static tl::expected<std::shared_ptr<const TlsContext>, std::string> ForClients(const conf::TlsSettings&);
  // For our connections to servers.
  static tl::expected<std::shared_ptr<const TlsContext>, std::string> ForServers(const conf::TlsSettings&);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  conf::TlsMode mode() const { return settings_.mode; }
  ssl_ctx_st* get() const { return context_; }

 private:
  TlsContext() = default;
  ssl_ctx_st* context_ = nullptr;
  conf::TlsSettings settings_;
};

// A connection that was reset is kError: only a FIN is a normal end.
enum class IoStatus : unsigned char {
  kOk,          // bytes moved
  kWantRead,    // nothing now; wait until readable
  kWantWrite,   // nothing now; wait until writable
  kEof,         // the peer closed (with or without close_notify: both are a normal end)
  kError,       // error_text() says what
};

struct IoResult {
  IoStatus status;
  size_t bytes;
};

class TlsStream {
 public:
  static std::unique_ptr<TlsStream> Accept(const TlsContext&, int fd, bool direct);  // toward a client
  // Toward a server: SNI is sent when `host` is a name (not an address); kVerifyFull checks that name or address
  // against the certificate actually dialled; kVerifyCa and kVerifyFull check the chain. Never null: what goes wrong
  // here is said by Handshake.
  static std::unique_ptr<TlsStream> Connect(const TlsContext&, int fd, std::string_view host);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Each sealed record from here on; `owner` outlives the stream. As send(2), with errno: after EAGAIN the same bytes come again.
  using SendSealed = ssize_t (*)(void* owner, const char* bytes, size_t count);
  void SendBy(SendSealed send, void* owner);
  // For the owner: what it has taken from SendSealed and could not send yet.
  std::string& sealed() { return sealed_; }
  size_t sealed_bytes() const { return sealed_.size(); }

  // kOk when done; direct client TLS without ALPN "postgresql" is kError. After kOk look at HasPending: the peer's
  // first bytes may have come with its last handshake message.
  IoStatus Handshake();
  IoResult Read(void* bytes, size_t capacity);
  // May write a part. After kWantRead or kWantWrite the next Write must start with the same bytes and be no shorter (a
  // record of them is already sealed); they may have moved in memory.
  IoResult Write(const void* bytes, size_t count);
  // Bytes inside OpenSSL that no readable event will announce. False after a Read that moved nothing: what is left then
  // is the head of a record whose tail is announced when it comes.
  bool HasPending() const;
  void Shutdown();  // close_notify, best effort, never blocks
  // "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519", the form of SHOW CLIENTS' column tls; empty until the handshake is
  // done.
  std::string Description() const;
  // The names in the client's certificate, which was verified in the handshake: its CN, and each DNS name among the
  // alternative ones. Empty: it sent none, or none was asked for. Never a name with a zero byte in it.
  std::vector<std::string> PeerNames() const;
  // tls-server-end-point of RFC 5929: the hash of the server's certificate, ours or the peer's. Empty when there is none,
  // as for a certificate whose signature has no hash of its own (Ed25519).
  std::string ServerEndPoint() const;
  const std::string& error_text() const { return error_; }

 private:
  TlsStream() = default;
  static std::unique_ptr<TlsStream> Make(const TlsContext&, int fd);
  static const bio_method_st* SealedMethod();
  static int WriteSealed(bio_st*, const char*, int);
  IoStatus Explain(int result);  // SSL_get_error of a call that gave `result`, as a status; sets error_ for kError

  ssl_st* ssl_ = nullptr;
  bool needs_alpn_ = false;
  bool is_broken_ = false;   // OpenSSL forbids even SSL_shutdown after its fatal errors
  bool is_drained_ = false;  // the last Read found no whole record
  std::string error_;
  std::string sealed_;
  SendSealed send_ = nullptr;
  void* send_owner_ = nullptr;
};

}  // namespace proxy
