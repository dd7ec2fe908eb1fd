// The file of users and secrets, in PgBouncer's auth_file format.
//
// What: lines of "user" "secret"; inside quotes "" stands for one quote; blank lines and lines that begin with ; are
// skipped; the rest of a line after the secret must be blank. The secret is plain, md5..., SCRAM-SHA-256$..., or empty.
// Any other line is a mistake with its number: a line that is skipped silently is a user who cannot log in and nobody
// knows why. A mistake never quotes the line.
// Limits: kLongestUser, kLongestSecret. Threads: none.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "conf/config.h"
#include "conf/loader.h"

namespace conf {

inline constexpr size_t kLongestUser = 127;
inline constexpr size_t kLongestSecret = 4096;

tl::expected<UserList, std::vector<Mistake>> ParseUserList(std::string_view text, const std::string& file);

}  // namespace conf
