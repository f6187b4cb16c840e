// SPDX-License-Identifier: BSD-2-Clause
// vrrp_net.h: several hosts with VRRP on two LANs, with a clock that only the test moves. What one sends, the hosts
// that it reaches receive a millisecond later, in order; a paused one (as by SIGSTOP) receives it later.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "links.h"
#include "vrrp_fixture.h"

namespace rawvs::test {

class VrrpNet {
 public:
  static constexpr Instant kStart{1000s};
  struct Host {
    std::string name;
    std::array<Ip, 2> addr{};
    Vrrp vrrp;
    VrrpOutbox out;
    bool paused = false, dead = false;
    std::deque<std::pair<Link, std::pair<VrrpDatagram, std::vector<uint8_t>>>> waiting;  // while it is paused
    uint64_t sent = 0, announced = 0;
    std::vector<std::string> notices;
  };

  // A host with the address 192.0.2.N outside and 198.51.100.N inside.
  Host& add(const std::string& name, const std::string& n, std::vector<VrrpSpec> specs) {
    hosts_.push_back(std::make_unique<Host>());
    Host& h = *hosts_.back();
    h.name = name;
    h.addr = {ip("192.0.2." + n), ip("198.51.100." + n)};
    h.vrrp.link_changed(kOutLink, link_facts("192.0.2." + n), {now_, h.out});
    h.vrrp.link_changed(kInLink, link_facts("198.51.100." + n, "eth1"), {now_, h.out});
    h.vrrp.configure(std::move(specs), {now_, h.out});
    h.vrrp.start({now_, h.out});
    collect(h);
    return h;
  }

  // True if frames of one host reach the other on a link. The test may change it at any time.
  std::function<bool(const Host& from, const Host& to, Link link)> reaches = [](const Host&, const Host&, Link) {
    return true;
  };
  void cut(const Host& a, const Host& b) {
    reaches = [&a, &b](const Host& from, const Host& to, Link) {
      return !((&from == &a && &to == &b) || (&from == &b && &to == &a));
    };
  }
  void heal() {
    reaches = [](const Host&, const Host&, Link) { return true; };
  }

  void run(Duration time) {
    const Instant end = now_ + time;
    for (int turns = 0;; ++turns) {
      if (turns > 200'000) FAIL() << "it never comes to rest";
      Instant next = on_the_way_.empty() ? kNever : on_the_way_.begin()->first;
      for (const auto& h : hosts_) {
        if (awake(*h)) next = std::min(next, h->vrrp.next_deadline());
      }
      if (next > end) break;
      now_ = std::max(now_, next);
      turn();
    }
    now_ = end;
  }

  void pause(Host& h) { h.paused = true; }
  // Continues a paused host: the daemon first handles what waited in its socket, then the time.
  void resume(Host& h) {
    h.paused = false;
    for (; !h.waiting.empty(); h.waiting.pop_front()) {
      auto& [link, packet] = h.waiting.front();
      packet.first.payload = packet.second;
      h.vrrp.heard(link, packet.first, {now_, h.out});
    }
    h.vrrp.time_passed({now_, h.out});
    collect(h);
  }
  void kill(Host& h) { h.dead = true; }  // without a last advert
  void stop(Host& h) {
    h.vrrp.stop({now_, h.out});
    collect(h);
    h.dead = true;
  }
  void act(Host& h, const std::function<void(Vrrp&, VrrpTurn)>& what) {
    what(h.vrrp, {now_, h.out});
    collect(h);
  }

  // "3.610 b web: backup -> master" for each transition since the last call, but those from and to initialize.
  std::string story() { return std::exchange(story_, {}); }
  // The masters of an instance now: "a b"
  std::string masters(const std::string& instance = "web") const {
    std::string s;
    for (const auto& h : hosts_) {
      if (h->dead) continue;
      for (const Vrrp::Instance& i : h->vrrp.all()) {
        if (i.spec.name == instance && i.state == VrrpState::master) s += (s.empty() ? "" : " ") + h->name;
      }
    }
    return s;
  }
  Instant now() const { return now_; }
  Duration since_start() const { return now_ - kStart; }

 private:
  struct Packet {
    Host* to = nullptr;
    Link link = kOutLink;
    VrrpDatagram in{};
    std::vector<uint8_t> bytes{};
  };
  static bool awake(const Host& h) { return !h.paused && !h.dead; }

  void turn() {
    while (!on_the_way_.empty() && on_the_way_.begin()->first <= now_) {
      Packet p = std::move(on_the_way_.begin()->second);
      on_the_way_.erase(on_the_way_.begin());
      if (p.to->dead) continue;
      if (p.to->paused) {
        p.to->waiting.push_back({p.link, {p.in, std::move(p.bytes)}});
        continue;
      }
      p.in.payload = p.bytes;
      p.to->vrrp.heard(p.link, p.in, {now_, p.to->out});
      collect(*p.to);
    }
    for (const auto& h : hosts_) {
      if (!awake(*h)) continue;
      h->vrrp.time_passed({now_, h->out});
      collect(*h);
    }
  }

  void collect(Host& from) {
    for (const VrrpTransition& t : from.out.transitions()) {
      const bool quiet = t.from == VrrpState::initialize && t.to == VrrpState::backup;
      if (quiet || t.to == VrrpState::initialize) continue;
      story_ += seconds_text(since_start()).substr(0, seconds_text(since_start()).size() - 2) + " " + from.name + " " +
                t.name + ": " + rawvs::name(t.from) + " -> " + rawvs::name(t.to) + '\n';
    }
    for (const Notice& n : from.out.notices()) from.notices.push_back(n.text);
    from.announced += from.out.announce().size();
    from.sent += from.out.sends().size();
    for (const VrrpSend& s : from.out.sends()) {
      const Bytes bytes = from.out.payload(s);
      for (const auto& to : hosts_) {
        const bool meant = s.destination == kVrrpGroup || s.destination == to->addr[index(s.link)];
        if (to.get() == &from || !meant || !reaches(from, *to, s.link)) continue;
        const VrrpDatagram in{s.source, s.destination, kVrrpTtl, {}};
        on_the_way_.emplace(now_ + 1ms, Packet{to.get(), s.link, in, {bytes.begin(), bytes.end()}});
      }
    }
    from.out.clear();
  }

  std::vector<std::unique_ptr<Host>> hosts_;
  std::multimap<Instant, Packet> on_the_way_;
  std::string story_;
  Instant now_ = kStart;
};

}  // namespace rawvs::test
