// SPDX-License-Identifier: BSD-2-Clause
// drain.cpp: drains a server in every service that has it: requests, what is left, the command that undoes it.
#include "drain.h"

#include "listing.h"

namespace rawvs::adm {

namespace {

std::string value(const Row& row, const char* key) { return std::string(row.get(key)); }

std::string counted(uint64_t n, const char* what) { return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s"); }

// The service as ipvsadm's option: "-t 192.0.2.100:80".
std::string service_option(const std::string& service) {
  constexpr std::pair<const char*, const char*> kOptions[] = {
      {"tcp:", "-t "}, {"udp:", "-u "}, {"sctp:", "--sctp-service "}, {"mark:", "-f "}};
  if (service.starts_with("mark6:")) return "-f " + service.substr(6) + " -6";
  for (const auto& [prefix, option] : kOptions) {
    if (service.starts_with(prefix)) return option + service.substr(std::string_view(prefix).size());
  }
  return service;
}

std::string method_options(const Row& row) {
  const std::string method = value(row, "method"), tunnel = value(row, "tun-type"), sum = value(row, "tun-checksum");
  if (value(row, "proxy") == "2") return std::string(method_option(method)) + " --proxy-protocol";
  if (method != "tunnel") return method_option(method);
  if (tunnel.empty() || tunnel == "ipip") return "-i";
  return "-i --tun-type " + tunnel + (tunnel == "gue" ? " --tun-port " + value(row, "tun-port") : "") +
         (sum == "remote" ? " --tun-remcsum"
          : sum == "on"   ? " --tun-csum"
                          : " --tun-nocsum");
}

}  // namespace

Drained drained(const Rows& rows, const std::function<bool(const Row&)>& meant) {
  Drained out;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "server" || !meant(row)) continue;
    out.servers.push_back(line);
    out.active += row.number("active");
    out.inactive += row.number("inactive");
    out.persistent += row.number("persistent");
    out.quiesced = out.quiesced && given_weight(row) == 0;
  }
  return out;
}

uint64_t given_weight(const Row& server) { return server.number(server.has("wanted") ? "wanted" : "weight"); }

// Leaves out the MAC address: rawvsd keeps a fixed one, and one learned by ARP must not become fixed.
std::string quiesce_command(const Row& server) {
  std::string command = "edit-server service=" + value(server, "service") + " server=" + value(server, "server");
  for (const char* const key : {"method", "upper", "lower", "tun-type", "tun-port", "tun-checksum", "proxy"}) {
    const bool of_gue_only = std::string_view(key) == "tun-port" && server.number(key) == 0;
    if (server.has(key) && !of_gue_only) command += ' ' + std::string(key) + '=' + value(server, key);
  }
  return command + " weight=0";
}

std::string undo_line(const Row& server) {
  std::string line = "rawvsadm -e " + service_option(value(server, "service")) + " -r " + value(server, "server") +
                     ' ' + method_options(server) + " -w " + std::to_string(given_weight(server));
  if (server.number("upper") != 0) line += " -x " + value(server, "upper");
  if (server.number("lower") != 0) line += " -y " + value(server, "lower");
  return line;
}

std::string left_text(const Drained& d) {
  if (d.left() == 0) return "no connection left";
  return counted(d.left(), "connection") + " left (" + std::to_string(d.active) + " active, " +
         std::to_string(d.inactive) + " inactive)";
}

std::string templates_text(const Drained& d, const std::string& server) {
  if (d.persistent == 0) return "";
  return counted(d.persistent, "persistent client") + " still " + (d.persistent == 1 ? "belongs" : "belong") + " to " +
         server + ": new connections of " + (d.persistent == 1 ? "its" : "theirs") +
         " go there until the template expires, or at once elsewhere with expire_quiescent_template = 1\n";
}

}  // namespace rawvs::adm
