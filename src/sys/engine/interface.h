// SPDX-License-Identifier: BSD-2-Clause
// interface.h: one network interface in use: its socket, its guard, and what both were told to look for.
// In:   the kernel's facts of it, the director's Watch.
// Out:  frames for FrameExchange, through a FrameIo that filter and guard keep to what the director wants.
// Not:  when to open it, and who is told of that (ports.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "side/watch.h"
#include "sys/engine/engine_context.h"
#include "sys/guard/guard.h"
#include "sys/io/frame_io.h"
#include "sys/net/interface_lock.h"

namespace rawvs {

class Interface {
 public:
  Interface(EngineContext& context, Link link, const std::string& name) : context_(context), link_(link), name_(name) {}
  ~Interface() { close(); }
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  const std::string& name() const { return name_; }  // empty: there is none
  const LinkFacts& facts() const { return facts_; }  // as the kernel has said last
  bool is_open() const { return io_ != nullptr; }
  const Guard* guard() const { return guard_.get(); }
  // Since the start; those of closed sockets, too.
  LinkCounters counters() const;

  // It has these facts now. Before anything else is done with it: it may be another interface by the same name.
  Result<Done> take(const LinkFacts& facts);
  // patience: with a back end that the program before us has just given up.
  Result<Done> open(Duration patience);
  void close();

  // Filter and guard follow the director's VIPs and NAT servers at once, so that they are in effect when their request
  // is answered: the filter lets through at least as much. That it lets through no more, and neighbours, may wait until
  // deadline(): compiling a long filter takes milliseconds, and a restored table changes a thousand.
  // hosts: the host's own addresses, sorted.
  void follow_watch(const std::vector<Ip>& hosts);
  Instant deadline() const { return told_.again; }

 private:
  void say_io(const std::string& skipped) const;
  void attach_guard();
  void watch_all(const std::vector<Ip>& hosts);
  void widen(const std::vector<Ip>& hosts);
  void protect(const std::vector<Ip>& hosts);
  bool has_macs(const std::vector<Mac>& macs) const;
  std::vector<Mac> own_macs() const;

  EngineContext& context_;
  Link link_;
  std::string name_;
  LinkFacts facts_;
  InterfaceLock lock_;
  std::unique_ptr<FrameIo> io_;
  std::unique_ptr<Guard> guard_;
  struct {  // what the open socket's filter and guard were last told
    Watch watch{};
    std::vector<Mac> macs{};  // ours, the interface's first
    std::vector<Ip> hosts{};
    std::optional<uint32_t> version{};
    Instant again = kNever;  // when the filter is to be exact again, and to know changed servers
    bool wide = false;       // it is, and the log has heard of it
    bool partly = false;     // the guard has not found room for everything, and the log has heard of it
  } told_;
  LinkCounters past_;  // of its closed sockets
};

}  // namespace rawvs
