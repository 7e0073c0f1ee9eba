#include "cli/group_report.h"

#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include "cli/fake_process.h"
#include "cli/output.h"

namespace millrace::cli {
namespace {

// The texts are what kafka-consumer-groups 4.3.1 printed of these groups.

template <typename Print>
std::string printed(Print print) {
    FakeProcess process;
    Output output(process);
    print(output);
    output.flush();
    return process.output;
}

constexpr const char* member = "static-member-one-49e55601-9014-480b-a38f-dd3cf5b7a333";

std::vector<OffsetRow> offset_rows() {
    std::vector<OffsetRow> rows;
    for (auto [partition, offset] : {std::pair{0, 9}, {1, 12}, {2, 9}}) {
        OffsetRow row{.partition = client::TopicPartition{"alpha", partition},
                      .offset = offset,
                      .leader_epoch = std::nullopt,
                      .end_offset = offset};
        row.consumer_id = member;
        row.host = "/127.0.0.1";
        row.client_id = "reader";
        rows.push_back(std::move(row));
    }
    return rows;
}

TEST(GroupReport, OffsetsAreLaidOutAsKafkaDoes) {
    EXPECT_EQ(
        printed([](Output& output) { print_offsets("g2", offset_rows(), true, output); }),
        "\n"
        "GROUP           TOPIC           PARTITION  LEADER-EPOCH    CURRENT-OFFSET  LOG-END-OFFSET "
        " "
        "LAG             CONSUMER-ID                                            HOST            "
        "CLIENT-ID\n"
        "g2              alpha           0          -               9               9              "
        " "
        "0               static-member-one-49e55601-9014-480b-a38f-dd3cf5b7a333 /127.0.0.1      "
        "reader\n"
        "g2              alpha           1          -               12              12             "
        " "
        "0               static-member-one-49e55601-9014-480b-a38f-dd3cf5b7a333 /127.0.0.1      "
        "reader\n"
        "g2              alpha           2          -               9               9              "
        " "
        "0               static-member-one-49e55601-9014-480b-a38f-dd3cf5b7a333 /127.0.0.1      "
        "reader\n");
}

TEST(GroupReport, MembersShowTheirInstanceWhereOneHasIt) {
    MemberRow row{.consumer_id = member,
                  .instance_id = "static-member-one",
                  .host = "/127.0.0.1",
                  .client_id = "reader",
                  .assignment = {{"alpha", 2}, {"alpha", 0}, {"alpha", 1}}};
    EXPECT_EQ(printed([&](Output& output) {
                  print_members("g2", std::vector<MemberRow>{row}, true, output);
              }),
              "\n"
              "GROUP           CONSUMER-ID                                            "
              "GROUP-INSTANCE-ID HOST            CLIENT-ID       #PARTITIONS     CURRENT-EPOCH   "
              "CURRENT-ASSIGNMENT   TARGET-EPOCH    TARGET-ASSIGNMENT   \n"
              "g2              static-member-one-49e55601-9014-480b-a38f-dd3cf5b7a333 "
              "static-member-one /127.0.0.1      reader          3               -               "
              "alpha:0,1,2          -               -                   \n");
}

TEST(GroupReport, MembersOfTheConsumerProtocolShowEpochsAndTargets) {
    std::vector<client::TopicPartition> all{{"alpha", 0}, {"alpha", 1}, {"alpha", 2}, {"b.eta", 0}};
    MemberRow row{.consumer_id = "NjkJp4XMQOmhhEtxaniutA",
                  .host = "/127.0.0.1",
                  .client_id = "console-consumer",
                  .assignment = all,
                  .target = all,
                  .epoch = 2,
                  .target_epoch = 2};
    EXPECT_EQ(printed([&](Output& output) {
                  print_members("g3", std::vector<MemberRow>{row}, true, output);
              }),
              "\n"
              "GROUP           CONSUMER-ID            HOST            CLIENT-ID        "
              "#PARTITIONS     CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH    "
              "TARGET-ASSIGNMENT   \n"
              "g3              NjkJp4XMQOmhhEtxaniutA /127.0.0.1      console-consumer "
              "4               2               alpha:0,1,2;b.eta:0  2               "
              "alpha:0,1,2;b.eta:0 \n");
}

TEST(GroupReport, TheStateHasTheCoordinator) {
    StateRow row{.group = "g3",
                 .coordinator = "127.0.0.1:39092  (1)",
                 .assignor = "uniform",
                 .state = "Stable",
                 .members = 1,
                 .epoch = 2,
                 .target_epoch = 2};
    EXPECT_EQ(printed([&](Output& output) { print_state(row, true, output); }),
              "\n"
              "GROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                "
              "GROUP-EPOCH     TARGET-ASSIGNMENT-EPOCH   #MEMBERS\n"
              "g3              127.0.0.1:39092  (1)      uniform              Stable               "
              "2               2                         1\n");
}

TEST(GroupReport, AResetIsATableOrCommaSeparated) {
    std::vector<ResetRow> rows{{"g1", {"alpha", 0}, 4}, {"g,1", {"alpha", 1}, 0}};
    EXPECT_EQ(printed([&](Output& output) { print_reset(rows, true, output); }),
              "\n"
              "GROUP           TOPIC           PARTITION  NEW-OFFSET\n"
              "g1              alpha           0          4\n"
              "g,1             alpha           1          0\n");
    EXPECT_EQ(printed([&](Output& output) { print_reset_csv(rows, false, output); }),
              "alpha,0,4\nalpha,1,0\n\n");
    EXPECT_EQ(printed([&](Output& output) { print_reset_csv(rows, true, output); }),
              "g1,alpha,0,4\n\"g,1\",alpha,1,0\n\n");
}

TEST(GroupReport, LagNeedsBothOffsets) {
    OffsetRow row{.partition = client::TopicPartition{"t", 0}, .offset = 3, .end_offset = 10};
    EXPECT_EQ(row.lag(), 7);
    row.offset = -1;
    EXPECT_EQ(row.lag(), std::nullopt);
    auto document = to_json(row).as_object();
    EXPECT_TRUE(document["lag"].is_null());
    EXPECT_TRUE(document["consumer_id"].is_null());
    EXPECT_EQ(document["log_end_offset"].as_int64(), 10);
}

}  // namespace
}  // namespace millrace::cli
