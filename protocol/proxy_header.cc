#include "protocol/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include "protocol/message_writer.h"

namespace protocol {
namespace {

constexpr std::string_view kLineSignature = "PROXY ";
constexpr std::string_view kBlockSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kBytesV4 = 12, kBytesV6 = 36, kBytesUnix = 216;  // both addresses, and the ports

ProxyHeader Malformed(std::string_view why) {
  ProxyHeader header;
  header.kind = ProxyHeaderKind::kMalformed;
  header.error = why;
  return header;
}

ProxyHeader NoAddress(size_t consumed) {
  ProxyHeader header;
  header.kind = ProxyHeaderKind::kNoAddress;
  header.consumed = consumed;
  return header;
}

bool IsBeginOf(std::string_view bytes, std::string_view signature) {
  const size_t both = std::min(bytes.size(), signature.size());
  return bytes.substr(0, both) == signature.substr(0, both);
}

bool ParseAddress(std::string_view text, bool is_v6, uint8_t* address) {
  // an embedded zero would end the text for inet_pton before its real end
  if (text.find('\0') != std::string_view::npos) return false;
  return inet_pton(is_v6 ? AF_INET6 : AF_INET, std::string(text).c_str(), address) == 1;
}

bool ParsePort(std::string_view text, uint16_t& port) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

ProxyHeader ParseLine(std::string_view bytes) {
  const size_t end = bytes.substr(0, kProxyLineBytesMax).find("\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() < kProxyLineBytesMax ? ProxyHeader{} : Malformed("version 1: no end of the line within 107 bytes");
  }
  std::string_view line = bytes.substr(kLineSignature.size(), end - kLineSignature.size());
  const std::string_view family = line.substr(0, line.find(' '));
  if (family == "UNKNOWN") return NoAddress(end + 2);  // what follows the word means nothing
  if (family != "TCP4" && family != "TCP6") return Malformed("version 1: the protocol is none of TCP4, TCP6 and UNKNOWN");
  ProxyHeader header;
  header.is_v6 = family == "TCP6";
  line.remove_prefix(family.size());
  std::array<std::string_view, 4> fields;  // source, destination, source port, destination port
  for (std::string_view& field : fields) {
    if (line.empty()) return Malformed("version 1: two addresses and two ports are needed");
    line.remove_prefix(1);  // the blank
    field = line.substr(0, line.find(' '));
    line.remove_prefix(field.size());
  }
  if (!line.empty()) return Malformed("version 1: more than two addresses and two ports");
  uint8_t destination[16];
  uint16_t destination_port = 0;
  if (!ParseAddress(fields[0], header.is_v6, header.source) || !ParseAddress(fields[1], header.is_v6, destination)) {
    return Malformed("version 1: an address cannot be read");
  }
  if (!ParsePort(fields[2], header.source_port) || !ParsePort(fields[3], destination_port)) {
    return Malformed("version 1: a port is no number from 0 to 65535");
  }
  header.kind = ProxyHeaderKind::kAddress;
  header.consumed = end + 2;
  return header;
}

ProxyHeader ParseBlock(std::string_view bytes) {
  if (bytes.size() < kProxyFixedBytes) return {};
  const auto version_and_command = static_cast<uint8_t>(bytes[12]), family = static_cast<uint8_t>(bytes[13]);
  if (version_and_command >> 4 != 2) return Malformed("version 2: the version is another one");
  const int command = version_and_command & 0x0f;
  if (command > 1) return Malformed("version 2: the command is neither LOCAL nor PROXY");
  const size_t length = ReadUint16(bytes.data() + 14), total = kProxyFixedBytes + length;
  if (length > kProxyBlockBytesMax) return Malformed("version 2: longer than 8192 bytes");
  const bool is_local = command == 0;  // of the balancer itself, such as its health check: the family means nothing then
  size_t needed = 0;
  switch (is_local ? 0x00 : family) {
    case 0x00: break;  // not known
    case 0x11: needed = kBytesV4; break;
    case 0x21: needed = kBytesV6; break;
    case 0x31: needed = kBytesUnix; break;
    default: return Malformed("version 2: the address family and protocol are of no TCP connection");
  }
  if (length < needed) return Malformed("version 2: too short for its addresses");
  if (bytes.size() < total) return {};
  if (needed != kBytesV4 && needed != kBytesV6) return NoAddress(total);
  ProxyHeader header;
  header.kind = ProxyHeaderKind::kAddress;
  header.consumed = total;
  header.is_v6 = needed == kBytesV6;
  const size_t address_bytes = header.is_v6 ? 16 : 4;
  const char* block = bytes.data() + kProxyFixedBytes;
  std::memcpy(header.source, block, address_bytes);
  header.source_port = ReadUint16(block + 2 * address_bytes);
  return header;
}

}  // namespace

ProxyHeader ParseProxyHeader(std::string_view bytes) {
  if (IsBeginOf(bytes, kLineSignature)) return bytes.size() < kLineSignature.size() ? ProxyHeader{} : ParseLine(bytes);
  if (IsBeginOf(bytes, kBlockSignature)) return ParseBlock(bytes);
  return Malformed("the connection does not begin with one");
}

}  // namespace protocol
