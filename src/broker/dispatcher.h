#pragma once

#include <utility>

#include "broker/services.h"
#include "broker/work_meter.h"
#include "net/request.h"

namespace millrace::broker {

struct Handler;

// Finds the handler of each request that reaches this shard.
class Dispatcher final : public net::RequestHandler {
  public:
    Dispatcher(Services& services, WorkMeter::Clock clock)
        : services_(services), clock_(std::move(clock)) {}
    Task<net::Reply> answer(net::Request request) override;
    void closed(const net::Peer& peer) override;

  private:
    Task<net::Reply> answer_measured(const Handler& handler, net::Request request);

    Services& services_;
    WorkMeter::Clock clock_;
};

}  // namespace millrace::broker
