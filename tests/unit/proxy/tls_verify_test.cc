// Who is believed: certificates of servers and clients, and ALPN.

#include "tests/unit/proxy/tls_fixture.h"

namespace proxy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Files = test_support::CertificateFiles;

struct Presented {
  std::string Files::*cert;
  std::string Files::*key;
};
constexpr Presented kRight = {&Files::server_cert, &Files::server_key};
constexpr Presented kElsewhere = {&Files::wrong_host_cert, &Files::wrong_host_key};
constexpr Presented kExpired = {&Files::expired_cert, &Files::expired_key};

struct VerifyCase {
  std::string name;
  conf::TlsMode mode;
  std::string host;
  Presented presented;
  std::string Files::*ca;
  std::string problem;  // empty = accepted
};

void PrintTo(const VerifyCase& test, std::ostream* out) { *out << test.name; }

class TlsVerify : public TlsTest, public testing::WithParamInterface<VerifyCase> {};

TEST_P(TlsVerify, ServerCertificate) {
  const VerifyCase& test = GetParam();
  conf::TlsSettings accept = ClientSide();
  accept.cert_file = files_.*test.presented.cert;
  accept.key_file = files_.*test.presented.key;
  conf::TlsSettings connect = ServerSide(test.mode);
  connect.ca_file = files_.*test.ca;
  Link link(ForClients(accept), ForServers(connect), test.host);
  EXPECT_EQ(link.Handshake(), test.problem.empty()) << link.connecting->error_text();
  if (test.problem.empty()) return;
  EXPECT_EQ(link.connected, IoStatus::kError);
  EXPECT_THAT(link.connecting->error_text(), HasSubstr(test.problem));
}

constexpr auto kFull = conf::TlsMode::kVerifyFull;
constexpr auto kCa = conf::TlsMode::kVerifyCa;
constexpr auto kReq = conf::TlsMode::kRequire;
INSTANTIATE_TEST_SUITE_P(
    Cases, TlsVerify,
    testing::Values(
        VerifyCase{"FullName", kFull, "localhost", kRight, &Files::ca, ""},
        VerifyCase{"FullNameCase", kFull, "LocalHost.", kRight, &Files::ca, ""},
        VerifyCase{"FullAddress", kFull, "127.0.0.1", kRight, &Files::ca, ""},
        VerifyCase{"FullOtherName", kFull, "example.test", kRight, &Files::ca, "ostname mismatch"},
        VerifyCase{"FullOtherAddress", kFull, "127.0.0.2", kRight, &Files::ca, "IP address mismatch"},
        VerifyCase{"FullOtherAddress6", kFull, "::1", kRight, &Files::ca, "IP address mismatch"},
        VerifyCase{"FullWrongHost", kFull, "localhost", kElsewhere, &Files::ca, "ostname mismatch"},
        VerifyCase{"FullEmptyHost", kFull, "", kRight, &Files::ca, "neither a name"},
        VerifyCase{"FullNulInHost", kFull, std::string("localhost\0.x", 12), kRight, &Files::ca, "neither a name"},
        VerifyCase{"FullExpired", kFull, "localhost", kExpired, &Files::ca, "expired"},
        VerifyCase{"FullOtherCa", kFull, "localhost", kRight, &Files::other_ca, "(server_tls_sslmode, server"},
        VerifyCase{"CaAnyHost", kCa, "localhost", kElsewhere, &Files::ca, ""},
        VerifyCase{"CaOtherCa", kCa, "localhost", kRight, &Files::other_ca, "unable to get local issuer certificate"},
        VerifyCase{"CaExpired", kCa, "localhost", kExpired, &Files::ca, "expired"},
        VerifyCase{"RequireAnything", kReq, "example.test", kExpired, &Files::other_ca, ""}),
    [](const auto& test) { return test.param.name; });

TEST_F(TlsTest, SystemCertificatesDoNotKnowOurAuthority) {
  conf::TlsSettings connect = ServerSide(conf::TlsMode::kVerifyFull);
  connect.ca_file = "";
  Link link(ForClients(ClientSide()), ForServers(connect));
  EXPECT_FALSE(link.Handshake());
  EXPECT_THAT(link.connecting->error_text(), HasSubstr("unable to get local issuer certificate"));
  EXPECT_EQ(link.accepted, IoStatus::kError);
  EXPECT_THAT(link.accepting->error_text(), HasSubstr("alert unknown ca"));
}

TEST_F(TlsTest, SystemCertificatesAreUsedWhenThereIsNoCaFile) {
  conf::TlsSettings connect = ServerSide(conf::TlsMode::kVerifyFull);
  connect.ca_file = "";
  ASSERT_EQ(setenv("SSL_CERT_FILE", files_.ca.c_str(), 1), 0);
  const Context context = ForServers(connect);
  unsetenv("SSL_CERT_FILE");
  Link link(ForClients(ClientSide()), context);
  EXPECT_TRUE(link.Handshake()) << link.connecting->error_text();
}

TEST_F(TlsTest, ClientCertificateIsDemandedByVerifyModes) {
  for (const conf::TlsMode mode : {conf::TlsMode::kVerifyCa, conf::TlsMode::kVerifyFull}) {
    conf::TlsSettings accept = ClientSide(mode);
    accept.ca_file = files_.ca;
    conf::TlsSettings connect = ServerSide();
    Link missing(ForClients(accept), ForServers(connect));
    EXPECT_FALSE(missing.Handshake());
    EXPECT_EQ(missing.accepted, IoStatus::kError);
    EXPECT_THAT(missing.accepting->error_text(), HasSubstr("peer did not return a certificate"));
    // TLS 1.3: the client believes it is through, and learns of it at its first read
    char byte;
    EXPECT_EQ(missing.connecting->Read(&byte, 1).status, IoStatus::kError);
    EXPECT_THAT(missing.connecting->error_text(), HasSubstr("certificate required"));

    connect.cert_file = files_.client_cert;
    connect.key_file = files_.client_key;
    Link given(ForClients(accept), ForServers(connect));
    EXPECT_TRUE(given.Handshake()) << given.accepting->error_text();

    accept.ca_file = files_.other_ca;
    Link stranger(ForClients(accept), ForServers(connect));
    EXPECT_FALSE(stranger.Handshake());
    EXPECT_THAT(stranger.accepting->error_text(),
                AllOf(StartsWith("the client's certificate"), HasSubstr("(client_tls_ca_file)")));
  }
}

TEST_F(TlsTest, ClientCertificateIsOptionalBelowVerifyModes) {
  conf::TlsSettings with_cert = ServerSide();
  with_cert.cert_file = files_.expired_cert;
  with_cert.key_file = files_.expired_key;
  for (const conf::TlsMode mode : {conf::TlsMode::kAllow, conf::TlsMode::kPrefer, conf::TlsMode::kRequire}) {
    conf::TlsSettings accept = ClientSide(mode);
    Link not_asked(ForClients(accept), ForServers(with_cert));
    EXPECT_TRUE(not_asked.Handshake());
    accept.ca_file = files_.ca;
    Link has_none(ForClients(accept), ForServers(ServerSide()));
    EXPECT_TRUE(has_none.Handshake());
    Link has_expired(ForClients(accept), ForServers(with_cert));
    EXPECT_FALSE(has_expired.Handshake());
    EXPECT_THAT(has_expired.accepting->error_text(), HasSubstr("expired"));
  }
}

Context WithAlpn(Context context, std::string_view protocol) {
  std::string list;
  if (!protocol.empty()) list = static_cast<char>(protocol.size()) + std::string(protocol);
  SSL_CTX_set_alpn_protos(context->get(), reinterpret_cast<const unsigned char*>(list.data()),
                          static_cast<unsigned>(list.size()));
  return context;
}

TEST_F(TlsTest, Alpn) {
  for (const bool direct : {false, true}) {
    Link right(ForClients(ClientSide()), ForServers(ServerSide()), "localhost", direct);
    EXPECT_TRUE(right.Handshake()) << right.accepting->error_text();
    Link wrong(ForClients(ClientSide()), WithAlpn(ForServers(ServerSide()), "http/1.1"), "localhost", direct);
    EXPECT_FALSE(wrong.Handshake());
    EXPECT_EQ(wrong.accepted, IoStatus::kError);
    EXPECT_EQ(wrong.connected, IoStatus::kError);
    EXPECT_THAT(wrong.connecting->error_text(), HasSubstr("alert no application protocol"));
  }
  Link after_request(ForClients(ClientSide()), WithAlpn(ForServers(ServerSide()), ""));
  EXPECT_TRUE(after_request.Handshake());
  Link direct(ForClients(ClientSide()), WithAlpn(ForServers(ServerSide()), ""), "localhost", true);
  EXPECT_FALSE(direct.Handshake());
  EXPECT_EQ(direct.accepted, IoStatus::kError);
  EXPECT_THAT(direct.accepting->error_text(), HasSubstr("without ALPN \"postgresql\""));
  char byte;
  EXPECT_EQ(direct.accepting->Read(&byte, 1).status, IoStatus::kError);
  direct.accepting->Shutdown();
  EXPECT_EQ(ReadAll(*direct.connecting), "");
  EXPECT_EQ(direct.connecting->Read(&byte, 1).status, IoStatus::kEof) << "a refusal still closes politely";
}

}  // namespace
}  // namespace proxy
