// SPDX-License-Identifier: BSD-2-Clause
// control_socket.cpp: clients' sockets and epoll. unix(7), epoll(7).
//
// A client is read only while it has no reply in progress: one piece waits for it, and its further requests stay in its
// socket. epoll returns ready descriptors in turn, so all are served before one is served again.
#include "sys/engine/control_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sys/engine/control_listener.h"
#include "sys/engine/peer.h"
#include "sys/fd.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr int kPerTurn = 1;                 // clients per call of serve(): packets have precedence
constexpr int kAcceptedPerTurn = 4;         // connections
constexpr uint32_t kListener = UINT32_MAX;  // in epoll's data; other numbers are indexes into clients
constexpr Duration kAcceptPause = 1s;       // after accept() failed for lack of descriptors or memory
constexpr uint32_t kReadable = EPOLLIN | EPOLLRDHUP, kWritable = EPOLLOUT;
constexpr uint32_t kGone = EPOLLRDHUP;  // events while there is nothing to send until packets come

struct Client {
  Fd fd;
  Conversation conversation;
  Piece piece;                   // not yet taken by the kernel
  uint32_t awaited = kReadable;  // the epoll events, of those above
  Instant deadline = kNever;
  Instant heard{};  // when it last asked, or took a piece
  Peer peer{};
  Operator who{};  // the first request fills in its text
  bool busy() const { return !piece.empty() || !conversation.over(); }
};

}  // namespace

struct ControlSocket::Impl {
  explicit Impl(ControlListener its_listener) : listener(std::move(its_listener)) {}
  Fd epoll;
  std::vector<Client> clients{kClients + kRootClients};  // a place without a descriptor is free
  size_t used = 0, others = 0;                           // all clients; those of other users than root
  size_t watchers = 0;                                   // clients that wait for packets
  bool accepting = true;
  Instant accept_again = kNever;  // when accept() is tried again after a failure
  ControlListener listener;       // last: its file is removed before the clients are closed

  bool watch(int fd, uint32_t events, uint32_t data, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.u32 = data;
    return epoll_ctl(epoll.get(), operation, fd, &event) == 0;
  }
  void set_accepting(bool on) {
    if (accepting != on && watch(listener.fd(), on ? kReadable : 0, kListener, EPOLL_CTL_MOD)) accepting = on;
  }
  bool wait_for_turn(Client& c) {  // for writing if there is more to send, else for reading
    const bool waiting = c.piece.empty() && c.conversation.waiting();
    const uint32_t events = !c.busy() ? kReadable : waiting ? kGone : kWritable;
    if (c.awaited == events) return true;
    watchers += static_cast<size_t>(events == kGone) - static_cast<size_t>(c.awaited == kGone);
    c.awaited = events;
    return watch(c.fd.get(), events, place_of(c), EPOLL_CTL_MOD);
  }
  uint32_t place_of(const Client& c) const { return static_cast<uint32_t>(&c - clients.data()); }

  void accept_clients(Instant now);
  void take_in(Fd fd, Instant now);
  Client* place_for(const Peer& peer, bool changes);
  bool idle(const Client& c) const;
  void drop(Client& c);
  bool read_request(Client& c, uint32_t events, const Answers& answers);
  bool write_reply(Client& c, const Pieces& pieces);
};

void ControlSocket::Impl::accept_clients(Instant now) {
  for (int i = 0; i < kAcceptedPerTurn; ++i) {
    Fd fd(accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or memory. The listener stays readable: stop watching it for a while.
      accept_again = now + kAcceptPause;
      return set_accepting(false);
    }
    take_in(std::move(fd), now);
  }
}

void ControlSocket::Impl::take_in(Fd fd, Instant now) {
  const Peer peer = peer_of(fd.get());
  const auto refuse = [&](const Fault& why) {
    const Piece no = Conversation::refusal(why);
    send(fd.get(), no.text().data(), no.text().size(), MSG_NOSIGNAL);
  };
  const ControlAccess& access = listener.who_may();
  const ControlAccess::May may = access.of(peer, fd.get());
  if (may == ControlAccess::May::nothing) return refuse({"permission", access.refusal()});
  Client* const c = place_for(peer, may == ControlAccess::May::change);
  if (!c) return refuse({"busy", std::to_string(used) + " clients are served: try again"});
  if (!watch(fd.get(), kReadable, place_of(*c), EPOLL_CTL_ADD)) return;
  c->fd = std::move(fd);
  c->peer = peer;
  c->who.uid = peer.uid;
  if (may == ControlAccess::May::ask) c->who.readers = access.readers();
  c->deadline = now + kPatience;
  c->heard = now;
  ++used;
  if (!c->who.root()) ++others;
}

bool ControlSocket::Impl::idle(const Client& c) const {  // has received its replies and sends no request
  char byte = 0;
  return c.awaited == kReadable && !c.busy() && recv(c.fd.get(), &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

// A free place, or that of the client that has been idle longest; null: none. changes: it may change everything.
Client* ControlSocket::Impl::place_for(const Peer& peer, bool changes) {
  const bool root = peer.uid == 0;
  if (used < clients.size() && (root || others < kClients)) {
    return &*std::ranges::find_if(clients, [](const Client& place) { return !place.fd; });
  }
  // The client of the lowest rank is replaced; kNotTaken: never.
  enum Rank : uint8_t { kIdle, kIdleRoot, kBusy, kNotTaken };
  const auto rank = [&](const Client& c) {
    if (!c.fd || (c.who.root() && !root)) return kNotTaken;
    if (idle(c)) return c.who.root() ? kIdleRoot : kIdle;
    const bool only_asks = !c.who.readers.empty();
    return (root && !c.who.root()) || (changes && only_asks) ? kBusy : kNotTaken;
  };
  Client* found = nullptr;
  Rank best = kNotTaken;
  for (Client& c : clients) {
    const Rank its = rank(c);
    if (its == kNotTaken || its > best || (its == best && found && c.heard >= found->heard)) continue;
    found = &c, best = its;
  }
  if (found) drop(*found);
  return found;
}

void ControlSocket::Impl::drop(Client& c) {
  if (c.awaited == kGone) --watchers;
  if (!c.who.root()) --others;
  watch(c.fd.get(), 0, 0, EPOLL_CTL_DEL);  // close() does not, while a child that was just forked has it, too
  c = Client{};
  --used;
  accept_again = kNever;
  set_accepting(true);
}

// Reads one request and starts its reply. False: disconnect the client.
bool ControlSocket::Impl::read_request(Client& c, uint32_t events, const Answers& answers) {
  // One byte longer than a request may be, to detect requests that are too long.
  std::array<char, kRequestMost + 1> buffer;
  const ssize_t got = recv(c.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  // 0 bytes: the end of the connection, or an empty message, which is a (bad) request.
  if (got == 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) return false;
  if (c.who.text.empty()) c.who.text = text(c.peer);
  c.conversation = answers({buffer.data(), static_cast<size_t>(got)}, c.who);
  return true;
}

// Sends at most one piece of the reply. False: disconnect the client.
bool ControlSocket::Impl::write_reply(Client& c, const Pieces& pieces) {
  if (c.piece.empty()) c.piece = pieces(c.conversation);
  if (c.piece.empty()) return true;
  const std::string_view text = c.piece.text();
  const ssize_t sent = send(c.fd.get(), text.data(), text.size(), MSG_NOSIGNAL);  // whole, or not at all
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  c.piece = {};
  return true;
}

ControlSocket::ControlSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ControlSocket::~ControlSocket() = default;

Result<Done> ControlSocket::make_way(const std::string& path) { return ControlListener::make_way(path); }

Result<Done> ControlSocket::could_listen(const std::string& path, const std::string& group,
                                         const std::string& readers) {
  return ControlListener::could_listen(path, group, readers);
}

Result<std::unique_ptr<ControlSocket>> ControlSocket::listen(const std::string& path, const std::string& group,
                                                             const std::string& readers) {
  auto listener = ControlListener::listen(path, group, readers);
  if (!listener) return listener.error();
  return around(std::move(*listener), false);
}

Result<std::unique_ptr<ControlSocket>> ControlSocket::inherited(const std::string& path, const std::string& group,
                                                                const std::string& readers) {
  auto listener = ControlListener::inherited(path, group, readers);
  if (!listener) return std::unique_ptr<ControlSocket>();
  return around(std::move(*listener), true);
}

void ControlSocket::hand_over(bool on) const { impl_->listener.hand_over(on); }

Result<std::unique_ptr<ControlSocket>> ControlSocket::around(ControlListener listener, bool inherited) {
  auto impl = std::make_unique<Impl>(std::move(listener));
  impl->epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
  const char* const failed = !impl->epoll                                                             ? "epoll_create1"
                             : !impl->watch(impl->listener.fd(), kReadable, kListener, EPOLL_CTL_ADD) ? "epoll_ctl"
                                                                                                      : nullptr;
  if (failed != nullptr) {
    Error why = impl->listener.failed_call(failed);
    if (inherited) impl->listener.leave_file();  // the program before goes on, and serves there
    return why;
  }
  return std::unique_ptr<ControlSocket>(new ControlSocket(std::move(impl)));
}

// close() has removed the old descriptor from epoll.
Result<bool> ControlSocket::renew() {
  auto made = impl_->listener.renew();
  if (made && *made) impl_->accepting = impl_->watch(impl_->listener.fd(), kReadable, kListener, EPOLL_CTL_ADD);
  return made;
}

int ControlSocket::fd() const { return impl_->epoll.get(); }

void ControlSocket::serve(const Answers& answers, const Pieces& pieces, Instant now) {
  std::array<epoll_event, kPerTurn> events;
  const int ready = epoll_wait(impl_->epoll.get(), events.data(), kPerTurn, 0);
  for (int i = 0; i < ready; ++i) {
    const auto& event = events[static_cast<size_t>(i)];
    if (event.data.u32 == kListener) {
      impl_->accept_clients(now);
      continue;
    }
    Client& c = impl_->clients[event.data.u32];
    bool stays = c.awaited != kGone;
    if (c.awaited == kReadable) stays = impl_->read_request(c, event.events, answers);
    if (stays && c.busy()) stays = impl_->write_reply(c, pieces);
    if (!stays || !impl_->wait_for_turn(c)) {
      impl_->drop(c);
      continue;
    }
    c.deadline = c.awaited == kGone ? kNever : now + kPatience;
    c.heard = now;
  }
}

void ControlSocket::wake(Instant now) {
  if (impl_->watchers == 0) return;
  for (Client& c : impl_->clients) {
    if (!c.fd || c.awaited != kGone || c.conversation.waiting()) continue;
    if (impl_->wait_for_turn(c)) {
      c.deadline = now + kPatience;
    } else {
      impl_->drop(c);
    }
  }
}

Instant ControlSocket::next_deadline() const {
  Instant next = impl_->accept_again;
  if (impl_->used == 0) return next;
  for (const Client& c : impl_->clients) next = std::min(next, c.deadline);
  return next;
}

void ControlSocket::time_passed(Instant now) {
  if (impl_->accept_again <= now) {
    impl_->accept_again = kNever;
    impl_->set_accepting(true);
  }
  if (impl_->used == 0) return;
  for (Client& c : impl_->clients) {
    if (c.fd && c.deadline <= now) impl_->drop(c);
  }
}

}  // namespace rawvs
