#include "cli/share_group_report.h"

#include <gtest/gtest.h>

#include "cli/fake_process.h"
#include "cli/output.h"

namespace millrace::cli {
namespace {

template <typename Print>
std::string printed(Print print) {
    FakeProcess process;
    Output output(process);
    print(output);
    output.flush();
    return process.output;
}

client::ShareGroupDescription group() {
    return {.id = "g",
            .state = "Stable",
            .epoch = 3,
            .assignment_epoch = 2,
            .coordinator = 1,
            .members = {
                {.id = "a-member-with-a-long-id",
                 .client_id = "c",
                 .host = "/127.0.0.1",
                 .epoch = 3,
                 .assignment = {{"t", 0}, {"t", 1}, {"u", 0}}},
                {.id = "b", .client_id = "c", .host = "/127.0.0.1", .epoch = 3, .assignment = {}}}};
}

TEST(ShareGroupReport, OffsetsAreLaidOutAsKafkaDoes) {
    ShareOffsets offsets;
    offsets.insert_or_assign({"t", 0}, client::ShareOffset{7, 2, 0});
    offsets.insert_or_assign({"t", 1}, client::ShareOffset{0, -1, std::nullopt});
    offsets.insert_or_assign({"u", 0}, fail(ErrorCode::not_coordinator));
    EXPECT_EQ(printed([&](Output& output) { print_share_offsets("g", offsets, false, output); }),
              "\n"
              "GROUP           TOPIC           PARTITION  START-OFFSET  LAG\n"
              "g               t               0          7             0\n"
              "g               t               1          0             -\n"
              "g               u               0          -             -\n");
    EXPECT_EQ(printed([&](Output& output) { print_share_offsets("g", offsets, true, output); }),
              "\n"
              "GROUP           TOPIC           PARTITION  LEADER-EPOCH  START-OFFSET  LAG\n"
              "g               t               0          2             7             0\n"
              "g               t               1          -             0             -\n"
              "g               u               0          -             -             -\n");
    EXPECT_EQ(printed([&](Output& output) { print_share_offsets("g", {}, true, output); }),
              "\nShare group 'g' has no offset information.\n");
}

TEST(ShareGroupReport, MembersAreLaidOutAsKafkaDoes) {
    EXPECT_EQ(printed([](Output& output) { print_share_members(group(), false, output); }),
              "\n"
              "GROUP           CONSUMER-ID             HOST            CLIENT-ID       #PARTITIONS "
              " ASSIGNMENT\n"
              "g               a-member-with-a-long-id /127.0.0.1      c               3           "
              " t:0,1;u:0\n"
              "g               b                       /127.0.0.1      c               0           "
              " \n");
    EXPECT_EQ(printed([](Output& output) { print_share_members(group(), true, output); }),
              "\n"
              "GROUP           CONSUMER-ID             HOST            CLIENT-ID       #PARTITIONS "
              " MEMBER-EPOCH  ASSIGNMENT\n"
              "g               a-member-with-a-long-id /127.0.0.1      c               3           "
              " 3             t:0,1;u:0\n"
              "g               b                       /127.0.0.1      c               0           "
              " 3             \n");
}

TEST(ShareGroupReport, StatesAreLaidOutAsKafkaDoes) {
    EXPECT_EQ(printed([](Output& output) {
                  print_share_state(group(), "localhost:9092  (1)", false, output);
              }),
              "\n"
              "GROUP           COORDINATOR (ID)          STATE           #MEMBERS\n"
              "g               localhost:9092  (1)       Stable          2\n");
    EXPECT_EQ(printed([](Output& output) {
                  print_share_state(group(), "localhost:9092  (1)", true, output);
              }),
              "\n"
              "GROUP           COORDINATOR (ID)          STATE           GROUP-EPOCH  "
              "ASSIGNMENT-EPOCH  #MEMBERS\n"
              "g               localhost:9092  (1)       Stable          3            2           "
              "      2\n");
}

}  // namespace
}  // namespace millrace::cli
