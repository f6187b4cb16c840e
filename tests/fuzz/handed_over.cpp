// SPDX-License-Identifier: BSD-2-Clause
// handed_over.cpp: what a process gets from its predecessor and from its other half: numbers of descriptors in
// environment variables, the fields of rawvs-helper's messages; and addresses, which every door reads.
#include "sys/handed_over.h"

#include <algorithm>
#include <cstring>

#include "input.h"
#include "rawvs/addr.h"
#include "sys/helper/helper_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  const std::string exact(fuzz::text_of({data, size}));
  for (const int fd : descriptors_in(exact)) MUST(fd >= 0 && fd <= 1 << 20);
  if (const auto fd = descriptor_in(exact)) MUST(descriptors_in(exact) == std::vector<int>{*fd});

  HelperRequest request;
  if (size != 0) std::memcpy(&request, data, std::min(size, sizeof request));
  for (const auto& text : {text_of(request.program), text_of(request.user), text_of(request.name)}) {
    MUST(!text || (text->size() < 136 && text->find('\0') == std::string::npos));
  }
  HelperAnswer answer;
  put_cut(answer.text, exact);
  const auto kept = text_of(answer.text);
  MUST(kept && exact.starts_with(*kept));

  // What is read is written alike, and read again.
  if (const auto ip = parse_ip(exact)) MUST(parse_ip(text(*ip)) == ip);
  if (const auto at = parse_endpoint(exact)) MUST(parse_endpoint(text(*at)) == at);
  if (const auto mac = parse_mac(exact)) MUST(parse_mac(text(*mac)) == mac);
  return 0;
}
