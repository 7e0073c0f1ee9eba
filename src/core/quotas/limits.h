#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/ip_address.h"
#include "core/metadata/image.h"

namespace millrace::quotas {

// What quotas of users and client ids are about.
enum class Kind : std::uint8_t { produce, fetch, request, controller_mutation };
inline constexpr std::size_t kinds = 4;

using Table = metadata::SortedMap<metadata::QuotaEntity, metadata::Quotas>;

// Whose events are counted together: one user's, one client id's, or those of a user with a client
// id. An empty one means any.
struct Counted {
    std::string user;
    std::string client_id;
    auto operator<=>(const Counted&) const = default;
};

struct Limit {
    double bound = 0;
    Counted counted;
};
// By kind; nothing where the client has no quota.
using Limits = std::array<std::optional<Limit>, kinds>;

// The quotas that apply to a client, each kind on its own: the first that there is of user and
// client id, user with any client id, user, any user with the client id, any user with any client
// id, any user, client id, any client id. `user` is the name in the principal. A client without an
// id has the quotas of its user.
Limits limits_of(const Table& table, std::string_view user, std::string_view client_id);

// Whether any user or client id has a quota.
bool any_of_clients(const Table& table);

// The names of hosts that have quotas; addresses are none.
std::vector<std::string> hosts_named_in(const Table& table);

// The quotas on new connections (KIP-612).
class ConnectionLimits {
  public:
    ConnectionLimits() = default;
    // `hosts`: where those are that the table calls by name; others of them have no quota.
    using Hosts = std::map<std::string, config::IpAddress, std::less<>>;
    explicit ConnectionLimits(const Table& table, const Hosts& hosts = {});

    bool empty() const { return !any_ && by_address_.empty(); }
    // Connections a second from this address.
    std::optional<double> of(const config::IpAddress& address) const;

  private:
    std::optional<double> any_;
    std::map<config::IpAddress, double> by_address_;
};

}  // namespace millrace::quotas
