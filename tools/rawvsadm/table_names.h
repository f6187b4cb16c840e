// SPDX-License-Identifier: BSD-2-Clause
// table_names.h: which services and servers a person means by a name: shop, shop/web2, web2, shop/192.0.2.11.
// In:  rows of "list"; what was typed.
// Out: the rows meant, or an Error that names what there is, the first few of it.
//
// Names are found here, by a listing, and not in rawvsd: its protocol keeps one way to write a service and a server, a
// name that stands for several (a virtual of every port, a server in two virtuals) needs no other command, and rawvsd
// holds no index of names. A name that changes between the listing and the command is then what it was.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "names.h"
#include "rawvs/result.h"
#include "texts.h"

namespace rawvs::adm {

class TableNames {
 public:
  explicit TableNames(const Rows& rows);  // other rows than of services and servers are skipped

  // NAME, or a service as the protocol writes it. Several: a virtual with every port has a service per protocol.
  Result<Rows> services(const std::string& typed) const;
  struct Mark {
    std::string number;
    bool ipv6 = false;
  };
  Result<Mark> mark(const std::string& typed) const;  // of a virtual with a mark
  // VIRTUAL/SERVER; VIRTUAL: all of its servers; SERVER: in every virtual. A server is a name or IP[:PORT]; an address
  // of IPv6 with a port is [IP]:PORT. A name that the table does not have may be a host's.
  Result<Rows> servers(const std::string& typed, const Names& hosts) const;
  // Of the listing, the services and servers that these words mean, each as for servers(); a service without servers
  // may be one.
  Result<Rows> only(const std::vector<std::string>& typed, const Names& hosts) const;
  // Of this listing, the servers that another one has in these rows; without those that are gone.
  Rows rows_like(const Rows& servers) const;
  bool is_ambiguous(const std::string& typed) const;  // a virtual and a server have this name
  std::vector<std::string> all_typed() const;  // virtuals with a name, and VIRTUAL/SERVER, in the order of the listing
  // Of any row with service=: shop, or TCP 192.0.2.100:80.
  std::string called_service_of(const Row& row) const;

 private:
  bool is_virtual(std::string_view name) const;
  Rows servers_of(std::string_view of, std::string_view server, const Names& hosts) const;
  Error unknown(const std::string& typed) const;
  Rows all_, services_, servers_;
  std::map<std::string, std::string, std::less<>> called_{};  // services, by key: a server may be in very many
};

// Whether it may be NAME or VIRTUAL/SERVER: no address, and nothing with a port.
bool may_be_name(const std::string& typed);

// What people call it: the name, or the address: shop, or TCP 192.0.2.100:80; web2, or 192.0.2.11:80.
std::string called_service(const Row& service);
std::string called_server(const Row& server);

}  // namespace rawvs::adm
