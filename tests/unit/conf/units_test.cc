#include "conf/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/nearest.h"

namespace conf {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Duration, EveryUnit) {
  const std::pair<const char*, Duration> cases[] = {
      {"5s", seconds(5)},         {"10min", minutes(10)},    {"250ms", milliseconds(250)}, {"1h", hours(1)},
      {"2d", hours(48)},          {"500us", microseconds(500)}, {"7", seconds(7)},         {"0", Duration(0)},
      {"0.25", milliseconds(250)}, {"1.5h", minutes(90)},    {" 5 s ", seconds(5)},        {"0s", Duration(0)}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(ParseDuration(text), expected) << text;
}

TEST(Duration, Refused) {
  for (const char* text : {"", "s", "5 m", "5S", "-1s", "nan", "inf", "1e3", "5s5", "0x10", "1000000d", "0.1us", "5,5s"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(Duration, CanonicalTextComesBack) {
  const std::pair<Duration, const char*> cases[] = {{Duration(0), "0"},         {seconds(60), "1min"}, {seconds(90), "90s"},
                                                    {hours(1), "1h"},           {hours(24), "1d"},     {milliseconds(1500), "1500ms"},
                                                    {microseconds(1), "1us"}};
  for (const auto& [duration, text] : cases) {
    EXPECT_EQ(FormatDuration(duration), text);
    EXPECT_EQ(ParseDuration(text), duration);
  }
}

TEST(Fraction, BothSpellings) {
  EXPECT_DOUBLE_EQ(ParseFraction("10%").value(), 0.1);
  EXPECT_DOUBLE_EQ(ParseFraction("0.1").value(), 0.1);
  EXPECT_DOUBLE_EQ(ParseFraction("12.5 %").value(), 0.125);
  EXPECT_EQ(FormatFraction(0.1), "10%");
  EXPECT_EQ(FormatFraction(0.125), "12.5%");
  EXPECT_EQ(FormatFraction(0), "0%");
  for (const char* text : {"", "%", "101%", "1.1", "-1%", "nan", "ten"}) EXPECT_FALSE(ParseFraction(text).has_value()) << text;
}

TEST(OctalMode, ZeroToAll) {
  EXPECT_EQ(ParseOctalMode("0777"), 0777);
  EXPECT_EQ(ParseOctalMode("660"), 0660);
  EXPECT_EQ(FormatOctalMode(0070), "0070");
  for (const char* text : {"", "8", "01000", "-1", "0o7"}) EXPECT_FALSE(ParseOctalMode(text).has_value()) << text;
}

TEST(AddressRange, BothFamilies) {
  for (const char* text : {"10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/0", "192.168.1.7/32"}) {
    const auto range = ParseAddressRange(text);
    ASSERT_TRUE(range.has_value()) << text;
    EXPECT_EQ(FormatAddressRange(*range), text);
  }
  EXPECT_EQ(ParseAddressRange("::1")->prefix_bits, 128);
  for (const char* text : {"", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/", "10.0.0.0/-1", "host", "/8"}) {
    EXPECT_FALSE(ParseAddressRange(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseAddressRange(std::string_view("10.0.0.1\0x", 10)).has_value());
  EXPECT_THAT(ParseAddressRange("10.1.2.3/8").error(), testing::HasSubstr("write 10.0.0.0/8"));
}

TEST(AddressRange, Contains) {
  const auto range = ParseAddressRange("10.64.0.0/10").value();
  const uint8_t inside[] = {10, 127, 255, 255}, below[] = {10, 63, 255, 255}, above[] = {10, 128, 0, 0};
  EXPECT_TRUE(range.Contains(inside, false));
  EXPECT_FALSE(range.Contains(below, false));
  EXPECT_FALSE(range.Contains(above, false));
  const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 64, 0, 1};
  EXPECT_TRUE(range.Contains(mapped, true));
  const uint8_t plain_v6[16] = {10, 64};
  EXPECT_FALSE(range.Contains(plain_v6, true));
  EXPECT_TRUE(ParseAddressRange("::/0")->Contains(plain_v6, true));
  EXPECT_FALSE(ParseAddressRange("::/0")->Contains(inside, false));
}

TEST(Quoted, ControlBytesAreEscapedAndLengthIsBound) {
  EXPECT_EQ(Quoted("a\nb"), "'a\\x0ab'");
  EXPECT_LT(Quoted(std::string(1000, 'x')).size(), 100U);
}

TEST(Nearest, SwapsAndLimits) {
  EXPECT_EQ(NearestName("listen_prot", {"listen_port", "logfile"}), "listen_port");
  EXPECT_EQ(EditDistance("prot", "port"), 1);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(NearestName("banana", {"listen_port"}), std::nullopt);
  EXPECT_EQ(NearestName(std::string(65, 'x'), {std::string_view("x")}), std::nullopt);
}

}  // namespace
}  // namespace conf
