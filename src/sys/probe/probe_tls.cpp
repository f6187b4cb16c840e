// SPDX-License-Identifier: BSD-2-Clause
// probe_tls.cpp: checks that a server answers a ClientHello with a ServerHello; then closes.
//
// A whole handshake would block the loop for tens of milliseconds of computing, on routers much longer. Certificates
// would not be verified anyway: removing servers because a certificate has expired does more harm than the certificate.
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "sys/probe/probe.h"
#include "wire/tls_hello.h"

namespace rawvs {
namespace {

class TlsProbe final : public TcpProbe {
 public:
  using TcpProbe::TcpProbe;
  std::optional<ProbeOutcome> begin() override {
    std::array<uint8_t, kTlsRandom> random{};
    // Without entropy the machine has just booted; nothing secret depends on it.
    static_cast<void>(getrandom(random.data(), random.size(), GRND_NONBLOCK));
    const std::vector<uint8_t> hello = tls_client_hello(random, job_->spec.host);
    question_.assign(hello.begin(), hello.end());
    return TcpProbe::begin();
  }
  ProbeOutcome late() override {
    return answer_.begun() ? ill("TLS: answer not complete within " + patience()) : TcpProbe::late();
  }

 private:
  std::optional<ProbeOutcome> hear(Bytes piece) override {
    answer_.take(piece);
    switch (answer_.stage()) {
      case TlsAnswer::Stage::awaited: return std::nullopt;
      case TlsAnswer::Stage::hello: return well(tls_version_text(answer_.version()));
      case TlsAnswer::Stage::refused: return ill("TLS: refused by alert " + tls_alert_text(answer_.alert()));
      case TlsAnswer::Stage::bad: break;
    }
    return ill("TLS: not a TLS answer");
  }
  std::optional<ProbeOutcome> closed() override { return ill("TLS: closed within the handshake"); }

  TlsAnswer answer_;
};

}  // namespace

std::unique_ptr<Probe> make_tls_probe(ProbeJobPtr job) { return std::make_unique<TlsProbe>(std::move(job)); }

}  // namespace rawvs
