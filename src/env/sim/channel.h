#pragma once

#include <cstdint>
#include <memory>

#include "env/sim/endpoint.h"

namespace millrace::env::sim {

// A connection: its two ends. Alive while the fabric, an event or a process holds it.
class Channel final : public std::enable_shared_from_this<Channel> {
  public:
    struct Party {
        Node& node;
        Address address;
    };
    // Made when the listener's machine has heard of the connection.
    static std::shared_ptr<Channel> make(Fabric& fabric, Party client, Party server,
                                         std::uint64_t acceptor);
    Channel(Fabric& fabric, Party client, Party server, std::uint64_t acceptor);

    Endpoint& client() { return client_; }
    Endpoint& server() { return server_; }
    Endpoint& other(const Endpoint& end) { return &end == &client_ ? server_ : client_; }
    Fabric& fabric() { return fabric_; }
    std::uint64_t number() const { return number_; }

    bool connects(const Node& one, const Node& other);
    void reset();
    void drop(const Node& node, bool machine_answers);
    // The server's end is ready to be accepted.
    void offer();
    // Leaves the fabric when nothing will ever pass any more.
    void forget_if_over();

  private:
    Fabric& fabric_;
    std::uint64_t number_ = 0;
    std::uint64_t acceptor_;
    Endpoint client_;
    Endpoint server_;
};

// The connection as the process at one of its ends has it; destroying it closes that end.
std::unique_ptr<Connection> open_client(std::shared_ptr<Channel> channel);
std::unique_ptr<Connection> open_server(std::shared_ptr<Channel> channel);

}  // namespace millrace::env::sim
