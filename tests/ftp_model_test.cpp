// SPDX-License-Identifier: BSD-2-Clause
// Tests FTP with NAT against a model: two TCP ends, a network that loses, repeats and reorders, and the director
// between them. Each end must get exactly its stream, and no acknowledgement of a byte that was not received.
#include <random>

#include "ftp_nat.h"

namespace rawvs {
namespace {

using namespace test;

using Random = std::mt19937;
uint32_t below(Random& r, uint32_t n) { return std::uniform_int_distribution<uint32_t>(0, n - 1)(r); }

struct Way {  // one direction: what is sent, and what must arrive
  std::string sent{}, wanted{};
  std::vector<uint32_t> image{0};  // where each sent byte's image begins in `wanted`; one more for the end
  uint32_t unacked = 0, next = 0;  // the sender's; the FIN counts one at the end
  std::vector<bool> have{};        // the receiver's, FIN included
  uint32_t received = 0;           // all before it
  std::vector<FtpExpectation> announced{}, found{};
  std::vector<uint32_t> needs{};  // of the other way, before that byte may be sent

  void say(const std::string& text, uint32_t other_first) {
    for (const char c : text) sent += c, wanted += c, image.push_back(static_cast<uint32_t>(wanted.size()));
    needs.resize(sent.size(), other_first);
  }
  void say_edited(const std::string& from, const std::string& to) {  // the rule of the edit, implemented a second time
    const size_t before = wanted.size(), first = sent.size();
    sent += from, wanted += to;
    for (size_t i = 1; i < from.size(); ++i)
      image.push_back(static_cast<uint32_t>(before + std::min(i, to.size() - 1)));
    image.push_back(static_cast<uint32_t>(wanted.size()));
    needs.resize(sent.size(), first == 0 ? 0 : needs.back());
  }
  void finish() {
    image.push_back(static_cast<uint32_t>(wanted.size()) + 1);
    needs.push_back(needs.empty() ? 0 : needs.back());
    have.assign(wanted.size() + 1, false);
  }
  uint32_t end() const { return static_cast<uint32_t>(sent.size()) + 1; }
  bool done() const { return unacked == end() && received == have.size(); }

  Segment cut(Random& r, uint32_t isn, uint32_t other_received) {  // some bytes, new or again; perhaps none
    uint32_t most = next;
    while (most < end() && needs[most] <= other_received && most < next + 200) ++most;
    const uint32_t from = below(r, 3) == 0 ? unacked + below(r, next - unacked + 1) : below(r, 4) == 0 ? unacked : next;
    const uint32_t size = std::min(below(r, 3) == 0 ? 1 + below(r, 120) : 1 + below(r, 6), most - std::min(most, from));
    const uint32_t behind = from + size;
    next = std::max(next, behind);
    Segment s{isn + 1 + from, 0, sent.substr(std::min<size_t>(from, sent.size()), behind - from), "A"};
    if (size != 0 && behind == end()) s.flags = "FA";
    return s;
  }
  void arrive(uint32_t isn, const Seen& seen, bool fin) {
    const uint32_t at = seen.seq - isn - 1;
    for (uint32_t i = 0; i < seen.data.size() + (fin ? 1 : 0); ++i) {
      if (static_cast<int32_t>(at + i - received) < 0) continue;  // old: no receiver looks at it
      ASSERT_LT(at + i, have.size());
      ASSERT_EQ(i == seen.data.size(), at + i == wanted.size());
      const bool right = i == seen.data.size() || seen.data[i] == wanted[at + i];
      ASSERT_TRUE(right) << "at " << at + i << ": " << seen.data;
      have[at + i] = true;
    }
    while (received < have.size() && have[received]) ++received;
  }
  void acknowledge(uint32_t isn, uint32_t ack) {
    const auto at = static_cast<int32_t>(ack - isn - 1);
    ASSERT_LE(at, static_cast<int32_t>(next)) << "bytes acknowledged that were never sent";
    if (at <= static_cast<int32_t>(unacked)) return;
    ASSERT_LE(image[static_cast<uint32_t>(at)], received) << "bytes acknowledged that are not there";
    unacked = static_cast<uint32_t>(at);
  }
  void check_sack(uint32_t isn, uint32_t left, uint32_t right) const {
    const uint32_t from = left - isn - 1, to = right - isn - 1;
    if (static_cast<int32_t>(to - from) <= 0) return;
    if (static_cast<int32_t>(from - unacked) < 0) return;  // the sender knows better already
    ASSERT_LE(to, next);
    for (uint32_t i = image[from]; i < image[to]; ++i) ASSERT_TRUE(have[i]) << "byte " << i << " was never received";
  }
  Sack holes(Random& r, uint32_t isn) const {  // up to three blocks, the first ones or some later
    Sack sack;
    for (uint32_t i = received; i < have.size() && sack.size() < 3; ++i) {
      if (!have[i]) continue;
      uint32_t behind = i;
      while (behind < have.size() && have[behind]) ++behind;
      if (below(r, 4) != 0) sack.emplace_back(isn + 1 + i, isn + 1 + behind);
      i = behind;
    }
    return sack;
  }
};

std::string commas(std::string address) {
  for (char& c : address) c = c == '.' ? ',' : c;
  return address + ",";
}

class Model {
 public:
  Model(uint32_t seed, const std::string& server, const std::string& vip)
      : r_(seed), nat_(server, vip), server_(commas(server)), vip_(commas(vip)) {
    client_isn_ = below(r_, 2) == 0 ? 0u - below(r_, 300) : static_cast<uint32_t>(r_());
    server_isn_ = below(r_, 2) == 0 ? 0u - below(r_, 300) : static_cast<uint32_t>(r_());
    c_.say("", 0);
    s_.say("220-hello\r\n227 (" + server_ + "0,22)\r\n220 ready\r\n", 0);
    for (uint32_t turns = 1 + below(r_, 25); turns > 0; --turns) turn();
    c_.finish(), s_.finish();
    nat_.shake_hands(client_isn_, server_isn_);
  }
  void run() {
    for (uint32_t steps = 0; steps < 60000 && !(c_.done() && s_.done()); ++steps) {
      step();
      if (testing::Test::HasFatalFailure()) return;
    }
    EXPECT_TRUE(c_.done()) << c_.unacked << "/" << c_.end() << " " << c_.received << "/" << c_.have.size();
    EXPECT_TRUE(s_.done()) << s_.unacked << "/" << s_.end() << " " << s_.received << "/" << s_.have.size();
    EXPECT_EQ(c_.found, c_.announced);
    EXPECT_EQ(s_.found, s_.announced);
    EXPECT_EQ(refused_, refusals_);
  }

 private:
  struct Flying {
    bool from_client;
    Segment segment;
  };
  struct Landing {
    bool from_client, fin;
    Seen seen;
  };

  void turn() {
    const uint16_t port = static_cast<uint16_t>(1 + below(r_, 65535));
    const std::string p1 = std::to_string(port / 256), p2 = std::to_string(port % 256), p = p1 + "," + p2;
    const auto command = [&](const std::string& text) {
      c_.say(text + "\r\n", below(r_, 3) == 0 ? 0 : static_cast<uint32_t>(s_.wanted.size()));  // pipelined or not
      return static_cast<uint32_t>(c_.wanted.size());
    };
    switch (below(r_, 8)) {
      case 0:
      case 1:
      case 2:
        s_.say("227 Passive (", command("PASV"));
        s_.say_edited(server_, vip_);
        s_.say(p + ").\r\n", 0);
        s_.announced.push_back({Mode::passive, Port(port)});
        break;
      case 3:
        s_.say("229 Extended (|||" + std::to_string(port) + "|)\r\n", command("EPSV"));
        s_.announced.push_back({Mode::passive, Port(port)});
        break;
      case 4:
        s_.say("227 (" + vip_ + p + ")\r\n", command("pasv"));
        s_.announced.push_back({Mode::passive, Port(port)});
        break;
      case 5:
        s_.say("227 (8,8,8,8," + p + ")\r\n", command("PASV"));
        ++refusals_;
        break;
      case 6:
        s_.say("200 PORT ok\r\n", command("PORT 198,51,100,1," + p));
        c_.announced.push_back({Mode::active, Port(port)});
        break;
      case 7:
        s_.say("213-" + std::string(below(r_, 300), '7') + "\r\n227 (" + server_ + p + ")\r\n213 end\r\n",
               command("STAT " + std::string(below(r_, 90), 'x')));
        break;
    }
  }

  void step() {
    if (flying_.size() + landing_.size() < 12 && below(r_, 3) == 0) {
      const bool client = below(r_, 2) == 0;
      Segment s = client ? c_.cut(r_, client_isn_, s_.received) : s_.cut(r_, server_isn_, c_.received);
      s.ack = client ? server_isn_ + 1 + s_.received : client_isn_ + 1 + c_.received;
      if (const Sack sack = client ? s_.holes(r_, server_isn_) : Sack{}; !sack.empty()) {
        s.options = sack_option(sack, 1 + below(r_, 2));
      }
      flying_.push_back({client, s});
    } else if (!flying_.empty() && below(r_, 2) == 0) {
      const size_t i = below(r_, 3) == 0 ? below(r_, static_cast<uint32_t>(flying_.size())) : 0;
      const Flying f = flying_[i];
      if (below(r_, 8) != 0) flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(i));  // or it comes again
      if (below(r_, 8) != 0) through(f);
    } else if (!landing_.empty()) {
      const size_t i = below(r_, 3) == 0 ? below(r_, static_cast<uint32_t>(landing_.size())) : 0;
      const Landing l = landing_[i];
      if (below(r_, 8) != 0) landing_.erase(landing_.begin() + static_cast<std::ptrdiff_t>(i));
      if (below(r_, 8) != 0) land(l);
    }
  }
  void through(const Flying& f) {
    const Seen seen = f.from_client ? nat_.client(f.segment) : nat_.server(f.segment);
    for (const auto& e : seen.expected()) {
      if (!repeats_port(f, e)) (f.from_client ? c_ : s_).found.push_back(e);
    }
    refused_ += seen.outcome.found.refused;
    if (!seen.sent()) return;
    const bool fin = f.segment.flags == "FA";
    ASSERT_TRUE(f.segment.data.empty() || fin || !seen.data.empty()) << "nothing to acknowledge";
    landing_.push_back({f.from_client, fin, seen});
  }
  // A repeated client's command may announce the same data connection again; nothing else may.
  bool repeats_port(const Flying& f, const FtpExpectation& e) {
    if (!f.from_client) return false;
    const uint32_t at = f.segment.seq - client_isn_ - 1;
    const bool old = at < client_read_ && f.segment.data.starts_with("PORT");
    client_read_ = std::max(client_read_, at + static_cast<uint32_t>(f.segment.data.size()));
    return old && std::find(c_.found.begin(), c_.found.end(), e) != c_.found.end();
  }
  void land(const Landing& l) {
    if (l.from_client) {
      c_.arrive(client_isn_, l.seen, l.fin);
      s_.acknowledge(server_isn_, l.seen.ack);
      for (const auto& [left, right] : l.seen.sack) s_.check_sack(server_isn_, left, right);
    } else {
      s_.arrive(server_isn_, l.seen, l.fin);
      c_.acknowledge(client_isn_, l.seen.ack);
    }
  }

  Random r_;
  Nat nat_;
  std::string server_, vip_;
  uint32_t client_isn_ = 0, server_isn_ = 0, refused_ = 0, refusals_ = 0;
  uint32_t client_read_ = 0;  // where the last segment ended that announced something
  Way c_{}, s_{};
  std::vector<Flying> flying_{};
  std::vector<Landing> landing_{};
};

TEST(FtpModel, BothEndsAgreeAboutEveryByteOverABadNetwork) {
  const std::pair<const char*, const char*> addresses[] = {
      {kServer, kVip},
      {"192.0.2.1", "203.0.113.111"},
      {"203.0.113.111", "192.0.2.1"},
      {"203.0.113.11", "198.51.100.9"},
      {"192.0.2.11", "192.0.2.100"},
      {"192.0.2.100", "192.0.2.1"},
      {"1.1.1.1", "203.113.111.222"},
      {"203.113.111.222", "1.1.1.1"},
  };
  for (uint32_t seed = 0; seed < 400; ++seed) {
    const auto& [server, vip] = addresses[seed % std::size(addresses)];
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model(seed, server, vip).run();
    if (HasFailure()) return;
  }
}

TEST(FtpModel, SurvivesAnyBytesWhatever) {
  Random r(1);
  const std::string alphabet = "2279 (|,)\r\n-0113PASVEPRTpsv|\xff";
  for (uint32_t round = 0; round < 300; ++round) {
    Nat nat("1.1.1.1", "203.113.111.222");
    nat.shake_hands();
    for (uint32_t i = 0; i < 100; ++i) {
      Segment s{.seq = 0, .ack = static_cast<uint32_t>(r()), .data = {}, .flags = "A"};
      for (uint32_t n = below(r, 60); n > 0; --n) s.data += alphabet[below(r, static_cast<uint32_t>(alphabet.size()))];
      if (below(r, 3) == 0) s.data += below(r, 2) == 0 ? "\r\n227 (1,1,1,1,2,3)" : "\r\n227 (1,1,1";
      if (below(r, 30) == 0) s.flags = below(r, 2) == 0 ? "FA" : "SFA";
      if (below(r, 60) == 0) s.flags = below(r, 2) == 0 ? "R" : "S";
      for (uint32_t n = 4 * below(r, 5); n > 0; --n) s.options.push_back(static_cast<uint8_t>(below(r, 12)));
      if (below(r, 2) == 0) {
        s.seq = nat.c_ + below(r, 5) - 2, s.ack = nat.s_ + below(r, 200) - 100;
        if (nat.client(s).sent()) nat.c_ = s.seq + static_cast<uint32_t>(s.data.size());
        nat.session.replies.asked_pasv();
      } else {
        s.seq = nat.s_ + below(r, 5) - 2;
        if (nat.server(s).sent()) nat.s_ = s.seq + static_cast<uint32_t>(s.data.size());
      }
    }
  }
}

}  // namespace
}  // namespace rawvs
