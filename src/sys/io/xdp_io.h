// SPDX-License-Identifier: BSD-2-Clause
// xdp_io.h: the back end "xdp": an AF_XDP socket for frames that the XDP program redirects, and a packet socket for the
// others: ARP, fragments, ICMP errors, long frames, other receive queues.
//
// Redirected frames do not reach the host's kernel; the others need the guard. Frames are sent by AF_XDP, super-frames
// by the packet socket. Memory is fixed at the start: a buffer of 2 KB (4 KB if the MTU exceeds 1,774) for each frame
// of the receive ring, and 1,024 to send. Documentation/networking/af_xdp.rst.
#pragma once

#include <xdp/xsk.h>

#include "sys/io/plain_socket.h"
#include "sys/io/xdp_program.h"

namespace rawvs {

class XdpIo final : public FrameIo {
 public:
  static Result<std::unique_ptr<XdpIo>> open(const Options& options, FlowMap& flows);
  ~XdpIo() override;

  bool is_exclusive() const override { return true; }
  const char* name() const override { return "xdp"; }
  std::string remark() const override;
  int fd() const override { return epoll_.get(); }
  Result<Done> watch(const Watch& watch, std::span<const Mac> own) override;
  Result<Done> widen(const Watch& watch, std::span<const Mac> own) override;
  bool filter_is_wide() const override { return rest_->filter_is_wide(); }
  Missing missing() const override { return rest_->missing(); }
  size_t receive(std::span<Frame> frames) override;
  void release() override;
  void send(std::span<const Frame> frames) override;
  LinkCounters counters() override;
  bool take_error() override;
  bool native() const { return program_->native(); }

 private:
  // Buffers to send, and slots of their ring. When all are in use, the packet socket sends.
  static constexpr uint32_t kSent = 1024;

  explicit XdpIo(const Options& options);
  Error error(std::string_view what, int number) const;
  Result<Done> prepare(FlowMap& flows);
  Result<Done> make_buffers();
  Result<Done> make_socket();
  size_t take(std::span<Frame> frames);
  void refill(std::span<const uint64_t> buffers);
  bool put(const Frame& frame);
  void push();
  void reclaim();

  const Options options_;
  const uint32_t chunk_, received_chunks_;
  std::unique_ptr<PlainSocket> rest_;
  Fd epoll_;  // readable when either socket is
  uint8_t* area_ = nullptr;
  size_t area_bytes_ = 0;
  xsk_umem* umem_ = nullptr;
  xsk_socket* xsk_ = nullptr;
  xsk_ring_prod fill_{}, tx_{};
  xsk_ring_cons completed_{}, rx_{};
  std::unique_ptr<XdpProgram> program_;  // detached before the socket is closed
  std::vector<uint64_t> lent_, free_;    // addresses of buffers: borrowed by the director; free for sending
  uint32_t waiting_ = 0;                 // frames in the ring that the kernel has not yet taken
  uint32_t calls_ = 0;                   // of receive()
  bool error_seen_ = false;
  bool busy_ = false;  // opening failed because another socket has the queue
  LinkCounters counters_{};
};

}  // namespace rawvs
