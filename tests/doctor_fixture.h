// SPDX-License-Identifier: BSD-2-Clause
// doctor_fixture.h: for tests of rawvsadm doctor: the rows and facts of a healthy director, and changes to them.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "tools/rawvsadm/doctor.h"

namespace rawvs::adm::test {

// A director with a service of two DR servers outside and one NAT server inside, and a tunnel's service; no fault.
inline const std::vector<std::string> kHealthy = {
    "daemon version=1.0 uptime=3600 size=4096 pid=0 config=/etc/rawvs.ini",
    "service service=tcp:192.0.2.100:80 scheduler=wlc flags=- persistence=0 netmask=255.255.255.255 ops=0 conns=9",
    "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route weight=1 upper=0 lower=0 active=4 inactive=2 "
    "persistent=0 overloaded=0 reach=ready via=192.0.2.11 mac=02:00:00:00:00:11 conns=9 inpkts=90 outpkts=0",
    "server service=tcp:192.0.2.100:80 server=203.0.113.21:8080 method=masq weight=1 upper=0 lower=0 active=5 "
    "inactive=4 persistent=0 overloaded=0 reach=ready via=203.0.113.21 mac=02:00:00:00:01:21 conns=9 inpkts=90 "
    "outpkts=80",
    "service service=mark:10 scheduler=rr flags=- persistence=300 netmask=255.255.255.255 ops=0 conns=0",
    "server service=mark:10 server=192.0.2.12:0 method=route weight=1 upper=8 lower=0 active=1 inactive=0 "
    "persistent=1 overloaded=0 reach=ready via=192.0.2.12 mac=02:00:00:00:00:12 conns=1 inpkts=9 outpkts=0",
    "vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:10 retired=0",
    "vip address=192.0.2.199 link=eth0 mac=02:00:00:00:00:10 retired=1",
    "neighbor address=192.0.2.11 link=eth0 state=fresh mac=02:00:00:00:00:11 servers=1",
    "neighbor address=192.0.2.12 link=eth0 state=fresh mac=02:00:00:00:00:12 servers=1",
    "neighbor address=203.0.113.21 link=eth1 state=fresh mac=02:00:00:00:01:21 servers=1",
    "exit name=forwarded fate=forwarded count=2000000 meaning=sent on to a real server",
    "exit name=table-full fate=dropped count=0 meaning=no room for another connection: see max_connections",
    "link name=eth0 guard=tcx received=1000000 kernel-dropped=0 cut=0 sent=1000000 send-failed=0",
    "link name=eth1 guard=tcx received=1000000 kernel-dropped=0 cut=0 sent=1000000 send-failed=0",
    "line text=[director]",
    "line text=interface = eth0",
    "line text=guard = auto",
    "line text=max_connections = 1000 ; few",
    "line text=",
    "line text=[virtual web]",
    "line text=scheduler = wlc",
};

inline HostLink link(const char* name, const char* address, uint8_t prefix) {
  HostLink out;
  out.name = name;
  out.up = out.carrier = out.forwarding = true;
  out.mtu = 1500;
  out.addresses = {{*parse_ip(address), prefix}};
  return out;
}

inline HostFacts healthy_host() {
  HostFacts host;
  host.links = {link("lo", "127.0.0.1", 8), link("eth0", "192.0.2.10", 24), link("eth1", "203.0.113.10", 24)};
  return host;
}

struct Illness {
  std::vector<std::pair<std::string, std::string>> changed{};  // in the rows: every place of this text, by that one
  std::vector<std::string> added{};                            // rows
  std::function<void(HostFacts&)> host{};
  std::function<void(FileFacts&)> files{};
};

inline DoctorFacts facts_of(const Illness& illness) {
  DoctorFacts facts;
  facts.host = healthy_host();
  if (illness.host) illness.host(facts.host);
  facts.files.known = true;
  facts.files.state = {.there = true, .writable = true, .in_ram = true, .free = 1 << 20};
  if (illness.files) illness.files(facts.files);
  std::vector<std::string> rows = kHealthy;
  for (std::string& row : rows) {
    for (const auto& [from, to] : illness.changed) {
      for (size_t at = 0; (at = row.find(from, at)) != std::string::npos; at += to.size()) {
        row.replace(at, from.size(), to);
      }
    }
  }
  rows.insert(rows.end(), illness.added.begin(), illness.added.end());
  for (const std::string& row : rows) {
    if (!row.empty()) note_row(Row(row), facts);
  }
  return facts;
}

inline Diagnosis examined(const Illness& illness) { return diagnose(facts_of(illness)); }

inline std::string checks(const Diagnosis& diagnosis) {
  std::string out;
  for (const Finding& f : diagnosis.findings) {
    out += (out.empty() ? "" : " ") + std::string(name(f.urgency)) + ':' + f.check;
  }
  return out;
}

// Expects exactly this finding, and the command that it shows.
inline void finds(const Illness& illness, const std::string& check, const std::string& what, const std::string& type) {
  const Diagnosis diagnosis = examined(illness);
  ASSERT_EQ(checks(diagnosis), check) << diagnosis_text(diagnosis);
  const Finding& finding = diagnosis.findings[0];
  EXPECT_NE(finding.what.find(what), std::string::npos) << finding.what;
  EXPECT_NE(finding.type.find(type), std::string::npos) << finding.type;
  EXPECT_FALSE(finding.why.empty());
}

}  // namespace rawvs::adm::test
