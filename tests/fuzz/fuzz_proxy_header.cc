// What a load balancer says before a client's first byte: ParseProxyHeader.
#include <algorithm>
#include <string>

#include "protocol/proxy_header.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;

bool SaysTheSame(const ProxyHeader& a, const ProxyHeader& b) {
  return a.kind == b.kind && a.consumed == b.consumed && a.is_v6 == b.is_v6 && a.source_port == b.source_port && a.error == b.error &&
         std::equal(std::begin(a.source), std::end(a.source), std::begin(b.source));
}

// Version 2 with the same source: it must be read as the same.
std::string Written(const ProxyHeader& header) {
  const size_t bytes = header.is_v6 ? 16 : 4;
  std::string block(reinterpret_cast<const char*>(header.source), bytes);
  block.append(bytes, '\0');
  block += static_cast<char>(header.source_port >> 8);
  block += static_cast<char>(header.source_port & 0xff);
  block.append(2, '\0');
  std::string text("\r\n\r\n\0\r\nQUIT\n\x21", 13);
  text += header.is_v6 ? '\x21' : '\x11';
  text += '\0';
  text += static_cast<char>(block.size());
  return text + block;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ProxyHeader header = ParseProxyHeader(bytes);
  Require((header.kind == ProxyHeaderKind::kMalformed) == !header.error.empty());
  const bool is_whole = header.kind == ProxyHeaderKind::kAddress || header.kind == ProxyHeaderKind::kNoAddress;
  Require(is_whole == (header.consumed > 0) && header.consumed <= bytes.size() && header.consumed <= kProxyHeaderBytesMax);
  // What is incomplete is kept: there must be an end to that.
  Require(header.kind != ProxyHeaderKind::kIncomplete || bytes.size() < kProxyHeaderBytesMax);
  if (!is_whole) return 0;

  // Whoever reads it in pieces takes all that is incomplete: nothing but the header may be in it.
  Require(SaysTheSame(ParseProxyHeader(bytes.substr(0, header.consumed)), header));
  for (size_t at = 0; at < header.consumed; ++at) {
    Require(ParseProxyHeader(bytes.substr(0, at)).kind == ProxyHeaderKind::kIncomplete);
  }
  if (header.kind != ProxyHeaderKind::kAddress) return 0;
  const std::string written = Written(header);
  ProxyHeader again = ParseProxyHeader(written);
  Require(again.consumed == written.size());
  again.consumed = header.consumed;
  Require(SaysTheSame(again, header));
  return 0;
}
