// The PROXY header, in which a load balancer says for whom it opened a connection.
//
// What: ParseProxyHeader looks at the bytes that have arrived and says whose address they give, how many they were, or that
// more are needed. Version 1 is a line of text, version 2 is binary. The destination and the TLVs of version 2 are skipped.
// It never reads past `bytes` and believes no length before it checked it.
// Threads: pure. Limits: kProxyLineBytesMax of version 1 is the specification's; kProxyBlockBytesMax is ours (a TLV may hold a
// client's certificate; the specification's own limit is 65535).
// Source: HAProxy, "The PROXY protocol, Versions 1 & 2", sections 2.1 and 2.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace protocol {

inline constexpr size_t kProxyLineBytesMax = 107;    // version 1, with its CRLF
inline constexpr size_t kProxyFixedBytes = 16;       // version 2: signature, version and command, family, length
inline constexpr size_t kProxyBlockBytesMax = 8192;  // version 2: addresses and TLVs behind that
inline constexpr size_t kProxyHeaderBytesMax = kProxyFixedBytes + kProxyBlockBytesMax;

enum class ProxyHeaderKind : uint8_t {
  kIncomplete,  // everything so far belongs to the header, and more is needed
  kAddress,     // the client is at `source`
  kNoAddress,   // LOCAL, UNKNOWN, or a client that has no IP address: the address of the connection itself counts
  kMalformed,   // error says why; the connection ends
};

struct ProxyHeader {
  ProxyHeaderKind kind = ProxyHeaderKind::kIncomplete;
  size_t consumed = 0;  // kAddress, kNoAddress: bytes of the header
  bool is_v6 = false;
  uint8_t source[16] = {};  // in network order; IPv4 uses the first 4
  uint16_t source_port = 0;
  std::string_view error;  // kMalformed: a constant text
};

ProxyHeader ParseProxyHeader(std::string_view bytes);

}  // namespace protocol
