// SPDX-License-Identifier: BSD-2-Clause
// Tests probes.h with TLS, against openssl's server.
#include <sys/socket.h>

#include "root_probe.h"

namespace rawvs::test {
namespace {

class TlsProbeTest : public ProbeTest {
 protected:
  void SetUp() override {
    ProbeTest::SetUp();
    if (IsSkipped()) return;
    if (std::system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "needs openssl";
    shell("cd " + folder_.path() +
          " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out cert "
          "-subj /CN=www.example.com -days 1 2>/dev/null");
  }
  std::vector<std::string> server(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"openssl",
                                      "s_server",
                                      "-www",
                                      "-accept",
                                      "192.0.2.1:443",
                                      "-key",
                                      folder_.path() + "/key",
                                      "-cert",
                                      folder_.path() + "/cert"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  ProbeFinding ask_until_it_listens(const CheckSpec& spec) {
    ProbeFinding finding;
    for (int tries = 0; tries < 100 && (tries == 0 || finding.text == "connection refused"); ++tries) {
      shell("sleep 0.05");
      finding = ask(spec, at(kHere, 443));
    }
    return finding;
  }
  Folder folder_;
};

TEST_F(TlsProbeTest, LearnsTheVersion) {
  const struct { const char *option, *text; } rows[] = {{"-tls1_3", "TLSv1.3"}, {"-tls1_2", "TLSv1.2"}};
  for (const auto& row : rows) {
    const Child child(server({row.option}));
    const ProbeFinding finding = ask_until_it_listens(spec_of(CheckKind::tls));
    EXPECT_TRUE(finding.well);
    EXPECT_EQ(finding.text, row.text);
  }
}

// A key share is offered for x25519 alone: who wants another group asks for it, and that is answer enough.
TEST_F(TlsProbeTest, AcceptsServersThatOfferOneGroupOrOneCipherOnly) {
  shell("cd " + folder_.path() +
        " && openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa -out rsa-cert "
        "-subj /CN=www.example.com -days 1 2>/dev/null");
  using Words = std::vector<std::string>;
  for (const Words& only :
       {Words{"-groups", "P-521"}, Words{"-groups", "X448"}, Words{"-groups", "ffdhe2048"},
        Words{"-tls1_2", "-groups", "P-521"}, Words{"-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"},
        Words{"-tls1_2", "-cipher", "DHE-RSA-AES128-SHA"}, Words{"-tls1_2", "-cipher", "AES256-SHA256"}}) {
    Words words = server(only);
    for (std::string& word : words) {
      if (word == folder_.path() + "/key") word = folder_.path() + "/rsa";
      if (word == folder_.path() + "/cert") word = folder_.path() + "/rsa-cert";
    }
    const Child child(words);
    const ProbeFinding finding = ask_until_it_listens(spec_of(CheckKind::tls));
    EXPECT_TRUE(finding.well) << only.back() << ": " << finding.text;
  }
}

TEST_F(TlsProbeTest, NamesTheServer) {
  // Refuses any other name.
  const Child child(server({"-servername", "www.example.com", "-servername_fatal", "-key2", folder_.path() + "/key",
                            "-cert2", folder_.path() + "/cert"}));
  CheckSpec spec = spec_of(CheckKind::tls);
  spec.host = "www.example.com";
  EXPECT_TRUE(ask_until_it_listens(spec).well);
  spec.host = "other.example.com";
  const ProbeFinding finding = ask(spec, at(kHere, 443));
  EXPECT_FALSE(finding.well);
  EXPECT_EQ(finding.text, "TLS: refused by alert 112 (unrecognized_name)");
}

TEST_F(TlsProbeTest, SaysWhatIsNotTls) {
  SlowServer web(443, {"HTTP/1.0 400 Bad\r\n\r\n"}, true);
  const ProbeFinding finding = ask(spec_of(CheckKind::tls), at(kHere, 443), [&] { web.go_on(); });
  EXPECT_FALSE(finding.well);
  EXPECT_TRUE(finding.asked);
  EXPECT_EQ(finding.text, "TLS: not a TLS answer");
  SlowServer shy(444, {}, true);
  EXPECT_EQ(ask(spec_of(CheckKind::tls), at(kHere, 444), [&] { shy.go_on(); }).text,
            "TLS: closed within the handshake");
  const Fd mute = listener(445, SOCK_STREAM);
  start(spec_of(CheckKind::tls), at(kHere, 445));
  EXPECT_TRUE(quiet());
  EXPECT_EQ(at_timeout().text, "connected, but no answer within 2 s");
}

}  // namespace
}  // namespace rawvs::test
