// SPDX-License-Identifier: BSD-2-Clause
// doctor_sockets.cpp: the ports of this host's programs, and those of its own connections, from proc(5).
#include <bit>
#include <charconv>
#include <cstdio>
#include <memory>

#include "doctor.h"

namespace rawvs::adm {

namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::optional<uint32_t> hexadecimal(std::string_view text) {
  uint32_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return problem == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// "0100007F:0016": words of the address as the machine reads them, the port as a number.
std::optional<Endpoint> endpoint_in(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  uint32_t words[4] = {};
  for (size_t i = 0; i < colon / 8; ++i) {
    const auto word = hexadecimal(text.substr(8 * i, 8));
    if (!word) return std::nullopt;
    words[i] = std::endian::native == std::endian::little ? __builtin_bswap32(*word) : *word;
  }
  const auto port = hexadecimal(text.substr(colon + 1));
  if (!port || *port > UINT16_MAX) return std::nullopt;
  const Ip address =
      colon == 8 ? Ip(words[0]) : Ip(uint64_t{words[0]} << 32 | words[1], uint64_t{words[2]} << 32 | words[3]);
  return Endpoint{address, Port(static_cast<uint16_t>(*port))};
}

// The columns: sl local_address rem_address st ...
void read_sockets(const char* path, Protocol protocol, std::string_view state, std::vector<Listener>& out) {
  constexpr size_t kMost = 1'000'000;  // lines
  const File file(std::fopen(path, "re"));
  char line[512];
  for (size_t n = 0; file && n < kMost && std::fgets(line, sizeof line, file.get()) != nullptr; ++n) {
    char local[64] = {}, its_state[8] = {};
    if (std::sscanf(line, " %*s %63s %*s %7s", local, its_state) != 2 || state != its_state) continue;
    if (const auto at = endpoint_in(local)) out.push_back({protocol, *at});
  }
}

}  // namespace

void add_sockets(HostFacts& host) {
  constexpr const char *kListens = "0A", *kUnconnected = "07";
  read_sockets("/proc/net/tcp", Protocol::tcp, kListens, host.listeners);
  read_sockets("/proc/net/tcp6", Protocol::tcp, kListens, host.listeners);
  read_sockets("/proc/net/udp", Protocol::udp, kUnconnected, host.listeners);
  read_sockets("/proc/net/udp6", Protocol::udp, kUnconnected, host.listeners);
  const File range(std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re"));
  unsigned first = 0, last = 0;
  if (!range || std::fscanf(range.get(), "%u %u", &first, &last) != 2 || first > last || last > UINT16_MAX) return;
  host.first_local_port = static_cast<uint16_t>(first), host.last_local_port = static_cast<uint16_t>(last);
}

}  // namespace rawvs::adm
