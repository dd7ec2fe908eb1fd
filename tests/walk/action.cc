#include "tests/walk/action.h"

#include <algorithm>

namespace walk {

using namespace test_support;

namespace {

constexpr size_t kPrintedValueBytesMax = 60;

std::string Printed(const Values& values) {
  std::string text = "(";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += values[i] ? "'" + Shortened(*values[i], kPrintedValueBytesMax) + "'" : "NULL";
  }
  return text + ")";
}

std::string Named(const std::string& name) { return name.empty() ? "unnamed" : name; }

}  // namespace

Action& Action::operator+=(const Action& next) {
  text += (text.empty() ? "" : " | ") + next.text;
  bytes += next.bytes;
  readies += next.readies;
  return *this;
}

Action Raw(std::string text, std::string bytes) {
  Action action;
  action.text = std::move(text);
  action.bytes = std::move(bytes);
  return action;
}

Action Simple(const std::string& sql) {
  Action action = Raw("simple: " + sql, Query(sql));
  action.readies = 1;
  return action;
}

Action ExtendedPart(const std::string& sql, const Values& values) {
  return Raw("extended: " + sql + (values.empty() ? "" : " " + Printed(values)),
             Parse("", sql) + Bind("", "", values) + DescribePortal("") + Execute(""));
}

Action Extended(const std::string& sql, const Values& values) {
  Action action = ExtendedPart(sql, values);
  return action += SyncPart();
}

Action ParsePart(const std::string& name, const std::string& sql) {
  return Raw("Parse " + Named(name) + ": " + sql, Parse(name, sql));
}

Action ExecutePart(const std::string& name, const Values& values) {
  return Raw("Bind+Execute " + Named(name) + " " + Printed(values),
             Bind("", name, values) + DescribePortal("") + Execute(""));
}

Action DescribePart(const std::string& name) { return Raw("Describe " + Named(name), DescribeStatement(name)); }

Action ClosePart(const std::string& name) { return Raw("Close " + Named(name), CloseStatement(name)); }

Action SyncPart() {
  Action action = Raw("Sync", Sync());
  action.readies = 1;
  return action;
}

std::string Shortened(std::string_view text, size_t bytes_max) {
  std::string shown(text.substr(0, bytes_max));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, '.');
  if (text.size() > bytes_max) shown += "[... " + std::to_string(text.size()) + " bytes]";
  return shown;
}

}  // namespace walk
