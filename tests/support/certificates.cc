#include "tests/support/certificates.h"

#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <unistd.h>

namespace test_support {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(FILE* file) const { std::fclose(file); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;

struct Identity {
  Key key;
  Certificate certificate;
};

struct Request {
  std::string common_name;
  std::string alternative_names;  // "DNS:localhost,IP:127.0.0.1", empty = none
  bool is_authority = false;
  long valid_from_days = -1, valid_to_days = 3650;
};

void Require(bool is_done, const std::string& what) {
  if (!is_done) throw std::runtime_error("MakeCertificates: cannot " + what);
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, Free> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  Require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "add the extension " + value);
}

Identity Make(const Request& request, const Identity* authority) {
  static long serial = 1;
  constexpr long kDaySeconds = 86400;
  Identity made{Key(EVP_EC_gen("P-256")), Certificate(X509_new())};
  Require(made.key != nullptr && made.certificate != nullptr, "make a key");
  X509* certificate = made.certificate.get();
  X509* issuer = authority != nullptr ? authority->certificate.get() : certificate;
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), request.valid_from_days * kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate), request.valid_to_days * kDaySeconds);
  X509_set_pubkey(certificate, made.key.get());
  const auto* name = reinterpret_cast<const unsigned char*>(request.common_name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, name, static_cast<int>(request.common_name.size()), -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  AddExtension(certificate, issuer, NID_basic_constraints, request.is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  AddExtension(certificate, issuer, NID_subject_key_identifier, "hash");
  AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid");
  if (request.is_authority) AddExtension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  if (!request.alternative_names.empty()) {
    AddExtension(certificate, issuer, NID_subject_alt_name, request.alternative_names);
  }
  EVP_PKEY* signer = authority != nullptr ? authority->key.get() : made.key.get();
  Require(X509_sign(certificate, signer, EVP_sha256()) > 0, "sign the certificate of " + request.common_name);
  return made;
}

std::unique_ptr<FILE, Free> Create(const std::string& path, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  Require(fd >= 0, "create " + path);
  return std::unique_ptr<FILE, Free>(fdopen(fd, "w"));
}

std::string WriteCertificate(const Identity& identity, const std::string& path) {
  const auto file = Create(path, 0644);
  Require(PEM_write_X509(file.get(), identity.certificate.get()) == 1, "write " + path);
  return path;
}

std::string WriteKey(const Identity& identity, const std::string& path) {
  const auto file = Create(path, 0600);
  Require(PEM_write_PrivateKey(file.get(), identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "write " + path);
  return path;
}

}  // namespace

CertificateFiles MakeCertificates(const std::string& folder) {
  const std::string server_names = "DNS:localhost,IP:127.0.0.1";
  const Identity ca = Make({.common_name = "pgweir test CA", .is_authority = true}, nullptr);
  const Identity other_ca = Make({.common_name = "pgweir other test CA", .is_authority = true}, nullptr);
  const Identity server = Make({.common_name = "localhost", .alternative_names = server_names}, &ca);
  const Identity client = Make({.common_name = "client"}, &ca);
  const Identity robot = Make({.common_name = "robot", .alternative_names = "DNS:app,IP:127.0.0.1,DNS:*.test"}, &ca);
  const Identity zero_byte = Make({.common_name = std::string("client\0.example.test", 20)}, &ca);
  const Identity stranger = Make({.common_name = "client"}, &other_ca);
  const Identity wrong_host = Make({.common_name = "elsewhere.test", .alternative_names = "DNS:elsewhere.test"}, &ca);
  const Identity expired = Make({.common_name = "localhost",
                                 .alternative_names = server_names,
                                 .valid_from_days = -14,
                                 .valid_to_days = -7},
                                &ca);
  return {
      .ca = WriteCertificate(ca, folder + "/ca.crt"),
      .server_cert = WriteCertificate(server, folder + "/server.crt"),
      .server_key = WriteKey(server, folder + "/server.key"),
      .client_cert = WriteCertificate(client, folder + "/client.crt"),
      .client_key = WriteKey(client, folder + "/client.key"),
      .wrong_host_cert = WriteCertificate(wrong_host, folder + "/wrong_host.crt"),
      .wrong_host_key = WriteKey(wrong_host, folder + "/wrong_host.key"),
      .expired_cert = WriteCertificate(expired, folder + "/expired.crt"),
      .expired_key = WriteKey(expired, folder + "/expired.key"),
      .robot_cert = WriteCertificate(robot, folder + "/robot.crt"),
      .robot_key = WriteKey(robot, folder + "/robot.key"),
      .zero_byte_cert = WriteCertificate(zero_byte, folder + "/zero_byte.crt"),
      .zero_byte_key = WriteKey(zero_byte, folder + "/zero_byte.key"),
      .stranger_cert = WriteCertificate(stranger, folder + "/stranger.crt"),
      .stranger_key = WriteKey(stranger, folder + "/stranger.key"),
      .other_ca = WriteCertificate(other_ca, folder + "/other_ca.crt"),
  };
}

}  // namespace test_support
