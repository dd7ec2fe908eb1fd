#include "conf/address_range.h"

#include <cstring>

namespace conf {
namespace {

constexpr uint8_t kMappedV4Prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool AddressRange::Contains(const uint8_t* address, bool address_is_v6) const {
  // A dual-stack listener shows an IPv4 client as ::ffff:a.b.c.d; it must not slip past an IPv4 rule.
  if (address_is_v6 && !is_v6 && std::memcmp(address, kMappedV4Prefix, sizeof(kMappedV4Prefix)) == 0) {
    address += sizeof(kMappedV4Prefix);
    address_is_v6 = false;
  }
  if (address_is_v6 != is_v6) return false;
  const int whole_bytes = prefix_bits / 8;
  if (std::memcmp(address, bytes, static_cast<size_t>(whole_bytes)) != 0) return false;
  const int rest_bits = prefix_bits % 8;
  if (rest_bits == 0) return true;
  const int mask = (0xff << (8 - rest_bits)) & 0xff;
  return (address[whole_bytes] & mask) == (bytes[whole_bytes] & mask);
}

}  // namespace conf
