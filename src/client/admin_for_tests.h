#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/broker_for_tests.h"
#include "protocol/find_coordinator.h"

namespace millrace::client {

// Two brokers and an admin; broker 1 is the controller.
struct AdminForTests {
    explicit AdminForTests(env::Shard& s) : shard(s), one(s, 1), two(s, 2) {
        for (BrokerForTests* broker : both) broker->start();
        one.metadata.brokers = two.metadata.brokers = {{1, "127.0.0.1", one.address().port, {}},
                                                       {2, "127.0.0.1", two.address().port, {}}};
        two.metadata.controller_id = 1;
    }
    Admin& admin() {
        if (!made) {
            auto config = AdminConfig::parse({{"bootstrap.servers", one.bootstrap()},
                                              {"request.timeout.ms", "5000"},
                                              {"default.api.timeout.ms", "20000"}});
            made = std::make_unique<Admin>(shard, *config);
        }
        return *made;
    }
    void add_topic(const std::string& name, std::vector<std::int32_t> leaders) {
        one.add_topic(name, leaders);
        two.metadata.topics = one.metadata.topics;
    }
    // Groups whose name begins with "1" are coordinated by broker 1, all others by broker 2.
    void coordinate() {
        for (BrokerForTests* broker : both) {
            broker->on<FindCoordinatorRequest>([this](const FindCoordinatorRequest& request,
                                                      std::int16_t) {
                FindCoordinatorResponse response;
                for (const std::string& key : request.coordinator_keys) {
                    BrokerForTests& found = key.starts_with("1") ? one : two;
                    response.coordinators.push_back(
                        {key, found.id(), "127.0.0.1", found.address().port, ErrorCode::none, {}});
                }
                return response;
            });
        }
    }
    Task<void> close() {
        if (made) co_await made->close();
        for (BrokerForTests* broker : both) co_await broker->stop();
    }

    env::Shard& shard;
    BrokerForTests one, two;
    BrokerForTests* both[2] = {&one, &two};
    std::unique_ptr<Admin> made;
};

}  // namespace millrace::client
