// SPDX-License-Identifier: BSD-2-Clause
// control_socket.cpp: sockets and epoll behind control_socket.h. unix(7), epoll(7).
// A client is read only while it has no reply on its way, so what waits for it is one piece, and its further requests
// wait in its socket. epoll hands out ready descriptors in turn, so nobody is served twice before the others were once.
#include "rawvs/control_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "fd.h"
#include "rawvs/sys.h"

namespace rawvs {
namespace {

constexpr int kPerTurn = 1;                 // clients served by one call of serve(): packets come first
constexpr int kAcceptedPerTurn = 4;         // connections
constexpr uint32_t kListener = UINT32_MAX;  // in epoll's data; others are places in clients
constexpr Duration kAcceptPause = 1s;       // after accept() failed for want of descriptors or memory
constexpr mode_t kMode = 0660;
constexpr uint32_t kReadable = EPOLLIN | EPOLLRDHUP, kWritable = EPOLLOUT;
constexpr uint32_t kGone = EPOLLRDHUP;  // while there is nothing to say until packets come

struct Client {
  Fd fd;
  Conversation conversation;
  Piece piece;                   // made, but not yet taken by the kernel
  uint32_t awaited = kReadable;  // events, of those below
  Instant deadline = kNever;
  bool busy() const { return !piece.empty() || !conversation.over(); }
};

struct Inode {  // which socket is ours
  dev_t device = 0;
  ino_t number = 0;
};

std::string place(const std::string& path) { return "control socket " + path; }

Error failed(const std::string& path, std::string_view call) {
  const int error = errno;
  return {system_error(place(path) + ": " + std::string(call), error)};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  constexpr size_t kMost = sizeof address.sun_path - 1;
  if (path.empty()) return Error{"control socket: the path is empty: expected something like /run/rawvs.sock"};
  if (path.find('\0') != std::string::npos) return Error{"control socket: the path holds a zero byte"};
  if (path.size() > kMost) {
    return Error{place(path) + ": a path of " + std::to_string(path.size()) + " bytes: expected at most " +
                 std::to_string(kMost)};
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Fd new_socket() { return Fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// Two daemons that start at once must not both find the same old socket and replace each other's. The lock lies on the
// folder, so it leaves nothing behind. Anybody may lock a folder, therefore it is waited for only a moment.
Fd lock_folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int tries = 0; fd && tries < 20 && flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; ++tries) {
    poll(nullptr, 0, 10);
  }
  return fd;
}

// Makes way for a new socket: removes one that nobody listens on, refuses when somebody does.
Result<Done> clear_place(const std::string& path, const sockaddr_un& address) {
  struct stat there {};
  if (lstat(path.c_str(), &there) != 0) return errno == ENOENT ? Result<Done>(Done{}) : failed(path, "looking for it");
  if (!S_ISSOCK(there.st_mode)) return Error{place(path) + ": there is something that is not a socket: not replaced"};
  const Fd probe = new_socket();
  if (!probe) return failed(path, "socket");
  if (connect(probe.get(), generic(address), sizeof address) == 0) {
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    return Error{place(path) + ": another rawvsd is listening there" +
                 (known ? " (pid " + std::to_string(peer.pid) + ")" : "")};
  }
  if (errno == EAGAIN) return Error{place(path) + ": another rawvsd is listening there"};
  if (errno == EPROTOTYPE) return Error{place(path) + ": another program is using it"};
  if (errno != ECONNREFUSED) return failed(path, "connect");
  return unlink(path.c_str()) == 0 || errno == ENOENT ? Result<Done>(Done{}) : failed(path, "removing the old one");
}

// Owner, group and mode are right before anybody can connect.
Result<Done> open_to_group(const std::string& path, const std::string& group) {
  if (!group.empty()) {
    const struct group* const entry = getgrnam(group.c_str());
    if (!entry) return Error{place(path) + ": there is no group \"" + group + "\""};
    if (lchown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) return failed(path, "chown to " + group);
  }
  return chmod(path.c_str(), kMode) == 0 ? Result<Done>(Done{}) : failed(path, "chmod");
}

}  // namespace

struct ControlSocket::Impl {
  std::string path;
  Inode inode;
  Fd epoll, listener;
  std::vector<Client> clients{kClients};  // a place without a descriptor is free
  size_t used = 0;
  size_t watchers = 0;  // clients who await packets
  bool accepting = true;
  Instant accept_again = kNever;  // when accepting was paused for want of descriptors

  bool watch(int fd, uint32_t events, uint32_t data, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.u32 = data;
    return epoll_ctl(epoll.get(), operation, fd, &event) == 0;
  }
  void set_accepting(bool on) {
    if (accepting != on && watch(listener.get(), on ? kReadable : 0, kListener, EPOLL_CTL_MOD)) accepting = on;
  }
  bool wait_for_turn(Client& c) {  // to write if there is more to say, else to read
    const bool waiting = c.piece.empty() && c.conversation.waiting();
    const uint32_t events = !c.busy() ? kReadable : waiting ? kGone : kWritable;
    if (c.awaited == events) return true;
    watchers += static_cast<size_t>(events == kGone) - static_cast<size_t>(c.awaited == kGone);
    c.awaited = events;
    return watch(c.fd.get(), events, place_of(c), EPOLL_CTL_MOD);
  }
  uint32_t place_of(const Client& c) const { return static_cast<uint32_t>(&c - clients.data()); }

  void accept_clients(Instant now);
  void drop(Client& c);
  bool read_request(Client& c, uint32_t events, const Answers& answers);
  bool write_reply(Client& c, const Pieces& pieces);
};

void ControlSocket::Impl::accept_clients(Instant now) {
  for (int i = 0; i < kAcceptedPerTurn; ++i) {
    if (used == kClients) return set_accepting(false);  // the others wait in the backlog until one leaves
    Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or memory. The listener stays readable, so it must not be watched for a while.
      accept_again = now + kAcceptPause;
      return set_accepting(false);
    }
    Client& c = *std::ranges::find_if(clients, [](const Client& place) { return !place.fd; });
    if (!watch(fd.get(), kReadable, place_of(c), EPOLL_CTL_ADD)) continue;
    c.fd = std::move(fd);
    c.deadline = now + kPatience;
    ++used;
  }
}

void ControlSocket::Impl::drop(Client& c) {
  if (c.awaited == kGone) --watchers;
  c = Client{};  // closing takes it out of epoll
  --used;
  accept_again = kNever;
  set_accepting(true);
}

// Reads one request and starts its answer. False: the client is to be dropped.
bool ControlSocket::Impl::read_request(Client& c, uint32_t events, const Answers& answers) {
  // One byte more than a request may have, so that one that is too long is seen to be so, however it was cut.
  std::array<char, kRequestMost + 1> buffer;
  const ssize_t got = recv(c.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  // Nothing: the end, or a message without a byte, which is a (bad) request.
  if (got == 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) return false;
  c.conversation = answers({buffer.data(), static_cast<size_t>(got)});
  return true;
}

// Sends at most one piece of the reply. False: the client is to be dropped.
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

ControlSocket::~ControlSocket() {
  struct stat there {};
  if (lstat(impl_->path.c_str(), &there) != 0) return;
  if (there.st_dev == impl_->inode.device && there.st_ino == impl_->inode.number) unlink(impl_->path.c_str());
}

Result<Done> ControlSocket::make_way(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return address.error();
  const Fd lock = lock_folder(path);
  return clear_place(path, *address);
}

Result<std::unique_ptr<ControlSocket>> ControlSocket::listen(const std::string& path, const std::string& group) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto impl = std::make_unique<Impl>();
  impl->epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
  impl->listener = new_socket();
  if (!impl->epoll || !impl->listener) return failed(path, "socket");

  const Fd lock = lock_folder(path);
  if (const auto way = clear_place(path, *address); !way) return way.error();
  // On Linux a socket file gets its socket's mode, less the umask: nobody else's before open_to_group().
  if (fchmod(impl->listener.get(), 0600) != 0) return failed(path, "fchmod");
  if (bind(impl->listener.get(), generic(*address), sizeof *address) != 0) return failed(path, "bind");
  struct stat made {};
  if (lstat(path.c_str(), &made) != 0) return failed(path, "looking for it");
  impl->path = path;
  impl->inode = {made.st_dev, made.st_ino};
  const int fd = impl->listener.get();
  std::unique_ptr<ControlSocket> socket(new ControlSocket(std::move(impl)));  // from here on removed on failure

  if (const auto opened = open_to_group(path, group); !opened) return opened.error();
  if (::listen(fd, SOMAXCONN) != 0) return failed(path, "listen");
  if (!socket->impl_->watch(fd, kReadable, kListener, EPOLL_CTL_ADD)) return failed(path, "epoll_ctl");
  return socket;
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
    impl_->set_accepting(impl_->used < kClients);
  }
  if (impl_->used == 0) return;
  for (Client& c : impl_->clients) {
    if (c.fd && c.deadline <= now) impl_->drop(c);
  }
}

}  // namespace rawvs
