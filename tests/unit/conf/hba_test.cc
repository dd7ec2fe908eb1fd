// auth_hba_file: every form of a line, every mistake with its place, and which line a login meets first.
#include "conf/hba.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <cstring>
#include <map>

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Files = std::map<std::string, std::string>;

tl::expected<HbaRules, std::vector<Mistake>> Parse(const std::string& text, const Files& files = {}) {
  return ParseHba(text, "/etc/hba", [&files](const std::string& path) -> tl::expected<std::string, std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return tl::unexpected("cannot read '" + path + "'");
    return found->second;
  });
}

std::vector<std::string> MistakesOf(const std::string& text, const Files& files = {}) {
  std::vector<std::string> lines;
  if (const auto rules = Parse(text, files); !rules) {
    for (const Mistake& mistake : rules.error()) lines.push_back(mistake.ToString());
  }
  return lines;
}

enum class By : uint8_t { kUnix, kTcp, kTls };

// "METHOD at LINE" of the first line that fits, or "none".
std::string Outcome(const std::string& text, By by, const std::string& address, const std::string& user, const std::string& database,
                    const Files& files = {}) {
  const auto rules = Parse(text, files);
  if (!rules) return rules.error().front().ToString();
  HbaLogin login{.is_local = by == By::kUnix, .is_encrypted = by == By::kTls, .user = user, .database = database};
  login.is_v6 = address.find(':') != std::string::npos;
  if (!login.is_local) {
    EXPECT_EQ(inet_pton(login.is_v6 ? AF_INET6 : AF_INET, address.c_str(), login.address), 1) << address;
  }
  const HbaRule* rule = rules->Find(login);
  return rule == nullptr ? "none" : std::string(Name(rule->method)) + " at " + std::to_string(rule->line);
}

// By TCP without TLS.
std::string Tcp(const std::string& text, const std::string& address, const std::string& user = "app", const std::string& database = "shop") {
  return Outcome(text, By::kTcp, address, user, database);
}

TEST(Hba, EmptyAndCommentsLetNobodyIn) {
  EXPECT_EQ(Tcp("", "127.0.0.1"), "none");
  EXPECT_EQ(Tcp("# a comment\n   \t\r\n#host all all all trust\n", "127.0.0.1"), "none");
}

TEST(Hba, EveryMethod) {
  for (const char* method : {"trust", "reject", "password", "md5", "scram-sha-256"}) {
    EXPECT_EQ(Tcp(std::string("host all all all ") + method, "127.0.0.1"), std::string(method) + " at 1");
  }
  EXPECT_EQ(Outcome("hostssl all all all cert map=x", By::kTls, "::1", "app", "shop"), "cert at 1");
  EXPECT_EQ(Outcome("local all all peer", By::kUnix, "", "app", "shop"), "peer at 1");
}

TEST(Hba, TheFirstLineThatFitsDecides) {
  const std::string text =
      "host shop app 10.0.0.0/8 reject\n"
      "\n"
      "host shop app 0.0.0.0/0 md5   # the rest\n"
      "host all all all trust\n";
  EXPECT_EQ(Tcp(text, "10.1.2.3"), "reject at 1");
  EXPECT_EQ(Tcp(text, "11.1.2.3"), "md5 at 3");
  EXPECT_EQ(Tcp(text, "10.1.2.3", "other"), "trust at 4");
  EXPECT_EQ(Tcp(text, "::1"), "trust at 4");
}

TEST(Hba, TypesOfConnections) {
  const std::string text = "local all all trust\nhostssl all all all md5\nhostnossl all all all password\n";
  EXPECT_EQ(Outcome(text, By::kUnix, "", "app", "shop"), "trust at 1");
  EXPECT_EQ(Outcome(text, By::kTls, "::1", "app", "shop"), "md5 at 2");
  EXPECT_EQ(Outcome(text, By::kTcp, "::1", "app", "shop"), "password at 3");
  EXPECT_EQ(Outcome("host all all all trust", By::kUnix, "", "app", "shop"), "none");
  EXPECT_EQ(Outcome("local all all trust", By::kTcp, "127.0.0.1", "app", "shop"), "none");
  EXPECT_EQ(Outcome("host all all all trust", By::kTls, "127.0.0.1", "app", "shop"), "trust at 1");
}

TEST(Hba, AddressesOfBothFamilies) {
  EXPECT_EQ(Tcp("host all all 10.0.0.0/8 trust", "10.255.0.1"), "trust at 1");
  EXPECT_EQ(Tcp("host all all 10.0.0.0/8 trust", "11.0.0.1"), "none");
  EXPECT_EQ(Tcp("host all all 10.0.0.0 255.0.0.0 trust", "10.255.0.1"), "trust at 1");
  EXPECT_EQ(Tcp("host all all 10.0.0.0 255.0.0.0 trust", "11.0.0.1"), "none");
  EXPECT_EQ(Tcp("host all all 10.0.0.7/32 trust", "10.0.0.8"), "none");
  EXPECT_EQ(Tcp("host all all 10.0.0.128/25 trust", "10.0.0.127"), "none");
  EXPECT_EQ(Tcp("host all all 0.0.0.0/0 trust", "::1"), "none") << "IPv4 only";
  EXPECT_EQ(Tcp("host all all ::/0 trust", "127.0.0.1"), "none") << "IPv6 only";
  EXPECT_EQ(Tcp("host all all fd00:1::/32 trust", "fd00:1:2::3"), "trust at 1");
  EXPECT_EQ(Tcp("host all all fd00:1:: ffff:ffff:: trust", "fd00:2::3"), "none");
  EXPECT_EQ(Tcp("host all all fd00:1:: ffff:ffff:: trust", "fd00:1::3"), "trust at 1");
  EXPECT_EQ(Tcp("host all all 10.0.0.0/8 trust", "::ffff:10.0.0.1"), "trust at 1") << "as a dual-stack socket shows it";
}

TEST(Hba, ListsAndKeywords) {
  const std::string text = "host shop,\"my shop\" , x app, other  all md5";
  EXPECT_THAT(MistakesOf(text), ElementsAre(HasSubstr("a comma without a name before it")));
  EXPECT_EQ(Tcp("host shop,\"my shop\", x app, other  all md5", "::1", "other", "my shop"), "md5 at 1");
  EXPECT_EQ(Tcp("host shop,\"my shop\", x app, other  all md5", "::1", "other", "x"), "md5 at 1");
  EXPECT_EQ(Tcp("host shop,\"my shop\", x app, other  all md5", "::1", "third", "x"), "none");
  EXPECT_EQ(Tcp("host sameuser all all md5", "::1", "anna", "anna"), "md5 at 1");
  EXPECT_EQ(Tcp("host sameuser all all md5", "::1", "anna", "shop"), "none");
  EXPECT_EQ(Tcp("host x,sameuser all all md5", "::1", "anna", "x"), "md5 at 1");
  EXPECT_EQ(Tcp("host x,all y,all all md5", "::1", "anna", "shop"), "md5 at 1");
  EXPECT_EQ(Tcp("host replication all all trust", "::1", "anna", "replication"), "none") << "no database: physical replication";
  EXPECT_EQ(Tcp("host all sameuser all md5", "::1", "sameuser", "x"), "md5 at 1") << "of users it is a name";
}

// As PostgreSQL: it names no database, so only the keyword fits it, and that fits nothing else.
TEST(Hba, PhysicalReplicationNeedsItsKeyword) {
  const auto replicates = [](const std::string& text, const std::string& user = "app") {
    const auto rules = Parse(text);
    if (!rules) return rules.error().front().ToString();
    const HbaRule* rule = rules->Find({.is_local = true, .is_physical_replication = true, .user = user, .database = "replication"});
    return rule == nullptr ? "none" : std::string(Name(rule->method)) + " at " + std::to_string(rule->line);
  };
  EXPECT_EQ(replicates("local all all trust"), "none");
  EXPECT_EQ(replicates("local \"replication\",sameuser all trust", "replication"), "none") << "in quotes it is a name";
  EXPECT_EQ(replicates("local replication all trust"), "trust at 1");
  EXPECT_EQ(replicates("local all all trust\nlocal shop,replication app reject\nlocal replication all trust"), "reject at 2");
  EXPECT_EQ(replicates("local shop,replication app reject\nlocal replication all md5", "other"), "md5 at 2");
  EXPECT_EQ(replicates("host replication all all trust"), "none") << "by the Unix socket";
}

TEST(Hba, QuotedWordsAreNames) {
  EXPECT_EQ(Tcp("host \"all\" all all trust", "::1", "app", "shop"), "none");
  EXPECT_EQ(Tcp("host \"all\" all all trust", "::1", "app", "all"), "trust at 1");
  EXPECT_EQ(Tcp("host all \"all\" all trust", "::1", "app", "shop"), "none");
  EXPECT_EQ(Tcp("host all al\"l\" all trust", "::1", "app", "shop"), "none");
  EXPECT_EQ(Tcp("host \"sameuser\" all all trust", "::1", "app", "app"), "none");
  EXPECT_EQ(Tcp("host \"replication\" all all trust", "::1", "app", "replication"), "trust at 1");
  EXPECT_EQ(Tcp("host all \"a \"\"b\"\", c # d\" all trust", "::1", "a \"b\", c # d"), "trust at 1");
  EXPECT_EQ(Tcp("host all \"@x\",\"+y\",\"/z\" all trust", "::1", "+y"), "trust at 1");
  EXPECT_EQ(Tcp("host all all \"all\" trust", "::1"), "/etc/hba:1: address 'all' is not supported: pgweir looks up no host names here; "
                                                     "write all, 10.0.0.0/8 or ::1/128");
}

TEST(Hba, NamesFromFiles) {
  const Files files{{"/etc/users", "anna, bert # two\n\n\"c d\"\ne f\n"},
                    {"/etc/all", "x,all\n"},
                    {"/abs", "@sub/more\n"},
                    {"/sub/more", "deep\n"},
                    {"/etc/me", "@me\n"},
                    {"/etc/bad", "fine\n\"open\n+role\n"}};
  for (const char* user : {"anna", "bert", "c d", "e", "f", "own"}) {
    EXPECT_EQ(Outcome("local all own,@users peer", By::kUnix, "", user, "shop", files), "peer at 1") << user;
  }
  EXPECT_EQ(Outcome("local all own,@users peer", By::kUnix, "", "c", "shop", files), "none");
  EXPECT_EQ(Outcome("local @all all peer", By::kUnix, "", "u", "shop", files), "peer at 1");
  EXPECT_EQ(Outcome("local @/abs all peer", By::kUnix, "", "u", "deep", files), "peer at 1");
  EXPECT_THAT(MistakesOf("\nlocal all @me peer", files), ElementsAre("/etc/me:1: @me is nested too deeply; does it name itself?"));
  EXPECT_THAT(MistakesOf("local all @none peer", files), ElementsAre("/etc/hba:1: @none: cannot read '/etc/none'"));
  EXPECT_THAT(MistakesOf("local all @ peer", files), ElementsAre("/etc/hba:1: @ must be followed by the name of a file"));
  EXPECT_THAT(MistakesOf("local all @bad peer\nlocal all all pier", files),
              ElementsAre("/etc/bad:2: a line that has a double quote that does not end", HasSubstr("/etc/bad:3: '+role' is not supported"),
                          HasSubstr("/etc/hba:2: method 'pier' is not supported")));
}

TEST(Hba, EveryMistakeHasItsPlaceAndItsReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"hots all all all md5", "type 'hots' must be local, host, hostssl or hostnossl; did you mean 'host'?"},
      {"\"host\" all all all md5", "type 'host' must be"},
      {"hostgssenc all all all md5", "type 'hostgssenc' is not supported: pgweir has no GSSAPI"},
      {"hostnogssenc all all all md5", "type 'hostnogssenc' is not supported"},
      {"include_if_exists other.conf", "'include_if_exists' is not supported"},
      {"host,local all all all md5", "the type must be one word, not a list"},
      {"host all all all", "the line is too short; host lines are: host DATABASES USERS ADDRESS METHOD"},
      {"local all all", "the line is too short; local lines are: local DATABASES USERS METHOD"},
      {"local", "the line is too short"},
      {"host samerole all all md5", "'samerole' is not supported: pgweir does not know who is a member"},
      {"host samegroup all all md5", "'samegroup' is not supported"},
      {"host all +staff all md5", "'+staff' is not supported"},
      {"host all /^a all md5", "'/^a' is not supported: pgweir takes no regular expressions"},
      {"host /db all all md5", "'/db' is not supported: pgweir takes no regular expressions"},
      {"host \"\" all all md5", "database '' must not be empty"},
      {"host all \"\" all md5", "user '' must not be empty"},
      {"host all all samehost md5", "'samehost' is not supported: pgweir does not compare"},
      {"host all all samenet md5", "'samenet' is not supported"},
      {"host all all db.example.com md5", "address 'db.example.com' is not supported: pgweir looks up no host names here"},
      {"host all all .example.com md5", "looks up no host names"},
      {"host all all 10.0.0.1 md5", "address '10.0.0.1' must be followed by a mask, or have a prefix such as 10.0.0.1/32"},
      {"host all all ::1 md5", "or have a prefix such as ::1/128"},
      {"host all all 10.0.0.1 255.255.255.255", "the method is missing behind the address"},
      {"host all all 10.0.0.0 255.0.255.0 md5", "mask '255.0.255.0' must be ones followed by zeros"},
      {"host all all 10.0.0.0 ffff:: md5", "must be followed by a mask"},
      {"host all all 10.0.0.0 255.0.0.0/8 md5", "must be followed by a mask"},
      {"host all all 10.0.0.5/8 md5", "address has bits set beyond its prefix in '10.0.0.5/8'; write 10.0.0.0/8"},
      {"host all all 10.0.0.5 255.0.0.0 md5", "address has bits set beyond its prefix in '10.0.0.5/8'"},
      {"host all all 10.0.0.0/33 md5", "address must be an address or a range"},
      {"host all all 10.0.0/8 md5", "address must be an address or a range"},
      {"host all all 10.0.0.0/8,11.0.0.0/8 md5", "the address must be one word, not a list"},
      {"host all all all md5,trust", "the method must be one word, not a list"},
      {"host all all all sram-sha-256", "method 'sram-sha-256' is not supported: methods are trust, reject, password, md5, scram-sha-256, cert, peer, pam and ldap; did you mean 'scram-sha-256'?"},
      {"host all all all \"trust\"", "method 'trust' is not supported"},
      {"host all all all MD5", "method 'MD5' is not supported"},
      {"host all all all plain", "it is called password in this file"},
      {"host all all all ident", "for Unix sockets use peer"},
      {"host all all all pam pamservice=/etc/passwd", "option pamservice must be 1 to 63 lower case letters, digits, - _ and ., not '/etc/passwd'"},
      {"host all all all pam pamservice=", "option pamservice must be 1 to 63 lower case letters"},
      {"host all all all pam pamservice=a pamservice=b", "option pamservice is given twice"},
      {"host all all all pam pam_use_hostname=1", "option 'pam_use_hostname' is not supported by the method pam: only pamservice= is"},
      {"host all all all md5 pamservice=a", "option pamservice belongs to the method pam, not to md5"},
      {"host all all all md5 ldapserver=a", "option ldapserver belongs to the method ldap, not to md5"},
      {"host all all all ldap ldapserver=a ldapbasedn=dc=x,dc=y", "the option must be one word, not a list; double quotes keep a comma in a word"},
      {"host all all all ldap ldapserver=a ldapprefix=uid= secret", "an option must be written NAME=VALUE, in double quotes if there are blanks in it"},
      {"host all all all ldap ldapserver=a ldapprefix=uid= ldapport=0", "option ldapport must be a whole number from 1 to 65535, not '0'"},
      {"host all all all gss", "pgweir has no GSSAPI"},
      {"host all all all radius", "pgweir has no such logins"},
      {"host all all all any", "it would ignore the user's name"},
      {"host all all all peer", "method peer is for local lines"},
      {"local all all cert", "method cert is for hostssl lines"},
      {"hostnossl all all all cert", "method cert is for hostssl lines"},
      {"hostssl all all all cert clientcert=verify-full", "option 'clientcert' is not supported: only map= is, for cert and peer; the method cert asks"},
      {"hostssl all all all cert clientname=DN", "option 'clientname' is not supported"},
      {"hostssl all all all cert map", "option 'map' must be written NAME=VALUE"},
      {"hostssl all all all cert map=", "option map must name a map of auth_ident_file"},
      {"hostssl all all all cert map=a map=b", "option map is given twice"},
      {"hostssl all all all cert map=a,b", "the option must be one word, not a list"},
      {"host all all all md5 map=a", "option map belongs to the methods cert and peer, not to md5"},
      {"host all \"app all md5", "a line that has a double quote that does not end"},
      {"host all app, all md5,", "a line that has a comma without a name behind it"},
      {"host all app \\", "a line that ends in a backslash"},
      {"host all a\x01" "b all md5", "a line that holds control characters"},
  };
  for (const auto& [line, reason] : cases) {
    EXPECT_THAT(MistakesOf(std::string("local all all peer\n\n") + line + "\nhost all all all trust\n"),
                ElementsAre(testing::AllOf(testing::StartsWith("/etc/hba:3: "), HasSubstr(reason))))
        << line;
  }
  const std::string long_user(128, 'u'), long_database(64, 'd'), long_word(5000, 'w');
  EXPECT_THAT(MistakesOf("local all " + long_user + " peer"), ElementsAre(HasSubstr("must not be longer than 127 bytes")));
  EXPECT_THAT(MistakesOf("local " + long_database + " all peer"), ElementsAre(HasSubstr("must not be longer than 63 bytes")));
  EXPECT_THAT(MistakesOf("local all " + long_word + " peer"), ElementsAre(HasSubstr("a word longer than 4096 bytes")));
  EXPECT_THAT(MistakesOf(std::string("local all a\0b peer", 18)), ElementsAre(HasSubstr("control characters")));
}

TEST(Hba, EveryMistakeIsToldAtOnce) {
  EXPECT_THAT(MistakesOf("host all +a all md5\nlocal all all peer\nhost samerole /x all pam map=q\n"),
              ElementsAre(HasSubstr(":1: '+a'"), HasSubstr(":3: 'samerole'"), HasSubstr(":3: '/x'"), HasSubstr(":3: option 'map' is not supported by the method pam")));
}

TEST(Hba, PamAndLdapWithTheirOptions) {
  const auto rules = Parse("local all all pam pamservice=db-login\nhost all all all pam\n"
                           "host all all all ldap ldapserver=\"a b\" ldapprefix=\"uid=\" ldapsuffix=\", dc=example\"\n"
                           "host all all all \"ldap\"\n");
  ASSERT_FALSE(rules.has_value());
  EXPECT_THAT(rules.error().front().ToString(), HasSubstr("/etc/hba:4: method 'ldap' is not supported")) << "in quotes it is no keyword";
  const auto good = Parse("local all all pam pamservice=db-login\nhost all all all pam\n"
                          "host all all all ldap ldapserver=\"a b\" ldapprefix=\"uid=\" ldapsuffix=\", dc=example\"\n");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->rules[0].pam_service, "db-login");
  EXPECT_EQ(good->rules[1].pam_service, "");
  ASSERT_TRUE(good->rules[2].ldap.has_value());
  EXPECT_THAT(good->rules[2].ldap->uris, ElementsAre("ldap://a:389", "ldap://b:389"));
  EXPECT_EQ(good->rules[2].ldap->suffix, ", dc=example");
}

TEST(Hba, EachMistakeOfTheLdapOptionsAtItsLine) {
  EXPECT_THAT(MistakesOf("host all all all ldap\nhost all all all ldap ldapserver=a ldapfilter=x ldaptls=2\n"),
              ElementsAre(HasSubstr(":1: the method ldap needs the option ldapserver or ldapurl"), HasSubstr(":1: the method ldap needs the option ldapprefix"),
                          HasSubstr(":2: option 'ldapfilter' is not supported by the method ldap"), HasSubstr(":2: option ldaptls must be 0 or 1, not '2'"),
                          HasSubstr(":2: the method ldap needs the option ldapprefix")));
}

TEST(Hba, MapInQuotes) {
  const auto rules = Parse("local all all peer map=\"my map\"\nlocal all all peer \"map=x\"");
  ASSERT_TRUE(rules.has_value());
  EXPECT_EQ(rules->rules[0].map, "my map");
  EXPECT_EQ(rules->rules[1].map, "x");
}

TEST(Hba, LimitsAreToldOnce) {
  std::string many;
  for (size_t i = 0; i < kHbaRulesMax + 50; ++i) many += "local all all peer\n";
  EXPECT_THAT(MistakesOf(many), ElementsAre(HasSubstr("/etc/hba:" + std::to_string(kHbaRulesMax + 1) + ": more than 10000 lines")));
  std::string names;
  for (size_t i = 0; i <= kHbaNamesMax; ++i) names += "u" + std::to_string(i) + "\n";
  EXPECT_THAT(MistakesOf("local all @names peer", {{"/etc/names", names}}), ElementsAre(HasSubstr("more than 200000 names")));
  // each file names the next one twice: 2^10 files, were there no limit
  Files doubling;
  for (int i = 0; i < 12; ++i) {
    const std::string next = "@f" + std::to_string(i + 1);
    doubling["/etc/f" + std::to_string(i)] = next + " " + next + " " + next + "\n";
  }
  const auto mistakes = MistakesOf("local all @f0 peer", doubling);
  EXPECT_LE(mistakes.size(), 3u);
  EXPECT_THAT(mistakes, testing::Contains(HasSubstr("more than 1000 files are named by @")));
}

TEST(Hba, TheSameTextIsEqual) {
  EXPECT_EQ(*Parse("local all a,b peer"), *Parse("local  all b,a  peer # x"));
  EXPECT_NE(*Parse("local all a,b peer"), *Parse("local all a peer"));
  EXPECT_THAT(MistakesOf("local all all trust"), IsEmpty());
}

}  // namespace
}  // namespace conf
