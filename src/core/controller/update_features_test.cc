#include "core/controller/update_features.h"

#include <gtest/gtest.h>

#include "core/controller/allocate_producer_ids.h"
#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

constexpr std::int8_t upgrade = 1;
constexpr std::int8_t safe_downgrade = 2;
constexpr std::int8_t unsafe_downgrade = 3;

UpdateFeatures to(std::string feature, std::int16_t level, std::int8_t type = upgrade) {
    UpdateFeatures command{.version = UpdateFeaturesRequest::max_version};
    auto& update = command.request.feature_updates.emplace_back();
    update.feature = std::move(feature);
    update.max_version_level = level;
    update.upgrade_type = type;
    return command;
}

// What comes behind the sentence that every error begins with.
std::string update(ControllerForTests& controller, const UpdateFeatures& command) {
    UpdateFeaturesResponse response = controller.run(command);
    if (response.error_code == ErrorCode::none) return "done";
    EXPECT_EQ(response.error_code, ErrorCode::invalid_update_version);
    EXPECT_TRUE(controller.last.empty());
    std::string_view message = *response.error_message;
    constexpr std::string_view prefix =
        "The update failed for all features since the following feature had an error: ";
    EXPECT_TRUE(message.starts_with(prefix)) << message;
    return std::string(message.substr(prefix.size()));
}

TEST(UpdateFeatures, RaisesAndLowersLevels) {
    ControllerForTests controller;
    EXPECT_EQ(update(controller, to("group.version", 1)), "done");
    EXPECT_EQ(controller.state.image().features.level_of("group.version"), 1);
    EXPECT_EQ(update(controller, to("group.version", 0, safe_downgrade)), "done");
    EXPECT_EQ(controller.state.image().features.level_of("group.version"), 0);
}

TEST(UpdateFeatures, TheQuorumRaisesKRaftVersion) {
    ControllerForTests controller;
    auto raised = decide(to("kraft.version", 1), controller.state, controller.inputs());
    EXPECT_EQ(raised.response.error_code, ErrorCode::none);
    EXPECT_EQ(raised.kraft_version, 1);
    EXPECT_EQ(raised.records.size(), 1U);  // something to wait for
    auto stays = decide(to("kraft.version", 0), controller.state, controller.inputs());
    EXPECT_EQ(stays.response.error_code, ErrorCode::none);
    EXPECT_EQ(stays.kraft_version, std::nullopt);
    UpdateFeatures asked = to("kraft.version", 1);
    asked.request.validate_only = true;
    EXPECT_EQ(decide(asked, controller.state, controller.inputs()).kraft_version, std::nullopt);
}

TEST(UpdateFeatures, TheQuorumMayRefuseToRaiseKRaftVersion) {
    ControllerForTests controller;
    Settings settings = settings_for_tests();
    settings.check_kraft_version = [](std::int16_t) -> Result<> {
        return fail(ErrorCode::invalid_update_version, "not now");
    };
    controller.state = State(std::move(settings));
    controller.commit({metadata::feature_level_record(metadata::metadata_version_feature, 30)});
    controller.last.clear();
    EXPECT_EQ(update(controller, to("kraft.version", 1)), "not now");
}

TEST(UpdateFeatures, TheDirectionMustBeSaid) {
    ControllerForTests controller;
    EXPECT_EQ(update(controller, to("group.version", 1, safe_downgrade)),
              "Invalid update version 1 for feature group.version. Can't downgrade to a newer "
              "version.");
    update(controller, to("group.version", 1));
    EXPECT_EQ(update(controller, to("group.version", 0)),
              "Invalid update version 0 for feature group.version. Can't downgrade the version of "
              "this feature without setting the upgrade type to either safe or unsafe downgrade.");
    EXPECT_EQ(update(controller, to("group.version", 1, 0)),
              "Invalid update version 1 for feature group.version. The controller does not support "
              "the given upgrade type.");
    EXPECT_EQ(update(controller, to("group.version", -1)),
              "Invalid update version -1 for feature group.version. A feature version cannot be "
              "less than 0.");
}

TEST(UpdateFeatures, EveryNodeMustSupportTheLevel) {
    ControllerForTests controller(29);
    EXPECT_EQ(update(controller, to("group.version", 2)),
              "Invalid update version 2 for feature group.version. Local controller 3000 only "
              "supports versions 0-1");
    EXPECT_EQ(update(controller, to("no.such", 1)),
              "Invalid update version 1 for feature no.such. Local controller 3000 does not "
              "support this feature.");
    EXPECT_EQ(update(controller, to("no.such", 0)),
              "Invalid update version 0 for feature no.such. Feature no.such not found.");
    RegisterBroker old = controller.registration(4);
    for (auto& feature : old.request.features) {
        if (feature.name == "metadata.version") feature.max_supported_version = 29;
    }
    controller.run(old);
    EXPECT_EQ(update(controller, to("metadata.version", 30)),
              "Invalid update version 30 for feature metadata.version. Broker 4 only supports "
              "versions 7-29");
    controller.state.set_quorum({3000, 3001});
    EXPECT_EQ(update(controller, to("group.version", 1)),
              "Invalid update version 1 for feature group.version. controller 3001 has not "
              "registered, and may not support this feature");
}

TEST(UpdateFeatures, DependenciesMustBeThere) {
    ControllerForTests controller(22);
    EXPECT_EQ(update(controller, to("eligible.leader.replicas.version", 1)),
              "Invalid update version 1 for feature eligible.leader.replicas.version. "
              "eligible.leader.replicas.version could not be set to 1 because it depends on "
              "metadata.version level 23");
    UpdateFeatures both = to("eligible.leader.replicas.version", 1);
    both.request.feature_updates.push_back(to("metadata.version", 23).request.feature_updates[0]);
    EXPECT_EQ(update(controller, both), "done") << "what the request brings counts";
}

TEST(UpdateFeatures, TheMetadataVersionFallsOnlyWhereNothingIsLost) {
    ControllerForTests controller(29);
    EXPECT_EQ(update(controller, to("metadata.version", 24, safe_downgrade)), "done");
    EXPECT_EQ(controller.state.metadata_version().level(), 24);
    EXPECT_EQ(update(controller, to("metadata.version", 22, safe_downgrade)),
              "Unsupported metadata.version downgrade from 24 to 22. Refusing to perform the "
              "requested downgrade because it might delete metadata information.");
    EXPECT_EQ(update(controller, to("metadata.version", 22, unsafe_downgrade)),
              "Unsupported metadata.version downgrade from 24 to 22. Unsafe metadata downgrade is "
              "not supported in this version.");
}

TEST(UpdateFeatures, AllOrNothing) {
    ControllerForTests controller;
    UpdateFeatures both = to("group.version", 1);
    both.request.feature_updates.push_back(to("share.version", 9).request.feature_updates[0]);
    EXPECT_NE(update(controller, both), "done");
    EXPECT_EQ(controller.state.image().features.level_of("group.version"), 0);
    UpdateFeatures dry = to("group.version", 1);
    dry.request.validate_only = true;
    EXPECT_EQ(update(controller, dry), "done");
    EXPECT_TRUE(controller.last.empty());
}

// KIP-966: one min.insync.replicas for all, in the log.
TEST(UpdateFeatures, ElrBringsItsMinimumAlong) {
    ControllerForTests controller(30, false, "min.insync.replicas=3\n");
    controller.start_brokers(1);
    ConfigRecord own;
    own.resource_type = static_cast<std::int8_t>(config::ResourceType::broker);
    own.resource_name = "1";
    own.name = "min.insync.replicas";
    own.value = "1";
    controller.commit({{own, 0}});
    EXPECT_EQ(update(controller, to("eligible.leader.replicas.version", 1)), "done");
    const auto type = config::ResourceType::broker;
    EXPECT_EQ(controller.state.image().configs_of(type, "").at("min.insync.replicas"), "3");
    EXPECT_TRUE(controller.state.image().configs_of(type, "1").empty());
    EXPECT_TRUE(controller.state.elr_enabled());
}

TEST(UpdateFeatures, OldVersionsAreAnsweredByFeature) {
    ControllerForTests controller;
    UpdateFeatures command = to("group.version", 1);
    command.version = 1;
    UpdateFeaturesResponse response = controller.run(command);
    ASSERT_EQ(response.results.size(), 1U);
    EXPECT_EQ(response.results[0].feature, "group.version");
}

TEST(AllocateProducerIds, BlocksFollowEachOther) {
    ControllerForTests controller;
    controller.start_brokers(2);
    AllocateProducerIds command;
    command.request.broker_id = 1;
    command.request.broker_epoch = controller.state.broker(1)->epoch;
    EXPECT_EQ(controller.run(command).producer_id_start, 0);
    AllocateProducerIdsResponse next = controller.run(command);
    EXPECT_EQ(next.producer_id_start, 1'000);
    EXPECT_EQ(next.producer_id_len, 1'000);
    EXPECT_EQ(controller.state.image().next_producer_id, 2'000);
    ++command.request.broker_epoch;
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::stale_broker_epoch);
    ProducerIdsRecord last;
    last.next_producer_id = std::numeric_limits<std::int64_t>::max() - 999;
    controller.commit({{last, 0}});
    --command.request.broker_epoch;
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::unknown_server_error);
    EXPECT_TRUE(controller.last.empty());
}

}  // namespace
}  // namespace millrace::controller
