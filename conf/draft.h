// A Config while it is being put together: the values so far, where each came from, and the mistakes found.
//
// What: shared by the steps of Load (sections, environment, checks). Later sources overwrite earlier ones together with
// their origin, so that a contradiction found at the end can name the line that caused it.
// Threads: one, the caller of Load. Ownership: borrows the LoadOptions for the length of Load.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "conf/keys.h"
#include "conf/loader.h"
#include "conf/read_file.h"

namespace conf {

struct Origin {
  Source source = Source::kDefault;
  std::string place;  // file, or name of the environment variable
  int line = 0;
  std::string ToText() const;  // the column "source" of SHOW CONFIG
};

// A key's full name: {"", "", "listen_port"}, {"databases", "shop", "host"}; an empty key is the section's header.
using Address = std::tuple<std::string, std::string, std::string>;

class Draft {
 public:
  explicit Draft(const LoadOptions& options);

  Config config;
  Global defaults;  // of the file's format: what SHOW CONFIG calls the default

  const LoadOptions& options() const { return options_; }
  Parsed<std::string> Read(const std::string& path) const;

  void Add(const Origin& origin, std::string text);
  void AddAll(std::vector<Mistake> mistakes);
  bool has_mistakes() const { return !mistakes_.empty(); }
  std::vector<Mistake> TakeMistakes() &&;  // by file and line, the order of reading within

  void SetOrigin(const Address& address, Origin origin) { origins_[address] = std::move(origin); }
  // Of the key, else of its section's header, else of the file as a whole.
  Origin OriginOf(const Address& address) const;
  bool IsGiven(const Address& address) const { return origins_.contains(address); }
  void ForgetOrigins(const std::string& group, const std::string& name);  // of a section that starts again

  // Gives `value` to `key` of `section`: files resolved and read, then the key's own check.
  template <typename Section>
  void Apply(const Key<Section>& key, Section& section, const Address& address, Value value, const Origin& origin) {
    SetOrigin(address, origin);
    if (!UseFiles(key.name, key.file_use, value, origin)) {
      MarkRefused(key.name);
      return;
    }
    const Accepted accepted = key.set(section, value);
    if (accepted) return;
    MarkRefused(key.name);
    Add(origin, std::string(key.name) + " " + accepted.error());
  }

  // A refused value leaves the default behind; a contradiction with that would only mislead, so checks ask here first.
  void MarkRefused(std::string_view key) { refused_.emplace(key); }
  bool WasRefused(std::string_view key) const { return refused_.contains(key); }

  std::string url_user;  // of DATABASE_URL; known to the user list even without a password (auth_type trust)

 private:
  // Makes a relative path of the file absolute (in TOML to its folder, in an ini to the working folder), checks that it
  // can be read, or replaces it by the content.
  bool UseFiles(std::string_view key, FileUse use, Value& value, const Origin& origin);

  const LoadOptions& options_;
  std::vector<Mistake> mistakes_;
  std::map<Address, Origin> origins_;
  std::set<std::string, std::less<>> refused_;
};

// Marked as refused when the file cannot be read or parsed, or a whole section or DATABASE_URL is wrong.
inline constexpr std::string_view kWholeFile = "(file)";
inline constexpr std::string_view kSomeDatabase = "(database)";

inline constexpr size_t kLongestDatabase = 63;  // PostgreSQL's limit for a name

// Why a database or user cannot be called so: "must not ..."; empty = it can.
std::string NameFault(std::string_view name, size_t longest);

// [pgweir], [databases.X] and [users.X] of the file.
void ApplyFile(Draft& draft, std::string_view text);

// DATABASE_URL, PGWEIR_<KEY>, then the command line. The passwords that they carry win over the file's.
void ApplyDatabaseUrl(Draft& draft);
void ApplyEnvironment(Draft& draft);
void ApplyCommandLine(Draft& draft);

// auth_file, then the passwords of [users.X]; the environment's come after.
void FillUserList(Draft& draft);
void ApplyAdminPassword(Draft& draft);

// auth_hba_file and auth_ident_file, when auth_type is hba. Before the contradictions are looked for.
void FillHba(Draft& draft);
// All that is made of the values of auth_ keys and of the files that they name: at a load, and again when SET changes one of them.
void FillFromFiles(Draft& draft);

// Contradictions between values that are each right alone.
void CheckContradictions(Draft& draft);

}  // namespace conf
