// The cancel keys that clients get, and what a peer can read in them.
//
// What: process id (4 bytes) and key (4 bytes for protocol 3.0, 32 from 3.2 on), all random. With a peer_id they have PgBouncer's
// layout (1.19 and later), so that pgweir and PgBouncer can be each other's peers; of the 8 bytes that both versions begin with:
//
//   byte 0      random, its highest bit 0: clients show the process id as a positive number
//   bytes 1, 2  peer id, low byte first
//   bytes 3-6   random
//   byte 7      6 random bits; its lowest 2 are the hops left: how often the request may still be forwarded, kHopsMax as given out
//
// Random bits: without a peer_id 63 (3.2: 287). With one 45 (3.2: 269): who tries a million keys a second for one client's hits
// it after half a year on average. 15 of them are the process id's, which is therefore not unique (cancel_registry.h).
// The hops end what misconfigured peers would send in a circle; the receiver takes one off, so that nobody can add any but the
// client, and he only up to kHopsMax.
// Threads: any; pure functions but for the random numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace proxy {

inline constexpr size_t kCancelKeyBytes30 = 4;
inline constexpr size_t kCancelKeyBytes32 = 32;
inline constexpr int kHopsMax = 3;

struct CancelKey {
  uint32_t process_id = 0;
  std::string key;

  int PeerId() const;   // of whoever gave it out; without meaning if that has no peer_id
  int HopsLeft() const;  // 0 for a key that is too short to have any
  // The same key with this many hops left; one that is too short stays as it is.
  CancelKey WithHops(int hops) const;
};

// peer_id 0: without one. Never with process id 0, which clients take for "none".
CancelKey MakeCancelKey(int peer_id, size_t key_bytes);

}  // namespace proxy
