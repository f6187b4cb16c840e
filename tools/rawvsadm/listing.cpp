// SPDX-License-Identifier: BSD-2-Clause
// listing.cpp: ipvsadm's listings of services, connections and timeouts.
#include "listing.h"

#include <algorithm>
#include <array>
#include <span>
#include <tuple>

namespace rawvs::adm {

namespace {

using O = Option;

constexpr size_t kNameWidth = 28;     // of a server; longer names are cut
constexpr size_t kServiceWidth = 33;  // of a service before its counters

std::string left_padded(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string column(uint64_t number, size_t width) { return padded(std::to_string(number), width); }

// ADDRESS:PORT, with names if wanted. Port 0 has no name.
std::string place(Endpoint at, Protocol protocol, const Names* names) {
  if (!names) return text(at);
  const auto port = at.port.value == 0 ? std::nullopt : names->port_name(at.port, protocol);
  const std::string host = names->host_name(at.addr).value_or(text(at.addr));
  return (at.addr.is_v4() ? host : '[' + host + ']') + ':' + port.value_or(std::to_string(at.port.value));
}

// Nothing is cut of IPv6.
std::string cut_place(Endpoint at, Protocol protocol, const Names* names) {
  const std::string all = place(at, protocol, names);
  return at.addr.is_v6() ? all : all.substr(0, kNameWidth);
}

const char* method_word(std::string_view method) {
  if (method == "masq") return "Masq";
  if (method == "fullnat") return "FullNat";
  return method == "tunnel" ? "Tunnel" : "Route";
}

// A counter after a blank. Large ones are divided to fit their column.
std::string counter(uint64_t n, bool exact) {
  constexpr uint64_t kThousand = 1000, kMillion = kThousand * 1000, kBillion = kMillion * 1000;
  if (exact) return left_padded(std::to_string(n), 9);
  const auto scaled = [](uint64_t value, const char* unit) {
    return ' ' + left_padded(std::to_string(value) + unit, 8);
  };
  if (n < 100 * kMillion) return scaled(n, "");
  if (n < kBillion) return scaled(n / kThousand, "K");
  if (n < 100 * kBillion) return scaled(n / kMillion, "M");
  if (n < 100 * kThousand * kBillion) return scaled(n / kBillion, "G");
  return scaled(n / (kThousand * kBillion), "T");
}

std::string counters(const std::vector<uint64_t>& counts, bool exact) {
  std::string out;
  for (const uint64_t n : counts) out += counter(n, exact);
  return out + '\n';
}

std::string head(Columns columns) {
  switch (columns) {
    case Columns::plain:
      return "Prot LocalAddress:Port Scheduler Flags\n"
             "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n";
    case Columns::tun_info:
      return "Prot LocalAddress:Port Scheduler Flags\n"
             "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n";
    case Columns::stats:
      return "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n"
             "  -> RemoteAddress:Port\n";
    case Columns::rate:
      return "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n"
             "  -> RemoteAddress:Port\n";
    case Columns::thresholds:
      return "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n"
             "  -> RemoteAddress:Port\n";
    case Columns::persistent_conn:
      return "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n"
             "  -> RemoteAddress:Port\n";
  }
  return "";
}

const char* protocol_word(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp: return "TCP";
    case Protocol::udp: return "UDP";
    case Protocol::sctp: return "SCTP";
    default: return "IP";
  }
}

std::string service_name(const ServiceLine& s, const Names* names) {
  if (s.mark != 0) return "FWM  " + std::to_string(s.mark) + (s.vip.addr.is_v6() ? " IPv6" : "");
  return padded(protocol_word(s.protocol), 4) + ' ' + cut_place(s.vip, s.protocol, names);
}

std::string service_text(const ServiceLine& s, const ListStyle& style) {
  const std::string name = service_name(s, style.names);
  if (style.columns == Columns::stats || style.columns == Columns::rate) {
    return padded(name, kServiceWidth) + counters(s.counts, style.exact);
  }
  std::string out = name + ' ' + s.scheduler;
  if (!s.flags.empty()) out += " (" + s.flags + ')';
  if (s.persistence != 0) out += " persistent " + std::to_string(s.persistence);
  if (s.persistence != 0 && !s.netmask.empty()) out += " mask " + s.netmask;
  if (!s.engine.empty()) out += " pe " + s.engine;
  if (s.ops) out += " ops";
  return out + '\n';
}

// The column TunnelInfo: n/a, ipip, gue:6080:-c, gre:+c
std::string tunnel_text(const ServerLine& s) {
  if (s.method != "tunnel") return "n/a";
  if (s.tunnel != "gue" && s.tunnel != "gre") return "ipip";
  const std::string port = s.tunnel == "gue" ? ':' + std::to_string(s.tunnel_port) : "";
  return s.tunnel + port + (s.checksum == "remote" ? ":r+c" : s.checksum == "on" ? ":+c" : ":-c");
}

// The same as options of a command line.
std::string tunnel_options(const ServerLine& s) {
  if (s.method != "tunnel") return "";
  if (s.tunnel != "gue" && s.tunnel != "gre") return " --tun-type ipip";
  const std::string port = s.tunnel == "gue" ? " --tun-port " + std::to_string(s.tunnel_port) : "";
  const char* const sum = s.checksum == "remote" ? "--tun-remcsum" : s.checksum == "on" ? "--tun-csum" : "--tun-nocsum";
  return " --tun-type " + s.tunnel + port + ' ' + sum;
}

std::string server_text(const ServerLine& s, Protocol protocol, const ListStyle& style) {
  std::string out = "  -> " + padded(cut_place(s.at, protocol, style.names), kNameWidth);
  const std::string connections = ' ' + column(s.active, 10) + ' ' + column(s.inactive, 10) + '\n';
  switch (style.columns) {
    case Columns::stats:
    case Columns::rate: return out + counters(s.counts, style.exact);
    case Columns::thresholds: return out + ' ' + column(s.upper, 10) + ' ' + column(s.lower, 10) + connections;
    case Columns::persistent_conn:
      return out + ' ' + column(s.weight, 9) + ' ' + column(s.persistent, 11) + connections;
    case Columns::tun_info:
    case Columns::plain: break;
  }
  out += ' ' + padded(s.local ? "Local" : method_word(s.method), 7) + ' ';
  if (style.columns == Columns::tun_info) out += padded(tunnel_text(s), 13) + ' ';
  return out + column(s.weight, 6) + connections;
}

// A row's netmask: a prefix length or a mask. Empty for the full mask, which is not shown.
std::string netmask_text(std::string_view found, Family family) {
  const auto prefix = parse_number(found, address_bits(family));
  if (!prefix) return found == "255.255.255.255" ? "" : std::string(found);
  if (*prefix == address_bits(family)) return "";
  const auto length = static_cast<uint8_t>(*prefix);
  return family == Family::ipv6 ? std::to_string(length) : text(Netmask(family, length).v4());
}

Protocol protocol_of(std::string_view word) {
  for (const Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (word == name(p)) return p;
  }
  return Protocol::any;
}

// The nth 32 bits of an IPv6 address; the IPv4 address.
uint32_t word_of(Ip a, int nth) {
  if (a.is_v4()) return a.v4();
  const uint64_t half = nth < 2 ? a.hi() : a.lo();
  return static_cast<uint32_t>(nth % 2 == 0 ? half >> 32 : half);
}

// ipvsadm compares addresses, 32 bits after 32 bits, by the sign of their difference: an address more than half of the
// range above another sorts before it, as 192.0.2.1 before 10.0.0.1. (Where that is no order, ipvsadm's result is
// arbitrary.) REQUIRES: one family, sorted.
template <typename Line>
void turn(std::span<Line> sorted, Endpoint Line::*at, int nth = 0) {
  const auto word = [&](const Line& line) { return word_of((line.*at).addr, nth); };
  const auto apart = [&](const Line& a, const Line& b) { return word(b) - word(a) > 0x80000000; };
  const auto gap = std::adjacent_find(sorted.begin(), sorted.end(), apart);
  if (gap != sorted.end()) std::rotate(sorted.begin(), std::next(gap), sorted.end());
  if (nth == 3 || sorted.empty() || (sorted.front().*at).addr.is_v4()) return;
  for (auto first = sorted.begin(); first != sorted.end();) {
    const auto end = std::find_if(first, sorted.end(), [&](const Line& line) { return word(line) != word(*first); });
    turn(std::span(first, end), at, nth + 1);
    first = end;
  }
}

}  // namespace

const char* method_option(std::string_view method) {
  if (method == "fullnat") return "--fullnat";
  return method == "masq" ? "-m" : method == "tunnel" ? "-i" : "-g";
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

ListStyle style(const Command& c, const Names& names) {
  ListStyle style;
  style.exact = c.has(O::exact);
  style.sorted = !c.has(O::nosort);
  style.headed = !c.has(O::service);
  style.names = c.has(O::numeric) ? nullptr : &names;
  constexpr std::array<std::pair<O, Columns>, 5> kByPrecedence = {{{O::stats, Columns::stats},
                                                                   {O::rate, Columns::rate},
                                                                   {O::thresholds, Columns::thresholds},
                                                                   {O::persistent_conn, Columns::persistent_conn},
                                                                   {O::tun_info, Columns::tun_info}}};
  for (const auto& [option, columns] : kByPrecedence) {
    if (style.columns == Columns::plain && c.has(option)) style.columns = columns;
  }
  return style;
}

std::vector<uint64_t> ServiceTable::counts(const Row& row) {
  constexpr std::array kTotals = {"conns", "inpkts", "outpkts", "inbytes", "outbytes"};
  constexpr std::array kRates = {"cps", "inpps", "outpps", "inbps", "outbps"};
  std::vector<uint64_t> out;
  for (const char* const key : rates_ ? kRates : kTotals) {
    if (rates_ && !row.has(key)) lacks_rates_ = true;
    out.push_back(row.number(key));
  }
  return out;
}

void ServiceTable::take(const Row& row) {
  if (row.word() == "daemon") size_ = row.number("size");
  if (row.word() == "service") {
    ServiceLine s;
    const std::string_view key = row.get("service");
    const size_t colon = std::min(key.find(':'), key.size());
    const std::string_view rest = key.substr(std::min(colon + 1, key.size()));
    s.protocol = protocol_of(key.substr(0, colon));
    if (s.protocol != Protocol::any) s.vip = parse_endpoint(rest).value_or(Endpoint{});
    if (key.starts_with("mark6:")) s.vip.addr = Ip::any(Family::ipv6);
    if (key.starts_with("mark")) s.mark = static_cast<uint32_t>(parse_number(rest, UINT32_MAX).value_or(0));
    s.scheduler = row.get("scheduler");
    s.flags = row.get("flags") == "-" ? "" : row.get("flags");
    s.netmask = netmask_text(row.get("netmask"), s.vip.addr.family());
    s.engine = row.get("pe");
    s.persistence = row.number("persistence");
    s.ops = row.number("ops") != 0;
    s.counts = counts(row);
    services_.push_back(std::move(s));
  }
  if (row.word() == "server" && !services_.empty()) {
    ServerLine s;
    s.at = parse_endpoint(row.get("server")).value_or(Endpoint{});
    s.method = row.get("method");
    s.local = row.number("local") != 0;
    s.proxy = row.has("proxy");
    s.tunnel = row.get("tun-type"), s.checksum = row.get("tun-checksum"), s.tunnel_port = row.number("tun-port");
    s.weight = row.number("weight"), s.upper = row.number("upper"), s.lower = row.number("lower");
    s.saved_weight = row.has("order") && row.has("wanted") ? row.number("wanted") : s.weight;
    s.active = row.number("active"), s.inactive = row.number("inactive"), s.persistent = row.number("persistent");
    s.counts = counts(row);
    services_.back().servers.push_back(std::move(s));
  }
}

// Sorted by mark, family, protocol and address, as ipvsadm does.
void ServiceTable::sort() {
  const auto kind = [](const ServiceLine& s) { return std::tuple(s.mark, s.vip.addr.family(), s.protocol); };
  std::ranges::stable_sort(services_, {}, [&](const ServiceLine& s) { return std::pair(kind(s), s.vip); });
  for (auto first = services_.begin(); first != services_.end();) {
    const auto other = [&](const ServiceLine& s) { return kind(s) != kind(*first); };
    const auto end = std::find_if(first, services_.end(), other);
    turn(std::span(first, end), &ServiceLine::vip);
    first = end;
  }
  for (ServiceLine& s : services_) {
    const auto family = [](const ServerLine& server) { return server.at.addr.family(); };
    std::ranges::stable_sort(s.servers, {}, [&](const ServerLine& one) { return std::pair(family(one), one.at); });
    const auto first_v6 = std::ranges::find(s.servers, Family::ipv6, family);
    turn(std::span(s.servers.begin(), first_v6), &ServerLine::at);
    turn(std::span(first_v6, s.servers.end()), &ServerLine::at);
  }
}

std::string listing(const ServiceTable& table, const ListStyle& style) {
  std::string out;
  if (style.headed) out = "IP Virtual Server version 1.2.1 (size=" + std::to_string(table.size()) + ")\n";
  out += head(style.columns);
  for (const ServiceLine& s : table.services()) {
    out += service_text(s, style);
    for (const ServerLine& server : s.servers) out += server_text(server, s.protocol, style);
  }
  return out;
}

std::string saved(const ServiceTable& table, const Names* names) {
  std::string out;
  for (const ServiceLine& s : table.services()) {
    const char* const option = s.protocol == Protocol::tcp   ? "-t "
                               : s.protocol == Protocol::udp ? "-u "
                                                             : "--sctp-service ";
    const std::string mark = "-f " + std::to_string(s.mark) + (s.vip.addr.is_v6() ? " -6" : "");
    const std::string service = s.mark != 0 ? mark : option + place(s.vip, s.protocol, names);
    out += "-A " + service + " -s " + s.scheduler;
    if (s.persistence != 0) out += " -p " + std::to_string(s.persistence);
    if (s.persistence != 0 && !s.netmask.empty()) out += " -M " + s.netmask;
    if (!s.engine.empty()) out += " --pe " + s.engine;
    if (s.ops) out += " -o";
    if (!s.flags.empty()) out += " -b " + s.flags;
    out += '\n';
    for (const ServerLine& server : s.servers) {
      const char* const method = method_option(server.method);
      out += "-a " + service + " -r " + place(server.at, s.protocol, names) + ' ' + method + " -w " +
             std::to_string(server.saved_weight) + tunnel_options(server) +
             (server.proxy ? " --proxy-protocol\n" : "\n");
    }
  }
  return out;
}

std::string connections_head(bool engine) {
  return std::string(
             "IPVS connection entries\n"
             "pro expire state       source             virtual            destination") +
         (engine ? "        pe name          pe_data\n" : "\n");
}

std::string connection_line(const Row& row, bool engine, const Names* names) {
  const Protocol protocol = protocol_of(row.get("protocol"));
  const auto at = [&](std::string_view key) {
    const auto found = parse_endpoint(row.get(key));
    return found ? place(*found, protocol, names) : std::string(row.get(key));
  };
  const uint64_t left = row.number("expires");
  const std::string minutes = std::to_string(left / 60), seconds = std::to_string(left % 60);
  const std::string expires = (minutes.size() < 2 ? "0" : "") + minutes + (seconds.size() < 2 ? ":0" : ":") + seconds;
  std::string out = padded(protocol_word(protocol), 3) + ' ' + padded(expires, 6) + ' ' +
                    padded(std::string(row.get("state")), 11) + ' ' + padded(at("client"), 18) + ' ' +
                    padded(at("virtual"), 18) + ' ';
  const std::string server = at("server");
  if (row.has("local")) out += padded(at("local"), 18) + ' ';  // as DPVS
  if (!engine || !row.has("pe")) return out + server + '\n';
  return out + padded(server, 18) + ' ' + padded(std::string(row.get("pe")), 16) + ' ' +
         std::string(row.get("pe_data")) + '\n';
}

std::string daemon_lines(const Row& row) {
  const std::string options = " sync daemon (mcast=" + std::string(row.get("link")) +
                              ", syncid=" + std::string(row.get("id")) + ", maxlen=" + std::string(row.get("maxlen")) +
                              ", group=" + std::string(row.get("group")) + ", port=" + std::string(row.get("port")) +
                              ", ttl=" + std::string(row.get("ttl")) + ")\n";
  const std::string_view role = row.get("role");
  std::string lines;
  if (role != "backup") lines += "master" + options;
  if (role != "master") lines += "backup" + options;
  return lines;
}

std::string timeouts_line(const Row& row) {
  return "Timeout (tcp tcpfin udp): " + std::string(row.get("tcp")) + ' ' + std::string(row.get("tcpfin")) + ' ' +
         std::string(row.get("udp")) + '\n';
}

}  // namespace rawvs::adm
