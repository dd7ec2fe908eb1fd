// Which names of a client's certificate count: those of a verified one, whole, and none else.
#include "tests/unit/proxy/tls_fixture.h"

namespace proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TlsNames : public TlsTest {
 protected:
  static conf::TlsSettings Asking(conf::TlsMode mode = conf::TlsMode::kPrefer) {
    conf::TlsSettings settings = ClientSide(mode);
    settings.ca_file = files_.ca;
    return settings;
  }
  static conf::TlsSettings Showing(const std::string& certificate, const std::string& key) {
    conf::TlsSettings settings = ServerSide();
    settings.cert_file = certificate;
    settings.key_file = key;
    return settings;
  }
};

TEST_F(TlsNames, CommonNameAndDnsNames) {
  Link client(ForClients(Asking()), ForServers(Showing(files_.client_cert, files_.client_key)));
  EXPECT_THAT(client.accepting->PeerNames(), IsEmpty()) << "before the handshake";
  ASSERT_TRUE(client.Handshake());
  EXPECT_THAT(client.accepting->PeerNames(), ElementsAre("client"));
  Link robot(ForClients(Asking(conf::TlsMode::kVerifyFull)), ForServers(Showing(files_.robot_cert, files_.robot_key)));
  ASSERT_TRUE(robot.Handshake());
  EXPECT_THAT(robot.accepting->PeerNames(), ElementsAre("robot", "app", "*.test"));
}

TEST_F(TlsNames, NoneWithoutACertificateOrWithoutAuthorities) {
  Link without(ForClients(Asking()), ForServers(ServerSide()));
  ASSERT_TRUE(without.Handshake());
  EXPECT_THAT(without.accepting->PeerNames(), IsEmpty());
  Link unasked(ForClients(ClientSide()), ForServers(Showing(files_.client_cert, files_.client_key)));
  ASSERT_TRUE(unasked.Handshake());
  EXPECT_THAT(unasked.accepting->PeerNames(), IsEmpty());
}

TEST_F(TlsNames, AStrangersCertificateEndsTheHandshake) {
  Link stranger(ForClients(Asking()), ForServers(Showing(files_.stranger_cert, files_.stranger_key)));
  EXPECT_FALSE(stranger.Handshake());
  EXPECT_THAT(stranger.accepting->PeerNames(), IsEmpty());
}

TEST_F(TlsNames, ANameWithAZeroByteIsNone) {
  Link zero(ForClients(Asking()), ForServers(Showing(files_.zero_byte_cert, files_.zero_byte_key)));
  ASSERT_TRUE(zero.Handshake());
  EXPECT_THAT(zero.accepting->PeerNames(), IsEmpty());
}

}  // namespace
}  // namespace proxy
