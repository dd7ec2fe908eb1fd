#include "admin/command.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "admin/select.h"
#include "admin/text.h"
#include "admin/tokens.h"
#include "conf/nearest.h"
#include "conf/units.h"

namespace admin {
namespace {

using protocol::ErrorCode;
using protocol::ErrorReport;
using Tokens = std::span<const Token>;

constexpr size_t kQuotedInErrorBytesMax = 63;

tl::unexpected<ErrorReport> Refuse(std::string_view what, std::string_view hint = {}) {
  ErrorReport report = protocol::MakeError(ErrorCode::kConsoleSyntax, what);
  if (!hint.empty()) report.hint = std::string(hint) + ' ' + report.hint;
  return tl::unexpected<ErrorReport>(std::move(report));
}

std::string Quote(std::string_view text) { return '"' + Printable(text, kQuotedInErrorBytesMax) + '"'; }

tl::unexpected<ErrorReport> RefuseUsage(const Verb& verb, std::string_view what) {
  return Refuse(what, "Usage: " + std::string(verb.usage) + '.');
}

tl::unexpected<ErrorReport> RefuseUnknown(const std::string& words) {
  std::vector<std::string_view> valid;
  for (const Verb& verb : Verbs()) {
    if (!verb.words.ends_with('*')) valid.push_back(verb.words);
  }
  const auto nearest = conf::NearestName(Upper(words), valid);
  return Refuse(Quote(words), nearest ? "Did you mean " + *nearest + '?' : std::string());
}

bool IsName(const Token& token) { return token.kind == TokenKind::kWord || token.kind == TokenKind::kQuoted; }
bool IsKeyword(const Token& token, std::string_view keyword) {
  return token.kind == TokenKind::kWord && Upper(token.text) == keyword;
}

// What may follow BEGIN and SET TRANSACTION.
bool IsTransactionWord(const Token& token) {
  constexpr std::array<std::string_view, 16> kWords = {"TRANSACTION", "WORK",       "ISOLATION",    "LEVEL", "READ", "WRITE",
                                                       "ONLY",        "COMMITTED",  "UNCOMMITTED",  "NOT",   "AND",  "NO",
                                                       "REPEATABLE",  "DEFERRABLE", "SERIALIZABLE", "CHAIN"};
  if (token.kind == TokenKind::kComma) return true;
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) { return IsKeyword(token, word); });
}

// Decimal as in the column id, or 0x... as in the column ptr.
std::optional<uint64_t> ParseClientId(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

// The last two words of PAUSE [database] TIMEOUT 5s.
tl::expected<std::chrono::microseconds, ErrorReport> ParseTimeout(const Verb& verb, const Token& value) {
  const auto timeout = conf::ParseDuration(value.text);
  if (timeout && timeout->count() > 0 && *timeout <= kPauseTimeoutMax) return *timeout;
  return RefuseUsage(verb, Quote(value.text) + " is not a time up to 24h");
}

ParseResult ParseArgument(const Verb& verb, Tokens tokens) {
  Command command{.verb = &verb};
  if (verb.argument == Argument::kOptionalDatabaseAndTimeout && tokens.size() >= 2 && IsName(tokens.back()) &&
      IsKeyword(tokens[tokens.size() - 2], "TIMEOUT")) {
    const auto timeout = ParseTimeout(verb, tokens.back());
    if (!timeout) return tl::unexpected(timeout.error());
    command.timeout = *timeout;
    tokens = tokens.first(tokens.size() - 2);
  }
  if (tokens.empty()) {
    if (verb.argument == Argument::kDatabase) return RefuseUsage(verb, "a database is required");
    if (verb.argument == Argument::kClientId) return RefuseUsage(verb, std::string(verb.words) + " needs an argument");
    return command;
  }
  if (verb.argument == Argument::kNone || tokens.size() > 1 || !IsName(tokens[0])) {
    return RefuseUsage(verb, "unexpected " +
                                 Quote(tokens[verb.argument == Argument::kNone ? 0 : tokens.size() - 1].text) +
                                 " after " + std::string(verb.words));
  }
  const std::string& text = tokens[0].text;
  switch (verb.argument) {
    case Argument::kClientId: {
      const auto id = ParseClientId(text);
      if (!id) return RefuseUsage(verb, Quote(text) + " is not the id of a client");
      command.client_id = *id;
      break;
    }
    case Argument::kShutdownKind:
      if (!IsKeyword(tokens[0], "WAIT_FOR_SERVERS") && !IsKeyword(tokens[0], "WAIT_FOR_CLIENTS")) {
        return RefuseUsage(verb, "unknown way of SHUTDOWN " + Quote(text));
      }
      command.shutdown = IsKeyword(tokens[0], "WAIT_FOR_SERVERS") ? proxy::Control::ShutdownKind::kWaitForServers
                                                                 : proxy::Control::ShutdownKind::kWaitForClients;
      break;
    default:
      if (text.empty()) return RefuseUsage(verb, "an empty database name");
      command.argument = text;
  }
  return command;
}

bool AreKeywords(Tokens tokens, std::initializer_list<std::string_view> keywords) {
  return std::equal(tokens.begin(), tokens.end(), keywords.begin(), keywords.end(), IsKeyword);
}

// BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK and ABORT with their modes; nullopt: it begins with none of them.
std::optional<ParseResult> ParseTransaction(Tokens tokens) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kTags = {{{"BEGIN", "BEGIN"},
                                                                                  {"START", "START TRANSACTION"},
                                                                                  {"COMMIT", "COMMIT"},
                                                                                  {"END", "COMMIT"},
                                                                                  {"ROLLBACK", "ROLLBACK"},
                                                                                  {"ABORT", "ROLLBACK"}}};
  const auto* tag = std::find_if(kTags.begin(), kTags.end(), [&](const auto& each) { return IsKeyword(tokens[0], each.first); });
  if (tag == kTags.end()) return std::nullopt;
  const Verb& verb = *FindVerb(VerbId::kTransaction);
  for (const Token& token : tokens.subspan(1)) {
    if (!IsTransactionWord(token)) return RefuseUsage(verb, "unexpected " + Quote(token.text) + " after " + std::string(tag->first));
  }
  Command command{.verb = &verb};
  command.value = tag->second;
  return command;
}

ParseResult ParseShow(Tokens tokens) {
  if (tokens.empty() || !IsName(tokens[0])) return Refuse("SHOW needs to know what");
  if (AreKeywords(tokens, {"TRANSACTION", "ISOLATION", "LEVEL"})) {
    Command command{.verb = FindVerb(VerbId::kShowDriverSetting)};
    command.argument = "transaction_isolation";
    return command;
  }
  const std::string words = "SHOW " + Upper(tokens[0].text);
  for (const Verb& verb : Verbs()) {
    if (verb.words == words && !words.ends_with('*')) return ParseArgument(verb, tokens.subspan(1));
  }
  std::string name = Lower(tokens[0].text);
  if (!DriverSetting(name)) return RefuseUnknown("SHOW " + tokens[0].text);
  const Verb& verb = *FindVerb(VerbId::kShowDriverSetting);
  if (tokens.size() > 1) return RefuseUsage(verb, "unexpected " + Quote(tokens[1].text));
  Command command{.verb = &verb};
  command.argument = std::move(name);
  return command;
}

// SET [SESSION|LOCAL] name =|TO value [, value ...]
ParseResult ParseSet(Tokens tokens) {
  if (tokens.size() > 1 && IsName(tokens[1]) && !IsKeyword(tokens[1], "TO") &&
      (IsKeyword(tokens[0], "SESSION") || IsKeyword(tokens[0], "LOCAL"))) {
    tokens = tokens.subspan(1);
  }
  if (tokens.size() >= 3 && AreKeywords(tokens.first(3), {"CHARACTERISTICS", "AS", "TRANSACTION"})) tokens = tokens.subspan(2);
  if (tokens.size() > 1 && IsKeyword(tokens[0], "TRANSACTION") && std::all_of(tokens.begin(), tokens.end(), IsTransactionWord)) {
    return Command{.verb = FindVerb(VerbId::kSetDriverSetting)};
  }
  const Verb& set_key = *FindVerb(VerbId::kSetKey);
  if (tokens.size() < 3 || !IsName(tokens[0]) ||
      (tokens[1].kind != TokenKind::kEquals && !IsKeyword(tokens[1], "TO"))) {
    return RefuseUsage(set_key, "SET needs a name and a value");
  }
  Command command;
  command.argument = Lower(tokens[0].text);
  command.verb = DriverSetting(command.argument) ? FindVerb(VerbId::kSetDriverSetting) : &set_key;
  const Tokens values = tokens.subspan(2);
  for (size_t i = 0; i < values.size(); ++i) {
    const bool is_comma_due = i % 2 == 1;
    const bool fits = is_comma_due ? values[i].kind == TokenKind::kComma && i + 1 < values.size() : IsName(values[i]);
    if (!fits) return RefuseUsage(*command.verb, "unexpected " + Quote(values[i].text) + " in the value of SET");
    command.value += is_comma_due ? ", " : values[i].text;
  }
  if (command.value.size() > kWordBytesMax) return RefuseUsage(*command.verb, "the value is too long");
  return command;
}

}  // namespace

ParseResult ParseCommand(std::string_view sql) {
  if (IsSelect(sql)) return ParseSelect(sql);
  const auto all = Tokenise(sql);
  if (!all) return Refuse(all.error());
  const auto is_semicolon = [](const Token& token) { return token.kind == TokenKind::kSemicolon; };
  const auto end = std::find_if(all->begin(), all->end(), is_semicolon);
  if (!std::all_of(end, all->end(), is_semicolon)) return Refuse("more than one statement in a query");
  const Tokens tokens(all->begin(), end);
  if (tokens.empty()) return Command{};
  for (const Token& token : tokens) {
    if (token.kind == TokenKind::kWord && token.text.size() > 1 && token.text[0] == '$' && token.text[1] >= '0' &&
        token.text[1] <= '9') {
      return Refuse("the console takes no parameters (" + Quote(token.text) + ")");
    }
  }
  if (IsKeyword(tokens[0], "SHOW")) return ParseShow(tokens.subspan(1));
  if (IsKeyword(tokens[0], "SET")) return ParseSet(tokens.subspan(1));
  if (auto transaction = ParseTransaction(tokens)) return std::move(*transaction);
  if (AreKeywords(tokens, {"RELOAD", "DRY", "RUN"})) return Command{.verb = FindVerb(VerbId::kReloadDryRun)};
  if (tokens[0].kind == TokenKind::kWord) {
    for (const Verb& verb : Verbs()) {
      if (verb.words == Upper(tokens[0].text)) return ParseArgument(verb, tokens.subspan(1));
    }
  }
  return RefuseUnknown(tokens[0].text);
}

}  // namespace admin
