#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <optional>
#include <system_error>

#include "proxy/system_calls.h"
#include "proxy/tls.h"

namespace proxy {
namespace {

constexpr std::string_view kAlpn = "postgresql";

// "fe80::1%eth0" is dialled by its zone, but certificates name the address alone.
std::optional<std::string> AsAddress(std::string_view host) {
  std::string address(host.substr(0, host.find('%')));
  in6_addr bytes;
  if (inet_pton(AF_INET, address.c_str(), &bytes) == 1 || inet_pton(AF_INET6, address.c_str(), &bytes) == 1) {
    return address;
  }
  return std::nullopt;
}

std::string_view WithoutRootDot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool CheckHost(SSL* ssl, const std::string& name) {
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, name.c_str()) == 1;
}

std::string VerifyReason(SSL* ssl) {
  const char* peer = SSL_is_server(ssl) ? "the client's certificate was not accepted: "
                                        : "the server's certificate was not accepted: ";
  return std::string(peer) + X509_verify_cert_error_string(SSL_get_verify_result(ssl)) +
         (SSL_is_server(ssl) ? " (client_tls_ca_file)" : " (server_tls_sslmode, server_tls_ca_file)");
}

std::string ProtocolReason(SSL* ssl) {
  const unsigned long code = ERR_peek_error();
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    return VerifyReason(ssl);
  }
  const char* reason = ERR_reason_error_string(code);
  return std::string("TLS: ") + (reason != nullptr ? reason : "OpenSSL gives no reason");
}

std::string Group(SSL* ssl) {
  if (!SSL_is_server(ssl)) {
    // the only place that knows the size of a TLS 1.2 server's own DH parameters
    EVP_PKEY* key = nullptr;
    if (SSL_get_peer_tmp_key(ssl, &key) == 1) {
      const std::string bits = std::to_string(EVP_PKEY_get_bits(key));
      const bool is_finite_field = EVP_PKEY_is_a(key, "DH") == 1;
      EVP_PKEY_free(key);
      if (is_finite_field) return "/DH=" + bits;
    }
  }
  const char* name = OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(ssl)));
  if (name == nullptr || SSL_get_negotiated_group(ssl) == NID_undef) return "";
  constexpr std::string_view kFiniteField = "ffdhe";
  const std::string_view group = name;
  if (group.starts_with(kFiniteField)) return "/DH=" + std::string(group.substr(kFiniteField.size()));
  return "/ECDH=" + std::string(group);
}

// A CA that signs any text must not make "root\0.example.com" a root: such a name is left out.
void AddName(const ASN1_STRING* text, std::vector<std::string>& names) {
  unsigned char* bytes = nullptr;
  const int length = ASN1_STRING_to_UTF8(&bytes, text);
  if (length < 0) return;
  std::string name(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
  OPENSSL_free(bytes);
  if (!name.empty() && name.find('\0') == std::string::npos) names.push_back(std::move(name));
}

// OpenSSL flushes after a flight of the handshake; nothing is held back here.
long ControlSealed(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

// The way out of a stream that has SendBy: one method for all of them.
const BIO_METHOD* TlsStream::SealedMethod() {
  static const BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pgweir");
    if (made != nullptr) {
      BIO_meth_set_write(made, &WriteSealed);
      BIO_meth_set_ctrl(made, &ControlSealed);
    }
    return made;
  }();
  return method;
}

int TlsStream::WriteSealed(BIO* bio, const char* bytes, int count) {
  auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t sent = stream.send_(stream.send_owner_, bytes, static_cast<size_t>(count));
  if (sent < 0 && IsForLater(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

void TlsStream::SendBy(SendSealed send, void* owner) {
  send_ = send;
  send_owner_ = owner;
  if (!error_.empty()) return;  // Handshake says it
  BIO* out = SealedMethod() == nullptr ? nullptr : BIO_new(SealedMethod());
  if (out == nullptr) {
    error_ = "TLS: out of memory";
    return;
  }
  BIO_set_data(out, this);
  BIO_set_init(out, 1);
  SSL_set0_wbio(ssl_, out);
}

std::unique_ptr<TlsStream> TlsStream::Make(const TlsContext& context, int fd) {
  ERR_clear_error();
  std::unique_ptr<TlsStream> stream(new TlsStream);
  stream->ssl_ = SSL_new(context.get());
  if (stream->ssl_ == nullptr || SSL_set_fd(stream->ssl_, fd) != 1) stream->error_ = "TLS: out of memory";
  return stream;
}

std::unique_ptr<TlsStream> TlsStream::Accept(const TlsContext& context, int fd, bool direct) {
  auto stream = Make(context, fd);
  if (!stream->error_.empty()) return stream;
  stream->needs_alpn_ = direct;
  SSL_set_accept_state(stream->ssl_);
  return stream;
}

std::unique_ptr<TlsStream> TlsStream::Connect(const TlsContext& context, int fd, std::string_view host) {
  auto stream = Make(context, fd);
  if (!stream->error_.empty()) return stream;
  SSL* ssl = stream->ssl_;
  SSL_set_connect_state(ssl);
  const bool is_checked = context.mode() == conf::TlsMode::kVerifyFull;
  const std::optional<std::string> address = AsAddress(host);
  const std::string name(address ? "" : WithoutRootDot(host));
  bool is_set = true;
  if (address) {
    if (is_checked) is_set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address->c_str()) == 1;
  } else if (name.empty() || name.find('\0') != std::string::npos) {
    // for OpenSSL an empty name means "do not check"
    is_set = !is_checked;
  } else {
    is_set = SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 && (!is_checked || CheckHost(ssl, name));
  }
  ERR_clear_error();
  if (!is_set) stream->error_ = "TLS: the host is neither a name nor an address that a certificate can hold";
  return stream;
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

IoStatus TlsStream::Explain(int result) {
  const int system_error = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return IoStatus::kWantRead;
    case SSL_ERROR_WANT_WRITE: return IoStatus::kWantWrite;
    case SSL_ERROR_ZERO_RETURN: return IoStatus::kEof;
    case SSL_ERROR_SYSCALL:
      error_ = "TLS: " + (system_error != 0 ? std::generic_category().message(system_error) : "connection lost");
      break;
    default: error_ = ProtocolReason(ssl_);
  }
  is_broken_ = true;
  ERR_clear_error();
  return IoStatus::kError;
}

IoStatus TlsStream::Handshake() {
  if (!error_.empty()) return IoStatus::kError;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) return Explain(result);
  if (needs_alpn_) {
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_, &chosen, &length);
    if (length != kAlpn.size()) {
      error_ = "direct TLS connection without ALPN \"postgresql\"; the client must offer it, or start with SSLRequest";
      return IoStatus::kError;
    }
  }
  return IoStatus::kOk;
}

IoResult TlsStream::Read(void* bytes, size_t capacity) {
  if (!error_.empty()) return {IoStatus::kError, 0};
  if (capacity == 0) return {IoStatus::kOk, 0};
  ERR_clear_error();
  errno = 0;
  size_t count = 0;
  const int result = SSL_read_ex(ssl_, bytes, capacity, &count);
  is_drained_ = result != 1;
  if (result == 1) return {IoStatus::kOk, count};
  return {Explain(result), 0};
}

IoResult TlsStream::Write(const void* bytes, size_t count) {
  if (!error_.empty()) return {IoStatus::kError, 0};
  if (count == 0) return {IoStatus::kOk, 0};
  ERR_clear_error();
  errno = 0;
  size_t written = 0;
  const int result = SSL_write_ex(ssl_, bytes, count, &written);
  if (result == 1) return {IoStatus::kOk, written};
  return {Explain(result), 0};
}

bool TlsStream::HasPending() const {
  return error_.empty() && !is_drained_ && SSL_is_init_finished(ssl_) && SSL_has_pending(ssl_) == 1;
}

void TlsStream::Shutdown() {
  if (ssl_ == nullptr || is_broken_ || !SSL_is_init_finished(ssl_)) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::vector<std::string> TlsStream::PeerNames() const {
  std::vector<std::string> names;
  if (ssl_ == nullptr || !SSL_is_init_finished(ssl_) || SSL_get_verify_result(ssl_) != X509_V_OK) return names;
  const bool was_asked = (SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) != 0;
  X509* certificate = was_asked ? SSL_get0_peer_certificate(ssl_) : nullptr;
  if (certificate == nullptr) return names;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);  // of several the first, as PostgreSQL
  if (at >= 0) AddName(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), names);
  auto* alternatives = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); ++i) {
    const GENERAL_NAME* alternative = sk_GENERAL_NAME_value(alternatives, i);
    if (alternative->type == GEN_DNS) AddName(alternative->d.dNSName, names);
  }
  GENERAL_NAMES_free(alternatives);
  ERR_clear_error();
  return names;
}

std::string TlsStream::ServerEndPoint() const {
  if (ssl_ == nullptr || !SSL_is_init_finished(ssl_)) return "";
  const X509* certificate = SSL_is_server(ssl_) != 0 ? SSL_get_certificate(ssl_) : SSL_get0_peer_certificate(ssl_);
  int hash = NID_undef;
  if (certificate == nullptr || X509_get_signature_info(const_cast<X509*>(certificate), &hash, nullptr, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return "";
  }
  if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;  // as the RFC has it: those two are too weak
  const EVP_MD* method = EVP_get_digestbynid(hash);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (method == nullptr || X509_digest(certificate, method, digest, &size) != 1) {
    ERR_clear_error();
    return "";
  }
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string TlsStream::Description() const {
  if (ssl_ == nullptr || !SSL_is_init_finished(ssl_)) return "";
  return std::string(SSL_get_version(ssl_)) + "/" + SSL_get_cipher_name(ssl_) + Group(ssl_);
}

std::string TlsLibrary() { return OpenSSL_version(OPENSSL_VERSION); }

}  // namespace proxy
