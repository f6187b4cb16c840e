// SPDX-License-Identifier: BSD-2-Clause
// recordings.h: reads tests/rawvsadm/*.txt: command lines, and the output of ipvsadm 1.31.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tools/rawvsadm/names.h"

namespace rawvs::adm {

class Book final : public Names {  // the names that the recordings know
 public:
  std::optional<Ip> host(const std::string& name, Family family) const override {
    if (name == "six.example.net" && family == Family::ipv6) return parse_ip("2001:db8::6");
    return name == "localhost" && family == Family::ipv4 ? std::optional(*parse_ip("127.0.0.1")) : std::nullopt;
  }
  std::optional<Port> port(const std::string& name, Protocol protocol) const override {
    for (const auto& [entry, known] : kPorts) {
      if (known == name && entry.first == protocol) return Port(entry.second);
    }
    return std::nullopt;
  }
  std::optional<std::string> host_name(Ip addr) const override {
    if (addr == *parse_ip("127.0.0.1")) return "localhost";
    if (addr == *parse_ip("2001:db8::6")) return "six.example.net";
    if (addr == *parse_ip("198.51.100.12")) return "averyverylonghostnameforarealserver.example.net";
    return std::nullopt;
  }
  std::optional<std::string> port_name(Port port, Protocol protocol) const override {
    const auto found = kPorts.find({protocol, port.value});
    return found == kPorts.end() ? std::nullopt : std::optional<std::string>(found->second);
  }

 private:
  const std::map<std::pair<Protocol, uint16_t>, const char*> kPorts = {
      {{Protocol::tcp, 21}, "ftp"},        {{Protocol::tcp, 25}, "smtp"},   {{Protocol::tcp, 53}, "domain"},
      {{Protocol::tcp, 80}, "http"},       {{Protocol::tcp, 443}, "https"}, {{Protocol::tcp, 2121}, "iprop"},
      {{Protocol::tcp, 8080}, "http-alt"}, {{Protocol::udp, 53}, "domain"}, {{Protocol::udp, 69}, "tftp"},
      {{Protocol::udp, 5060}, "sip"}};
};

inline const Book kBook;

struct Recorded {
  std::string line;
  std::vector<std::string> in;
  std::string out, err;
  int status = 0;
};

struct Recording {
  std::vector<std::string> before;  // command lines
  std::vector<Recorded> runs;
};

inline Recording read(const std::string& file) {
  Recording recording;
  std::ifstream stream("tests/rawvsadm/" + file);
  for (std::string line; std::getline(stream, line);) {
    const std::string rest = line.size() > 2 ? line.substr(2) : "";
    if (line[0] == '$') recording.runs.push_back({rest, {}, "", "", 0});
    if (line[0] == '+') recording.before.push_back(rest);
    if (recording.runs.empty()) continue;
    Recorded& run = recording.runs.back();
    if (line[0] == '<') run.in.push_back(rest);
    if (line[0] == '|') run.out += rest + '\n';
    if (line[0] == '!') run.err += rest + '\n';
    if (line[0] == '=') run.status = std::stoi(rest);
  }
  return recording;
}

inline std::vector<std::string> words(const std::string& line) {  // quotes '...' as in the recordings
  std::vector<std::string> out;
  bool quoted = false, word = false;
  for (const char c : line) {
    if (c == '\'') quoted = !quoted;
    if (c == ' ' && !quoted) {
      word = false;
      continue;
    }
    if (!word) out.emplace_back();
    word = true;
    if (c != '\'') out.back() += c;
  }
  return out;
}

}  // namespace rawvs::adm
