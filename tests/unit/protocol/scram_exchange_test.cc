// Both roles of a SCRAM exchange: the vector of the standard, each against the other, and each against a hostile peer.
#include <gtest/gtest.h>

#include <functional>

#include "protocol/scram.h"
#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

constexpr char kClientNonce[] = "rOprNGfwEbeRWgbNEkqO";
constexpr char kServerNonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string kBothNonces = std::string(kClientNonce) + kServerNonce;

ScramKeys PencilKeys() { return DeriveKeys("pencil", *FromBase64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096); }
ScramServer Server() { return ScramServer(VerifierOf(PencilKeys()), kServerNonce); }

TEST(ScramServer, VectorOfTheStandard) {
  // RFC 7677, section 3
  ScramServer server = Server();
  const auto first = server.OnClientFirst("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  ASSERT_TRUE(first) << first.error();
  EXPECT_EQ(*first, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  const auto final = server.OnClientFinal(
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  ASSERT_TRUE(final) << final.error();
  EXPECT_TRUE(final->proven);
  EXPECT_EQ(final->message, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  const ScramKeys expected = PencilKeys();
  EXPECT_EQ(final->keys.client_key, expected.client_key);
  EXPECT_EQ(final->keys.server_key, expected.server_key);
  EXPECT_EQ(final->keys.salt, expected.salt);
  EXPECT_EQ(final->keys.iterations, 4096);
}

TEST(ScramServer, ClientFirstThatIsTaken) {
  for (const char* message : {"n,,n=,r=abc", "y,,n=,r=abc", "n,,n=user,r=abc", "n,,n=,r=abc,x=1", "n,,n=,r=abc,x=1,Y=", "n,,n=\xff,r=~"}) {
    ScramServer server = Server();
    EXPECT_TRUE(server.OnClientFirst(message)) << message;
  }
  ScramServer server = Server();
  EXPECT_TRUE(server.OnClientFirst("n,,n=,r=" + std::string(kNonceBytesMax, 'r')));
}

TEST(ScramServer, ClientFirstThatIsRefused) {
  const std::string cases[] = {
      "", "n", "n,", "n,,", "x,,n=,r=abc", "n;,n=,r=abc",
      "p=tls-server-end-point,,n=,r=abc",  // channel binding was not offered
      "n,a=other,n=,r=abc",                // authorization identity
      "n,,m=ext,n=,r=abc", "n,,n=,r=abc,m=ext",
      "n,,r=abc", "n,,n=", "n,,n=,", "n,,n=,r=", "n,,n=,x=1", "n,,n=,r=a b", "n,,n=,r=a\x7f", "n,,n=,r=\xc3\xa4",
      "n,,n=,r=abc,", "n,,n=,r=abc,,x=1", "n,,n=,r=abc,1=x", "n,,n=,r=abc,x",
      std::string("n,,n=,r=abc\0", 12), std::string("n,,n=\0,r=abc", 12),
      "n,,n=,r=" + std::string(kNonceBytesMax + 1, 'r'), "n,,n=,r=" + std::string(1 << 20, 'r'),
      "n,,n=" + std::string(kSaslMessageBytesMax, 'u') + ",r=abc"};
  for (const std::string& message : cases) {
    ScramServer server = Server();
    const auto first = server.OnClientFirst(message);
    EXPECT_FALSE(first) << message.substr(0, 60);
    EXPECT_FALSE(server.OnClientFinal("c=biws,r=abc,p=AAAA")) << "a final message after a refused first one";
  }
}

// What a client that sent this flag would send as its last message, but always with c=biws.
std::string RightFinal(std::string_view gs2_flag) {
  ScramServer server = Server();
  const auto first = server.OnClientFirst(std::string(gs2_flag) + ",,n=,r=" + kClientNonce);
  EXPECT_TRUE(first);
  ScramClient client(kClientNonce);
  EXPECT_TRUE(client.OnServerFirst(*first));
  return client.Final(PencilKeys());
}

TEST(ScramServer, ChannelBindingMustRepeatTheHeader) {
  ScramServer server = Server();
  ASSERT_TRUE(server.OnClientFirst("n,,n=,r=" + std::string(kClientNonce)));
  const auto final = server.OnClientFinal(RightFinal("n"));
  ASSERT_TRUE(final) << final.error();
  EXPECT_TRUE(final->proven);
  ScramServer other = Server();
  ASSERT_TRUE(other.OnClientFirst("y,,n=,r=" + std::string(kClientNonce)));
  EXPECT_FALSE(other.OnClientFinal(RightFinal("n"))) << "c=biws after y,,";
}

TEST(ScramServer, FinalThatIsRefused) {
  const std::string nonce = "r=" + kBothNonces;
  const std::string proof = "p=" + Base64(std::string(32, 'p'));
  const std::string cases[] = {"",
                               "c=biws",
                               "c=biws," + nonce,
                               nonce + "," + proof,
                               "c=biws," + nonce + "x," + proof,
                               "c=biws,r=" + std::string(kClientNonce) + "," + proof,
                               "c=eSws," + nonce + "," + proof,
                               "c=," + nonce + "," + proof,
                               "c=biws," + nonce + ",p=",
                               "c=biws," + nonce + ",p=AAAA",
                               "c=biws," + nonce + ",p=" + Base64(std::string(33, 'p')),
                               "c=biws," + nonce + ",p=!!!!",
                               "c=biws," + nonce + "," + proof + ",",
                               "c=biws," + nonce + "," + proof + ",x=1",
                               "c=biws," + nonce + ",m=1," + proof,
                               "c=biws," + nonce + ",," + proof,
                               "c=biws," + nonce + ",x," + proof,
                               "c=biws," + nonce + "," + proof + '\0',
                               "c=biws," + nonce + ",x=" + std::string(kSaslMessageBytesMax, 'x') + "," + proof};
  for (const std::string& message : cases) {
    ScramServer server = Server();
    ASSERT_TRUE(server.OnClientFirst("n,,n=,r=" + std::string(kClientNonce)));
    EXPECT_FALSE(server.OnClientFinal(message)) << message.substr(0, 100);
  }
}

TEST(ScramServer, AWrongProofIsNotAnError) {
  ScramServer server = Server();
  ASSERT_TRUE(server.OnClientFirst("n,,n=,r=" + std::string(kClientNonce)));
  for (const char* extension : {"", ",x=1", ",x=1,Z="}) {
    const auto final =
        server.OnClientFinal("c=biws,r=" + kBothNonces + extension + ",p=" + Base64(std::string(32, 'p')));
    ASSERT_TRUE(final) << final.error();
    EXPECT_FALSE(final->proven);
    EXPECT_EQ(final->message, "");
    EXPECT_EQ(final->keys.client_key, "");
  }
}

TEST(ScramServer, OutOfTurn) {
  ScramServer server = Server();
  EXPECT_FALSE(server.OnClientFinal("c=biws,r=" + kBothNonces + ",p=" + Base64(std::string(32, 'p'))));
  ASSERT_TRUE(server.OnClientFirst("n,,n=,r=abc"));
  EXPECT_FALSE(server.OnClientFirst("n,,n=,r=abc"));
}

TEST(Scram, EachAgainstTheOther) {
  for (const std::string password : {"pencil", "p\u00e4ss", "", "\xff\xfe"}) {
    const ScramKeys keys = DeriveKeys(password, "salty salt", 17);
    ScramServer server(VerifierOf(keys), "server");
    ScramClient client("client");
    const auto server_first = server.OnClientFirst(client.First());
    ASSERT_TRUE(server_first) << server_first.error();
    const auto challenge = client.OnServerFirst(*server_first);
    ASSERT_TRUE(challenge) << challenge.error();
    EXPECT_EQ(challenge->iterations, 17);
    EXPECT_EQ(challenge->salt, "salty salt");
    const auto final = server.OnClientFinal(client.Final(DeriveKeys(password, challenge->salt, challenge->iterations)));
    ASSERT_TRUE(final) << final.error();
    ASSERT_TRUE(final->proven);
    EXPECT_EQ(client.OnServerFinal(final->message), true);
    // Pass-through: the keys the server saw log in elsewhere.
    EXPECT_EQ(final->keys.client_key, keys.client_key);
    EXPECT_EQ(final->keys.server_key, keys.server_key);
  }
}

TEST(Scram, AWrongPasswordIsNotProven) {
  ScramServer server = Server();
  ScramClient client("client");
  const auto challenge = client.OnServerFirst(*server.OnClientFirst(client.First()));
  ASSERT_TRUE(challenge);
  const auto final = server.OnClientFinal(client.Final(DeriveKeys("Pencil", challenge->salt, challenge->iterations)));
  ASSERT_TRUE(final);
  EXPECT_FALSE(final->proven);
}

TEST(ScramClient, ServerFirstThatIsRefused) {
  const std::string salt = ",s=" + Base64("salt");
  const std::string cases[] = {
      "", "r=", "x", "r=clientserver", "r=clientserver,s=", "e=other-error", "m=ext,r=clientserver" + salt + ",i=1",
      "r=client" + salt + ",i=1",         // adds nothing
      "r=server" + salt + ",i=1",         // does not extend ours
      "r=" + salt + ",i=1",               // empty
      "r=client,server" + salt + ",i=1",  // a comma
      "r=client\x01" + salt + ",i=1",
      "r=client" + std::string(1 << 20, 'n') + salt + ",i=1",
      "r=client" + std::string(kNonceBytesMax - 5, 'n') + salt + ",i=1",
      "r=clientserver,s=,i=1", "r=clientserver,s=!,i=1", "r=clientserver,s=AAA,i=1",
      "r=clientserver,s=" + Base64(std::string(kSaltBytesMax + 1, 's')) + ",i=1",
      "r=clientserver,i=1" + salt, "r=clientserver" + salt, "r=clientserver" + salt + ",i=",
      "r=clientserver" + salt + ",i=1,m=ext", "r=clientserver" + salt + ",i=1,", "r=clientserver" + salt + ",i=1,x"};
  for (const std::string& message : cases) {
    ScramClient client("client");
    EXPECT_FALSE(client.OnServerFirst(message)) << message.substr(0, 60);
    EXPECT_FALSE(client.OnServerFinal("v=" + Base64(std::string(32, 'v'))));
  }
  for (const char* iterations : {"0", "-1", "2147483647", "1000000000000", "10000001", "4294967297", "18446744073709551617", "1e3", "0x10", " 1"}) {
    ScramClient client("client");
    EXPECT_FALSE(client.OnServerFirst("r=clientserver" + salt + ",i=" + iterations)) << iterations;
  }
}

TEST(ScramClient, LimitsThatAreTaken) {
  ScramClient longest_nonce("client");
  EXPECT_TRUE(longest_nonce.OnServerFirst("r=client" + std::string(kNonceBytesMax - 6, 'n') + ",s=AAAA,i=1"));
  ScramClient longest_salt("client");
  const auto challenge = longest_salt.OnServerFirst("r=clientserver,s=" + Base64(std::string(kSaltBytesMax, 's')) + ",i=10000000,x=1");
  ASSERT_TRUE(challenge);
  EXPECT_EQ(challenge->iterations, kIterationsMax);
  EXPECT_EQ(challenge->salt.size(), kSaltBytesMax);
}

TEST(ScramClient, ServerFinal) {
  const auto after_final = [] {
    ScramClient client("client");
    EXPECT_TRUE(client.OnServerFirst("r=clientserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
    client.Final(PencilKeys());
    return client;
  };
  EXPECT_EQ(after_final().OnServerFinal("v=" + Base64(std::string(32, 'v'))), false);
  for (const std::string& message : {std::string(), std::string("v="), std::string("v=AAAA"), std::string("v=!!!!"),
                                     "v=" + Base64(std::string(31, 'v')), std::string("x=1"), "v=" + Base64(std::string(32, 'v')) + ",",
                                     "v=" + Base64(std::string(32, 'v')) + std::string(1 << 20, 'x')}) {
    EXPECT_FALSE(after_final().OnServerFinal(message)) << message.substr(0, 60);
  }
  const auto error = after_final().OnServerFinal("e=unknown-user\n\x1b[31m" + std::string(1000, 'x'));
  ASSERT_FALSE(error);
  EXPECT_NE(error.error().find("unknown-user??[31m"), std::string::npos) << error.error();
  EXPECT_LT(error.error().size(), 200u);
}

TEST(Scram, EveryPrefixOfEveryMessageReadsNoByteTooMany) {
  ScramServer reference = Server();
  ScramClient reference_client(kClientNonce);
  const std::string client_first = reference_client.First();
  const std::string server_first = *reference.OnClientFirst(client_first);
  ASSERT_TRUE(reference_client.OnServerFirst(server_first));
  const ScramKeys keys = PencilKeys();
  const std::string client_final = reference_client.Final(keys);
  const std::string server_final = reference.OnClientFinal(client_final)->message;

  const auto each_prefix = [](std::string_view message, const std::function<void(std::string_view)>& give) {
    for (size_t size = 0; size < message.size(); ++size) {
      const ExactCopy copy(message.substr(0, size));
      give(copy.view());
    }
  };
  each_prefix(client_first, [](std::string_view prefix) { Server().OnClientFirst(prefix); });
  each_prefix(client_final, [&](std::string_view prefix) {
    ScramServer server = Server();
    ASSERT_TRUE(server.OnClientFirst(client_first));
    const auto final = server.OnClientFinal(prefix);
    EXPECT_FALSE(final && final->proven);
  });
  each_prefix(server_first, [](std::string_view prefix) { ScramClient(kClientNonce).OnServerFirst(prefix); });
  each_prefix(server_final, [&](std::string_view prefix) {
    ScramClient client(kClientNonce);
    ASSERT_TRUE(client.OnServerFirst(server_first));
    client.Final(keys);
    EXPECT_FALSE(client.OnServerFinal(prefix).value_or(false));
  });
}

}  // namespace
}  // namespace protocol
