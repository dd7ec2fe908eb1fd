#include "tests/walk/operations.h"

namespace walk {

namespace {

constexpr int kOptionsPercent = 50;
constexpr int kExtendedPercent = 40;

constexpr const char* kStartupOptions[] = {
    "-c work_mem=3MB",
    "-c TimeZone=Asia/Tokyo",
    "-c DateStyle=SQL,DMY",
    "-c IntervalStyle=iso_8601",
    "-c statement_timeout=77s -c extra_float_digits=0",
    "-c app.x=from_startup",
    "-c app.y=startup\\ with\\ blank",
    "-c default_transaction_read_only=on",
    "-c default_transaction_isolation=serializable",
    "-c client_min_messages=warning",
};
constexpr const char* kSearchPathOptions[] = {"-c search_path=one", "-c search_path=two,public"};

}  // namespace

Action Ask(Draw& draw, const std::string& sql) {
  return draw.dice.Percent(kExtendedPercent) ? Extended(sql) : Simple(sql);
}

std::string DrawLetters(Dice& dice, size_t count) {
  static constexpr char kLetters[] = "abcdefghij KLMNOP0123456789_-,;:";
  std::string letters;
  for (size_t i = 0; i < count; ++i) letters += kLetters[dice.Below(sizeof kLetters - 1)];
  return letters;
}

test_support::Names DrawStartupSettings(Dice& dice, const Pair& pair) {
  test_support::Names names;
  std::string options;
  if (dice.Percent(kOptionsPercent)) options = kStartupOptions[dice.Below(std::size(kStartupOptions))];
  if (!pair.PreparesLiterals() && dice.Percent(kOptionsPercent)) {
    options += std::string(options.empty() ? "" : " ") + kSearchPathOptions[dice.Below(std::size(kSearchPathOptions))];
  }
  if (!options.empty()) names.push_back({"options", options});
  if (dice.Percent(50)) names.push_back({"application_name", "walker " + std::to_string(pair.number())});
  if (dice.Percent(20)) names.push_back({"DateStyle", "German"});
  if (dice.Percent(10)) names.push_back({"client_encoding", "LATIN1"});
  return names;
}

}  // namespace walk
