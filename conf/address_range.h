// An address range such as 10.0.0.0/8 or fd00::/8: of reject_addresses and of the lines of auth_hba_file.
//
// What: a value in network byte order; IPv4 uses the first 4 bytes. Contains is a pure function. Threads: any.
// Text to range and back: units.h.
#pragma once

#include <cstdint>

namespace conf {

struct AddressRange {
  bool is_v6 = false;
  uint8_t bytes[16] = {};
  int prefix_bits = 0;
  // An IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d is an IPv4 address.
  bool Contains(const uint8_t* address, bool address_is_v6) const;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

}  // namespace conf
