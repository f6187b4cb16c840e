// SPDX-License-Identifier: BSD-2-Clause
// families.cpp: metric families in Prometheus's exposition format.
#include "tools/metrics/families.h"

#include "tools/metrics/metrics.h"

namespace rawvs::adm {

namespace {

std::string scaled(uint64_t value, Scale scale) {
  const uint64_t unit = scale == Scale::one ? 1 : scale == Scale::milli ? 1000 : 1'000'000;
  std::string out = std::to_string(value / unit);
  if (unit != 1) out += '.' + std::to_string(unit + value % unit).substr(1);
  return out;
}

std::string bound_text(const Bucket& bucket) {  // in seconds, without trailing zeros
  if (!bucket.most) return "+Inf";
  std::string out = scaled(*bucket.most, Scale::milli);
  out.resize(out.find_last_not_of('0') + 1);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

void put_sample(std::string& to, const std::string& name, std::string_view labels, std::string_view value) {
  to += name;
  if (!labels.empty()) to.append(1, '{').append(labels).append(1, '}');
  to.append(1, ' ').append(value).append(1, '\n');
}

}  // namespace

// Text is UTF-8 there; rows are ASCII.
std::string label_text(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || c == '"') {
      (out += '\\') += c;
    } else {
      out += byte < ' ' || byte > '~' ? '?' : c;
    }
  }
  return out;
}

std::string labels(std::initializer_list<Label> list) {
  std::string out;
  for (const auto& [name, value] : list) {
    if (!out.empty()) out += ',';
    out.append(name).append("=\"").append(label_text(value)).append(1, '"');
  }
  return out;
}

bool Families::add(const Row& row, const std::string& labels) {
  if (!seen_.insert(labels).second) return false;
  for (size_t i = 0; i < metrics_.size(); ++i) {
    const Metric& metric = metrics_[i];
    if (*metric.key == '\0' || !row.has(metric.key)) continue;
    put_sample(samples_[i], metric.name, labels, scaled(row.number(metric.key), metric.scale));
  }
  return true;
}

void Families::add(size_t metric, std::string_view labels, uint64_t value) {
  put_sample(samples_[metric], metrics_[metric].name, labels, scaled(value, metrics_[metric].scale));
}

void Families::add(size_t metric, const std::string& its, std::span<const Bucket> buckets, uint64_t sum) {
  const std::string name = metrics_[metric].name;
  std::string& to = samples_[metric];
  uint64_t count = 0;
  for (const Bucket& bucket : buckets) {
    const std::string bound = bound_text(bucket);
    put_sample(to, name + "_bucket", its + ',' + labels({{"le", bound}}), std::to_string(count += bucket.count));
  }
  put_sample(to, name + "_sum", its, scaled(sum, metrics_[metric].scale));
  put_sample(to, name + "_count", its, std::to_string(count));
}

void Families::write(std::string& out) const {
  for (size_t i = 0; i < metrics_.size(); ++i) {
    if (samples_[i].empty()) continue;
    const Metric& m = metrics_[i];
    out.append("# HELP ").append(m.name).append(1, ' ').append(m.help).append("\n# TYPE ").append(m.name);
    out.append(1, ' ').append(m.type).append(1, '\n').append(samples_[i]);
  }
}

}  // namespace rawvs::adm
