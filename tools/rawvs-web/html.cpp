// SPDX-License-Identifier: BSD-2-Clause
// html.cpp: escaped text, tables and plots of the page.
#include "tools/rawvs-web/html.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/rawvsadm/texts.h"

namespace rawvs::web {

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

std::string url_part(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain || c == '.' || c == '-' || c == '_') {
      out += c;
    } else {
      ((out += '%') += kHex[byte >> 4]) += kHex[byte & 15];
    }
  }
  return out;
}

bool contains(std::string_view text, std::string_view search) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto same = [&](char a, char b) { return lower(a) == lower(b); };
  return std::search(text.begin(), text.end(), search.begin(), search.end(), same) != text.end() || search.empty();
}

void Table::add(const std::vector<Cell>& cells) {
  if (std::ranges::none_of(cells, [&](const Cell& cell) { return contains(cell.text, search_); })) return;
  if (rows_++ == 0) {
    for (const Cell& cell : cells) kinds_.push_back(*cell.kind == 'n' ? " class=n" : "");
  }
  body_ += "<tr>";
  for (size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    body_ += i == 0 ? "<th scope=row" : "<td";
    if (*cell.kind != '\0') body_.append(" class=").append(cell.kind);
    body_.append(">").append(cell.markup.empty() ? escaped(cell.text) : cell.markup);
    body_ += i == 0 ? "</th>" : "</td>";
  }
  body_ += "</tr>\n";
}

std::string Table::html() const {
  if (rows_ == 0) return "";
  const std::string name = escaped(caption_);
  std::string out = "<div class=scroll role=region tabindex=0 aria-label=\"" + name + "\"><table><caption>" + name +
                    "</caption>\n<thead><tr>";
  for (size_t i = 0; i < heads_.size(); ++i) {
    out.append("<th scope=col")
        .append(i < kinds_.size() ? kinds_[i] : "")
        .append(">")
        .append(escaped(heads_[i]))
        .append("</th>");
  }
  return out + "</tr></thead>\n<tbody>" + body_ + "</tbody></table></div>\n";
}

namespace {

constexpr double kWidth = 600, kHeight = 120;
constexpr size_t kPoints = 144;  // drawn: each is the greatest of those that it stands for

// The path of a line; a gap where nothing is known.
std::string path(const std::vector<float>& values, float most) {
  const size_t points = std::min(kPoints, values.size());
  std::string out;
  bool drawing = false;
  for (size_t i = 0; i < points; ++i) {
    const auto from = values.begin() + static_cast<ptrdiff_t>(i * values.size() / points);
    const auto to = values.begin() + static_cast<ptrdiff_t>((i + 1) * values.size() / points);
    float value = -1;
    for (auto at = from; at != to; ++at) value = std::isnan(*at) ? value : std::max(value, *at);
    if (value < 0) {
      drawing = false;
      continue;
    }
    char text[64];
    std::snprintf(text, sizeof text, "%c%.0f %.0f", drawing ? 'L' : 'M',
                  kWidth * static_cast<double>(i) / static_cast<double>(points - 1),
                  kHeight - 2 - (kHeight - 4) * static_cast<double>(most > 0 ? value / most : 0));
    out += text;
    if (!drawing) out += "h-2";  // a single point is seen, too
    drawing = true;
  }
  return out;
}

}  // namespace

std::string plot(const std::string& title, const std::vector<Line>& lines, const char* ago, const char* unit) {
  float most = 0;
  std::string said, paths, legend;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    float last = 0, greatest = 0;
    bool known = false;
    for (const float value : line.values) {
      if (std::isnan(value)) continue;
      last = value, greatest = std::max(greatest, value), known = true;
    }
    most = std::max(most, greatest);
    const auto number = [](float value) { return adm::per_second(static_cast<double>(value)); };
    said += (i == 0 ? "" : "; ") + std::string(line.name) +
            (known ? " now " + number(last) + ", at most " + number(greatest) + unit : " not known yet");
    legend += "<span class=l" + std::to_string(i) + ">" + escaped(line.name) + "</span> ";
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    paths += "<path class=l" + std::to_string(i) + " d=\"" + path(lines[i].values, most) + "\"/>";
  }
  return "<figure><figcaption>" + escaped(title) + ": " + escaped(said) + "</figcaption><svg viewBox=\"0 0 600 120\" " +
         "role=img aria-label=\"" + escaped(title + ": " + said) + "\" preserveAspectRatio=none>" + paths +
         "</svg><p class=axis><span>" + escaped(ago) + "</span><span>" + legend +
         "</span><span>now</span></p></figure>\n";
}

}  // namespace rawvs::web
