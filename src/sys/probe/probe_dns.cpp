// SPDX-License-Identifier: BSD-2-Clause
// probe_dns.cpp: checks that a name server answers with the expected rcode. dns_message.h has the messages.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "sys/probe/probe.h"
#include "wire/dns_message.h"

namespace rawvs {
namespace {

class DnsProbe final : public DatagramProbe {
 public:
  using DatagramProbe::DatagramProbe;
  std::optional<ProbeOutcome> begin() override {
    const auto type = dns_type(job_->spec.type);
    if (!type) return not_asked("DNS: no such type: " + quoted_briefly(job_->spec.type));
    auto query = dns_query(random_number(), job_->spec.query, *type);
    if (!query) return not_asked("DNS: not a name: " + quoted_briefly(job_->spec.query));
    query_ = std::move(*query);
    if (auto outcome = open(SOCK_DGRAM, IPPROTO_UDP)) return outcome;
    return ask(query_);
  }

 private:
  std::optional<ProbeOutcome> hear(Bytes message) override {
    const auto parsed = parse_dns_answer(message, query_);
    if (const auto* const fault = std::get_if<DnsFault>(&parsed)) {
      if (*fault == DnsFault::foreign) return std::nullopt;  // an answer to an earlier query, or a forged one
      return ill("DNS: malformed answer");
    }
    const uint8_t rcode = std::get_if<DnsAnswer>(&parsed)->rcode;
    if (rcode == job_->spec.rcode) return well("DNS: rcode " + dns_rcode_text(rcode));
    return ill("DNS: rcode " + dns_rcode_text(rcode) + ", expected " + dns_rcode_text(job_->spec.rcode));
  }
  std::string words_of(int error) const override {
    return error == ECONNREFUSED ? "port unreachable" : DatagramProbe::words_of(error);
  }

  std::vector<uint8_t> query_;
};

}  // namespace

std::unique_ptr<Probe> make_dns_probe(ProbeJobPtr job) { return std::make_unique<DnsProbe>(std::move(job)); }

}  // namespace rawvs
