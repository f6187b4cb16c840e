// SPDX-License-Identifier: BSD-2-Clause
// ini.cpp: the configuration file. A file is accepted or refused with reasons; what print_config() writes of it is
// accepted, and means the same.
#include "input.h"
#include "mutator.h"
#include "rawvs/config.h"

namespace rawvs {
namespace {

// The configuration's own table of keys, the sections, and some values.
std::vector<std::string> vocabulary() {
  std::vector<std::string> all;
  for (const KeyHelp& key : config_keys()) {
    all.push_back("\n" + std::string(key.key) + " = ");
    all.push_back("\n[" + std::string(key.section) +
                  (key.section == "director" || key.section == "sync" ? "]\n" : " a]\n"));
  }
  for (const char* const value : {"192.0.2.100",
                                  "2001:db8::100",
                                  "198.51.100.0/24",
                                  "eth0",
                                  "tcp/80,443",
                                  "udp/53",
                                  "tcp/*",
                                  "*",
                                  "none",
                                  "auto",
                                  " forward=nat",
                                  " forward=tun",
                                  " forward=fullnat",
                                  " weight=2",
                                  " check=http",
                                  " proxy=2",
                                  " tun=gue:6080",
                                  " mac=02:00:00:00:00:01",
                                  "http",
                                  "exec",
                                  "a",
                                  "wlc",
                                  "mh",
                                  "0",
                                  "1",
                                  "60",
                                  "100ms",
                                  "4294967296",
                                  ":80",
                                  ";",
                                  "\\\n"}) {
    all.emplace_back(value);
  }
  return all;
}

}  // namespace
}  // namespace rawvs

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned int seed) {
  static const std::vector<std::string> kWords = rawvs::vocabulary();
  return rawvs::fuzz::mutate_text(data, size, most, seed, kWords);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  const auto config = parse_config(fuzz::text_of({data, size}), "fuzz.ini");
  if (!config) {
    MUST(!config.error().text.empty());
    return 0;
  }
  const std::string printed = print_config(*config);
  const auto again = parse_config(printed, "printed.ini");
  if (!again) std::fprintf(stderr, "%s\n%s\n", printed.c_str(), again.error().text.c_str());
  MUST(again);
  MUST(print_config(*again) == printed);
  wanted_tables(*config);
  wanted_checks(*config);
  wanted_vrrp(*config);
  return 0;
}
