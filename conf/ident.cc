#include "conf/ident.h"

#include <algorithm>
#include <optional>

#include "conf/draft.h"
#include "conf/hba_words.h"
#include "conf/user_list.h"

namespace conf {
namespace {

// Why the three fields of a line cannot be used; empty = they can.
std::string FaultOf(const std::vector<HbaField>& fields) {
  if (fields.size() != 3) return "a line must be MAP IDENTITY USER, three words, not " + std::to_string(fields.size());
  for (const HbaField& field : fields) {
    if (field.size() != 1) return "a line must be MAP IDENTITY USER, and no lists: write a line for each";
    if (field[0].text.empty()) return "an empty name fits nobody; remove the line";
  }
  const HbaWord &identity = fields[1][0], &user = fields[2][0];
  if (!identity.is_quoted && identity.text.starts_with('/')) {
    return Quoted(identity.text) + " is not supported: pgweir takes no regular expressions, as PgBouncer; write a line for each name";
  }
  if (!user.is_quoted && (user.text.starts_with('/') || user.text.starts_with('+') || user.text.starts_with('@'))) {
    return Quoted(user.text) + " is not supported: pgweir takes names and all, as PgBouncer; write a line for each name";
  }
  const std::string fault = NameFault(user.text, kLongestUser);
  return fault.empty() ? "" : "user " + Quoted(user.text) + " " + fault;
}

}  // namespace

void IdentMaps::Add(const std::string& map, const std::string& identity, bool is_all, const std::string& user) {
  Users& users = maps_[map][identity];
  if (is_all) users.has_all = true;
  else users.names.insert(user);
}

bool IdentMaps::Allows(std::string_view map, std::string_view identity, std::string_view user) const {
  const auto lines = maps_.find(map);
  if (lines == maps_.end()) return false;
  const auto users = lines->second.find(identity);
  return users != lines->second.end() && (users->second.has_all || users->second.names.contains(user));
}

tl::expected<IdentMaps, std::vector<Mistake>> ParseIdent(std::string_view text, const std::string& file) {
  IdentMaps maps;
  std::vector<Mistake> mistakes;
  size_t lines = 0;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const auto fields = SplitFields(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (fields && fields->empty()) continue;
    const std::string fault = fields ? FaultOf(*fields) : "a line that " + fields.error();
    if (!fault.empty()) {
      mistakes.push_back({.file = file, .line = number, .text = fault});
      continue;
    }
    const HbaWord& user = (*fields)[2][0];
    maps.Add((*fields)[0][0].text, (*fields)[1][0].text, user.Is("all"), user.text);
    if (++lines <= kIdentLinesMax) continue;
    mistakes.push_back({.file = file, .line = number, .text = "more than " + std::to_string(kIdentLinesMax) + " lines"});
    break;
  }
  if (!mistakes.empty()) return tl::unexpected(std::move(mistakes));
  return maps;
}

bool IsUser(const std::vector<std::string>& identities, std::string_view map, const IdentMaps* maps, std::string_view user) {
  return std::any_of(identities.begin(), identities.end(), [&](const std::string& identity) {
    return map.empty() ? identity == user : maps != nullptr && maps->Allows(map, identity, user);
  });
}

}  // namespace conf
