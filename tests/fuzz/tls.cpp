// SPDX-License-Identifier: BSD-2-Clause
// tls.cpp: a server's answer to a TLS check. How it is cut into pieces changes nothing.
#include "input.h"
#include "wire/tls_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  if (size == 0) return 0;
  const size_t cut = 1 + data[0] % 16;
  const Bytes answer(data + 1, size - 1);
  TlsAnswer pieces;
  for (size_t at = 0; at < answer.size(); at += cut) pieces.take(answer.subspan(at, std::min(cut, answer.size() - at)));
  if (pieces.stage() == TlsAnswer::Stage::hello) MUST(!tls_version_text(pieces.version()).empty());
  if (pieces.stage() == TlsAnswer::Stage::refused) MUST(!tls_alert_text(pieces.alert()).empty());
  // A piece that is more than a ServerHello may hold is judged only once: within the limit all cuts agree.
  if (answer.size() > TlsAnswer::kMost) return 0;
  TlsAnswer whole;
  whole.take(answer);
  MUST(whole.stage() == pieces.stage() && whole.version() == pieces.version() && whole.alert() == pieces.alert());
  return 0;
}
