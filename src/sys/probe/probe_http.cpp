// SPDX-License-Identifier: BSD-2-Clause
// probe_http.cpp: one request and one answer, whose status and text are checked. http_answer.h reads HTTP.
#include <algorithm>

#include "sys/probe/probe.h"
#include "wire/formatted.h"
#include "wire/http_answer.h"

namespace rawvs {
namespace {

class HttpProbe final : public TcpProbe {
 public:
  using TcpProbe::TcpProbe;
  std::optional<ProbeOutcome> begin() override {
    question_ = http_request(job_->spec.path, job_->spec.host, job_->target.to);
    return TcpProbe::begin();
  }
  ProbeOutcome late() override;

 private:
  std::optional<ProbeOutcome> hear(Bytes piece) override {
    answer_.take(piece);
    return judge();
  }
  std::optional<ProbeOutcome> closed() override {
    answer_.ended();
    return judge();
  }
  std::optional<ProbeOutcome> judge() const;
  bool wanted(uint16_t status) const;
  std::string wanted_text() const;

  HttpAnswer answer_;
};

bool HttpProbe::wanted(uint16_t status) const {
  return std::ranges::any_of(job_->spec.status, [status](const CheckSpec::Range& range) {
    return range.first <= status && status <= range.last;
  });
}

std::string HttpProbe::wanted_text() const {  // 200-299,304
  std::string out;
  for (const auto& [first, last] : job_->spec.status) {
    if (!out.empty()) out += ',';
    out += first == last ? std::to_string(first) : formatted("{}-{}", first, last);
  }
  return out;
}

std::optional<ProbeOutcome> HttpProbe::judge() const {
  using Stage = HttpAnswer::Stage;
  const uint16_t status = answer_.status();
  if (status != 0 && !wanted(status)) {
    return ill(formatted("HTTP status {}, expected {}", status, wanted_text()));
  }
  if (answer_.stage() == Stage::bad) return ill("HTTP: " + std::string(answer_.fault()));
  if (answer_.stage() == Stage::status || answer_.stage() == Stage::headers) return std::nullopt;
  const std::string& text = job_->spec.body;
  if (answer_.body().find(text) != std::string_view::npos) return well(formatted("HTTP status {}", status));
  if (answer_.stage() == Stage::over) return ill("HTTP: body does not contain " + quoted_briefly(text));
  return std::nullopt;
}

ProbeOutcome HttpProbe::late() {
  return answer_.begun() ? ill("HTTP: answer not complete within " + patience()) : TcpProbe::late();
}

}  // namespace

std::unique_ptr<Probe> make_http_probe(ProbeJobPtr job) { return std::make_unique<HttpProbe>(std::move(job)); }

}  // namespace rawvs
