// Certificates for tests, made on the spot with OpenSSL: nothing in the repository expires.
//
// What: MakeCertificates writes PEM files into `folder` (which must exist) and returns their paths. Keys are EC P-256
// in files of mode 0600, so that PostgreSQL takes them too. Throws std::runtime_error when it cannot.
// Who is who: `ca` signs everything but the stranger, another CN=client, which `other_ca` signs. The server certificate is for
// DNS:localhost and IP:127.0.0.1, the wrong-host one for DNS:elsewhere.test, the expired one is the server's of last
// week; the client's has CN=client, the robot's CN=robot with DNS:app and DNS:*.test, the last one a zero byte behind "client".
#pragma once

#include <string>

namespace test_support {

struct CertificateFiles {
  std::string ca, server_cert, server_key, client_cert, client_key, wrong_host_cert, wrong_host_key, expired_cert,
      expired_key, robot_cert, robot_key, zero_byte_cert, zero_byte_key, stranger_cert, stranger_key, other_ca;
};

CertificateFiles MakeCertificates(const std::string& folder);

}  // namespace test_support
