// SPDX-License-Identifier: BSD-2-Clause
// replay.cpp: a capture file for rawvs-replay: of any format that libpcap reads, frames cut and damaged, times anyhow.
#include "tools/rawvs-replay/replay.h"

#include <sys/mman.h>
#include <unistd.h>

#include "core/outbox.h"
#include "input.h"
#include "tools/rawvs-replay/capture_file.h"

namespace rawvs::replay {
namespace {

Setup setup() {
  constexpr std::string_view kFile =
      "[director]\ninterface = eth0\ninside = eth1\nmax_connections = 64\nmax_servers = 16\nmax_fragmented = 4\n"
      "max_ftp = 4\n"
      "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\nserver = 192.0.2.11\nserver = 203.0.113.11 forward=nat\n"
      "[virtual six]\naddress = 2001:db8::100\nports = udp/53\nserver = 2001:db8:1::11 forward=nat\n";
  const auto config = parse_config(kFile, "fuzz.ini");
  if (!config) std::fprintf(stderr, "%s\n", config.error().text.c_str());
  MUST(config);
  return {.config = *config, .rules = {}, .rules_name = {}, .links = default_links()};
}

void play(const std::string& path) {
  static const Setup kSetup = setup();
  auto reader = CaptureReader::open(path);
  if (!reader) {
    MUST(!reader.error().text.empty());
    return;
  }
  std::unique_ptr<Replay> replay;
  Captured frame;
  Stamp last{};
  uint64_t left = 0;
  for (int n = 0; n < 64; ++n) {
    const auto more = reader->next(frame);
    if (!more || !*more) break;
    if (!replay) {
      auto begun = Replay::begin(kSetup, frame.time, [&](Stamp at, Bytes bytes) {
        MUST(at >= last && bytes.size() >= 28);
        last = at;
        ++left;
      });
      if (!begun) return;
      replay = std::move(*begun);
    }
    if (!replay->arrive(frame)) break;
  }
  if (replay) MUST(!replay->counters().empty());
}

}  // namespace
}  // namespace rawvs::replay

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int kFile = memfd_create("capture", 0);
  static const std::string kPath = "/proc/self/fd/" + std::to_string(kFile);
  MUST(ftruncate(kFile, 0) == 0);
  MUST(pwrite(kFile, data, size, 0) == static_cast<ssize_t>(size));
  rawvs::replay::play(kPath);
  return 0;
}
