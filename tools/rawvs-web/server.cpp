// SPDX-License-Identifier: BSD-2-Clause
// server.cpp: HTTP by libmicrohttpd.
#include "tools/rawvs-web/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>

#include "sys/sys.h"

namespace rawvs::web {

namespace {

constexpr unsigned kConnections = 200;     // beyond Clients::kMost, old ones are ended
constexpr size_t kMemoryEach = 16 * 1024;  // of a request with its headers, and of an answer's headers
constexpr unsigned kSilence = 10;          // seconds

std::string address_text(const sockaddr* at) {
  char text[INET6_ADDRSTRLEN] = "";
  if (at && at->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, at, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
  } else if (at && at->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, at, sizeof in);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
  }
  return text;
}

std::string header(MHD_Connection* connection, const char* name) {
  const char* const value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value ? value : "";
}

int fd_of(MHD_Connection* connection) {
  const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

MHD_Result add_arg(void* to, MHD_ValueKind, const char* name, const char* value) {
  static_cast<Request*>(to)->args[name] = value ? value : "";
  return MHD_YES;
}

struct HeldBody {  // as long as it is sent
  std::shared_ptr<const std::string> body;
};

ssize_t read_body(void* held, uint64_t from, char* to, size_t most) {
  const std::string& body = *static_cast<HeldBody*>(held)->body;
  const size_t size = std::min(most, body.size() - static_cast<size_t>(from));
  if (size == 0) return MHD_CONTENT_READER_END_OF_STREAM;
  std::copy_n(body.data() + from, size, to);
  return static_cast<ssize_t>(size);
}

void drop_body(void* held) { delete static_cast<HeldBody*>(held); }

MHD_Result send_answer(MHD_Connection* connection, const Answer& answer) {
  constexpr size_t kBlock = 32 * 1024;
  const auto& body = answer.body;
  MHD_Response* const response =
      MHD_create_response_from_callback(body->size(), kBlock, read_body, new HeldBody{body}, drop_body);
  if (!response) return MHD_NO;
  for (const FixedHeader& one : kHeaders) MHD_add_response_header(response, one.name, one.value);
  MHD_add_response_header(response, "Content-Type", answer.type);
  if (*answer.header != '\0') MHD_add_response_header(response, answer.header, answer.value);
  const MHD_Result done = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return done;
}

}  // namespace

struct Calls {
  // Called when the headers are there; answers at once, without waiting for a body.
  static MHD_Result asked(void* to, MHD_Connection* connection, const char* path, const char* method, const char*,
                          const char*, size_t*, void**) {
    auto& server = *static_cast<Server*>(to);
    {
      const std::lock_guard lock(server.mutex_);
      server.clients_.asked(fd_of(connection));
    }
    Request request{method, path, header(connection, "Host"), header(connection, "Authorization")};
    const std::string length = header(connection, "Content-Length");
    request.body = (!length.empty() && length != "0") || !header(connection, "Transfer-Encoding").empty();
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_arg, &request);
    return send_answer(connection, server.board_.answer(request));
  }

  static void changed(void* to, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode what) {
    auto& server = *static_cast<Server*>(to);
    const std::lock_guard lock(server.mutex_);
    const int fd = fd_of(connection);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) return server.clients_.ended(fd);
    const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    for (const int old : server.clients_.begun(fd, address_text(info ? info->client_addr : nullptr), clock_now())) {
      shutdown(old, SHUT_RDWR);
    }
  }

  static void log(void*, const char*, va_list) {}  // clients' faults are no news
};

Result<Fd> listen_at(Endpoint at) {
  const std::string place = "listen at " + text(at);
  const bool v6 = at.addr.is_v6();
  Fd fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error{system_error(place, errno)};
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (v6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  sockaddr_storage to{};
  socklen_t size = 0;
  if (v6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(at.port.value);
    inet_pton(AF_INET6, text(at.addr).c_str(), &in.sin6_addr);
    std::memcpy(&to, &in, size = sizeof in);
  } else {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(at.port.value);
    inet_pton(AF_INET, text(at.addr).c_str(), &in.sin_addr);
    std::memcpy(&to, &in, size = sizeof in);
  }
  constexpr int kBacklog = 128;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0 || listen(fd.get(), kBacklog) != 0) {
    return Error{system_error(place, errno)};
  }
  return fd;
}

Server::~Server() {
  if (daemon_) MHD_stop_daemon(daemon_);
}

Result<Done> Server::start(Fd listening) {
  const int its = fcntl(listening.get(), F_DUPFD_CLOEXEC, 0);  // which it closes
  daemon_ = MHD_start_daemon(
      MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, nullptr, nullptr, &Calls::asked, this,
      MHD_OPTION_EXTERNAL_LOGGER, &Calls::log, nullptr, MHD_OPTION_LISTEN_SOCKET, its, MHD_OPTION_CONNECTION_LIMIT,
      kConnections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMemoryEach, MHD_OPTION_CONNECTION_TIMEOUT, kSilence,
      MHD_OPTION_NOTIFY_CONNECTION, &Calls::changed, this, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
  if (!daemon_) return Error{system_error("libmicrohttpd", errno)};
  return Done{};
}

void Server::time_passed(Instant now) {
  const std::lock_guard lock(mutex_);
  for (const int fd : clients_.overdue(now)) shutdown(fd, SHUT_RDWR);
}

}  // namespace rawvs::web
