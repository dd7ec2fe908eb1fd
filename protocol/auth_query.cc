#include "protocol/auth_query.h"

#include <optional>

#include "protocol/error_catalog.h"
#include "protocol/message_writer.h"
#include "protocol/sasl.h"
#include "protocol/wire_value.h"

namespace protocol {
namespace {

using Kind = AuthQueryAnswer::Kind;

constexpr size_t kColumnsNeeded = 2;
constexpr int32_t kRowsMax = 2;  // one more than there may be
constexpr std::string_view kHiddenSecret = "********";  // the view pg_user says so of everybody
constexpr std::string_view kNotInEncoding = "22021", kNotTranslatable = "22P05";

}  // namespace

void WriteAuthQuery(std::string& out, std::string_view query, std::string_view user) {
  MessageWriter writer(out);
  writer.Begin('P').Text("").Text(query).Int16(0).End();
  writer.Begin('B').Text("").Text("").Int16(0).Int16(1).Int32(static_cast<int32_t>(user.size())).Bytes(user).Int16(0).End();
  writer.Begin('D').Byte('P').Text("").End();
  writer.Begin('E').Text("").Int32(kRowsMax).End();
  WriteSync(out);
}

AuthQueryReader::~AuthQueryReader() { Wipe(answer_.secret); }

AuthQueryReader::Step AuthQueryReader::OnMessage(char type, std::string_view body) {
  switch (type) {
    case '1':
    case '2':
    case 'C':
    case 's':  // there are more rows than were asked for
    case 'A':
    case 'N':
    case 'S': return Step::kContinue;
    case 'I':
    case 'n': return Fail("auth_query gives no rows");
    case 'T': return OnRowDescription(body);
    case 'D': return OnRow(body);
    case 'E': return OnError(body);
    case 'Z': return Finish(body);
    default: return Broken("the server sent a message that does not belong to auth_query");
  }
}

AuthQueryReader::Step AuthQueryReader::OnRowDescription(std::string_view body) {
  if (body.size() < 2 || columns_ != 0) return Broken("the server sent a malformed description of auth_query");
  columns_ = ReadUint16(body.data());
  if (columns_ < kColumnsNeeded) {
    return Fail("auth_query must give two columns, name and secret; it gives " + std::to_string(columns_));
  }
  if (columns_ > kColumnsNeeded) {
    answer_.remark = "auth_query gives " + std::to_string(columns_) + " columns; the first two count, name and secret";
  }
  return Step::kContinue;
}

AuthQueryReader::Step AuthQueryReader::OnRow(std::string_view body) {
  if (body.size() < 2 || ReadUint16(body.data()) != columns_) return Broken("the server sent a malformed row of auth_query");
  body.remove_prefix(2);
  if (columns_ < kColumnsNeeded) return Step::kContinue;  // has failed
  const auto name = TakeValue(body);
  const auto secret = name ? TakeValue(body) : std::nullopt;
  if (!secret) return Broken("the server sent a malformed row of auth_query");
  if (++rows_ > 1) return Fail("auth_query gives more than one row; it must ask for the user $1 only");
  if (name->is_null || name->text != user_) {
    answer_.remark = "auth_query gives the row of another user, which does not count";
    return Step::kContinue;
  }
  if (secret->text.size() > kLookedUpSecretBytesMax) return Fail("auth_query gives a secret that is too long");
  answer_.kind = Kind::kFound;
  if (secret->is_null) {
    answer_.remark = "auth_query gives a NULL secret: no password is set, or it is past VALID UNTIL";
  } else if (secret->text == kHiddenSecret) {
    answer_.remark = "auth_query gives no secret but asterisks; it must not read pg_user";
  } else {
    answer_.secret = secret->text;
  }
  return Step::kContinue;
}

AuthQueryReader::Step AuthQueryReader::OnError(std::string_view body) {
  const auto fields = ParseErrorFields(body);
  // No role has a name that cannot be written there. Not the server's fault, so not a failure.
  if (answer_.kind == Kind::kUnknown && (fields.sqlstate == kNotInEncoding || fields.sqlstate == kNotTranslatable)) {
    answer_.remark = "the name is not valid in the encoding of the database";
    return Step::kContinue;
  }
  return Fail("auth_query failed: " + std::string(fields.message) + " (" + std::string(fields.sqlstate) + ")");
}

AuthQueryReader::Step AuthQueryReader::Finish(std::string_view body) {
  return body == "I" ? Step::kDone : Broken("auth_query left its connection in a transaction");
}

AuthQueryReader::Step AuthQueryReader::Fail(std::string why) {
  if (answer_.kind == Kind::kFailed) return Step::kContinue;  // the first cause counts
  Wipe(answer_.secret);
  answer_.kind = Kind::kFailed;
  answer_.remark = std::move(why);
  return Step::kContinue;
}

AuthQueryReader::Step AuthQueryReader::Broken(std::string why) {
  Fail(std::move(why));
  return Step::kBroken;
}

}  // namespace protocol
