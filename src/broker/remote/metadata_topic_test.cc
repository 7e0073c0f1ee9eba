#include "broker/remote/metadata_topic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/properties.h"

namespace millrace::broker {
namespace {

Result<RemoteLogMetadataTopic> parsed(std::string_view more) {
    std::string text =
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://:9092,C://:9093\n"
        "controller.listener.names=C\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT\nlog.dirs=/data\n";
    text += more;
    auto config = config::BrokerConfig::parse(*config::Properties::parse(text));
    CHECK(config.has_value());
    return RemoteLogMetadataTopic::parse(*config);
}

TEST(RemoteLogMetadataTopic, HasApachesDefaults) {
    auto topic = parsed("");
    ASSERT_TRUE(topic);
    EXPECT_EQ(topic->partitions, 50);
    EXPECT_EQ(topic->replication_factor, 3);
    EXPECT_EQ(topic->retention_ms, -1);
    EXPECT_EQ(topic->min_isr, 2);
}

TEST(RemoteLogMetadataTopic, IsSetBelowThePrefix) {
    auto topic = parsed(
        "rlmm.config.remote.log.metadata.topic.num.partitions=3\n"
        "rlmm.config.remote.log.metadata.topic.replication.factor=1\n"
        "rlmm.config.remote.log.metadata.topic.retention.ms=1000\n"
        "rlmm.config.remote.log.metadata.topic.min.isr=1\n");
    ASSERT_TRUE(topic);
    EXPECT_EQ(topic->partitions, 3);
    EXPECT_EQ(topic->replication_factor, 1);
    EXPECT_EQ(topic->retention_ms, 1000);
    EXPECT_EQ(topic->min_isr, 1);
    topic = parsed(
        "remote.log.metadata.manager.impl.prefix=mine.\n"
        "mine.remote.log.metadata.topic.num.partitions=7\n"
        "rlmm.config.remote.log.metadata.topic.num.partitions=3\n");
    ASSERT_TRUE(topic);
    EXPECT_EQ(topic->partitions, 7);
}

TEST(RemoteLogMetadataTopic, NamesWhatIsWrong) {
    for (std::string_view value : {"0", "x", "3x", "", "99999999999999999999", "2147483648"}) {
        auto topic = parsed(
            "rlmm.config.remote.log.metadata.topic.num.partitions=" + std::string(value) + "\n");
        ASSERT_FALSE(topic) << value;
        EXPECT_EQ(topic.error().code, ErrorCode::invalid_config);
        EXPECT_THAT(topic.error().message,
                    testing::HasSubstr("rlmm.config.remote.log.metadata.topic.num.partitions"));
    }
    EXPECT_FALSE(parsed("rlmm.config.remote.log.metadata.topic.replication.factor=40000\n"));
    EXPECT_FALSE(parsed("rlmm.config.remote.log.metadata.topic.retention.ms=-2\n"));
}

}  // namespace
}  // namespace millrace::broker
