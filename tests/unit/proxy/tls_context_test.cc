// TlsContext: what each key does, and what a wrong one says.
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tests/unit/proxy/tls_fixture.h"

namespace proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(TlsTest, ProtocolsAreKept) {
  const auto negotiated = [&](const std::string& accept_protocols, const std::string& connect_protocols) {
    conf::TlsSettings accept = ClientSide(), connect = ServerSide();
    accept.protocols = accept_protocols;
    connect.protocols = connect_protocols;
    accept.ciphers = connect.ciphers = "ALL:!aNULL:@SECLEVEL=0";
    Link link(ForClients(accept), ForServers(connect));
    if (!link.Handshake()) return link.accepting->error_text();
    const std::string description = link.accepting->Description();
    EXPECT_EQ(description, link.connecting->Description());
    return description.substr(0, description.find('/'));
  };
  EXPECT_EQ(negotiated("secure", "secure"), "TLSv1.3");
  EXPECT_EQ(negotiated("all", "TLSv1.2"), "TLSv1.2");
  EXPECT_EQ(negotiated("tlsv1.2", "legacy"), "TLSv1.2");
  EXPECT_EQ(negotiated("tlsv1.1, tlsv1.3", "all"), "TLSv1.3");
  EXPECT_EQ(negotiated("tlsv1.3", "tlsv1.3,tlsv1.2"), "TLSv1.3");
  EXPECT_EQ(negotiated("legacy", "tlsv1.1"), "TLSv1.1");
  EXPECT_EQ(negotiated("all", "tlsv1.0"), "TLSv1");
  EXPECT_THAT(negotiated("secure", "tlsv1.0,tlsv1.1"), HasSubstr("unsupported protocol"));
  EXPECT_THAT(negotiated("tlsv1.3", "tlsv1.2"), HasSubstr("unsupported protocol"));
  EXPECT_THAT(negotiated("tlsv1.1,tlsv1.3", "tlsv1.2"), HasSubstr("TLS: "));
}

TEST_F(TlsTest, CiphersAndGroupsAreKept) {
  const auto negotiated = [&](conf::TlsSettings accept, const std::string& protocols = "secure") {
    conf::TlsSettings connect = ServerSide();
    connect.protocols = protocols;
    Link link(ForClients(accept), ForServers(connect));
    return link.Handshake() ? link.accepting->Description() : link.accepting->error_text();
  };
  conf::TlsSettings accept = ClientSide();
  accept.tls13_ciphers = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
  accept.ecdhcurve = "prime256v1:secp384r1";
  EXPECT_EQ(negotiated(accept), "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256/ECDH=prime256v1");
  accept.ecdhcurve = "secp384r1";
  EXPECT_EQ(negotiated(accept), "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256/ECDH=secp384r1");
  accept.ecdhcurve = "none";
  EXPECT_EQ(negotiated(accept), "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256/DH=2048");
  accept = ClientSide();
  EXPECT_EQ(negotiated(accept, "tlsv1.2"), "TLSv1.2/ECDHE-ECDSA-AES256-GCM-SHA384/ECDH=X25519");
  accept.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  EXPECT_EQ(negotiated(accept, "tlsv1.2"), "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256/ECDH=X25519");
  accept.ciphers = "fast";
  EXPECT_THAT(negotiated(accept, "tlsv1.2"), HasSubstr("AES128"));
  for (const char* word : {"default", "Secure", "normal", "compat", "legacy", "all", "insecure"}) {
    accept.ciphers = word;
    EXPECT_THAT(negotiated(accept, "tlsv1.2"), StartsWith("TLSv1.2/ECDHE-ECDSA-AES256-")) << word;
  }
}

TEST_F(TlsTest, NoCipherListHasAnonymousOrEmptyOnes) {
  for (const char* word : {"default", "secure", "normal", "fast", "compat", "all"}) {
    conf::TlsSettings settings = ClientSide();
    settings.ciphers = word;
    const Context context = ForClients(settings);
    const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(context->get());
    ASSERT_GT(sk_SSL_CIPHER_num(ciphers), 5) << word;
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
      const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
      EXPECT_NE(SSL_CIPHER_get_auth_nid(cipher), NID_auth_null) << word << SSL_CIPHER_get_name(cipher);
      EXPECT_NE(SSL_CIPHER_get_cipher_nid(cipher), NID_undef) << word << SSL_CIPHER_get_name(cipher);
    }
  }
}

// An RSA certificate, for the suites that the P-256 one cannot have.
class TlsDhTest : public TlsTest {
 protected:
  static conf::TlsSettings RsaSide() {
    EVP_PKEY* key = EVP_RSA_gen(2048);
    X509* certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    conf::TlsSettings settings = ClientSide();
    settings.cert_file = folder_ + "/rsa.crt";
    settings.key_file = folder_ + "/rsa.key";
    BIO* file = BIO_new_file(settings.cert_file.c_str(), "w");
    PEM_write_bio_X509(file, certificate);
    BIO_free(file);
    file = BIO_new_file(settings.key_file.c_str(), "w");
    PEM_write_bio_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    BIO_free(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return settings;
  }
};

TEST_F(TlsDhTest, ParametersFromNowhereAutoAndAFile) {
  conf::TlsSettings accept = RsaSide(), connect = ServerSide();
  accept.protocols = "tlsv1.2";
  accept.ciphers = "DHE-RSA-AES256-GCM-SHA384";
  const auto negotiated = [&] {
    Link link(ForClients(accept), ForServers(connect));
    return link.Handshake() ? link.connecting->Description() : link.accepting->error_text();
  };
  accept.dheparams = "auto";
  EXPECT_EQ(negotiated(), "TLSv1.2/DHE-RSA-AES256-GCM-SHA384/DH=2048");
  accept.dheparams = "none";
  EXPECT_THAT(negotiated(), HasSubstr("no shared cipher"));
  accept.dheparams = folder_ + "/dh.pem";
  EVP_PKEY_CTX* maker = EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr);
  EVP_PKEY* parameters = nullptr;
  ASSERT_EQ(EVP_PKEY_paramgen_init(maker), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_group_name(maker, "ffdhe3072"), 1);
  ASSERT_EQ(EVP_PKEY_paramgen(maker, &parameters), 1);
  BIO* file = BIO_new_file(accept.dheparams.c_str(), "w");
  ASSERT_EQ(PEM_write_bio_Parameters(file, parameters), 1);
  BIO_free(file);
  EVP_PKEY_free(parameters);
  EVP_PKEY_CTX_free(maker);
  EXPECT_EQ(negotiated(), "TLSv1.2/DHE-RSA-AES256-GCM-SHA384/DH=3072");
}

// OpenSSL's own client, because TlsStream keeps no sessions.
TEST_F(TlsTest, TicketsResumeEvenWithClientCertificates) {
  conf::TlsSettings accept = ClientSide(conf::TlsMode::kVerifyCa), connect = ServerSide();
  accept.ca_file = files_.ca;
  connect.cert_file = files_.client_cert;
  connect.key_file = files_.client_key;
  const Context accept_context = ForClients(accept), connect_context = ForServers(connect);
  SSL_SESSION* session = nullptr;
  for (const bool is_second : {false, true}) {
    SocketPair sockets;
    auto accepting = TlsStream::Accept(*accept_context, sockets.server(), false);
    SSL* connecting = SSL_new(connect_context->get());
    SSL_set_fd(connecting, sockets.client());
    SSL_set_connect_state(connecting);
    if (is_second) {
      ASSERT_EQ(SSL_set_session(connecting, session), 1);
      SSL_SESSION_free(session);
    }
    IoStatus accepted = IoStatus::kWantRead;
    for (int turn = 0; turn < 5 && accepted == IoStatus::kWantRead; turn++) {
      SSL_do_handshake(connecting);
      accepted = accepting->Handshake();
    }
    EXPECT_EQ(accepted, IoStatus::kOk) << accepting->error_text();
    char byte;
    EXPECT_EQ(SSL_read(connecting, &byte, 1), -1) << "only the tickets are there to be read";
    EXPECT_EQ(SSL_session_reused(connecting) == 1, is_second);
    session = SSL_get1_session(connecting);
    SSL_shutdown(connecting);  // OpenSSL does not resume what was not closed
    SSL_free(connecting);
  }
  SSL_SESSION_free(session);
}

TEST_F(TlsTest, SafeOptionsAreOn) {
  const Context context = ForClients(ClientSide());
  const uint64_t options = SSL_CTX_get_options(context->get());
  EXPECT_TRUE(options & SSL_OP_NO_RENEGOTIATION);
  EXPECT_TRUE(options & SSL_OP_NO_COMPRESSION);
  EXPECT_FALSE(options & SSL_OP_NO_TICKET);
  EXPECT_TRUE(SSL_CTX_get_mode(context->get()) & SSL_MODE_RELEASE_BUFFERS);
  EXPECT_EQ(context->mode(), conf::TlsMode::kRequire);
}

TEST_F(TlsTest, ConfigErrorsNameKeyAndFile) {
  const std::string garbage = WriteFile("garbage.pem", "not a PEM file\n");
  const auto client = [&](auto change, conf::TlsMode mode = conf::TlsMode::kRequire) {
    conf::TlsSettings settings = ClientSide(mode);
    change(settings);
    return ClientError(settings);
  };
  EXPECT_EQ(client([](auto&) {}), "no error");
  EXPECT_EQ(client([](auto& s) { s.cert_file = "/nonexistent/a.crt"; }),
            "client_tls_cert_file /nonexistent/a.crt: No such file or directory");
  EXPECT_EQ(client([](auto& s) { s.key_file = "/nonexistent/a.key"; }),
            "client_tls_key_file /nonexistent/a.key: No such file or directory");
  EXPECT_EQ(client([](auto& s) { s.ca_file = "/nonexistent/ca.crt"; }),
            "client_tls_ca_file /nonexistent/ca.crt: No such file or directory");
  EXPECT_THAT(client([](auto& s) { s.dheparams = "/nonexistent/dh.pem"; }),
              StartsWith("client_tls_dheparams /nonexistent/dh.pem: No such file or directory"));
  EXPECT_EQ(client([](auto& s) { s.cert_file = folder_; }), "client_tls_cert_file " + folder_ + ": not a regular file");
  EXPECT_THAT(client([](auto& s) { s.cert_file = ""; }), StartsWith("client_tls_cert_file: not set"));
  EXPECT_THAT(client([](auto& s) { s.key_file = ""; }), StartsWith("client_tls_key_file: not set"));
  EXPECT_THAT(client([](auto& s) { s.key_file = s.cert_file = ""; }), StartsWith("client_tls_cert_file: not set"));
  EXPECT_THAT(client([&](auto& s) { s.cert_file = garbage; }),
              StartsWith("client_tls_cert_file " + garbage + ": no usable PEM certificate"));
  EXPECT_THAT(client([&](auto& s) { s.key_file = garbage; }),
              StartsWith("client_tls_key_file " + garbage + ": no usable PEM private key"));
  EXPECT_THAT(client([&](auto& s) { s.ca_file = garbage; }),
              StartsWith("client_tls_ca_file " + garbage + ": no usable PEM certificate"));
  EXPECT_THAT(client([&](auto& s) { s.dheparams = garbage; }),
              StartsWith("client_tls_dheparams " + garbage + ": no PEM DH parameters"));
  EXPECT_THAT(client([](auto& s) { s.dheparams = s.key_file; }),
              StartsWith("client_tls_dheparams " + files_.server_key));
  EXPECT_EQ(client([](auto& s) { s.key_file = files_.client_key; }),
            "client_tls_key_file " + files_.client_key +
                ": does not belong to the certificate in client_tls_cert_file " + files_.server_cert);
  EXPECT_THAT(client([](auto& s) { s.ciphers = "NO-SUCH-CIPHER"; }),
              StartsWith("client_tls_ciphers NO-SUCH-CIPHER: no cipher match"));
  EXPECT_THAT(client([](auto& s) { s.tls13_ciphers = "TLS_AES_256_GCM_SHA384:TLS_AES_512"; }),
              StartsWith("client_tls13_ciphers TLS_AES_512: not a TLS 1.3 suite"));
  EXPECT_THAT(client([](auto& s) { s.tls13_ciphers = "::"; }), StartsWith("client_tls13_ciphers ::"));
  EXPECT_THAT(client([](auto& s) { s.ecdhcurve = "curve1"; }), StartsWith("client_tls_ecdhcurve curve1: "));
  EXPECT_THAT(client([](auto& s) { s.protocols = "tlsv1.2,ssl3"; }),
              StartsWith("client_tls_protocols ssl3: not a protocol"));
  EXPECT_THAT(client([](auto& s) { s.protocols = " , "; }), StartsWith("client_tls_protocols: names no protocol"));
  EXPECT_THAT(client([](auto& s) { s.protocols = "tlsv1.0,tlsv1.1"; }), HasSubstr("@SECLEVEL=0 in client_tls_ciphers"));
  for (const conf::TlsMode mode : {conf::TlsMode::kVerifyCa, conf::TlsMode::kVerifyFull}) {
    EXPECT_THAT(client([](auto&) {}, mode), StartsWith("client_tls_ca_file: not set"));
  }
}

TEST_F(TlsTest, ServerSideConfigErrorsNameKeyAndFile) {
  conf::TlsSettings settings = ServerSide(conf::TlsMode::kVerifyFull);
  EXPECT_EQ(ServerError(settings), "no error");
  settings.ca_file = "/nonexistent/ca.crt";
  EXPECT_EQ(ServerError(settings), "server_tls_ca_file /nonexistent/ca.crt: No such file or directory");
  settings = ServerSide();
  settings.cert_file = files_.client_cert;
  EXPECT_EQ(ServerError(settings), "server_tls_key_file: not set, but server_tls_cert_file is");
  settings.key_file = files_.server_key;
  EXPECT_THAT(ServerError(settings), StartsWith("server_tls_key_file " + files_.server_key + ": does not belong"));
  settings = ServerSide();
  settings.key_file = files_.client_key;
  EXPECT_EQ(ServerError(settings), "server_tls_cert_file: not set, but server_tls_key_file is");
  settings = ServerSide();
  settings.protocols = "tls";
  EXPECT_THAT(ServerError(settings), StartsWith("server_tls_protocols tls: "));
  settings = ServerSide();
  settings.ciphers = "x";
  EXPECT_THAT(ServerError(settings), StartsWith("server_tls_ciphers x: "));
}

TEST_F(TlsTest, KeyOfAnotherKindOrWithAPassphraseIsAnErrorAndNobodyIsAsked) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  const std::string ed25519 = folder_ + "/ed25519.key", locked = folder_ + "/locked.key";
  BIO* file = BIO_new_file(ed25519.c_str(), "w");
  ASSERT_EQ(PEM_write_bio_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  BIO_free(file);
  file = BIO_new_file(locked.c_str(), "w");
  std::string passphrase = "hidden";
  ASSERT_EQ(PEM_write_bio_PrivateKey(file, key, EVP_aes_256_cbc(), nullptr, 0, nullptr, passphrase.data()), 1);
  BIO_free(file);
  EVP_PKEY_free(key);
  conf::TlsSettings settings = ClientSide();
  settings.key_file = ed25519;
  EXPECT_THAT(ClientError(settings), StartsWith("client_tls_key_file " + ed25519 + ": does not belong"));
  settings.key_file = locked;
  EXPECT_THAT(ClientError(settings), StartsWith("client_tls_key_file " + locked + ": protected by a passphrase"));
}

}  // namespace
}  // namespace proxy
