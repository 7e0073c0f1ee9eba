#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>

#include "env/network.h"
#include "env/sim/fabric.h"

namespace millrace::env::sim {

// A listener of one shard. Several of a node may have the same address: the fabric spreads
// connections over them.
class Acceptor final : public Listener {
  public:
    Acceptor(Fabric& fabric, Node& node, Address local);
    ~Acceptor() override { close(); }

    const Address& local() const override { return local_; }
    void close() override { drop(true); }

    Node& node() { return node_; }
    std::uint64_t number() const { return number_; }
    // Whether a connection to that numeric host and port comes to this listener.
    bool hears(std::string_view host, std::uint16_t port) const;
    bool full() const;
    void offer(std::shared_ptr<Channel> channel);
    // Those that were not yet accepted are closed, or vanish with the machine.
    void drop(bool machine_answers);

  private:
    bool begin(AcceptOperation& operation) override;
    void give_up(AcceptOperation& operation) override;

    Fabric& fabric_;
    Node& node_;
    Address local_;
    std::uint64_t number_;
    bool open_ = true;
    AcceptOperation* waiting_ = nullptr;
    std::deque<std::shared_ptr<Channel>> backlog_;
};

}  // namespace millrace::env::sim
