#pragma once

#include "broker/services.h"
#include "net/request.h"

namespace millrace::broker {

// Finds the handler of each request that reaches this shard.
class Dispatcher final : public net::RequestHandler {
  public:
    explicit Dispatcher(Services& services) : services_(services) {}
    Task<net::Reply> answer(net::Request request) override;
    void closed(const net::Peer& peer) override;

  private:
    Services& services_;
};

}  // namespace millrace::broker
