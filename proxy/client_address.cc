#include "proxy/client_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace proxy {
namespace {

std::string TextOf(const PeerAddress& ip) {
  char text[INET6_ADDRSTRLEN] = {};
  if (!ip.is_v6) {  // SHOW CLIENTS has ten thousand of them, and inet_ntop goes by way of printf
    char* at = text;
    for (int i = 0; i < 4; ++i) {
      if (i > 0) *at++ = '.';
      at = std::to_chars(at, text + sizeof text, static_cast<unsigned>(static_cast<uint8_t>(ip.bytes[i]))).ptr;
    }
    return {text, at};
  }
  inet_ntop(AF_INET6, ip.bytes, text, sizeof text);
  return text;
}

}  // namespace

bool ClientAddress::IsIn(const std::vector<conf::AddressRange>& ranges) const {
  return ip_ && std::any_of(ranges.begin(), ranges.end(), [this](const auto& range) { return range.Contains(ip_->bytes, ip_->is_v6); });
}

PeerName ClientAddress::Name() const { return ip_ ? PeerName{TextOf(*ip_), ip_->port} : PeerName{"unix", 0}; }

std::string ClientAddress::Group() const {
  if (!ip_ || !ip_->is_v6) return Name().address;
  PeerAddress prefix = *ip_;
  std::memset(prefix.bytes + 8, 0, 8);
  return TextOf(prefix) + "/64";
}

pool::AddressTable::Entered ClientAddress::Enter(pool::AddressTable& table, const pool::AddressLimits& limits, pool::TimePoint now) {
  using Verdict = pool::AddressTable::Verdict;
  if (!ip_) return {.verdict = Verdict::kUncounted};
  const auto entered = table.Enter(pool::AddressKey::Of(ip_->bytes, ip_->is_v6), limits, now);
  if (entered.verdict == Verdict::kCounted) table_ = &table;
  return entered;
}

void ClientAddress::Leave() {
  if (table_ != nullptr) table_->Leave(pool::AddressKey::Of(ip_->bytes, ip_->is_v6));
  table_ = nullptr;
}

}  // namespace proxy
