#include "protocol/error_catalog.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

constexpr auto kCount = static_cast<size_t>(ErrorCode::kCount_);

TEST(ErrorCatalog, RowsFollowTheEnumeratorsAndAreWhole) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kCount; ++i) {
    const ErrorRow& row = Row(static_cast<ErrorCode>(i));
    EXPECT_EQ(static_cast<size_t>(row.code), i);
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " twice";
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << row.name;
    EXPECT_EQ(row.sqlstate.size(), 5u) << row.name;
    EXPECT_FALSE(row.message.empty()) << row.name;
    EXPECT_EQ(row.severity == Severity::kNotice, row.sqlstate.starts_with("00") || row.sqlstate.starts_with("01")) << row.name;
    EXPECT_EQ(row.message.find("{}"), row.message.rfind("{}")) << row.name;
    EXPECT_EQ(row.hint.find("{}"), std::string_view::npos) << row.name;
    EXPECT_TRUE(row.hint.empty() || row.hint.back() == '.') << row.name;
  }
}

TEST(ErrorCatalog, SqlStatesAndSeverities) {
  struct Case {
    ErrorCode code;
    std::string_view sqlstate;
    Severity severity;
  };
  using enum ErrorCode;
  for (const Case& c : {Case{kQueryWaitTimeout, "53300", Severity::kError},
                        {kQueueFull, "53300", Severity::kError},
                        {kTooManyClients, "53300", Severity::kFatal},
                        {kTooManyDatabaseClients, "53300", Severity::kFatal},
                        {kTooManyUserClients, "53300", Severity::kFatal},
                        {kTooManyAddressClients, "53300", Severity::kFatal},
                        {kConnectRate, "53300", Severity::kFatal},
                        {kProxyHeader, "08P01", Severity::kFatal},
                        {kOutOfDescriptors, "53300", Severity::kFatal},
                        {kBackendDown, "57P03", Severity::kError},
                        {kPaused, "57P03", Severity::kError},
                        {kServerLost, "08006", Severity::kError},
                        {kServerLostFatal, "08006", Severity::kFatal},
                        {kServerProtocol, "08P01", Severity::kFatal},
                        {kServerLogin, "57P03", Severity::kError},
                        {kUnknownDatabase, "3D000", Severity::kFatal},
                        {kPasswordFailed, "28P01", Severity::kFatal},
                        {kRejected, "28000", Severity::kFatal},
                        {kLoginTimeout, "57014", Severity::kFatal},
                        {kUnsupportedProtocol, "0A000", Severity::kFatal},
                        {kQueryTimeout, "57014", Severity::kError},
                        {kTransactionTimeout, "25P04", Severity::kFatal},
                        {kIdleTransactionTimeout, "25P03", Severity::kFatal},
                        {kClientIdleTimeout, "57P05", Severity::kFatal},
                        {kCanceled, "57014", Severity::kError},
                        {kShuttingDown, "57P01", Severity::kFatal},
                        {kKilled, "57P01", Severity::kFatal},
                        {kProtocolViolation, "08P01", Severity::kFatal},
                        {kStateRejected, "0A000", Severity::kError},
                        {kTooManyStatements, "54000", Severity::kError},
                        {kTransactionAborted, "25P02", Severity::kError},
                        {kQueryWaitNotify, "00000", Severity::kNotice},
                        {kSimpleQueryDisabled, "08P01", Severity::kFatal},
                        {kNotificationsLost, "01000", Severity::kNotice},
                        {kListenFailed, "57P03", Severity::kError},
                        {kReloadFailed, "F0000", Severity::kError},
                        {kConsoleForbidden, "42501", Severity::kError}}) {
    EXPECT_EQ(Row(c.code).sqlstate, c.sqlstate) << Row(c.code).name;
    EXPECT_EQ(Row(c.code).severity, c.severity) << Row(c.code).name;
  }
}

TEST(ErrorCatalog, ErrorsAboutALimitNameTheSetting) {
  using enum ErrorCode;
  for (const auto& [code, setting] : {std::pair{kQueryWaitTimeout, "query_wait_timeout"},
                                      {kQueueTimeout, "pgweir.queue_timeout"},
                                      {kQueueFull, "max_waiting"},
                                      {kShed, "queue_target"},
                                      {kTooManyClients, "max_client_conn"},
                                      {kTooManyDatabaseClients, "max_db_client_connections"},
                                      {kTooManyUserClients, "max_user_client_connections"},
                                      {kTooManyAddressClients, "max_client_conn_per_address"},
                                      {kConnectRate, "client_connect_rate"},
                                      {kLoginTimeout, "client_login_timeout"},
                                      {kQueryTimeout, "query_timeout"},
                                      {kTransactionTimeout, "transaction_timeout"},
                                      {kIdleTransactionTimeout, "idle_transaction_timeout"},
                                      {kClientIdleTimeout, "client_idle_timeout"}}) {
    EXPECT_NE(Row(code).message.find(setting), std::string_view::npos) << setting;
    EXPECT_FALSE(Row(code).hint.empty()) << setting;
  }
}

TEST(ErrorCatalog, SubjectFillsTheHoleAndIsNotReadAgain) {
  EXPECT_EQ(MakeError(ErrorCode::kUnknownDatabase, "shop").message, "database \"shop\" does not exist");
  EXPECT_EQ(MakeError(ErrorCode::kPasswordFailed, "{}{}").message, "password authentication failed for user \"{}{}\"");
  EXPECT_EQ(MakeError(ErrorCode::kCanceled, "unused").message, "canceling statement due to user request");
  EXPECT_EQ(MakeError(ErrorCode::kProtocolViolation).message, "");
}

TEST(WriteError, FieldsInOrder) {
  std::string out;
  WriteError(out, ErrorCode::kQueueFull, "100", "pool shop/anna, size 20");
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].type, 'E');
  EXPECT_EQ(messages[0].body, Z("SERROR") + Z("VERROR") + Z("C53300") +
                                  Z("Mtoo many clients are waiting for a server connection (max_waiting is 100)") +
                                  Z("Dpool shop/anna, size 20") + Z("H" + std::string(Row(ErrorCode::kQueueFull).hint)) + '\0');
}

// Drivers compare it: the words and no hint, as PostgreSQL sends them.
TEST(WriteError, APositionIsTold) {
  ErrorReport report = MakeError(ErrorCode::kConsoleSyntax, "x");
  report.position = 17;
  std::string out;
  WriteError(out, report);
  EXPECT_NE(out.find(std::string("\0P17\0\0", 6)), std::string::npos);
}

TEST(WriteError, AnAbortedTransactionAsPostgresSaysIt) {
  std::string out;
  WriteError(out, ErrorCode::kTransactionAborted);
  EXPECT_EQ(Split(out).at(0).body, Z("SERROR") + Z("VERROR") + Z("C25P02") +
                                       Z("Mcurrent transaction is aborted, commands ignored until end of transaction block") + '\0');
}

TEST(WriteError, ANoticeOfTheCatalogueIsANoticeResponse) {
  std::string out;
  WriteError(out, ErrorCode::kNotificationsLost, "\"orders\"");
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].type, 'N');
  EXPECT_EQ(messages[0].body, Z("SNOTICE") + Z("VNOTICE") + Z("C01000") +
                                  Z("Mnotifications on \"orders\" may have been lost while the listening connection was down") + '\0');
}

TEST(WriteError, AbsentFieldsAreNotWritten) {
  std::string out;
  WriteError(out, ErrorCode::kCanceled);
  EXPECT_EQ(Split(out).at(0).body, Z("SERROR") + Z("VERROR") + Z("C57014") + Z("Mcanceling statement due to user request") + '\0');
}

TEST(WriteError, ASubjectWithAZeroByteCannotAddFields) {
  std::string out;
  WriteError(out, ErrorCode::kUnknownDatabase, std::string_view("a\0CXXXXX", 8));
  const std::string body = Split(out).at(0).body;
  const ErrorFields fields = ParseErrorFields(body);
  EXPECT_EQ(fields.sqlstate, "3D000");
  EXPECT_EQ(fields.message, "database \"a");
}

TEST(WriteNotice, IsANotice) {
  std::string out;
  WriteNotice(out, "00000", "waiting", "for a while");
  WriteNotice(out, "00000", "waiting");
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].type, 'N');
  EXPECT_EQ(messages[0].body, Z("SNOTICE") + Z("VNOTICE") + Z("C00000") + Z("Mwaiting") + Z("Dfor a while") + '\0');
  EXPECT_EQ(messages[1].body, Z("SNOTICE") + Z("VNOTICE") + Z("C00000") + Z("Mwaiting") + '\0');
}

TEST(ParseErrorFields, EveryRowIsReadBack) {
  for (size_t i = 0; i < kCount; ++i) {
    const ErrorReport report = MakeError(static_cast<ErrorCode>(i), "subject", "detail");
    std::string out;
    WriteError(out, report);
    const std::string body = Split(out).at(0).body;
    const ErrorFields fields = ParseErrorFields(body);
    const bool is_notice = report.severity == Severity::kNotice;
    EXPECT_EQ(Split(out).at(0).type, is_notice ? 'N' : 'E');
    EXPECT_EQ(fields.severity, is_notice ? "NOTICE" : report.severity == Severity::kFatal ? "FATAL" : "ERROR");
    EXPECT_EQ(fields.sqlstate, report.sqlstate);
    EXPECT_EQ(fields.message, report.message);
    EXPECT_EQ(fields.detail, "detail");
    EXPECT_EQ(fields.hint, report.hint);
  }
}

TEST(ParseErrorFields, UntranslatedSeverityIsPreferred) {
  EXPECT_EQ(ParseErrorFields(Z("SFATAAL") + Z("VFATAL") + '\0').severity, "FATAL");
  EXPECT_EQ(ParseErrorFields(Z("VFATAL") + Z("SFATAAL") + '\0').severity, "FATAL");
  EXPECT_EQ(ParseErrorFields(Z("SFATAL") + '\0').severity, "FATAL");
}

TEST(ParseErrorFields, HostileBodies) {
  EXPECT_EQ(ParseErrorFields({}).message, "");
  EXPECT_EQ(ParseErrorFields(std::string(1, '\0')).message, "");
  EXPECT_EQ(ParseErrorFields("M").message, "");
  EXPECT_EQ(ParseErrorFields("Mno terminator").message, "no terminator");
  EXPECT_EQ(ParseErrorFields(Z("Monly")).message, "only");
  EXPECT_EQ(ParseErrorFields(Z("Monly") + '\0').sqlstate, "");
  EXPECT_EQ(ParseErrorFields(Z("Mone") + '\0' + Z("Mtwo")).message, "one") << "read beyond the terminator";
  for (const char* sqlstate : {"", "5330", "533000", "5330a", "53\n00"}) {
    EXPECT_EQ(ParseErrorFields("C" + Z(sqlstate)).sqlstate, "") << sqlstate;
  }
}

TEST(ParseErrorFields, EveryPrefixReadsNoByteTooMany) {
  std::string out;
  WriteError(out, ErrorCode::kQueueFull, "100", "detail");
  const std::string body = Split(out).at(0).body;
  for (size_t size = 0; size <= body.size(); ++size) {
    const ExactCopy copy(std::string_view(body).substr(0, size));
    const ErrorFields fields = ParseErrorFields(copy.view());
    EXPECT_LE(fields.message.size(), size);
  }
}

}  // namespace
}  // namespace protocol
