// Where a client comes from, and its place among the connections of its address.
#include "proxy/client_address.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

using Verdict = pool::AddressTable::Verdict;

const uint8_t kV6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7};
const uint8_t kMapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};

TEST(ClientAddress, NamesAndGroups) {
  ClientAddress address(std::nullopt);
  EXPECT_FALSE(address.ip().has_value());
  EXPECT_EQ(address.Name().address, "unix");
  address.Set(MakePeerAddress(false, kMapped + 12, 4711));
  EXPECT_EQ(address.Name().address, "10.1.2.3");
  EXPECT_EQ(address.Name().port, 4711);
  EXPECT_EQ(address.Group(), "10.1.2.3");
  address.Set(MakePeerAddress(true, kMapped, 65535));
  EXPECT_EQ(address.Name().address, "10.1.2.3") << "an IPv4 address, however it is written";
  EXPECT_EQ(address.Name().port, 65535);
  address.Set(MakePeerAddress(true, kV6, 1));
  EXPECT_EQ(address.Name().address, "2001:db8:0:1::7");
  EXPECT_EQ(address.Group(), "2001:db8:0:1::/64");
}

TEST(ClientAddress, IsInRanges) {
  conf::AddressRange range;
  range.bytes[0] = 10;
  range.prefix_bits = 8;
  ClientAddress address(std::nullopt);
  EXPECT_FALSE(address.IsIn({range})) << "a Unix socket";
  address.Set(MakePeerAddress(true, kMapped, 1));
  EXPECT_TRUE(address.IsIn({range}));
  EXPECT_FALSE(address.IsIn({}));
  address.Set(MakePeerAddress(true, kV6, 1));
  EXPECT_FALSE(address.IsIn({range}));
}

TEST(ClientAddress, HasOnePlaceAndGivesItBack) {
  pool::AddressTable table(1);
  const pool::AddressLimits one{.connections = 1};
  const pool::TimePoint now{std::chrono::hours(1)};
  {
    ClientAddress first(std::nullopt), second(std::nullopt);
    first.Set(MakePeerAddress(true, kV6, 1));
    second.Set(MakePeerAddress(true, kV6, 2));
    EXPECT_EQ(first.Enter(table, one, now).verdict, Verdict::kCounted);
    EXPECT_EQ(second.Enter(table, one, now).verdict, Verdict::kTooMany);
    second.Leave();  // it has none
    EXPECT_EQ(table.size(), 1u);
    first.Leave();
    EXPECT_EQ(second.Enter(table, one, now).verdict, Verdict::kCounted);
  }
  EXPECT_EQ(table.size(), 0u);
}

TEST(ClientAddress, AUnixSocketIsNeverRefused) {
  pool::AddressTable table(1);
  const pool::AddressLimits limits{.connections = 1, .new_per_second = 1};
  ClientAddress first(std::nullopt), second(std::nullopt);
  for (ClientAddress* address : {&first, &second}) EXPECT_EQ(address->Enter(table, limits, pool::TimePoint{}).verdict, Verdict::kUncounted);
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace proxy
