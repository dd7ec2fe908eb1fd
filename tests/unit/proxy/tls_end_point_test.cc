// tls-server-end-point: both ends of a connection have the same hash of the server's certificate, by the rule of RFC 5929.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "tests/unit/proxy/tls_fixture.h"

namespace proxy {
namespace {

class TlsEndPoint : public TlsTest {
 protected:
  // A certificate that signs itself, by this key and hash (nullptr: the key has its own).
  conf::TlsSettings SignedBy(EVP_PKEY* key, const EVP_MD* hash) {
    X509* certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    if (X509_sign(certificate, key, hash) <= 0) throw std::runtime_error("cannot sign");
    const std::string name = folder_ + "/own" + std::to_string(made_++);
    const auto write = [&](const std::string& path, auto put) {
      BIO* file = BIO_new_file(path.c_str(), "w");
      put(file);
      BIO_free(file);
      return path;
    };
    conf::TlsSettings settings = ClientSide();
    settings.cert_file = write(name + ".crt", [&](BIO* file) { PEM_write_bio_X509(file, certificate); });
    settings.key_file = write(name + ".key", [&](BIO* file) { PEM_write_bio_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr); });
    der_.resize(static_cast<size_t>(i2d_X509(certificate, nullptr)));
    auto* at = reinterpret_cast<unsigned char*>(der_.data());
    i2d_X509(certificate, &at);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return settings;
  }
  std::string Hash(const EVP_MD* hash) const {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(der_.data(), der_.size(), digest, &size, hash, nullptr);
    return std::string(reinterpret_cast<const char*>(digest), size);
  }
  // The same on both sides.
  std::string EndPoint(const conf::TlsSettings& settings) {
    conf::TlsSettings weak = settings;
    weak.ciphers = "ALL:@SECLEVEL=0";
    Link link(ForClients(weak), ForServers({.mode = conf::TlsMode::kRequire, .ciphers = "ALL:@SECLEVEL=0"}));
    EXPECT_EQ(link.accepting->ServerEndPoint(), "") << "before the handshake";
    EXPECT_TRUE(link.Handshake()) << link.accepting->error_text() << link.connecting->error_text();
    EXPECT_EQ(link.accepting->ServerEndPoint(), link.connecting->ServerEndPoint());
    return link.accepting->ServerEndPoint();
  }

  void ExpectHash(const conf::TlsSettings& settings, const EVP_MD* hash) { EXPECT_EQ(EndPoint(settings), Hash(hash)); }

  std::string der_;
  int made_ = 0;
};

TEST_F(TlsEndPoint, HashOfTheSignature) {
  ExpectHash(SignedBy(EVP_EC_gen("P-256"), EVP_sha256()), EVP_sha256());
  ExpectHash(SignedBy(EVP_EC_gen("P-256"), EVP_sha384()), EVP_sha384());
  ExpectHash(SignedBy(EVP_RSA_gen(2048), EVP_sha512()), EVP_sha512());
  ExpectHash(SignedBy(EVP_RSA_gen(2048), EVP_sha224()), EVP_sha224());
}

TEST_F(TlsEndPoint, WeakHashesCountAsSha256) {
  ExpectHash(SignedBy(EVP_RSA_gen(2048), EVP_sha1()), EVP_sha256());
  ExpectHash(SignedBy(EVP_RSA_gen(2048), EVP_md5()), EVP_sha256());
}

TEST_F(TlsEndPoint, ASignatureWithoutAHashHasNone) {
  EXPECT_EQ(EndPoint(SignedBy(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), nullptr)), "");
}

TEST_F(TlsEndPoint, TheClientsCertificateIsNotTheServers) {
  conf::TlsSettings asking = ClientSide(conf::TlsMode::kVerifyFull), showing = ServerSide();
  asking.ca_file = files_.ca;
  showing.cert_file = files_.client_cert;
  showing.key_file = files_.client_key;
  Link link(ForClients(asking), ForServers(showing));
  ASSERT_TRUE(link.Handshake());
  EXPECT_EQ(link.accepting->ServerEndPoint(), link.connecting->ServerEndPoint());
  Link plain(ForClients(ClientSide()), ForServers(ServerSide()));
  ASSERT_TRUE(plain.Handshake());
  EXPECT_EQ(plain.accepting->ServerEndPoint(), link.accepting->ServerEndPoint());
  EXPECT_EQ(plain.accepting->ServerEndPoint().size(), 32u);
}

}  // namespace
}  // namespace proxy
