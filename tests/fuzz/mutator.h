// SPDX-License-Identifier: BSD-2-Clause
// mutator.h: for targets that read text: libFuzzer's own mutations, and words of the door's language at any place.
#pragma once

#include <cstring>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);  // libFuzzer's
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned int seed);

namespace rawvs::fuzz {

// For LLVMFuzzerCustomMutator(): puts one of the words in, or over what is there; or leaves it to libFuzzer.
inline size_t mutate_text(uint8_t* data, size_t size, size_t most, unsigned int seed,
                          const std::vector<std::string>& words) {
  const auto draw = [&seed](size_t n) {  // from 0 to n - 1
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
  };
  if (draw(2) == 0) return LLVMFuzzerMutate(data, size, most);
  const std::string& word = words[draw(words.size())];
  const size_t at = draw(size + 1);
  const bool over = draw(2) == 0;
  const size_t gone = over ? std::min(size - at, word.size()) : 0;
  if (size - gone + word.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memmove(data + at + word.size(), data + at + gone, size - at - gone);
  std::memcpy(data + at, word.data(), word.size());
  return size - gone + word.size();
}

}  // namespace rawvs::fuzz
