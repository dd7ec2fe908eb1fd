// A test that has a folder of certificates (tests/support/certificates.h), made once for its suite.
#pragma once

#include <string>
#include <utility>

#include "tests/integration/environment.h"
#include "tests/support/certificates.h"

namespace integration {

class CertificateTest : public IntegrationTest {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test_support::TemporaryFolder();
    files_ = new test_support::CertificateFiles(test_support::MakeCertificates(folder_->path()));
    test_support::GiveToUnprivilegedUser(folder_->path());
  }
  static void TearDownTestSuite() {
    delete std::exchange(files_, nullptr);
    delete std::exchange(folder_, nullptr);
  }
  void SetUp() override { NEEDS_PGWEIR(); }
  // TLS toward clients, with these certificates.
  static std::string ClientTls(const std::string& mode) {
    return "client_tls_sslmode = \"" + mode + "\"\nclient_tls_key_file = \"" + files_->server_key + "\"\nclient_tls_cert_file = \"" +
           files_->server_cert + "\"\nclient_tls_ca_file = \"" + files_->ca + "\"\n";
  }

  static inline test_support::TemporaryFolder* folder_ = nullptr;
  static inline test_support::CertificateFiles* files_ = nullptr;
};

}  // namespace integration
