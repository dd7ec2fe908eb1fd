#include "protocol/proxy_header.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace protocol {
namespace {

using Kind = ProxyHeaderKind;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string Block(int version_and_command, int family, const std::string& body) {
  return kSignature + static_cast<char>(version_and_command) + static_cast<char>(family) + static_cast<char>(body.size() >> 8) +
         static_cast<char>(body.size() & 0xff) + body;
}
std::string BodyV4() { return std::string("\x0a\x01\x02\x03\xc0\x00\x02\x01\xdc\x04\x15\x38", 12); }  // 10.1.2.3:56324 to 192.0.2.1:5432
std::string BodyV6() {
  std::string addresses(32, '\0');
  addresses[0] = 0x20, addresses[1] = 0x01, addresses[2] = 0x0d, addresses[3] = static_cast<char>(0xb8), addresses[15] = 7;
  return addresses + std::string("\xdc\x04\x15\x38", 4);
}

// "10.1.2.3:56324 of 40", "no address of 15", "incomplete", or why it is malformed.
std::string Read(const std::string& bytes) {
  const ProxyHeader header = ParseProxyHeader(bytes);
  EXPECT_EQ(header.kind == Kind::kMalformed, !header.error.empty());
  switch (header.kind) {
    case Kind::kIncomplete: return "incomplete";
    case Kind::kMalformed: return std::string(header.error);
    case Kind::kNoAddress: return "no address of " + std::to_string(header.consumed);
    case Kind::kAddress: break;
  }
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(header.is_v6 ? AF_INET6 : AF_INET, header.source, text, sizeof text);
  return std::string(text) + ":" + std::to_string(header.source_port) + " of " + std::to_string(header.consumed);
}

// Whole, cut at every byte (all that is cut is incomplete), and with other bytes behind.
void ExpectAtEveryByte(const std::string& header, const std::string& expected) {
  for (size_t at = 0; at < header.size(); ++at) EXPECT_EQ(Read(header.substr(0, at)), "incomplete") << at;
  EXPECT_EQ(Read(header), expected);
  EXPECT_EQ(Read(header + header), expected);
  EXPECT_EQ(Read(header + std::string(20000, '\x16')), expected);
}

TEST(ProxyHeader, VersionOne) {
  ExpectAtEveryByte("PROXY TCP4 10.1.2.3 192.0.2.1 56324 5432\r\n", "10.1.2.3:56324 of 42");
  ExpectAtEveryByte("PROXY TCP4 255.255.255.255 0.0.0.0 0 65535\r\n", "255.255.255.255:0 of 44");
  ExpectAtEveryByte("PROXY TCP6 2001:db8::7 ::1 1 2\r\n", "2001:db8::7:1 of 32");
  ExpectAtEveryByte("PROXY TCP6 ::ffff:10.1.2.3 ::1 1 2\r\n", "::ffff:10.1.2.3:1 of 36");
  const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  ExpectAtEveryByte("PROXY TCP6 " + longest + " " + longest + " 65535 65535\r\n", longest + ":65535 of 104");
}

TEST(ProxyHeader, VersionOneUnknown) {
  ExpectAtEveryByte("PROXY UNKNOWN\r\n", "no address of 15");
  ExpectAtEveryByte("PROXY UNKNOWN what ever\r follows 1\r\n", "no address of 36");
  const std::string full = "PROXY UNKNOWN " + std::string(kProxyLineBytesMax - 16, 'x');
  ExpectAtEveryByte(full + "\r\n", "no address of 107");
  EXPECT_EQ(Read(full + "x\r\n"), "version 1: no end of the line within 107 bytes");
}

TEST(ProxyHeader, VersionOneMalformed) {
  const std::string protocol = "version 1: the protocol is none of TCP4, TCP6 and UNKNOWN", fields = "version 1: two addresses and two ports are needed",
                    address = "version 1: an address cannot be read", port = "version 1: a port is no number from 0 to 65535";
  EXPECT_EQ(Read("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"), protocol);
  EXPECT_EQ(Read("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n"), protocol);
  EXPECT_EQ(Read("PROXY UNKNOWNS\r\n"), protocol);
  EXPECT_EQ(Read("PROXY \r\n"), protocol);
  EXPECT_EQ(Read("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), protocol);
  EXPECT_EQ(Read("PROXY TCP4\r\n"), fields);
  EXPECT_EQ(Read("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"), fields);
  EXPECT_EQ(Read("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"), "version 1: more than two addresses and two ports");
  EXPECT_EQ(Read("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"), "version 1: more than two addresses and two ports");
  EXPECT_EQ(Read("PROXY TCP4  1.1.1.1 2.2.2.2 1\r\n"), address) << "two blanks";
  for (const char* bad : {"1.1.1", "1.1.1.256", "01.1.1.1", "1.1.1.1.1", "::1", "host", "1.1.1.1/8", "0x1.1.1.1"}) {
    EXPECT_EQ(Read(std::string("PROXY TCP4 ") + bad + " 2.2.2.2 1 2\r\n"), address) << bad;
    EXPECT_EQ(Read(std::string("PROXY TCP4 2.2.2.2 ") + bad + " 1 2\r\n"), address) << bad;
  }
  for (const char* bad : {"1.1.1.1", ":::1", "1::2::3", "12345::", "fe80::1%eth0", "[::1]"}) {
    EXPECT_EQ(Read(std::string("PROXY TCP6 ") + bad + " ::1 1 2\r\n"), address) << bad;
  }
  EXPECT_EQ(Read(std::string("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n", 34)), address);
  for (const char* bad : {"65536", "-1", "+1", "01", "00", "1x", "x", "99999999999999999999", "0x10"}) {
    EXPECT_EQ(Read(std::string("PROXY TCP4 1.1.1.1 2.2.2.2 ") + bad + " 2\r\n"), port) << bad;
    EXPECT_EQ(Read(std::string("PROXY TCP4 1.1.1.1 2.2.2.2 1 ") + bad + "\r\n"), port) << bad;
  }
  const std::string no_end = "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n" + std::string(200, 'x');
  EXPECT_EQ(Read(no_end.substr(0, kProxyLineBytesMax - 1)), "incomplete");
  EXPECT_EQ(Read(no_end.substr(0, kProxyLineBytesMax)), "version 1: no end of the line within 107 bytes");
}

TEST(ProxyHeader, VersionTwo) {
  ExpectAtEveryByte(Block(0x21, 0x11, BodyV4()), "10.1.2.3:56324 of 28");
  ExpectAtEveryByte(Block(0x21, 0x21, BodyV6()), "2001:db8::7:56324 of 52");
}

TEST(ProxyHeader, VersionTwoSkipsWhatIsBehindTheAddresses) {
  ExpectAtEveryByte(Block(0x21, 0x11, BodyV4() + std::string("\x04\0\x02xy", 5)), "10.1.2.3:56324 of 33");
  ExpectAtEveryByte(Block(0x21, 0x21, BodyV6() + std::string("\x04\xff\xff", 3)), "2001:db8::7:56324 of 55");
  const std::string fullest = Block(0x21, 0x11, BodyV4() + std::string(kProxyBlockBytesMax - 12, '\xff'));
  EXPECT_EQ(fullest.size(), kProxyHeaderBytesMax);
  ExpectAtEveryByte(fullest, "10.1.2.3:56324 of 8208");
  EXPECT_EQ(Read(Block(0x21, 0x11, BodyV4() + std::string(kProxyBlockBytesMax - 11, 'x')).substr(0, kProxyFixedBytes)),
            "version 2: longer than 8192 bytes");
}

TEST(ProxyHeader, VersionTwoWithoutAnAddress) {
  ExpectAtEveryByte(Block(0x20, 0x00, ""), "no address of 16");
  ExpectAtEveryByte(Block(0x20, 0x11, BodyV4()), "no address of 28");
  ExpectAtEveryByte(Block(0x20, 0x99, "abc"), "no address of 19");  // LOCAL: the family means nothing
  ExpectAtEveryByte(Block(0x21, 0x00, "abc"), "no address of 19");
  ExpectAtEveryByte(Block(0x21, 0x31, std::string(216, 'u')), "no address of 232");
}

TEST(ProxyHeader, VersionTwoMalformed) {
  EXPECT_EQ(Read(Block(0x11, 0x11, BodyV4())), "version 2: the version is another one");
  EXPECT_EQ(Read(Block(0x31, 0x11, BodyV4())), "version 2: the version is another one");
  EXPECT_EQ(Read(Block(0x22, 0x11, BodyV4())), "version 2: the command is neither LOCAL nor PROXY");
  EXPECT_EQ(Read(Block(0x2f, 0x00, "")), "version 2: the command is neither LOCAL nor PROXY");
  for (const int family : {0x01, 0x10, 0x12, 0x13, 0x20, 0x22, 0x30, 0x32, 0x41, 0xff}) {
    EXPECT_EQ(Read(Block(0x21, family, std::string(300, 'x'))), "version 2: the address family and protocol are of no TCP connection") << family;
  }
  const std::string too_short = "version 2: too short for its addresses";
  EXPECT_EQ(Read(Block(0x21, 0x11, BodyV4().substr(1))), too_short);
  EXPECT_EQ(Read(Block(0x21, 0x21, BodyV6().substr(1))), too_short);
  EXPECT_EQ(Read(Block(0x21, 0x21, BodyV4())), too_short);
  EXPECT_EQ(Read(Block(0x21, 0x31, std::string(215, 'u'))), too_short);
  EXPECT_EQ(Read(Block(0x21, 0x11, "").substr(0, kProxyFixedBytes)), too_short) << "told before the rest is waited for";
}

TEST(ProxyHeader, SomethingElse) {
  const std::string none = "the connection does not begin with one";
  EXPECT_EQ(Read(""), "incomplete");
  EXPECT_EQ(Read(std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8)), none) << "an SSLRequest";
  EXPECT_EQ(Read("\x16\x03\x01"), none);
  EXPECT_EQ(Read("GET / HTTP/1.1\r\n"), none);
  EXPECT_EQ(Read("PROXX"), none);
  EXPECT_EQ(Read("proxy TCP4"), none);
  EXPECT_EQ(Read("\r\n\r\n\r"), none);
  EXPECT_EQ(Read("PROXY\tTCP4"), none);
}

}  // namespace
}  // namespace protocol
