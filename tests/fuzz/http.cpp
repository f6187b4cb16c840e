// SPDX-License-Identifier: BSD-2-Clause
// http.cpp: a server's answer to an HTTP check. How it is cut into pieces changes nothing, and memory is bounded.
#include "input.h"
#include "mutator.h"
#include "wire/http_answer.h"

namespace rawvs {
namespace {

std::vector<std::string> vocabulary() {
  return {"HTTP/1.1 200 OK\r\n",
          "HTTP/1.0 ",
          "HTTP/1.1 100 Continue\r\n\r\n",
          "\r\n",
          "\n",
          "\r\n\r\n",
          "Content-Length: 5",
          "Transfer-Encoding: chunked",
          "gzip, chunked",
          "5\r\nhello\r\n",
          "0\r\n\r\n",
          ";ext=1",
          "ffffffffffffffff",
          "18446744073709551615",
          ": ",
          " "};
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
  if (size == 0) return 0;
  const size_t cut = 1 + data[0] % 16;
  const Bytes answer(data + 1, size - 1);
  HttpAnswer whole, pieces;
  whole.take(answer);
  for (size_t at = 0; at < answer.size(); at += cut) pieces.take(answer.subspan(at, std::min(cut, answer.size() - at)));
  for (int end = 0; end < 2; ++end) {
    MUST(whole.stage() == pieces.stage() && whole.status() == pieces.status() && whole.body() == pieces.body());
    MUST(whole.fault() == pieces.fault() && whole.fault().empty() == (whole.stage() != HttpAnswer::Stage::bad));
    MUST(whole.body().size() <= HttpAnswer::kMostBody);
    MUST(whole.status() == 0 || (whole.status() >= 100 && whole.status() <= 999));
    whole.ended(), pieces.ended();
  }
  return 0;
}
