// The tree of an image against what Apache's metadata shell prints of the same records
// (testdata/README.md).
#include "core/metadata/image_tree.h"

#include <chrono>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "core/metadata/replay.h"

namespace millrace::metadata {
namespace {

std::string testdata(const std::string& name) {
    std::ifstream file(MILLRACE_SOURCE_DIR "/src/core/metadata/testdata/" + name);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(text.str().empty()) << name;
    return text.str();
}

ImagePtr every_kind() {
    Replay replay;
    std::stringstream lines(testdata("every_kind.tsv"));
    std::int64_t offset = 0;
    std::int32_t epoch = 0;
    std::string hex;
    while (lines >> offset >> epoch >> hex) {
        std::string value;
        for (std::size_t i = 0; i < hex.size(); i += 2)
            value.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
        Result<> applied = replay.apply(as_bytes(value), offset, epoch);
        EXPECT_TRUE(applied.has_value()) << applied.error().message;
    }
    return replay.image();
}

void print(const TreeNode& node, const std::string& indent, std::string& text) {
    if (!node.is_folder()) {
        text += indent + node.text() + "\n";
        return;
    }
    for (const TreeEntry& entry : node.entries()) {
        text += indent + entry.name + ":\n";
        print(entry.node, indent + "  ", text);
    }
}

std::string printed(const TreeNode& node) {
    std::string text;
    print(node, "", text);
    return text;
}

Timestamp at(int hour, int minute, int second, int ms) {
    using namespace std::chrono;
    sys_time<milliseconds> time = sys_days{2026y / November / 30} + hours(hour) + minutes(minute) +
                                  seconds(second) + milliseconds(ms);
    return time.time_since_epoch().count();
}

std::string provenance_line(const Provenance& provenance) {
    for (const TreeEntry& entry : image_tree(every_kind(), provenance).entries()) {
        if (entry.name == "provenance") return entry.node.text();
    }
    return {};
}

TEST(ImageTree, IsApaches) {
    std::string wanted = testdata("every_kind_tree.txt");
    std::string marker = "provenance:\n  ";
    std::size_t from = wanted.find(marker) + marker.size();
    std::string line = wanted.substr(from, wanted.find('\n', from) - from);
    std::string got = printed(image_tree(every_kind(), {59, 0, 0}));
    std::size_t ours = got.find(marker) + marker.size();
    EXPECT_TRUE(line.starts_with("offset 59, epoch 0, time 2026-"));
    got.replace(ours, got.find('\n', ours) - ours, line);
    EXPECT_EQ(got, wanted);
}

TEST(ImageTree, TellsTheTimeOfTheLastRecord) {
    EXPECT_EQ(provenance_line({35, 2, at(0, 4, 36, 664)}),
              "offset 35, epoch 2, time 2026-11-30T00:04:36.664Z[UTC]");
    EXPECT_EQ(provenance_line({35, 2, at(23, 59, 0, 660)}),
              "offset 35, epoch 2, time 2026-11-30T23:59:00.66Z[UTC]");
    EXPECT_EQ(provenance_line({35, 2, at(1, 2, 3, 0)}),
              "offset 35, epoch 2, time 2026-11-30T01:02:03Z[UTC]");
    EXPECT_EQ(provenance_line({}), "offset -1, epoch -1, time 1969-12-31T23:59:59.999Z[UTC]");
}

TEST(ImageTree, DefaultsOfQuotaEntitiesHaveNamesOfTheirOwn) {
    EXPECT_EQ(quota_folder_name({{"user", std::nullopt}}), "user(<default>)");
    EXPECT_EQ(quota_folder_name({{"client-id", std::nullopt}, {"user", "u"}}),
              "clientId(<default>)_user(u)");
    EXPECT_EQ(quota_folder_name({{"client-id", "<default>"}}), "clientId(\\<default>)");
    EXPECT_EQ(quota_folder_name({{"client-id", ""}}), "clientId()");
}

TEST(ImageTree, OfAnEmptyImage) {
    std::string text = printed(image_tree(std::make_shared<const Image>(), {}));
    EXPECT_NE(text.find("Optional.empty"), std::string::npos);
    EXPECT_NE(text.find("topics:\n  byId:\n  byName:\n"), std::string::npos);
}

}  // namespace
}  // namespace millrace::metadata
