#include "protocol/startup.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "protocol/message_writer.h"

namespace protocol {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kHeaderBytes = 8;  // length and request code or version
constexpr size_t kCancelKeyBytesMin = 4;
constexpr size_t kUserNameBytesMax = 127;
constexpr size_t kUsualSettings = 4;  // libpq sends one to four; more make the list grow
constexpr char kTlsHandshakeRecord = 0x16;  // as a length this would be over 300 MB, so it cannot be one

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

void Refuse(StartupResult& result, ErrorCode code, std::string_view subject, std::string detail = {}) {
  result.kind = StartupKind::kMalformed;
  result.error = MakeError(code, subject, std::move(detail));
}

// The zero-terminated string at the front of `rest`, which is moved behind the zero; nothing when there is no zero.
std::optional<std::string_view> TakeText(std::string_view& rest) {
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return text;
}

// As PostgreSQL reads it: "database", in lower case, or a boolean, of which any unambiguous beginning will do.
std::optional<Replication> ReadReplication(std::string_view value) {
  if (value == "database") return Replication::kLogical;
  if (value.empty()) return Replication::kNone;
  const std::string lowered = Lowered(value);
  if (lowered == "0") return Replication::kNone;
  if (lowered == "1") return Replication::kPhysical;
  const auto begins = [&](std::string_view word) { return word.substr(0, lowered.size()) == lowered; };
  const bool is_long_enough = lowered.size() >= 2;  // "o" may be either
  if (begins("false") || begins("no") || (is_long_enough && begins("off"))) return Replication::kNone;
  if (begins("true") || begins("yes") || (is_long_enough && begins("on"))) return Replication::kPhysical;
  return std::nullopt;
}

// PostgreSQL's isspace in the C locale.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The next word of `options`, unescaped; nothing at the end. A backslash keeps the character after it, also a space.
std::optional<std::string> TakeWord(std::string_view& options) {
  while (!options.empty() && IsSpace(options.front())) options.remove_prefix(1);
  if (options.empty()) return std::nullopt;
  std::string word;
  bool escaped = false;
  while (!options.empty() && (escaped || !IsSpace(options.front()))) {
    const char c = options.front();
    options.remove_prefix(1);
    if (!escaped && c == '\\') {
      escaped = true;
      continue;
    }
    escaped = false;
    word.push_back(c);
  }
  return word;
}

// "name=value"; false when there is no name or no '='.
bool AddSetting(std::string_view assignment, std::vector<std::pair<std::string, std::string>>& settings) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  std::string name(assignment.substr(0, equals));
  std::replace(name.begin(), name.end(), '-', '_');
  settings.emplace_back(std::move(name), assignment.substr(equals + 1));
  return true;
}

// What the packet says beside the message, before it is taken apart. Into the packet.
struct Parameters {
  std::string_view options, replication;
  size_t count = 0;
};

void AddParameter(StartupMessage& message, Parameters& parameters, std::string_view name, std::string_view value) {
  ++parameters.count;
  if (name == "user") {
    message.user = value;
  } else if (name == "database") {
    message.database = value;
  } else if (name == "replication") {
    parameters.replication = value;
  } else if (name == "options") {
    parameters.options = value;
  } else if (name.substr(0, 5) == "_pq_.") {
    message.unknown_protocol_options.emplace_back(name);
  } else {
    if (message.settings.empty()) message.settings.reserve(kUsualSettings);
    message.settings.emplace_back(name, value);
  }
}

void RefuseTooMany(StartupResult& result) {
  Refuse(result, ErrorCode::kStartupLayout, "more than " + std::to_string(kStartupParametersMax) + " parameters");
}

// PostgreSQL applies "options" before the parameters that have a name of their own, whatever their order in the packet.
void AddOptions(StartupResult& result, std::string_view options) {
  std::vector<std::pair<std::string, std::string>> settings;
  std::string bad_option;
  if (!ParseOptions(options, settings, bad_option)) return Refuse(result, ErrorCode::kUnsupportedStartupOption, bad_option);
  auto& named = result.startup.settings;
  if (settings.size() + named.size() > kStartupParametersMax) return RefuseTooMany(result);
  settings.insert(settings.end(), std::move_iterator(named.begin()), std::move_iterator(named.end()));
  named = std::move(settings);
}

void Finish(StartupResult& result, const Parameters& parameters) {
  StartupMessage& message = result.startup;
  if (message.user.empty()) return Refuse(result, ErrorCode::kNoUserName, {});
  if (message.user.size() > kUserNameBytesMax) {
    return Refuse(result, ErrorCode::kUserNameTooLong, std::to_string(message.user.size()));
  }
  if (message.database.empty()) message.database = message.user;

  const auto replication = ReadReplication(parameters.replication);
  if (!replication) return Refuse(result, ErrorCode::kReplicationValue, parameters.replication);
  message.replication = *replication;
  result.kind = StartupKind::kStartup;
  if (*replication != Replication::kNone) message.options = parameters.options;
  else if (!parameters.options.empty()) AddOptions(result, parameters.options);
}

void ParseParameters(StartupResult& result, uint32_t version, std::string_view rest) {
  result.startup.version = version;
  Parameters parameters;
  for (;;) {
    const auto name = TakeText(rest);
    if (!name) return Refuse(result, ErrorCode::kStartupLayout, "expected terminator as last byte");
    if (name->empty()) break;
    const auto value = TakeText(rest);
    if (!value) return Refuse(result, ErrorCode::kStartupLayout, "a parameter has no value");
    if (parameters.count == kStartupParametersMax) return RefuseTooMany(result);
    AddParameter(result.startup, parameters, *name, *value);
  }
  if (!rest.empty()) return Refuse(result, ErrorCode::kStartupLayout, "expected terminator as last byte");
  Finish(result, parameters);
}

void ParseCancel(StartupResult& result, std::string_view rest) {
  if (rest.size() < 4 + kCancelKeyBytesMin || rest.size() > 4 + kCancelKeyBytesMax) {
    return Refuse(result, ErrorCode::kStartupLayout, "the key of a cancel request has 4 to 256 bytes");
  }
  result.kind = StartupKind::kCancelRequest;
  result.cancel_process_id = ReadUint32(rest.data());
  result.cancel_key = rest.substr(4);
}

void ParseEncryptionRequest(StartupResult& result, StartupKind kind, std::string_view rest) {
  if (!rest.empty()) return Refuse(result, ErrorCode::kStartupLayout, "an encryption request has 8 bytes");
  result.kind = kind;
}

void ParseWhole(StartupResult& result, std::string_view packet) {
  const uint32_t code = ReadUint32(packet.data() + kLengthBytes);
  const std::string_view rest = packet.substr(kHeaderBytes);
  switch (code) {
    case kSslRequestCode: return ParseEncryptionRequest(result, StartupKind::kSslRequest, rest);
    case kGssEncRequestCode: return ParseEncryptionRequest(result, StartupKind::kGssEncRequest, rest);
    case kCancelRequestCode: return ParseCancel(result, rest);
    default: break;
  }
  if (code >> 16 != kProtocolNewest >> 16) {
    return Refuse(result, ErrorCode::kUnsupportedProtocol, std::to_string(code >> 16) + "." + std::to_string(code & 0xffff));
  }
  ParseParameters(result, code, rest);
}

}  // namespace

std::string_view Name(Replication replication) {
  switch (replication) {
    case Replication::kNone: return "none";
    case Replication::kPhysical: return "physical";
    case Replication::kLogical: return "logical";
  }
  return "?";
}

std::string_view StartupValue(Replication replication) {
  switch (replication) {
    case Replication::kNone: return "";
    case Replication::kPhysical: return "true";
    case Replication::kLogical: return "database";
  }
  return "";
}

StartupResult ParseStartup(std::string_view bytes) {
  StartupResult result;
  if (bytes.empty()) return result;
  if (bytes.front() == kTlsHandshakeRecord) {
    result.kind = StartupKind::kTlsHello;
    return result;
  }
  if (bytes.size() < kLengthBytes) return result;
  const size_t length = ReadUint32(bytes.data());
  if (length < kHeaderBytes || length > kStartupBytesMax) {
    Refuse(result, ErrorCode::kStartupLayout, "length " + std::to_string(length),
           "A startup packet has 8 to " + std::to_string(kStartupBytesMax) + " bytes; this connection began with something else.");
    return result;
  }
  // A wrong version, too, is told only after the whole packet: an answer to a half-read one may be lost in the reset.
  if (bytes.size() < length) return result;
  ParseWhole(result, bytes.substr(0, length));
  result.consumed = length;
  return result;
}

bool ParseOptions(std::string_view options, std::vector<std::pair<std::string, std::string>>& settings,
                  std::string& bad_option) {
  while (auto word = TakeWord(options)) {
    std::string assignment;
    if (*word == "-c") {
      assignment = TakeWord(options).value_or("");
    } else if (word->substr(0, 2) == "-c" || word->substr(0, 2) == "--") {
      assignment = word->substr(2);
    }
    if (!AddSetting(assignment, settings)) {
      bad_option = *word == "-c" && !assignment.empty() ? "-c " + assignment : *word;
      return false;
    }
  }
  return true;
}

bool NeedsNegotiation(const StartupMessage& message) {
  return message.version > kProtocolNewest || !message.unknown_protocol_options.empty();
}

void WriteNegotiateProtocolVersion(std::string& out, const StartupMessage& message) {
  MessageWriter writer(out);
  // The documentation says "minor version"; PostgreSQL sends, and libpq reads, the whole number.
  writer.Begin('v')
      .Int32(static_cast<int32_t>(NegotiatedVersion(message)))
      .Int32(static_cast<int32_t>(message.unknown_protocol_options.size()));
  for (const std::string& option : message.unknown_protocol_options) writer.Text(option);
  writer.End();
}

uint32_t NegotiatedVersion(const StartupMessage& message) {
  return message.version < kProtocol32 ? kProtocol30 : std::min(message.version, kProtocolNewest);
}

void WriteStartup(std::string& out, std::string_view user, std::string_view database,
                  const std::vector<std::pair<std::string, std::string>>& settings) {
  MessageWriter writer(out);
  writer.BeginUntyped().Int32(static_cast<int32_t>(kProtocol30));
  writer.Text("user").Text(user).Text("database").Text(database);
  for (const auto& [name, value] : settings) {
    // An empty name would be read as the end of the packet.
    if (name.empty() || name.front() == '\0') continue;
    writer.Text(name).Text(value);
  }
  writer.Byte(0).End();
}

}  // namespace protocol
