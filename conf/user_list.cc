#include "conf/user_list.h"

#include <map>
#include <optional>

#include "conf/units.h"

namespace conf {
namespace {

// Takes a quoted string off the front of `rest`; nullopt when there is none or it does not end.
std::optional<std::string> TakeQuoted(std::string_view& rest) {
  if (rest.empty() || rest.front() != '"') return std::nullopt;
  std::string content;
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != '"') {
      content += rest[i];
    } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
      content += '"';
      ++i;
    } else {
      rest.remove_prefix(i + 1);
      return content;
    }
  }
  return std::nullopt;
}

struct Line {
  std::string user;
  Secret secret;
};

Parsed<Line> ParseLine(std::string_view rest) {
  const auto user = TakeQuoted(rest);
  if (!user) return Refuse("must be \"user\" \"secret\": the user in double quotes is missing or does not end");
  if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) {
    return Refuse("must be \"user\" \"secret\": a space must follow the user");
  }
  rest = Trim(rest);
  const auto secret = TakeQuoted(rest);
  if (!secret) return Refuse("must be \"user\" \"secret\": the secret in double quotes is missing or does not end");
  if (!Trim(rest).empty()) {
    return Refuse("must end after the secret; a quote inside a secret is written twice: \"\"");
  }
  if (user->empty()) return Refuse("must not have an empty user");
  if (user->size() > kLongestUser) return Refuse("must not have a user longer than 127 bytes");
  if (secret->size() > kLongestSecret) return Refuse("must not have a secret longer than 4096 bytes");
  if (user->find('\0') != std::string::npos || secret->find('\0') != std::string::npos) {
    return Refuse("must not contain a NUL byte");
  }
  return Line{.user = *user, .secret = Secret(*secret)};
}

}  // namespace

tl::expected<UserList, std::vector<Mistake>> ParseUserList(std::string_view text, const std::string& file) {
  UserList users;
  std::map<std::string, int> first_lines;
  std::vector<Mistake> mistakes;
  int number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view content = Trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    ++number;
    if (content.empty() || content.front() == ';') continue;
    auto line = ParseLine(content);
    if (!line) {
      mistakes.push_back({.file = file, .line = number, .text = "a line of the user list " + line.error()});
      continue;
    }
    const auto [first, is_new] = first_lines.emplace(line->user, number);
    if (!is_new) {
      mistakes.push_back({.file = file,
                          .line = number,
                          .text = "user " + Quoted(line->user) + " stands here twice, first in line " +
                                  std::to_string(first->second) + "; remove one of them"});
      continue;
    }
    users.emplace(std::move(line->user), std::move(line->secret));
  }
  if (!mistakes.empty()) return tl::unexpected(std::move(mistakes));
  return users;
}

}  // namespace conf
