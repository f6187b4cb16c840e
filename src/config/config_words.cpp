// SPDX-License-Identifier: BSD-2-Clause
// config_words.cpp: splits configuration text into words, and suggests the word that was probably meant.

#include <algorithm>

#include "config/config_values.h"

namespace rawvs {
namespace {

constexpr size_t kLongestGuessed = 48;  // longer words are no misspelling of a known one

// The number of letters to insert, delete, change or swap with their neighbour until the words are equal (optimal
// string alignment).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] =
          std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + static_cast<size_t>(a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::vector<std::string_view> words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<std::string_view> found;
  for (size_t from = text.find_first_not_of(kBlanks); from != std::string_view::npos;) {
    const size_t to = std::min(text.find_first_of(kBlanks, from), text.size());
    found.push_back(text.substr(from, to - from));
    from = text.find_first_not_of(kBlanks, to);
  }
  return found;
}

std::vector<std::string_view> pieces(std::string_view text, char separator) {
  std::vector<std::string_view> found;
  for (;;) {
    const size_t to = text.find(separator);
    found.push_back(text.substr(0, to));
    if (to == std::string_view::npos) return found;
    text.remove_prefix(to + 1);
  }
}

std::string listed(const std::vector<std::string_view>& choices) {
  std::string all;
  for (const std::string_view choice : choices) all.append(all.empty() ? "" : ", ").append(choice);
  return all;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& choices) {
  if (word.empty() || word.size() > kLongestGuessed) return {};
  std::string_view best;
  size_t least = 2 + word.size() / 4;  // with this many mistakes it is another word
  for (const std::string_view choice : choices) {
    const bool cut_short = word.size() >= 3 && choice.starts_with(word);
    const size_t distance = cut_short ? 1 : edit_distance(word, choice);
    if (distance < least) least = distance, best = choice;
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& choices) {
  const std::string_view near = nearest(word, choices);
  return near.empty() ? std::string() : "; did you mean " + quoted(near) + '?';
}

}  // namespace rawvs
