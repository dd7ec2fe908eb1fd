#include "protocol/scram.h"

#include <gtest/gtest.h>

#include <tuple>

#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

// CREATE ROLE ... PASSWORD 'pencil' in PostgreSQL 15.
constexpr std::string_view kPencil =
    "SCRAM-SHA-256$4096:kaRsLY5KGAYQqJmY8J7poQ==$HGSpm4JE2BgV97QPYp85lOuiB8Yqu+3jVKwQfe8CN7o=:"
    "VSGHs4bly3O603P80rmSn1YhERErZP1Z1P6Cx/PXzBM=";

bool Satisfies(std::string_view password, std::string_view secret) {
  const auto verifier = ParseVerifier(secret);
  if (!verifier) return false;
  const ScramVerifier own = VerifierOf(DeriveKeys(password, verifier->salt, verifier->iterations));
  return own.stored_key == verifier->stored_key && own.server_key == verifier->server_key;
}

TEST(Base64, KnownVectorsBothWays) {
  // RFC 4648, section 10
  const std::pair<const char*, const char*> vectors[] = {{"", ""},           {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(Base64(bytes), text);
    EXPECT_EQ(FromBase64(text), bytes);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(FromBase64(Base64(all)), all);
  EXPECT_EQ(Base64("\xff\xff\xbf"), "//+/");
}

TEST(Base64, MalformedIsRefused) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg= ", "Zh==", "Zm9=", "====", "=Zg=", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm9-", "Zm9_", "A==="}) {
    EXPECT_FALSE(FromBase64(text)) << text;
  }
}

TEST(Md5, KnownVectors) {
  // RFC 1321, A.5
  EXPECT_EQ(Md5Hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Md5Hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(Md5Hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890"), "57edf4a22be3c955ac49da2e2107b67a");
  EXPECT_EQ(Md5Secret("tom", "secret"), "md5" + Md5Hex("secrettom"));
  EXPECT_EQ(Md5Secret("joe", "joesecret"), "md5cafdcbf88b535d650fa86de4a31b1bcc");  // made by PostgreSQL 15
  const std::string salt("\x00\x01\xfe\xff", 4);
  EXPECT_EQ(Md5Response("md5cafdcbf88b535d650fa86de4a31b1bcc", salt), "md5" + Md5Hex("cafdcbf88b535d650fa86de4a31b1bcc" + salt));
  EXPECT_EQ(Md5Response("not an md5 secret", salt), "");
}

TEST(KindOf, ByForm) {
  EXPECT_EQ(KindOf(""), SecretKind::kPlain);
  EXPECT_EQ(KindOf("md5"), SecretKind::kPlain);
  EXPECT_EQ(KindOf("md5900150983cd24fb0d6963f7d28e17f72"), SecretKind::kMd5);
  EXPECT_EQ(KindOf("md5900150983cd24fb0d6963f7d28e17f7"), SecretKind::kPlain);
  EXPECT_EQ(KindOf("md5900150983cd24fb0d6963f7d28e17f722"), SecretKind::kPlain);
  EXPECT_EQ(KindOf("md5900150983CD24FB0D6963F7D28E17F72"), SecretKind::kPlain);
  EXPECT_EQ(KindOf("md5900150983cd24fb0d6963f7d28e17f7g"), SecretKind::kPlain);
  EXPECT_EQ(KindOf(kPencil), SecretKind::kScram);
  EXPECT_EQ(KindOf("SCRAM-SHA-256$garbage"), SecretKind::kScram) << "a broken verifier must never become a plain password";
  EXPECT_EQ(KindOf("SCRAM-SHA-256"), SecretKind::kPlain);
}

TEST(Verifier, PostgresqlsOwnGoesRoundAndFits) {
  const auto verifier = ParseVerifier(kPencil);
  ASSERT_TRUE(verifier);
  EXPECT_EQ(verifier->iterations, 4096);
  EXPECT_EQ(verifier->salt.size(), 16u);
  EXPECT_EQ(FormatVerifier(*verifier), kPencil);
  EXPECT_TRUE(Satisfies("pencil", kPencil));
  EXPECT_FALSE(Satisfies("Pencil", kPencil));
}

TEST(Verifier, MalformedIsRefused) {
  const std::string keys = "$HGSpm4JE2BgV97QPYp85lOuiB8Yqu+3jVKwQfe8CN7o=:VSGHs4bly3O603P80rmSn1YhERErZP1Z1P6Cx/PXzBM=";
  const std::string prefix = "SCRAM-SHA-256$";
  ASSERT_TRUE(ParseVerifier(prefix + "1:AAAA" + keys));
  ASSERT_TRUE(ParseVerifier(prefix + "10000000:AAAA" + keys));
  for (const char* iterations : {"", "0", "-1", "+1", " 1", "1 ", "1x", "10000001", "2147483647", "1000000000000", "99999999999999999999"}) {
    EXPECT_FALSE(ParseVerifier(prefix + iterations + ":AAAA" + keys)) << iterations;
  }
  EXPECT_TRUE(ParseVerifier(prefix + "1:" + Base64(std::string(kSaltBytesMax, 's')) + keys));
  EXPECT_FALSE(ParseVerifier(prefix + "1:" + Base64(std::string(kSaltBytesMax + 1, 's')) + keys));
  EXPECT_FALSE(ParseVerifier(prefix + "1:" + keys)) << "no salt";
  EXPECT_FALSE(ParseVerifier(prefix + "1:A" + keys));
  EXPECT_FALSE(ParseVerifier(prefix + "1:AAAA$AAAA:AAAA"));
  EXPECT_FALSE(ParseVerifier(prefix + "1:AAAA" + keys + "AAAA"));
  EXPECT_FALSE(ParseVerifier("SCRAM-SHA-512$1:AAAA" + keys));
  for (size_t size = 0; size < kPencil.size(); ++size) {
    const ExactCopy prefix_of_it(kPencil.substr(0, size));
    EXPECT_FALSE(ParseVerifier(prefix_of_it.view())) << size;
  }
}

TEST(Verifier, MockIsTheSameForANameAndDiffersBetweenNamesAndProcesses) {
  const ScramVerifier mock = MockVerifier("anna", "secret", 4096);
  EXPECT_EQ(FormatVerifier(mock), FormatVerifier(MockVerifier("anna", "secret", 4096)));
  EXPECT_NE(mock.salt, MockVerifier("bert", "secret", 4096).salt);
  EXPECT_NE(mock.salt, MockVerifier("anna", "other", 4096).salt);
  EXPECT_EQ(mock.salt.size(), ParseVerifier(kPencil)->salt.size());
  EXPECT_EQ(mock.iterations, 4096);
  EXPECT_NE(mock.stored_key, mock.server_key);
  EXPECT_TRUE(ParseVerifier(FormatVerifier(mock)));
}

// Each verifier was made by PostgreSQL 15 from the password beside it, so these say what its SASLprep does.
TEST(PreparePassword, AgreesWithPostgresql) {
  const std::tuple<const char*, const char*, const char*> vectors[] = {
      {"soft hyphen goes", "a\u00adb",
       "SCRAM-SHA-256$4096:jSadYSvSmOTkFl8w9NoEnw==$MaDnOfP57gSv7KTCV0vpObpMVYftVp4gG4X1yTf9Qfw=:ekQvh8wga60w9R4ZBiJf1VpcFphjxNfis+vSHpThXDA="},
      {"NFKC", "\u00aa",
       "SCRAM-SHA-256$4096:GXDPE03P/iKgFvKsajO9iw==$pBntAfkau8wVVVCzYSRX4U6pTrshasKBsxI1qlCEf5o=:YZJXuT0BcGZyJWhVHay4QwDtzvboExfu59RyK9Xpylo="},
      {"spaces", " \u00a0x\u3000y",
       "SCRAM-SHA-256$4096:gU8zsFUKjF4Ah/hu7Ryl5w==$OIoJznl8RxI0aY4kTIoxOd3hWJjqGFzJj7Xo6kVdhRY=:qoYlVUeB9nFv0WhjinNvZGfNkmF1658tCrMbAdUD41U="},
      {"unassigned: used as it is", "\u0221" "abc",
       "SCRAM-SHA-256$4096:YqJnZRe42JPNadTpl65vWQ==$it3UcN5NRPL7DnTyHEvWTkYECzVOFC6spLKICSuR0+o=:6KdRuhAGY53+JNLIzlmjMgSOxJetdjEDhWAvsqUsErA="},
      {"right to left, bad end", "\u0627" "1",
       "SCRAM-SHA-256$4096:YNPAkBlb4YYHw98ln+K6+A==$+2rkFGEHOBcGN+im/e5OzeHdaPzHBnnkcosDsH6PD6g=:D4Xm556bcqFsMJLso6d382pKG2WaNI2JjU1M6PyfH6Y="},
      {"nothing left", "\u00ad",
       "SCRAM-SHA-256$4096:Qf+gfj9hK3IjecqGQf8tZg==$toyjdzOIGoTyWcbYhh00AqJjZQZPEXdGeT5R3Toed7I=:FMIDz30k3N8Q2MtBjjjOW3lRlAfACIwpQtf8EsFsNQM="},
      {"18 for one", "\ufdfa",
       "SCRAM-SHA-256$4096:pHdhp9ZLdMRoD/amYRtEOQ==$dWSJXQDqWqH5j97zrqbGHdfCdPZQmKwNDEaiJPgiQP0=:b4+bZXVf6LQ1quTwTMb3+hDldOW0VBtH/9XrzXjfBqw="},
      {"composition", "pa\u0308ss",
       "SCRAM-SHA-256$4096:4+8rNPSlTbl0KHig6ZuYag==$5Ye0dlYvuIimFubmRRyaFFymAYKPMaulX/w83kjyl48=:B+v6seSEqYtfEk/zaGwcBELcqqO2jO4UZABLmIwvpf8="},
      {"control character, ASCII", "tab\tx",
       "SCRAM-SHA-256$4096:Fu3F+YIRJmOWhFotKVEbgA==$xbvDvvfrOSYC4mso1YBOz/FPLcDYbk/VH6y3iz3Locs=:uJnrJXXZXG9TPOBcvHqHT4fEoxPDqnQp5t3gh72Mmt4="},
      {"control character", "tab\tx\u00e9",
       "SCRAM-SHA-256$4096:jbctemmTQbdYbtFnOKjFrw==$sEIYHKY0H3yLNNs0qLcHKqgBNE+YhM9umdtR69+L0t0=:TtpYe8J0jdpB2MwHTUnoNocRMKJkUSGWJoN24Ebs8JU="},
      {"forbidden before NFKC, not after", "\u0340x",
       "SCRAM-SHA-256$4096:fRoCdfSQx92JGdZX0HlF7w==$8t3veG392sHx/emwW8B80KBXEkH5ybmqf+yKnG4oEMI=:Ehcjiz9LHqocbILJRm/o5sF1ezZADG60u+s/RwuVoBU="},
      {"forbidden after NFKC, not before", "a\u2135",
       "SCRAM-SHA-256$4096:eP87APKdVcjTPhQJ/sWhCw==$zEMjIoA33fkqBkfu1Y2j3FhNc6LsIWKT+Ig3osXhxow=:vo2X1C5ZXprExT5elKztdL5OsCjc0qAw5lv9BqwqdIw="},
  };
  for (const auto& [what, password, secret] : vectors) EXPECT_TRUE(Satisfies(password, secret)) << what;
}

TEST(PreparePassword, ExamplesOfTheStandard) {
  // RFC 4013, section 3; the last two are errors there and "as it is" in PostgreSQL
  EXPECT_EQ(PreparePassword("I\u00adX"), "IX");
  EXPECT_EQ(PreparePassword("user"), "user");
  EXPECT_EQ(PreparePassword("USER"), "USER");
  EXPECT_EQ(PreparePassword("\u00aa"), "a");
  EXPECT_EQ(PreparePassword("\u2168"), "IX");
  EXPECT_EQ(PreparePassword("\x07"), "\x07");
  EXPECT_EQ(PreparePassword("\u0627" "1"), "\u0627" "1");
}

TEST(PreparePassword, WhatIsNotUtf8IsUsedAsItIs) {
  for (const std::string& password : {std::string("\xff"), std::string("a\xc3"), std::string("\xc0\x80"), std::string("\xed\xa0\x80"),
                                      std::string("\xf4\x90\x80\x80"), std::string("\xc2\xad\0x", 4), std::string()}) {
    EXPECT_EQ(PreparePassword(password), password);
  }
}

TEST(PreparePassword, LongOnesGrowWithoutOverrun) {
  std::string longest;
  for (int i = 0; i < 2000; ++i) longest += "\ufdfa";
  const std::string prepared = PreparePassword(longest);
  EXPECT_EQ(prepared.size(), 2000u * 33);
}

TEST(ConstantTimeEquals, Compares) {
  EXPECT_TRUE(ConstantTimeEquals("", ""));
  EXPECT_TRUE(ConstantTimeEquals("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "ab"));
  EXPECT_FALSE(ConstantTimeEquals("", "a"));
}

}  // namespace
}  // namespace protocol
