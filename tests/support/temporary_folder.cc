#include "tests/support/temporary_folder.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace test_support {

TemporaryFolder::TemporaryFolder() {
  // Not TMPDIR: the path of a Unix socket inside must stay under 108 bytes.
  char name[] = "/tmp/pgweir-test-XXXXXX";
  if (mkdtemp(name) == nullptr || chmod(name, 0755) != 0) throw std::runtime_error("cannot make a folder in /tmp");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void WriteFile(const std::string& path, const std::string& text) {
  // Written beside and renamed, so that a process that re-reads the file never sees half of it.
  const std::string beside = path + ".new";
  {
    std::ofstream file(beside, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) throw std::runtime_error("cannot write " + beside);
  }
  std::filesystem::rename(beside, path);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace test_support
