// peer_id and [peers]: from TOML and from an ini, what is refused and where, differences, and pgweir convert.
#include "conf/convert.h"
#include "conf/keys.h"
#include "tests/unit/conf/ini_fixture.h"

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const Config> Loaded(const LoadResult& result) {
  EXPECT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  return result ? *result : std::make_shared<const Config>();
}

std::string WithPeers(const std::string& sections) { return With("peer_id = 1", sections); }

TEST(Peers, OfToml) {
  const auto config = Loaded(Loading().Text(
      WithPeers("[peers.1]\nhost = \"/run/a\"\n[peers.2]\nhost = \"10.0.0.2\"\nport = 7000\npool_size = 3\n[peers.16383]\nhost = \"fd00::3\"\n")));
  EXPECT_EQ(config->global.peer_id, 1);
  ASSERT_EQ(config->peers.size(), 3U);
  EXPECT_EQ(config->peers.at(2), (Peer{.id = 2, .host = "10.0.0.2", .port = 7000, .pool_size = 3}));
  EXPECT_EQ(config->peers.at(16383), (Peer{.id = 16383, .host = "fd00::3"}));
  EXPECT_EQ(config->FindPeer(1), nullptr) << "it is this one";
  EXPECT_EQ(config->FindPeer(3), nullptr);
  ASSERT_NE(config->FindPeer(2), nullptr);
  EXPECT_EQ(config->PeerPoolSize(*config->FindPeer(2)), 3);
  EXPECT_EQ(config->PeerPoolSize(*config->FindPeer(16383)), 20) << "default_pool_size";
}

TEST(Peers, AnIdAloneIsEnough) {
  EXPECT_EQ(Loaded(Loading().Text(With("peer_id = 16383")))->global.peer_id, 16383);
  EXPECT_EQ(Loaded(Loading().Text(With("")))->global.peer_id, 0);
}

TEST(Peers, OfAnIni) {
  const auto config = Loaded(LoadingIni().Text(Ini("peer_id = 1", "[peers]\n1 = host=/tmp/pgb1\n2 = host=/tmp/pgb2 port=6433\n3 = host=b pool_size=7\n")));
  ASSERT_EQ(config->peers.size(), 3U);
  EXPECT_EQ(config->global.peer_id, 1);
  EXPECT_EQ(config->peers.at(1), (Peer{.id = 1, .host = "/tmp/pgb1"}));
  EXPECT_EQ(config->peers.at(2), (Peer{.id = 2, .host = "/tmp/pgb2", .port = 6433}));
  EXPECT_EQ(config->peers.at(3), (Peer{.id = 3, .host = "b", .pool_size = 7}));
  EXPECT_THAT(config->notes, IsEmpty());
}

TEST(Peers, MistakesInToml) {
  const auto mistakes = [](const std::string& sections) { return Mistakes(Loading().Text(WithPeers(sections))); };
  // [pgweir] is line 1, the sections begin in line 7
  EXPECT_THAT(mistakes("[peers.0]\nhost = \"a\""), ElementsAre("pgweir.toml:7: the id of peer '0' must be a whole number from 1 to 16383"));
  EXPECT_THAT(mistakes("[peers.16384]\nhost = \"a\""), ElementsAre(HasSubstr("pgweir.toml:7: the id of peer '16384' must be")));
  EXPECT_THAT(mistakes("[peers.02]\nhost = \"a\""), ElementsAre(HasSubstr("pgweir.toml:7: the id of peer '02' must be")));
  EXPECT_THAT(mistakes("[peers.b]\nhost = \"a\""), ElementsAre(HasSubstr("pgweir.toml:7: the id of peer 'b' must be")));
  EXPECT_THAT(mistakes("[peers.2]\nport = 1"), ElementsAre(HasSubstr("pgweir.toml:7: [peers.2] has no host; add host")));
  EXPECT_THAT(mistakes("[peers.2]\nhost = \"\""), ElementsAre(HasSubstr("pgweir.toml:8: host must be one host name")));
  EXPECT_THAT(mistakes("[peers.2]\nhost = \"a:1\""), ElementsAre(HasSubstr("pgweir.toml:8: host must be one host name")));
  EXPECT_THAT(mistakes("[peers.2]\nhost = \"a,b\""), ElementsAre(HasSubstr("pgweir.toml:8: host must be one host name")));
  EXPECT_THAT(mistakes("[peers.2]\nhost = \"a\"\nport = 0"), ElementsAre(HasSubstr("pgweir.toml:9: port must be a whole number from 1")));
  EXPECT_THAT(mistakes("[peers.2]\nhost = \"a\"\nhots = 1"), ElementsAre(HasSubstr("pgweir.toml:9: unknown key 'hots' in [peers.2]; did you mean 'host'?")));
  EXPECT_THAT(mistakes("[peers.2]\nhost = \"a\"\n[peers.2]\nhost = \"b\""), ElementsAre(HasSubstr("pgweir.toml:9: not valid TOML")));
  EXPECT_THAT(mistakes("[peers]\n2 = \"a\""), ElementsAre(HasSubstr("pgweir.toml:8: '2' stands directly in [peers]; give it a section of its own, such as [peers.2]")));
  EXPECT_THAT(Mistakes(Loading().Text(With("peer_id = 16384"))), ElementsAre(HasSubstr("pgweir.toml:2: peer_id must be a whole number from 0 to 16383")));
  EXPECT_THAT(Mistakes(Loading().Text(With("", "[peers.2]\nhost = \"a\""))),
              ElementsAre("pgweir.toml:7: there are peers, but this one has no peer_id; give it one in [pgweir], from 1 to 16383"));
  EXPECT_THAT(Mistakes(Loading().Text(With("peer_id = 0", "[peers.2]\nhost = \"a\""))), ElementsAre(HasSubstr("pgweir.toml:2: there are peers")));
}

TEST(Peers, MistakesInAnIni) {
  const auto mistakes = [](const std::string& lines) { return Mistakes(LoadingIni().Text(Ini("peer_id = 1", "[peers]\n" + lines))); };
  EXPECT_THAT(mistakes("2 = host=a\n2 = host=b"), ElementsAre("pgbouncer.ini:8: peer 2 is given twice"));
  EXPECT_THAT(mistakes("0 = host=a"), ElementsAre(HasSubstr("pgbouncer.ini:7: the id of peer '0' must be a whole number from 1 to 16383")));
  EXPECT_THAT(mistakes("2 = port=6432"), ElementsAre(HasSubstr("pgbouncer.ini:7: peer '2' has no host")));
  EXPECT_THAT(mistakes("2 = host=a dbname=b"), ElementsAre(HasSubstr("pgbouncer.ini:7: unknown key 'dbname' of '2' in [peers]")));
  EXPECT_THAT(Mistakes(LoadingIni().Text(Ini("[peers]\n2 = host=a"))),
              ElementsAre("pgbouncer.ini:6: there are peers, but this one has no peer_id; give it one in [pgbouncer], from 1 to 16383"));
  EXPECT_THAT(Mistakes(LoadingIni().Text(Ini("peer_id = 16384"))), ElementsAre(HasSubstr("pgbouncer.ini:5: peer_id must be")));
}

TEST(Peers, DifferencesAreTold) {
  const auto before = Loaded(Loading().Text(WithPeers("[peers.2]\nhost = \"a\"\n[peers.3]\nhost = \"b\"")));
  const auto after = Loaded(Loading().Text(With("peer_id = 9", "[peers.2]\nhost = \"a2\"\n[peers.4]\nhost = \"b\"")));
  EXPECT_THAT(Differences(*before, *after), ElementsAre("peer_id: 1 -> 9", "peer 3: removed", "peer 2: host: a -> a2", "peer 4: added"));
  EXPECT_THAT(NeedsRestart(*before, *after), IsEmpty());
}

TEST(Peers, AreConverted) {
  const auto loading = LoadingIni();
  const auto config = Loaded(loading.Text(Ini("peer_id = 1", "[peers]\n2 = host=/tmp/pgb2 port=6433 pool_size=4\n30 = host=b\n")));
  const auto toml = ToToml(*config, loading.Options());
  ASSERT_TRUE(toml.has_value()) << toml.error();
  EXPECT_THAT(*toml, HasSubstr("peer_id = 1\n"));
  EXPECT_THAT(*toml, HasSubstr("\n[peers.2]\nhost = \"/tmp/pgb2\"\nport = 6433\npool_size = 4\n\n[peers.30]\nhost = \"b\"\nport = 6432\n"));
  Loading again = loading;
  again.file = "pgweir.toml";
  const auto reloaded = Loaded(again.Text(*toml));
  EXPECT_EQ(reloaded->peers, config->peers);
}

}  // namespace
}  // namespace conf
