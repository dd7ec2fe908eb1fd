#include "conf/read_file.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace conf {
namespace {

std::string Reason(int error) {
  switch (error) {
    case ENOENT: return "there is no such file; check the path";
    case EACCES: return "no permission; let the user that runs pgweir read it";
    case EISDIR: return "it is a folder; name the file in it";
    default: return std::generic_category().message(error);
  }
}

}  // namespace

Parsed<std::string> ReadFile(const std::string& path) {
  if (path.find('\0') != std::string::npos) return Refuse("cannot read it: the path holds a NUL byte");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (file == nullptr) return Refuse("cannot read " + Quoted(path) + ": " + Reason(errno));
  std::string content;
  char buffer[16384];
  while (true) {
    const size_t count = std::fread(buffer, 1, sizeof(buffer), file.get());
    content.append(buffer, count);
    if (content.size() > kMaxFileSize) return Refuse("cannot read " + Quoted(path) + ": it is larger than 16 MiB");
    if (count < sizeof(buffer)) break;
  }
  if (std::ferror(file.get()) != 0) return Refuse("cannot read " + Quoted(path) + ": " + Reason(errno));
  return content;
}

}  // namespace conf
