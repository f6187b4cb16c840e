// SPDX-License-Identifier: BSD-2-Clause
// init_answers.cpp: the five questions: how an answer is read, and what is usual.
#include <algorithm>
#include <array>

#include "config/config_reader.h"
#include "config/config_values.h"
#include "init.h"

namespace rawvs::adm {

namespace {

Error found_but(std::string_view found, const std::string& expected) {
  return {"found " + quoted(found) + ", expected " + expected};
}

std::string with_blanks(const std::vector<std::string_view>& all) {
  std::string out;
  for (const std::string_view one : all) out.append(out.empty() ? "" : " ").append(one);
  return out;
}

std::optional<Error> take_method(InitPlan& plan, const std::string& answer) {
  for (const Method method : {Method::route, Method::masq, Method::tunnel, Method::fullnat}) {
    if (answer != forward_word(method)) continue;
    plan.method = method;
    return std::nullopt;
  }
  return found_but(answer, "dr, nat, tun or fullnat" + did_you_mean(answer, {"dr", "nat", "tun", "fullnat"}));
}

// IP:PORT or [IPV6]:PORT, for TCP; or IP PROTOCOL/PORTS, as in the file.
std::optional<Error> take_vip(InitPlan& plan, const std::string& answer) {
  constexpr char kExpected[] =
      "an address and a port, such as 192.0.2.100:80, [2001:db8::100]:80 or 192.0.2.100 tcp/80,443";
  const std::vector<std::string_view> parts = rawvs::words(answer);
  if (parts.empty()) return found_but(answer, kExpected);
  std::string address(parts[0]), ports = with_blanks({parts.begin() + 1, parts.end()});
  if (ports.empty()) {
    const auto endpoint = parse_endpoint(answer);
    if (!endpoint || endpoint->port == Port{}) return found_but(answer, kExpected);
    address = text(endpoint->addr);
    ports = "tcp/" + std::to_string(endpoint->port.value);
  }
  const auto vip = read_unicast(address);
  if (!vip) return vip.error();
  if (const auto fault = link_local_fault(address, *vip)) return fault;
  if (ports.find('*') != std::string::npos) return found_but(ports, "ports by their numbers, such as tcp/80,443");
  if (const auto read = read_ports(ports); !read) return read.error();
  plan.vip = *vip;
  plan.ports = ports;
  return std::nullopt;
}

// [NAME=]IP[:PORT], several with blanks or commas between.
std::optional<Error> take_servers(InitPlan& plan, const std::string& answer) {
  std::string spaced = answer;
  std::ranges::replace(spaced, ',', ' ');
  InitPlan next = plan;
  next.servers.clear();
  for (const std::string_view word : rawvs::words(spaced)) {
    const size_t equals = word.find('=');
    std::string line(equals == std::string_view::npos ? word : word.substr(equals + 1));
    if (equals != std::string_view::npos) line += " name=" + std::string(word.substr(0, equals));
    const auto server = read_server(line + " forward=" + std::string(forward_word(plan.method)));
    if (!server) return server.error();
    for (const ServerSpec& other : next.servers) {  // else the fault would name lines of a file that nobody has seen
      const bool name = !server->name.empty() && server->name == other.name;
      if (name)
        return Error{"found the name " + std::string(server->name.text()) + " twice, expected one server of it"};
      if (server->at == other.at) return Error{"found " + std::string(word) + " twice, expected each server once"};
    }
    next.servers.push_back(*server);
  }
  if (next.servers.empty()) {
    return found_but(answer, "addresses of servers with blanks between, such as 192.0.2.11 web2=192.0.2.12");
  }
  if (auto fault = fault_of(next)) return fault;
  plan = next;
  return std::nullopt;
}

std::optional<Error> take_interfaces(InitPlan& plan, const std::string& answer) {
  const std::vector<std::string_view> names = rawvs::words(answer);
  if (names.empty() || names.size() > 2) {
    return found_but(answer, "the interface of the clients, and that of the servers if it is another: eth0 eth1");
  }
  for (const std::string_view name : names) {
    if (auto fault = interfaces_fault(name)) return fault;
  }
  InitPlan next = plan;
  next.interface = names[0];
  next.inside = names.size() == 2 && names[1] != names[0] ? names[1] : "";
  if (auto fault = fault_of(next)) return fault;
  plan = next;
  return std::nullopt;
}

constexpr std::array<std::string_view, 7> kChecks{"arp", "icmp", "tcp", "tls", "http", "dns", "none"};

// NAT: the director's address on the servers' network, which is their gateway.
std::optional<Error> gateway_fault(const InitPlan& plan) {
  if (!plan.gateway) return std::nullopt;
  const auto fault = [&](const std::string& expected) {
    return Error{"gateway: " + found_but(text(*plan.gateway), expected).text};
  };
  if (plan.method != Method::masq) return fault("none: only with nat is the director the servers' gateway");
  if (plan.gateway->family() != plan.vip.family()) {
    return fault(std::string("an address of ") + (plan.vip.is_v6() ? "IPv6" : "IPv4") + ", as the VIP is");
  }
  const auto of_server = [&](const ServerSpec& server) { return server.at.addr == *plan.gateway; };
  if (*plan.gateway == plan.vip || std::ranges::any_of(plan.servers, of_server)) {
    return fault("the director's address on the servers' network: neither the VIP nor a server's");
  }
  return std::nullopt;
}

// CHECK [pair [GATEWAY]]
std::optional<Error> take_check(InitPlan& plan, const std::string& answer) {
  const std::vector<std::string_view> parts = rawvs::words(answer);
  const std::string kinds = "arp, icmp, tcp, tls, http, dns or none";
  if (parts.empty() || std::ranges::find(kChecks, parts[0]) == kChecks.end()) {
    return found_but(parts.empty() ? "" : parts[0], kinds);
  }
  InitPlan next = plan;
  next.check = parts[0];
  next.pair = parts.size() > 1;
  if (parts.size() > 3 || (next.pair && parts[1] != "pair")) {
    return found_but(with_blanks({parts.begin() + 1, parts.end()}), "nothing behind the check, or pair");
  }
  if (parts.size() == 3) {
    const auto gateway = read_unicast(parts[2]);
    if (!gateway) return gateway.error();
    next.gateway = *gateway;
  }
  if (auto fault = gateway_fault(next)) return fault;
  if (next.pair && next.method == Method::masq && !next.gateway) {
    return Error{
        "found pair without an address: with nat it is \"pair ADDRESS\", a free address on the servers' network that "
        "is "
        "their gateway, and moves between the directors"};
  }
  if (auto fault = fault_of(next)) return fault;
  plan = next;
  return std::nullopt;
}

const HostLink* link_on(const HostFacts& host, Ip address) {
  const LinkAddress* const network = host.network_of(address);
  const HostLink* const link = network ? host.with(network->addr) : nullptr;
  return link && link->name != "lo" ? link : nullptr;
}

std::string usual_method(const InitPlan& /*plan*/, const HostFacts& /*host*/) { return "dr"; }
std::string no_usual(const InitPlan& /*plan*/, const HostFacts& /*host*/) { return ""; }

std::string usual_interfaces(const InitPlan& plan, const HostFacts& host) {
  const HostLink* const clients = link_on(host, plan.vip);
  if (!clients) return "";
  for (const ServerSpec& server : plan.servers) {
    const HostLink* const link = plan.method == Method::route ? nullptr : link_on(host, server.at.addr);
    if (link && link->name != clients->name) return clients->name + ' ' + link->name;
  }
  return clients->name;
}

std::string usual_check(const InitPlan& plan, const HostFacts& /*host*/) {
  return plan.ports.starts_with("tcp/") ? "tcp" : "icmp";
}

constexpr InitQuestion kQuestions[] = {
    {"method",
     "How do packets get to the servers?\n"
     "     dr       in a frame: servers on this LAN; they answer clients themselves\n"
     "     nat      translated: this host is the servers' gateway\n"
     "     tun      in a tunnel: servers anywhere; they answer clients themselves\n"
     "     fullnat  translated both ways: servers anywhere, without a change to them",
     take_method, usual_method, false},
    {"vip", "The VIP, a free address, and its port (IP:PORT, or as IP tcp/80,443 udp/443):", take_vip, no_usual, false},
    {"server", "The servers ([NAME=]IP, for nat and fullnat also with :PORT; blanks between):", take_servers, no_usual,
     false},
    {"interface", "The interface to the clients, and to the servers if it is another:", take_interfaces,
     usual_interfaces, false},
    {"check",
     "The health check: arp, icmp, tcp, tls, http, dns or none. With pair behind it\n"
     "   (tcp pair) there is to be a second director, which takes over:",
     take_check, usual_check, true},
};

}  // namespace

std::span<const InitQuestion> init_questions() { return kQuestions; }

std::optional<Error> fault_of(const InitPlan& plan) {
  InitPlan whole = plan;  // the answers that are still to come cannot be at fault
  if (whole.interface.empty()) whole.interface = "eth0";
  if (whole.check.empty()) whole.check = "none";
  if (whole.key.empty()) whole.key = "a key of [sync]";
  ConfigReader reader("rawvs.ini");
  reader.feed(init_file(whole));
  reader.end();
  while (!reader.step(1 << 20)) continue;
  const rawvs::Findings& found = reader.findings();
  const auto& lines = found.faults.empty() ? found.warnings : found.faults;
  if (lines.empty()) return std::nullopt;
  const size_t title = lines[0].find("] ");  // rawvs.ini:12: [virtual web] server: ...
  return Error{title == std::string::npos ? lines[0] : lines[0].substr(title + 2)};
}

std::vector<std::string> doubts_of(const InitPlan& plan, const HostFacts& host) {
  std::vector<std::string> out;
  for (const std::string& name : {plan.interface, plan.inside}) {
    if (!name.empty() && name.find('*') == std::string::npos && host.known && !host.link(name)) {
      out.push_back("this host has no interface " + name);
    }
  }
  if (const HostLink* const link = host.with(plan.vip)) {
    out.push_back(text(plan.vip) + " is an address of this host, on " + link->name +
                  ": a VIP should be a free one, else the services' ports there are the director's");
  }
  for (const ServerSpec& server : plan.servers) {
    if (plan.method != Method::route || !host.link(plan.interface) || host.network_of(server.at.addr)) continue;
    out.push_back(text(server.at.addr) +
                  " is on no network of this host: dr reaches servers on this LAN only; tun and "
                  "fullnat pass routers");
    break;
  }
  return out;
}

}  // namespace rawvs::adm
