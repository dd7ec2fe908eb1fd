// A folder under /tmp that lives as long as the object, and the few file operations that fixtures need.
#pragma once

#include <string>

namespace test_support {

class TemporaryFolder {
 public:
  TemporaryFolder();  // readable by everyone: servers run as another user
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void WriteFile(const std::string& path, const std::string& text);
std::string ReadFile(const std::string& path);  // empty when there is none

}  // namespace test_support
