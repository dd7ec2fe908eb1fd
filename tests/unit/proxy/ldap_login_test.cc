// LDAP servers that are not there, or say nothing: the question ends in time. A real server is in tests/integration/ldap_test.cc.
#include "proxy/ldap_login.h"

#include <gmock/gmock.h>

#include "proxy/event_loop.h"
#include "tests/support/child_process.h"
#include "tests/support/silent_port.h"

namespace proxy {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

LdapQuestion QuestionTo(int port, pool::Duration patience, bool searches = false) {
  LdapQuestion question;
  question.options.uris = {"ldap://127.0.0.1:" + std::to_string(port)};
  question.options.prefix = "uid=";
  question.options.has_search = searches;
  question.user = "anna";
  question.password = conf::Secret("secret");
  question.deadline = Now() + patience;
  return question;
}

TEST(LdapLogin, NobodyListens) {
  EXPECT_THAT(AskLdap(QuestionTo(test_support::FreePort(), pool::Duration(5'000'000))), StartsWith("LDAP login of the user: Can't contact LDAP server"));
}

TEST(LdapLogin, ASilentServerIsGivenUpInTime) {
  const test_support::SilentPort silent;
  for (const bool searches : {false, true}) {
    for (const bool has_tls : {false, true}) {
      LdapQuestion question = QuestionTo(silent.port(), pool::Duration(300'000), searches);
      question.options.has_start_tls = has_tls;
      const pool::TimePoint start = Now();
      EXPECT_THAT(AskLdap(question), StartsWith("LDAP "));
      EXPECT_LT(Now() - start, pool::Duration(4'000'000));
      EXPECT_GE(Now() - start, pool::Duration(250'000));
    }
  }
}

TEST(LdapLogin, TooLateIsNotAsked) {
  EXPECT_THAT(AskLdap(QuestionTo(test_support::FreePort(), pool::Duration(0))), HasSubstr("Timed out"));
}

TEST(LdapLogin, AnEmptyPasswordIsNoLogin) {
  LdapQuestion question = QuestionTo(test_support::FreePort(), pool::Duration(5'000'000));
  question.password = conf::Secret("");
  EXPECT_EQ(AskLdap(question), "LDAP: empty password");
}

}  // namespace
}  // namespace proxy
