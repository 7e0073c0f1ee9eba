#include "core/controller/broker_registration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BrokerRegistration, TheEpochIsTheOffsetOfTheRecord) {
    ControllerForTests controller;
    std::int64_t next = controller.state.next_offset();
    BrokerRegistrationResponse response = controller.run(controller.registration(1));
    EXPECT_EQ(response.error_code, ErrorCode::none);
    EXPECT_EQ(response.broker_epoch, next);
    const metadata::Broker& broker = *controller.state.broker(1);
    EXPECT_EQ(broker.epoch, next);
    EXPECT_TRUE(broker.fenced);
    EXPECT_FALSE(broker.in_controlled_shutdown);
    EXPECT_EQ(controller.state.owner_of(ControllerForTests::directory(1, 2)), 1);
}

TEST(BrokerRegistration, TheSameIncarnationKeepsItsEpoch) {
    ControllerForTests controller;
    RegisterBroker command = controller.registration(1);
    std::int64_t epoch = controller.run(command).broker_epoch;
    controller.beat(1);
    command.request.rack = "r";
    EXPECT_EQ(controller.run(command).broker_epoch, epoch);
    EXPECT_FALSE(controller.state.broker(1)->fenced);
    EXPECT_EQ(controller.state.broker(1)->rack, "r");
}

TEST(BrokerRegistration, AnotherIncarnationWaitsForTheSessionToEnd) {
    ControllerForTests controller;
    std::int64_t epoch = controller.start_broker(1);
    EXPECT_EQ(controller.run(controller.registration(1)).error_code,
              ErrorCode::duplicate_broker_registration);
    controller.pass(Duration::seconds(9));
    EXPECT_GT(controller.run(controller.registration(1)).broker_epoch, epoch);
    EXPECT_TRUE(controller.state.broker(1)->fenced);
}

TEST(BrokerRegistration, RequestsAreChecked) {
    ControllerForTests controller;
    controller.start_broker(2);
    auto refused = [&](auto change) {
        RegisterBroker command = controller.registration(1);
        change(command.request);
        return controller.run(command).error_code;
    };
    using Request = BrokerRegistrationRequest;
    EXPECT_EQ(refused([](Request& r) { r.cluster_id = "another"; }),
              ErrorCode::inconsistent_cluster_id);
    EXPECT_EQ(refused([](Request& r) { r.is_migrating_zk_broker = true; }),
              ErrorCode::broker_id_not_registered);
    EXPECT_EQ(refused([](Request& r) { r.log_dirs.clear(); }), ErrorCode::invalid_registration);
    EXPECT_EQ(refused([](Request& r) { r.log_dirs[0] = Uuid{0, 99}; }),
              ErrorCode::invalid_registration);
    EXPECT_EQ(refused([](Request& r) { r.log_dirs[0] = r.log_dirs[1]; }),
              ErrorCode::invalid_registration);
    EXPECT_EQ(refused([](Request& r) { r.log_dirs[0] = ControllerForTests::directory(2, 1); }),
              ErrorCode::invalid_registration);
    EXPECT_EQ(refused([](Request& r) { r.features.clear(); }), ErrorCode::invalid_registration);
    EXPECT_EQ(refused([](Request& r) {
                  std::erase_if(r.features,
                                [](const auto& f) { return f.name == "metadata.version"; });
              }),
              ErrorCode::invalid_registration);
    EXPECT_EQ(refused([](Request& r) {
                  for (auto& feature : r.features) {
                      if (feature.name == "metadata.version") feature.max_supported_version = 29;
                  }
              }),
              ErrorCode::unsupported_version);
    EXPECT_EQ(refused([](Request& r) { r.listeners.emplace_back().security_protocol = 4; }),
              ErrorCode::invalid_registration);
    EXPECT_EQ(controller.state.broker(1), nullptr);
}

TEST(BrokerRegistration, FeaturesThatAreOnMustBeKnown) {
    ControllerForTests controller(30, true);
    RegisterBroker command = controller.registration(1);
    std::erase_if(command.request.features,
                  [](const auto& feature) { return feature.name == metadata::elr_feature; });
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::unsupported_version);
}

TEST(BrokerRegistration, ARestartTakesTheBrokerOutOfItsPartitions) {
    ControllerForTests controller;
    controller.start_brokers(2);
    controller.create("t", {{1, 2}});
    controller.pass(Duration::seconds(9));
    controller.run(controller.registration(1));
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_THAT(controller.partition("t").isr, ElementsAre(2));
    EXPECT_EQ(controller.last.size(), 2U);
}

// KIP-966: only who shut down cleanly has all that it acknowledged.
TEST(BrokerRegistration, AnUncleanRestartEndsEligibility) {
    for (bool clean : {true, false}) {
        ControllerForTests controller(30, true, "min.insync.replicas=2\n");
        controller.start_brokers(2);
        controller.create("t", {{1, 2}});
        std::int64_t epoch = controller.state.broker(1)->epoch;
        controller.fence(1);
        EXPECT_THAT(controller.partition("t").elr, ElementsAre(1));
        controller.pass(Duration::seconds(10));
        RegisterBroker command = controller.registration(1);
        command.request.previous_broker_epoch = clean ? epoch : -1;
        controller.run(command);
        if (clean) {
            EXPECT_THAT(controller.partition("t").elr, ElementsAre(1));
        } else {
            EXPECT_THAT(controller.partition("t").elr, IsEmpty());
        }
        EXPECT_THAT(controller.partition("t").isr, ElementsAre(2));
    }
}

TEST(UnregisterBroker, ForgetsTheBroker) {
    ControllerForTests controller;
    controller.start_brokers(2);
    controller.create("t", {{1, 2}});
    UnregisterBroker command;
    command.request.broker_id = 1;
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::none);
    EXPECT_EQ(controller.state.broker(1), nullptr);
    EXPECT_EQ(controller.state.owner_of(ControllerForTests::directory(1, 1)), std::nullopt);
    EXPECT_THAT(controller.partition("t").isr, ElementsAre(2));
    UnregisterBrokerResponse again = controller.run(command);
    EXPECT_EQ(again.error_code, ErrorCode::broker_id_not_registered);
    EXPECT_EQ(again.error_message, "Broker ID 1 is not currently registered");
}

TEST(RegisterController, NeedsAMetadataVersionThatKnowsIt) {
    RegisterController command;
    command.request.controller_id = 3000;
    ControllerForTests old(14);
    EXPECT_EQ(old.run(command).error_code, ErrorCode::unsupported_version);
    ControllerForTests controller(15);
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::none);
    EXPECT_NE(controller.state.image().controllers.find(3000), nullptr);
}

}  // namespace
}  // namespace millrace::controller
