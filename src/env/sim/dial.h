#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "env/network.h"
#include "env/sim/fabric.h"

namespace millrace::env::sim {

// An attempt to connect: finds the machine, knocks until it answers or for as long as one tries.
class Dial final : public std::enable_shared_from_this<Dial> {
  public:
    Dial(Fabric& fabric, Node& node, ConnectOperation& operation);
    ~Dial();

    Node& node() { return node_; }
    std::uint64_t number() const { return number_; }
    void begin();
    void fail_with(std::string_view reason);
    // Nobody waits for it any more.
    void abandon() { operation_ = nullptr; }

  private:
    void look_up();
    void knock();
    void arrive();
    void lost();
    void answered(const std::shared_ptr<Channel>& channel);

    Fabric& fabric_;
    Node& node_;
    ConnectOperation* operation_;
    std::uint64_t number_;
    Node* target_ = nullptr;
    std::string host_;  // numeric
    Time began_;
    Duration resend_after_;
};

}  // namespace millrace::env::sim
