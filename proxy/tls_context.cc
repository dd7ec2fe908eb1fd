#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "proxy/tls.h"

namespace proxy {
namespace {

using Result = tl::expected<void, std::string>;

constexpr unsigned char kAlpnList[] = {10, 'p', 'o', 's', 't', 'g', 'r', 'e', 's', 'q', 'l'};
constexpr unsigned char kSessionIdContext[] = {'p', 'g', 'w', 'e', 'i', 'r'};

// Oldest first: ranges of versions are found by position.
struct Version {
  std::string_view name;
  int number;
  uint64_t off_option;
};
constexpr std::array<Version, 4> kVersions = {{
    {"tlsv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1},
    {"tlsv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
    {"tlsv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
    {"tlsv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
}};
using VersionSet = std::array<bool, kVersions.size()>;

// PgBouncer's words, with the suites this OpenSSL still has. "fast" prefers AES-128.
struct CipherWord {
  std::string_view word;
  const char* list;
};
constexpr const char* kHighCiphers = "HIGH:!aNULL:!eNULL:!PSK:!SRP";
constexpr const char* kCompatibleCiphers = "HIGH:MEDIUM:+3DES:!aNULL:!eNULL:!PSK:!SRP";
constexpr const char* kEveryCipher = "ALL:!aNULL:!eNULL";
constexpr CipherWord kCipherWords[] = {
    {"default", kHighCiphers},
    {"secure", kHighCiphers},
    {"compat", kCompatibleCiphers},
    {"legacy", kCompatibleCiphers},
    {"all", kEveryCipher},
    {"insecure", kEveryCipher},
    {"normal", "kEECDH+HIGH:kEDH+HIGH:kRSA+HIGH:!aNULL:!eNULL:!DSS:!CAMELLIA"},
    {"fast", "kEECDH+AESGCM:kEDH+AESGCM:kEECDH+HIGH:kEDH+HIGH:kRSA+HIGH:+AES256:!aNULL:!eNULL:!DSS:!CAMELLIA"},
};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return lower;
}

std::vector<std::string> Split(std::string_view list, std::string_view separators) {
  std::vector<std::string> words;
  while (!list.empty()) {
    const size_t end = std::min(list.find_first_of(separators), list.size());
    std::string_view word = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    const size_t first = word.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    words.emplace_back(word.substr(first, word.find_last_not_of(" \t") - first + 1));
  }
  return words;
}

// The oldest queued error is the cause; what follows it is each caller's way of saying "failed".
std::string OpenSslReason() {
  const unsigned long code = ERR_peek_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason
                     : ERR_SYSTEM_ERROR(code) ? std::generic_category().message(ERR_GET_REASON(code))
                                              : "OpenSSL gives no reason";
  ERR_clear_error();
  return text;
}

// One context being built for one side. Every step returns what is wrong, with the key that caused it.
class Builder {
 public:
  Builder(SSL_CTX* context, const conf::TlsSettings& settings, std::string_view prefix)
      : context_(context), settings_(settings), prefix_(prefix) {
    SSL_CTX_set_default_passwd_cb(context_, RefusePassphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context_, &asked_passphrase_);
  }
  // The context outlives the builder, the flag does not.
  ~Builder() { SSL_CTX_set_default_passwd_cb_userdata(context_, nullptr); }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  Result Client();
  Result Server();

 private:
  Result Common();
  Result Protocols();
  tl::expected<VersionSet, std::string> ParseProtocols() const;
  Result Ciphers();
  Result Tls13Ciphers();
  Result CertificateAndKey();
  Result ClientCertificates();
  Result FiniteFieldGroups();
  Result Curves();
  Result CheckReadable(std::string_view key, const std::string& path) const;
  bool IsVerifying() const {
    return settings_.mode == conf::TlsMode::kVerifyCa || settings_.mode == conf::TlsMode::kVerifyFull;
  }

  tl::unexpected<std::string> Bad(std::string_view key, std::string_view value, std::string_view problem) const {
    std::string text = prefix_ + std::string(key);
    if (!value.empty()) text.append(" ").append(value);
    return tl::unexpected(text.append(": ").append(problem));
  }

  static int RefusePassphrase(char*, int, int, void* asked) {
    if (asked != nullptr) *static_cast<bool*>(asked) = true;
    return -1;
  }

  SSL_CTX* context_;
  const conf::TlsSettings& settings_;
  std::string prefix_;
  bool asked_passphrase_ = false;
};

// OpenSSL's own texts for files that cannot be opened do not name the file.
Result Builder::CheckReadable(std::string_view key, const std::string& path) const {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Bad(key, path, std::generic_category().message(errno));
  struct stat status = {};
  const bool is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  close(fd);
  if (!is_file) return Bad(key, path, "not a regular file");
  return {};
}

tl::expected<VersionSet, std::string> Builder::ParseProtocols() const {
  VersionSet wanted{};
  for (const std::string& word : Split(Lower(settings_.protocols), ",:")) {
    if (word == "secure" || word == "default") {
      wanted[2] = wanted[3] = true;
    } else if (word == "all" || word == "legacy" || word == "tlsv1") {
      wanted.fill(true);
    } else {
      const auto* version =
          std::find_if(kVersions.begin(), kVersions.end(), [&](const Version& known) { return known.name == word; });
      if (version == kVersions.end()) {
        return Bad("tls_protocols", word,
                   "not a protocol; use secure, all, legacy or a list of tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3");
      }
      wanted[static_cast<size_t>(version - kVersions.begin())] = true;
    }
  }
  if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) {
    return Bad("tls_protocols", "", "names no protocol; secure means tlsv1.2,tlsv1.3");
  }
  return wanted;
}

Result Builder::Protocols() {
  const auto wanted = ParseProtocols();
  if (!wanted) return tl::unexpected(wanted.error());
  int oldest = 0, newest = 0;
  for (size_t i = 0; i < kVersions.size(); i++) {
    // openssl.cnf may have set either; the key decides alone
    if ((*wanted)[i]) {
      SSL_CTX_clear_options(context_, kVersions[i].off_option);
      if (oldest == 0) oldest = kVersions[i].number;
      newest = kVersions[i].number;
    } else {
      SSL_CTX_set_options(context_, kVersions[i].off_option);
    }
  }
  if (SSL_CTX_set_min_proto_version(context_, oldest) != 1 || SSL_CTX_set_max_proto_version(context_, newest) != 1) {
    return Bad("tls_protocols", settings_.protocols, OpenSslReason());
  }
  // With both old ones only, every handshake would fail; better said here than by each client.
  if (newest < TLS1_2_VERSION && SSL_CTX_get_security_level(context_) > 0) {
    return Bad("tls_protocols", settings_.protocols,
               "TLS 1.0 and 1.1 need @SECLEVEL=0 in " + prefix_ + "tls_ciphers, for example ALL:!aNULL:@SECLEVEL=0");
  }
  return {};
}

Result Builder::Ciphers() {
  const char* list = settings_.ciphers.c_str();
  const std::string word = Lower(settings_.ciphers);
  for (const CipherWord& known : kCipherWords) {
    if (known.word == word) list = known.list;
  }
  if (SSL_CTX_set_cipher_list(context_, list) != 1) {
    return Bad("tls_ciphers", settings_.ciphers,
               OpenSslReason() + "; use default or OpenSSL's syntax (openssl ciphers -v)");
  }
  return {};
}

// OpenSSL skips names it does not know, so that a misspelt list would be an empty one.
Result Builder::Tls13Ciphers() {
  if (settings_.tls13_ciphers.empty()) return {};
  if (SSL_CTX_set_ciphersuites(context_, settings_.tls13_ciphers.c_str()) != 1) {
    return Bad("tls13_ciphers", settings_.tls13_ciphers, OpenSslReason());
  }
  const STACK_OF(SSL_CIPHER)* accepted = SSL_CTX_get_ciphers(context_);
  const auto is_accepted = [&](const std::string& name) {
    for (int i = 0; i < sk_SSL_CIPHER_num(accepted); i++) {
      if (name == SSL_CIPHER_get_name(sk_SSL_CIPHER_value(accepted, i))) return true;
    }
    return false;
  };
  const std::vector<std::string> names = Split(settings_.tls13_ciphers, ":");
  for (const std::string& name : names) {
    if (!is_accepted(name)) {
      return Bad("tls13_ciphers", name, "not a TLS 1.3 suite of this OpenSSL (openssl ciphers -s -tls1_3)");
    }
  }
  if (names.empty()) return Bad("tls13_ciphers", settings_.tls13_ciphers, "names no suite");
  return {};
}

Result Builder::CertificateAndKey() {
  const std::string& cert = settings_.cert_file;
  const std::string& key = settings_.key_file;
  if (cert.empty()) return Bad("tls_cert_file", "", "not set, but " + prefix_ + "tls_key_file is");
  if (key.empty()) return Bad("tls_key_file", "", "not set, but " + prefix_ + "tls_cert_file is");
  if (auto readable = CheckReadable("tls_cert_file", cert); !readable) return readable;
  if (auto readable = CheckReadable("tls_key_file", key); !readable) return readable;
  if (SSL_CTX_use_certificate_chain_file(context_, cert.c_str()) != 1) {
    return Bad("tls_cert_file", cert, "no usable PEM certificate chain in it: " + OpenSslReason());
  }
  asked_passphrase_ = false;
  const bool is_loaded = SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) == 1;
  if (asked_passphrase_) {
    ERR_clear_error();
    return Bad("tls_key_file", key, "protected by a passphrase; store it without (openssl pkey -in old -out new)");
  }
  // A key of another kind than the certificate's is loaded without complaint, and found by the check only.
  const bool is_mismatch = is_loaded ? SSL_CTX_check_private_key(context_) != 1
                                     : ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
  if (is_mismatch) {
    ERR_clear_error();
    return Bad("tls_key_file", key, "does not belong to the certificate in " + prefix_ + "tls_cert_file " + cert);
  }
  if (!is_loaded) return Bad("tls_key_file", key, "no usable PEM private key in it: " + OpenSslReason());
  return {};
}

Result Builder::ClientCertificates() {
  const std::string& file = settings_.ca_file;
  if (file.empty()) {
    if (!IsVerifying()) return {};
    return Bad("tls_ca_file", "",
               "not set, but " + prefix_ + "tls_sslmode verifies the certificates of clients against it");
  }
  if (auto readable = CheckReadable("tls_ca_file", file); !readable) return readable;
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context_, file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return Bad("tls_ca_file", file, "no usable PEM certificate in it: " + OpenSslReason());
  }
  SSL_CTX_set_client_CA_list(context_, names);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | (IsVerifying() ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return {};
}

Result Builder::FiniteFieldGroups() {
  const std::string& value = settings_.dheparams;
  const std::string word = Lower(value);
  if (word == "auto" || word.empty()) {
    SSL_CTX_set_dh_auto(context_, 1);
    return {};
  }
  if (word == "none") return {};
  if (auto readable = CheckReadable("tls_dheparams", value); !readable) {
    return tl::unexpected(readable.error() + "; use auto, none or a file made by openssl dhparam");
  }
  BIO* file = BIO_new_file(value.c_str(), "r");
  EVP_PKEY* parameters = file != nullptr ? PEM_read_bio_Parameters(file, nullptr) : nullptr;
  BIO_free(file);
  if (parameters == nullptr) return Bad("tls_dheparams", value, "no PEM DH parameters in it: " + OpenSslReason());
  if (SSL_CTX_set0_tmp_dh_pkey(context_, parameters) != 1) {
    EVP_PKEY_free(parameters);
    return Bad("tls_dheparams", value, OpenSslReason());
  }
  return {};
}

Result Builder::Curves() {
  const std::string word = Lower(settings_.ecdhcurve);
  if (word == "auto" || word.empty()) return {};
  const std::string groups = word == "none" ? "ffdhe2048:ffdhe3072" : settings_.ecdhcurve;
  if (SSL_CTX_set1_groups_list(context_, groups.c_str()) != 1) {
    ERR_clear_error();
    return Bad("tls_ecdhcurve", settings_.ecdhcurve, "not a list of groups; use auto, none or, say, X25519:prime256v1");
  }
  return {};
}

Result Builder::Common() {
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // One recv per record instead of two (header, then body); TlsStream::HasPending knows of it.
  SSL_CTX_set_read_ahead(context_, 1);
  if (auto done = Ciphers(); !done) return done;
  if (auto done = Tls13Ciphers(); !done) return done;
  return Protocols();
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
               unsigned offered_length, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kAlpnList, sizeof kAlpnList, offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result Builder::Client() {
  if (auto done = Common(); !done) return done;
  if (settings_.cert_file.empty() && settings_.key_file.empty()) {
    return Bad("tls_cert_file", "",
               "not set, but " + prefix_ + "tls_sslmode needs it, and " + prefix_ + "tls_key_file");
  }
  if (auto done = CertificateAndKey(); !done) return done;
  if (auto done = ClientCertificates(); !done) return done;
  if (auto done = FiniteFieldGroups(); !done) return done;
  if (auto done = Curves(); !done) return done;
  SSL_CTX_set_options(context_, SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Resumption is by tickets, which cost us no memory; a resumed session must name this service.
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context_, kSessionIdContext, sizeof kSessionIdContext);
  SSL_CTX_set_alpn_select_cb(context_, SelectAlpn, nullptr);
  return {};
}

Result Builder::Server() {
  if (auto done = Common(); !done) return done;
  if (!settings_.cert_file.empty() || !settings_.key_file.empty()) {
    if (auto done = CertificateAndKey(); !done) return done;
  }
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  // PostgreSQL 17 looks at it, older ones do not mind. Unlike its neighbours this call returns 0 for success.
  if (SSL_CTX_set_alpn_protos(context_, kAlpnList, sizeof kAlpnList) != 0) {
    return Bad("tls_sslmode", "", OpenSslReason());
  }
  if (!IsVerifying()) return {};
  const std::string& file = settings_.ca_file;
  if (file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context_) != 1) {
      return Bad("tls_ca_file", "", "not set, and the system's certificates cannot be used: " + OpenSslReason());
    }
  } else {
    if (auto readable = CheckReadable("tls_ca_file", file); !readable) return readable;
    if (SSL_CTX_load_verify_file(context_, file.c_str()) != 1) {
      return Bad("tls_ca_file", file, "no usable PEM certificate in it: " + OpenSslReason());
    }
  }
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  return {};
}

}  // namespace

tl::expected<std::shared_ptr<const TlsContext>, std::string> TlsContext::ForClients(const conf::TlsSettings& settings) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> context(new TlsContext);
  context->settings_ = settings;
  context->context_ = SSL_CTX_new(TLS_server_method());
  if (context->context_ == nullptr) return tl::unexpected("client_tls_sslmode: " + OpenSslReason());
  if (auto done = Builder(context->context_, settings, "client_").Client(); !done) {
    return tl::unexpected(done.error());
  }
  return context;
}

tl::expected<std::shared_ptr<const TlsContext>, std::string> TlsContext::ForServers(const conf::TlsSettings& settings) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> context(new TlsContext);
  context->settings_ = settings;
  context->context_ = SSL_CTX_new(TLS_client_method());
  if (context->context_ == nullptr) return tl::unexpected("server_tls_sslmode: " + OpenSslReason());
  if (auto done = Builder(context->context_, settings, "server_").Server(); !done) {
    return tl::unexpected(done.error());
  }
  return context;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace proxy
