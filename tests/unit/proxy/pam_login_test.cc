// PAM with services of the test's own folder: what the modules are told, and what each of their answers comes to.
#include "proxy/pam_login.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "tests/support/temporary_folder.h"

namespace proxy {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class PamLoginTest : public testing::Test {
 protected:
  void SetUp() override {
    // the password comes on stdin, with a zero byte behind it
    test_support::WriteFile(folder_.File("check.sh"),
                            "#!/bin/sh\nset -eu\npassword=$(tr -d '\\000')\necho \"$PAM_SERVICE $PAM_USER ${PAM_RHOST-} $PAM_TYPE\" >>" + folder_.File("asked") +
                                "\n[ \"$password\" = 'right \"one\"' ]\n");
    ASSERT_EQ(chmod(folder_.File("check.sh").c_str(), 0700), 0);
    Service("exec", "auth required pam_exec.so expose_authtok quiet " + folder_.File("check.sh") + "\naccount required pam_permit.so\n");
    Service("expired", "auth required pam_permit.so\naccount required pam_deny.so\n");
    Service("denied", "auth required pam_deny.so\naccount required pam_permit.so\n");
    Service("broken", "auth required pam_no_such_module.so\naccount required pam_permit.so\n");
  }
  void Service(const std::string& name, const std::string& lines) { test_support::WriteFile(folder_.File(name), lines); }
  std::string Ask(const std::string& service, const std::string& password) {
    return AskPam({service, folder_.path(), "anna", "10.0.0.9", conf::Secret(password)});
  }
  test_support::TemporaryFolder folder_;
};

TEST_F(PamLoginTest, TheModuleIsToldUserPasswordAndAddress) {
  EXPECT_EQ(Ask("exec", "right \"one\""), "");
  EXPECT_EQ(test_support::ReadFile(folder_.File("asked")), "exec anna 10.0.0.9 auth\n");
}

TEST_F(PamLoginTest, AWrongPasswordIsRefusedAndNotToldOn) {
  const std::string fault = Ask("exec", "wrong one");
  EXPECT_THAT(fault, StartsWith("PAM service exec: pam_authenticate: "));
  EXPECT_THAT(fault, Not(HasSubstr("wrong one")));
}

TEST_F(PamLoginTest, TheAccountIsLookedAtToo) { EXPECT_THAT(Ask("expired", "x"), StartsWith("PAM service expired: pam_acct_mgmt: ")); }

TEST_F(PamLoginTest, DeniedBrokenAndUnknownServicesLetNobodyIn) {
  EXPECT_THAT(Ask("denied", "x"), StartsWith("PAM service denied: pam_authenticate: "));
  EXPECT_THAT(Ask("broken", "x"), StartsWith("PAM service broken: "));
  EXPECT_THAT(Ask("nowhere", "x"), StartsWith("PAM service nowhere: "));
}

TEST_F(PamLoginTest, WithoutAServiceTheSystemsOwnRefuses) {
  EXPECT_NE(AskPam({"pgweir-test-that-nobody-has", "", "anna", "", conf::Secret("x")}), "") << "the service `other` lets nobody in";
}

TEST_F(PamLoginTest, SeveralAtOnce) {
  std::vector<std::thread> threads;
  std::vector<std::string> faults(8);
  for (size_t i = 0; i < faults.size(); ++i) {
    threads.emplace_back([this, &faults, i] { faults[i] = Ask("exec", i % 2 == 0 ? "right \"one\"" : "wrong"); });
  }
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < faults.size(); ++i) EXPECT_EQ(faults[i].empty(), i % 2 == 0) << faults[i];
}

}  // namespace
}  // namespace proxy
