#include "pool/lease.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace pool {
namespace {

struct Holder : LeaseHolder {
  void OnLeaseReturned() override { ++returned; }
  void OnLeaseDiscarded() override { ++discarded; }
  int returned = 0, discarded = 0;
};

static_assert(!std::is_copy_constructible_v<ServerLease> && !std::is_copy_assignable_v<ServerLease>);

TEST(Lease, ReturnsOnce) {
  Holder holder;
  {
    ServerLease lease(holder);
    EXPECT_TRUE(lease);
    lease.Return();
    EXPECT_FALSE(lease);
    lease.Return();
  }
  EXPECT_EQ(holder.returned, 1);
  EXPECT_EQ(holder.discarded, 0);
}

TEST(Lease, DiscardsWhenItDiesWithoutReturn) {
  Holder holder;
  { ServerLease lease(holder); }
  EXPECT_EQ(holder.returned, 0);
  EXPECT_EQ(holder.discarded, 1);
}

TEST(Lease, MovesWithoutEnding) {
  Holder holder;
  {
    ServerLease first(holder);
    ServerLease second(std::move(first));
    ServerLease third;
    third = std::move(second);
    EXPECT_TRUE(third);
    EXPECT_EQ(holder.discarded, 0);
  }
  EXPECT_EQ(holder.discarded, 1);
}

TEST(Lease, AssignmentDiscardsWhatItHeld) {
  Holder old_holder, new_holder;
  ServerLease lease(old_holder);
  lease = ServerLease(new_holder);
  EXPECT_EQ(old_holder.discarded, 1);
  ServerLease& same = lease;
  lease = std::move(same);
  EXPECT_TRUE(lease);
  EXPECT_EQ(new_holder.discarded, 0);
  lease.Discard();
  EXPECT_EQ(new_holder.discarded, 1);
}

TEST(Lease, ForgetsABrokenHolder) {
  Holder holder;
  {
    ServerLease lease(holder);
    lease.Forget();
    EXPECT_FALSE(lease);
  }
  EXPECT_EQ(holder.returned + holder.discarded, 0);
}

}  // namespace
}  // namespace pool
