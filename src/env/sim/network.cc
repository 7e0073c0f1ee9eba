#include "env/sim/network.h"

#include <fmt/core.h>

#include "env/sim/acceptor.h"
#include "env/sim/dial.h"
#include "env/sim/loop.h"
#include "env/sim/world.h"

namespace millrace::env::sim {
namespace {

class Attempt final : public ConnectAttempt {
  public:
    explicit Attempt(std::shared_ptr<Dial> dial) : dial_(std::move(dial)) {}
    ~Attempt() override { dial_->abandon(); }

  private:
    std::shared_ptr<Dial> dial_;
};

class SimNetwork final : public env::Network {
  public:
    explicit SimNetwork(Node& node) : node_(node), fabric_(node.world().fabric()) {}

    std::string host_name() override { return node_.name(); }

    Result<std::unique_ptr<Listener>> listen(const Address& address,
                                             const SocketBuffers&) override {
        if (!node_.attached()) return failure("listening on", address, "the process has ended");
        Address local = address;
        if (address.host.empty()) local.host = "::";
        if (address.host == "localhost") local.host = "127.0.0.1";
        if (address.host == node_.name()) local.host = node_.address();
        Node* found = fabric_.find(node_, address.host);
        if (found == nullptr && !is_numeric(address.host)) {
            return failure("listening on", address, "Name or service not known");
        }
        if (found != &node_) {
            return failure("listening on", address, "Cannot assign requested address");
        }
        if (local.port == 0) local.port = fabric_.pick_port(node_);
        return std::make_unique<Acceptor>(fabric_, node_, std::move(local));
    }

  private:
    static std::unexpected<Error> failure(std::string_view doing, const Address& address,
                                          std::string_view reason) {
        return fail(ErrorCode::network_exception,
                    fmt::format("{} {}: {}", doing, address.to_string(), reason));
    }

    bool begin(ConnectOperation& operation) override {
        if (!node_.attached()) {
            operation.result = failure("connecting to", operation.to, "the process has ended");
            return false;
        }
        auto dial = std::make_shared<Dial>(fabric_, node_, operation);
        operation.attempt = std::make_unique<Attempt>(dial);
        dial->begin();
        return true;
    }
    void give_up(ConnectOperation& operation) override {
        operation.attempt.reset();
        operation.complete();
    }

    Node& node_;
    Fabric& fabric_;
};

}  // namespace

std::unique_ptr<env::Network> make_network(Loop& loop) {
    return std::make_unique<SimNetwork>(loop.node());
}

}  // namespace millrace::env::sim
