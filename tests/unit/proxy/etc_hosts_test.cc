// /etc/hosts: which lines count for a name.
#include "proxy/etc_hosts.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

constexpr const char* kText =
    "# the machine's own\n"
    "127.0.0.1\tlocalhost\n"
    "::1 localhost ip6-localhost\n"
    "\n"
    "10.0.0.1 db.example db  # the old one: spare\n"
    "  10.0.0.2   other DB \r\n"
    "10.0.0.1 db\n"
    "no-address db\n"
    "10.0.0.300 db\n"
    "10.0.0.4\n"
    "#10.0.0.5 db\n"
    "2001:db8::7 db";

std::string Found(const std::string& name) { return IpTexts(FindInHosts(kText, name)); }

TEST(EtcHostsTest, EveryLineOfANameCountsOnce) {
  EXPECT_EQ(Found("db"), "10.0.0.1,10.0.0.2,2001:db8::7");
  EXPECT_EQ(Found("localhost"), "127.0.0.1,::1");
}

TEST(EtcHostsTest, NamesAreWholeAndOfAnyCase) {
  EXPECT_EQ(Found("DB.Example"), "10.0.0.1");
  EXPECT_EQ(Found("db.example."), "10.0.0.1");
  for (const char* name : {"d", "spare", "example", "10.0.0.4", "no-address", "#", ""}) EXPECT_EQ(Found(name), "") << name;
}

TEST(EtcHostsTest, AFileThatIsNoneIsEmpty) {
  EXPECT_EQ(ReadHostsFile("/no/such/file"), "");
  EXPECT_EQ(ReadHostsFile("/"), "");
  EXPECT_TRUE(FindInHosts("", "db").empty());
}

}  // namespace
}  // namespace proxy
